package problem

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/gateway/guard"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// From maps the errors of route, guard and identity, each by itself or wrapped. Any
// other error is ours, and the gateway fails closed with status 503; its text
// stays inside.
func From(err error) Problem {
	var method *route.MethodError
	var token *identity.Error
	var spent *guard.Error
	switch {
	case errors.Is(err, route.ErrNoRoute):
		return Problem{Status: http.StatusNotFound, Code: CodeNoRoute, Title: "No such resource"}
	case errors.Is(err, route.ErrPath):
		return Problem{
			Status: http.StatusBadRequest, Code: CodePath, Title: "Ambiguous path",
			Detail: "The path could be read in two ways, so it is refused.",
		}
	case errors.As(err, &method):
		return Problem{Status: http.StatusMethodNotAllowed, Code: CodeMethod, Title: "Method not allowed", Allow: method.Allow}
	case errors.Is(err, identity.ErrNone):
		return Problem{
			Status: http.StatusUnauthorized, Code: CodeTokenMissing, Title: "Sign-in required",
			Detail: "Send a bearer token.", Challenge: bearer("", ""),
		}
	case errors.As(err, &token):
		return fromToken(token)
	case errors.As(err, &spent):
		return fromAddress(spent)
	}
	return Problem{
		Status: http.StatusServiceUnavailable, Code: CodeVerifier, Title: "Cannot verify the credential",
		Detail: "The credential could not be checked just now.", RetryAfter: 5 * time.Second,
	}
}

// fromAddress maps a budget that an address has used up. Whoever shares the address
// may have done it, so that the client is told what, and accused of nothing.
func fromAddress(e *guard.Error) Problem {
	return Problem{
		Status: http.StatusTooManyRequests, Code: CodeAddress + e.Budget, Title: "Too much from one address",
		Detail:     "Clients at this address have used up what one address has of: " + strings.ReplaceAll(e.Budget, "_", " ") + ".",
		RetryAfter: max(e.Wait, time.Second),
	}
}

// fromToken maps a token that is at fault. Two credentials are a malformed
// request in the sense of RFC 6750 section 3.1, yet answered with 401 so that
// every refused credential looks the same to a client.
func fromToken(e *identity.Error) Problem {
	p := Problem{
		Status: http.StatusUnauthorized, Code: e.Code, Title: "Credential refused", Detail: e.Description, Nonce: e.Nonce,
		Challenge: bearer("invalid_token", e.Description),
	}
	switch {
	case e.Code == identity.CodeExpired, e.Code == identity.CodeAPIKeyExpired, e.Code == identity.CodeCertificateExpired:
		p.Title = "Credential expired"
	case e.Code == identity.CodeTokenInURL: // Not 401: who is sent on to sign in would take the URL along.
		p.Status, p.Title, p.Challenge = http.StatusBadRequest, "Credential in the URL", bearer("invalid_request", e.Description)
	case e.Code == identity.CodeMultipleCredentials:
		p.Challenge = bearer("invalid_request", e.Description)
	case e.Code == identity.CodeProofNonce:
		p.Challenge = dpop(identity.CodeProofNonce, e.Description)
	case e.OfProof():
		p.Challenge = dpop("invalid_dpop_proof", e.Description)
	case e.Code == identity.CodeBound, e.Code == identity.CodeNotBound:
		p.Challenge += ", " + dpop("", "")
	}
	return p
}

// Expired says that a stream has ended with the credential that opened it, of which
// method is the kind, a constant identity.Method…: with another it may be opened again.
func Expired(method string) Problem {
	e := &identity.Error{Code: identity.CodeExpired, Description: "The token has expired"}
	switch method {
	case identity.MethodAPIKey:
		e = &identity.Error{Code: identity.CodeAPIKeyExpired, Description: "The API key has expired"}
	case identity.MethodMTLS:
		e = &identity.Error{Code: identity.CodeCertificateExpired, Description: "The client certificate has expired"}
	}
	return fromToken(e)
}

// Missing says that a route needs a credential, and of which binding where it
// asks for one.
func Missing(required []string) Problem {
	p := From(identity.ErrNone)
	if slices.Contains(required, event.BindingDPoP) {
		p.Challenge += ", " + dpop("", "")
	}
	return p
}

// Binding says that a route takes only tokens that are bound to a key in one of
// the ways that required lists.
func Binding(required []string) Problem {
	p := Problem{
		Status: http.StatusUnauthorized, Code: CodeBinding, Title: "A proven key is required",
		Detail:    "The token must be bound to a key: " + strings.Join(required, " or ") + ".",
		Challenge: bearer("invalid_token", "The token must be bound to a key"),
	}
	if slices.Contains(required, event.BindingDPoP) {
		p.Challenge += ", " + dpop("", "")
	}
	return p
}

// Revoked says that a verdict ended the session: signing in again may help.
// v may be nil.
func Revoked(v *verdict.Verdict) Problem {
	return byVerdict(v, Problem{
		Status: http.StatusUnauthorized, Code: CodeRevoked, Title: "Session ended", Action: verdict.ActionRevoke,
		Detail:    "This session was ended for security reasons.",
		Challenge: bearer("invalid_token", "The session was ended"),
	})
}

// Blocked says that a verdict refuses whoever asks: signing in does not help.
// v may be nil.
func Blocked(v *verdict.Verdict) Problem {
	return byVerdict(v, Problem{
		Status: http.StatusForbidden, Code: CodeBlocked, Title: "Blocked", Action: verdict.ActionBlock,
		Detail: "Access is blocked for security reasons.",
	})
}

