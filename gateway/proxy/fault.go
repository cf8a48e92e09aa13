package proxy

import (
	"errors"
	"net"
	"strings"

	"github.com/vigil-gateway/vigil/gateway/problem"
)

// Causes of an ended context beside a cut.
var (
	errIdle  = errors.New("stream was idle for too long")
	errDrain = errors.New("gateway is going away")
)

// errStatus is an answer whose status is none; net/http passes them on when it
// reads, and panics when it writes.
var errStatus = errors.New("malformed HTTP status code")

// upstreamFault says how an upstream failed. net/http gives most of its errors
// no type; the texts are pinned by tests.
func upstreamFault(err error) problem.UpstreamFault {
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return problem.UpstreamTimeout
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return problem.UpstreamRefused
	}
	text := err.Error()
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("response headers exceeded", "header list larger", "header line too long"):
		return problem.UpstreamHeaderTooLarge
	case has("tls: ", "x509: ", "no such host"):
		return problem.UpstreamRefused
	case has("malformed", "Content-Length", "unsupported transfer encoding", "too many transfer encodings", "frame", "PROTOCOL_ERROR", "invalid"):
		return problem.UpstreamProtocol
	}
	return problem.UpstreamReset
}
