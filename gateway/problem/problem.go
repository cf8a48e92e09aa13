package problem

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// TypePrefix stands before the code in a problem's type.
const TypePrefix = "urn:vigil:problem:"

// Codes that are made here; those of identity pass through as they are.
const (
	CodeNoRoute            = "no_route"
	CodePath               = "ambiguous_path"
	CodeFraming            = "malformed_request"
	CodeMethod             = "method_not_allowed"
	CodeTokenMissing       = "token_missing"
	CodeVerifier           = "verifier_unavailable"
	CodeRevoked            = "session_revoked"
	CodeBlocked            = "blocked"
	CodeStepUp             = "step_up_required"
	CodeReadOnly           = "read_only"
	CodeThrottled          = "throttled"
	CodeScope              = "insufficient_scope"
	CodeBinding            = "binding_required"
	CodePosture            = "standing_unknown"
	CodeNotReady           = "not_ready"
	CodeNotDurable         = "not_durable"
	CodeStreams            = "too_many_streams"
	CodeUpstreamRefused    = "upstream_refused"
	CodeUpstreamTimeout    = "upstream_timeout"
	CodeUpstreamReset      = "upstream_reset"
	CodeUpstreamHeader     = "upstream_header_too_large"
	CodeUpstreamBody       = "upstream_body_too_large"
	CodeUpstreamProtocol   = "upstream_protocol"
	CodeRequestTooLarge    = "request_too_large"
	CodeClientClosed       = "client_closed_request"
	CodeInternal           = "internal_error"
	CodeMisdirectedRequest = "misdirected_request"
	CodeUnknownProtocol    = "unknown_protocol"
	// CodeAddress begins the codes of what an address has used up; behind it stands
	// the name of the budget: address_requests.
	CodeAddress = "address_"
)

// Problem is one refusal, as the client sees it.
type Problem struct {
	Status int    // HTTP status.
	Code   string // Stable, lower case with underscores; also the event's reason.
	Title  string // The same for every problem of a code.
	Detail string // One sentence for the client; may be empty.

	RequestID   string
	SupportCode string // What an application owner quotes to "vigil explain".

	Challenge  string        // WWW-Authenticate, or empty.
	Nonce      string        // DPoP-Nonce, or empty.
	RetryAfter time.Duration // Rounded up to whole seconds; 0 for none.
	Allow      []string      // Methods, with status 405.
	Action     string        // The verdict's action, where a verdict is the cause.
	Close      bool          // The connection must not be used again.
}

// document is the wire form (RFC 9457 section 3).
type document struct {
	Type        string `json:"type"`
	Title       string `json:"title"`
	Status      int    `json:"status"`
	Detail      string `json:"detail,omitempty"`
	Instance    string `json:"instance,omitempty"`
	Code        string `json:"code"`
	Action      string `json:"action,omitempty"`
	RequestID   string `json:"request_id,omitempty"`
	SupportCode string `json:"support_code,omitempty"`
	RetryAfter  int64  `json:"retry_after,omitempty"` // Seconds.
}

// With returns p for one request: its id and the support code that leads to it.
func (p Problem) With(requestID, supportCode string) Problem {
	p.RequestID, p.SupportCode = requestID, supportCode
	return p
}

// JSON is the RFC 9457 document, on one line: the body of a response, the data
// of a stream's last event.
func (p Problem) JSON() []byte {
	d := document{
		Type: TypePrefix + p.Code, Title: p.Title, Status: p.Status, Detail: p.Detail, Code: p.Code,
		Action: p.Action, RequestID: p.RequestID, SupportCode: p.SupportCode, RetryAfter: p.retrySeconds(),
	}
	if p.RequestID != "" {
		d.Instance = "urn:vigil:request:" + p.RequestID
	}
	b, err := json.Marshal(d)
	if err != nil {
		return []byte(`{"type":"` + TypePrefix + CodeInternal + `"}`) // Cannot happen: strings and numbers only.
	}
	return b
}

// Text is the problem in a few words, for a WebSocket close reason (at most
// 123 bytes, RFC 6455 section 5.5) and a gRPC message.
func (p Problem) Text() string {
	s := p.Title
	if p.SupportCode != "" {
		s += " (" + p.SupportCode + ")"
	}
	if p.RetryAfter > 0 {
		s += "; retry after " + strconv.FormatInt(p.retrySeconds(), 10) + " s"
	}
	return s[:min(len(s), textBytesMax)]
}

// Spread returns p with a hint when to come back that is spread by u, at least 0
// and below 1, which the caller draws for each client: thousands that one verdict
// ends, or one gateway that goes away, must not come back in the same moment.
// What a verdict ended without a hint is given one; any other hint becomes up to
// twice as long. A problem that waiting does not mend stays without.
func (p Problem) Spread(u float64) Problem {
	from, over := p.RetryAfter, p.RetryAfter
	if from == 0 {
		switch p.Action {
		case verdict.ActionStepUp, verdict.ActionRevoke:
			from, over = cutRetryAfter, cutRetrySpread
		case verdict.ActionBlock:
			from, over = blockRetryAfter, blockRetryAfter
		}
	}
	p.RetryAfter = from + time.Duration(u*float64(over))
	return p
}

// Pushback is the hint in milliseconds, as gRPC and event streams spell it.
func (p Problem) Pushback() string { return strconv.FormatInt(p.RetryAfter.Milliseconds(), 10) }

func (p Problem) retrySeconds() int64 {
	return int64((p.RetryAfter + time.Second - 1) / time.Second)
}

// GRPCStatus is the code that a gRPC client is given
// (https://grpc.io/docs/guides/status-codes).
func (p Problem) GRPCStatus() int {
	switch p.Status {
	case 400:
		return 13 // INTERNAL, as gRPC maps a broken request.
	case 401:
		return 16 // UNAUTHENTICATED.
	case 403:
		return 7 // PERMISSION_DENIED.
	case 404, 405:
		return 12 // UNIMPLEMENTED.
	case 413:
		return 8 // RESOURCE_EXHAUSTED.
	case 429, 502, 503:
		return 14 // UNAVAILABLE.
	case 504:
		return 4 // DEADLINE_EXCEEDED.
	}
	return 2 // UNKNOWN.
}