// StepUp asks for a fresh or stronger sign-in (RFC 9470). acr may be empty,
// maxAge 0 (then none is named); v is nil where the route asks and no verdict.
func StepUp(v *verdict.Verdict, acr []string, maxAge time.Duration) Problem {
	return byVerdict(v, Problem{
		Status: http.StatusUnauthorized, Code: CodeStepUp, Title: "Confirm that it is you", Action: verdict.ActionStepUp,
		Detail:    "Sign in again to go on.",
		Challenge: stepUpChallenge(acr, maxAge),
	})
}

// ReadOnly says that a verdict allows only methods that change nothing. v may
// be nil.
func ReadOnly(v *verdict.Verdict) Problem {
	return byVerdict(v, Problem{
		Status: http.StatusForbidden, Code: CodeReadOnly, Title: "Read only for now", Action: verdict.ActionReadOnly,
		Detail: "Nothing can be changed from this session at the moment.",
	})
}

// Throttled says that a verdict, or a limit where v is nil, slows the caller down.
func Throttled(v *verdict.Verdict, after time.Duration) Problem {
	return byVerdict(v, Problem{
		Status: http.StatusTooManyRequests, Code: CodeThrottled, Title: "Too many requests", Action: verdict.ActionThrottle,
		RetryAfter: max(after, time.Second),
	})
}

// byVerdict lets a verdict speak: its public text and its support code.
func byVerdict(v *verdict.Verdict, p Problem) Problem {
	if v.GetPublicText() != "" {
		p.Detail = v.GetPublicText()
	}
	p.SupportCode = v.GetSupportCode()
	if v == nil {
		p.Action = ""
	}
	return p
}

// Scope says that the token lacks scopes that the route asks for.
func Scope(required []string) Problem {
	return Problem{
		Status: http.StatusForbidden, Code: CodeScope, Title: "Not permitted", Detail: "The token lacks a scope that this needs.",
		Challenge: bearer("insufficient_scope", "") + `, scope="` + quotable(required) + `"`,
	}
}

// Posture says that a route denies while nobody knows its callers' standing.
func Posture() Problem {
	return Problem{
		Status: http.StatusServiceUnavailable, Code: CodePosture, Title: "Not available just now",
		Detail: "This resource is closed until the session can be judged.", RetryAfter: 5 * time.Second,
	}
}

// NotReady says that the gateway does not know the live verdicts yet.
func NotReady() Problem {
	return Problem{Status: http.StatusServiceUnavailable, Code: CodeNotReady, Title: "Starting", RetryAfter: 2 * time.Second}
}

// NotDurable says that the request cannot be put on record just now, without which
// its route does nothing.
func NotDurable() Problem {
	return Problem{
		Status: http.StatusServiceUnavailable, Code: CodeNotDurable, Title: "Cannot be recorded",
		Detail: "The request could not be put on record, so nothing was done.", RetryAfter: 2 * time.Second,
	}
}

// TooManyStreams says that a session holds as many streams as it may.
func TooManyStreams() Problem {
	return Problem{Status: http.StatusServiceUnavailable, Code: CodeStreams, Title: "Too many open streams", RetryAfter: 5 * time.Second}
}

// Framing says that the request is malformed; the connection is closed.
func Framing() Problem {
	return Problem{
		Status: http.StatusBadRequest, Code: CodeFraming, Title: "Malformed request", Close: true,
		Detail: "The request's framing is not what HTTP allows.",
	}
}

// Misdirected says that the request's host is not what TLS was asked for.
func Misdirected() Problem {
	return Problem{Status: http.StatusMisdirectedRequest, Code: CodeMisdirectedRequest, Title: "Misdirected request"}
}

// UnknownProtocol says that an extended CONNECT asks for another protocol than
// WebSocket (RFC 9220, section 3).
func UnknownProtocol() Problem {
	return Problem{Status: http.StatusNotImplemented, Code: CodeUnknownProtocol, Title: "Protocol not supported"}
}

// RequestTooLarge says that the request's body is over its limit.
func RequestTooLarge() Problem {
	return Problem{Status: http.StatusRequestEntityTooLarge, Code: CodeRequestTooLarge, Title: "Request too large", Close: true}
}

// Internal says that the gateway itself failed.
func Internal() Problem {
	return Problem{Status: http.StatusInternalServerError, Code: CodeInternal, Title: "Internal error"}
}

// ClientClosed is what the event of a request records whose client went away
// (status 499, nginx's convention). Nobody reads it.
func ClientClosed() Problem {
	return Problem{Status: 499, Code: CodeClientClosed, Title: "Client closed request", Close: true}
}

// UpstreamFault says how an upstream failed.
type UpstreamFault int

// Faults of an upstream.
const (
	UpstreamRefused        UpstreamFault = iota // No connection.
	UpstreamTimeout                             // No answer in time.
	UpstreamReset                               // The connection ended before the answer.
	UpstreamHeaderTooLarge                      // Its response header is over the limit.
	UpstreamBodyTooLarge                        // Its response is over the limit.
	UpstreamProtocol                            // It does not speak HTTP.
)

// Upstream is the answer when the upstream gave none.
func Upstream(f UpstreamFault) Problem {
	p := Problem{Status: http.StatusBadGateway, Title: "The service behind the gateway failed"}
	switch f {
	case UpstreamRefused:
		p.Code, p.RetryAfter = CodeUpstreamRefused, 2*time.Second
	case UpstreamTimeout:
		p.Status, p.Code, p.Title = http.StatusGatewayTimeout, CodeUpstreamTimeout, "The service behind the gateway did not answer in time"
	case UpstreamReset:
		p.Code = CodeUpstreamReset
	case UpstreamHeaderTooLarge:
		p.Code = CodeUpstreamHeader
	case UpstreamBodyTooLarge:
		p.Code = CodeUpstreamBody
	case UpstreamProtocol:
		p.Code = CodeUpstreamProtocol
	}
	return p
}
