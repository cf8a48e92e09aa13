package problem

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/gateway/identity"
)

// HeaderRequestID carries the request's id to the client.
const HeaderRequestID = "X-Request-Id"

// HeaderPushback tells a gRPC client after how many milliseconds it may try
// again (gRFC A6, "client retry design").
const HeaderPushback = "Grpc-Retry-Pushback-Ms"

// Write answers r with p. Nothing may have been written to w before. A connection
// of HTTP/1.1 whose body may be long is closed: net/http would read on before it
// sends the answer, and a client that sends slowly would not learn that it can stop.
func Write(w http.ResponseWriter, r *http.Request, p Problem) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if p.RequestID != "" {
		h.Set(HeaderRequestID, p.RequestID)
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(p.retrySeconds(), 10))
	}
	if p.Nonce != "" {
		h.Set(HeaderDPoPNonce, p.Nonce)
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		writeGRPC(w, p)
		return
	}
	if p.Challenge != "" {
		h.Set("WWW-Authenticate", p.Challenge)
	}
	if len(p.Allow) > 0 {
		h.Set("Allow", strings.Join(p.Allow, ", "))
	}
	if r.ProtoMajor == 1 && (p.Close || r.ContentLength < 0 || r.ContentLength > bodyDrainMax) {
		h.Set("Connection", "close")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", "application/problem+json")
	body := p.JSON()
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body) // A client that is gone reads no problem either.
}

// writeGRPC answers with trailers only, which gRPC sends as headers.
func writeGRPC(w http.ResponseWriter, p Problem) {
	h := w.Header()
	h.Set("Content-Type", "application/grpc")
	h.Set("Grpc-Status", strconv.Itoa(p.GRPCStatus()))
	h.Set("Grpc-Message", strings.ReplaceAll(url.QueryEscape(p.Text()), "+", "%20"))
	if p.RetryAfter > 0 {
		h.Set(HeaderPushback, p.Pushback())
	}
	h.Set("Vigil-Problem", TypePrefix+p.Code)
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
}

// bearer is a challenge of RFC 6750 section 3.
func bearer(kind, description string) string {
	return challenge("Bearer", kind, description)
}

// HeaderDPoPNonce carries the nonce that a client is to use (RFC 9449 section 8),
// spelled as net/http does.
const HeaderDPoPNonce = "Dpop-Nonce"

// dpop is a challenge of RFC 9449 section 7.1.
func dpop(kind, description string) string {
	return challenge("DPoP", kind, description) + `, algs="` + identity.ProofAlgorithms + `"`
}

func challenge(scheme, kind, description string) string {
	c := scheme + ` realm="vigil"`
	if kind != "" {
		c += `, error="` + kind + `"`
	}
	if description != "" {
		c += `, error_description="` + quotable([]string{description}) + `"`
	}
	return c
}

// stepUpChallenge is a challenge of RFC 9470 section 3.
func stepUpChallenge(acr []string, maxAge time.Duration) string {
	wanted := "A fresh sign-in is required"
	if len(acr) > 0 && maxAge == 0 {
		wanted = "A stronger sign-in is required"
	}
	c := bearer("insufficient_user_authentication", wanted)
	if len(acr) > 0 {
		c += `, acr_values="` + quotable(acr) + `"`
	}
	if maxAge > 0 {
		c += `, max_age="` + strconv.FormatInt(int64(maxAge/time.Second), 10) + `"`
	}
	return c
}

// quotable joins items by spaces and drops what may not stand in the quoted
// strings of RFC 6750 section 3.
func quotable(items []string) string {
	s := strings.Join(items[:min(len(items), challengeItemsMax)], " ")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}
