package event

// Kinds of event.
const (
	KindRequest   = "request"
	KindSession   = "session"
	KindTick      = "tick"
	KindTombstone = "tombstone"
	KindControl   = "control"
)

// ReasonClear is the reason of a control event by which an operator lifts what
// was said about its session, subject or address.
const ReasonClear = "clear"

// ReasonEpoch is the reason of a control event that puts a shared epoch of its
// tenant in force; attributes name it.
const ReasonEpoch = "epoch"

// ReasonEpochClosed is the reason of the last tick of a lane: its gateway's run
// has ended, and nothing with its epoch follows there.
const ReasonEpochClosed = "epoch_closed"

// Reasons of a session event: what happened to the session.
const (
	ReasonLogin   = "login"
	ReasonRefresh = "refresh"
	ReasonStepUp  = "step_up"
	ReasonLogout  = "logout"
)

// Phases of a request.
const (
	PhaseComplete = "complete"
	PhaseOpen     = "open"
	PhaseTick     = "tick"
	PhaseClose    = "close"
)

// Decisions: what the gateway did to one request.
const (
	DecisionPermit = "permit"
	DecisionDeny   = "deny"
	DecisionStepUp = "step_up"
	DecisionCut    = "cut"
)

// Outcomes of a sign-in that a request carried.
const (
	AuthNone       = "none"
	AuthSuccess    = "success"
	AuthFailure    = "failure"
	AuthMFAFailure = "mfa_failure"
)

// Bindings of a token to a key.
const (
	BindingNone   = "none"
	BindingCookie = "cookie"
	BindingDPoP   = "dpop"
	BindingMTLS   = "mtls"
)

// Reasons of a refused request whose token is authentic and bound to a key that
// whoever showed it has not got. Its session, token_id and subject are those of
// the token; it has no binding and no device.
const (
	ReasonTokenBound    = "token_bound"    // No proof at all.
	ReasonProofKey      = "dpop_key"       // A proof with another key.
	ReasonProofForged   = "dpop_signature" // A proof that the key did not sign.
	ReasonProofReplayed = "dpop_replayed"  // A proof that was used before, from another address.
)

// AttributeActor is the attribute that names, as a pseudonym, who acts in the
// subject's place (RFC 8693 section 4.1).
const AttributeActor = "actor"

// AttributeRoles is the attribute that lists the roles of the subject as its issuer
// names them, with commas between them.
const AttributeRoles = "roles"

// AttributeLinkedAccount is the attribute of a session event that names, as a
// pseudonym, the account at its provider, where the subject is a person whose
// accounts are linked.
const AttributeLinkedAccount = "linked_account"

// Kinds of subject.
const (
	SubjectHuman   = "human"
	SubjectService = "service"
	SubjectAgent   = "agent"
)

// Kinds of stream; a request is one that does not last.
const (
	StreamRequest   = "request"
	StreamWebSocket = "websocket"
	StreamSSE       = "sse"
	StreamGRPC      = "grpc"
	StreamDownload  = "download"
	StreamUpload    = "upload"
)

// Terminal reports whether e is the one record that accounts for its request.
func (x *RequestEvent) Terminal() bool {
	return (x.GetKind() == KindRequest || x.GetKind() == "") && x.GetPhase() != PhaseOpen && x.GetPhase() != PhaseTick
}

// ByVerdict reports whether a verdict kept the request from going through, or may have:
// from the reason of a refusal, which is the code of package problem of the gateway.
func (x *RequestEvent) ByVerdict() bool {
	switch x.GetDecision() {
	case DecisionCut, DecisionStepUp:
		return true
	case DecisionDeny:
		switch x.GetReason() {
		case "session_revoked", "blocked", "read_only", "throttled":
			return true
		}
	}
	return false
}
