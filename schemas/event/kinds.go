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
