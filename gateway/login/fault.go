package login

import (
	"errors"
	"net/http"
)

// Codes of what can go wrong: stable, for events and clients.
const (
	CodeCookie      = "session_invalid"        // The session cookie is none of ours.
	CodeExpired     = "session_expired"        // Idle or absolute timeout.
	CodeSuperseded  = "session_superseded"     // A later cookie of the session was used since.
	CodeStale       = "session_stale"          // Its provider has been away for too long.
	CodeEnded       = "session_signed_out"     // Signed out here or at the provider.
	CodeForeign     = "cross_site_request"     // Another site made the browser send it.
	CodeState       = "login_state"            // No sign-in of this browser has this state.
	CodeReplayed    = "login_replayed"         // The callback was used before.
	CodeMixUp       = "login_wrong_issuer"     // Another provider answers than was asked.
	CodeDenied      = "login_denied"           // The person or the provider said no.
	CodeRefused     = "login_refused"          // The provider answers with another error.
	CodeCode        = "login_code"             // The provider does not take the code.
	CodeIDToken     = "login_id_token"         //nolint:gosec // A code, no credential. The ID token is at fault.
	CodeUserinfo    = "login_userinfo"         // The userinfo answer is at fault.
	CodeAccount     = "login_other_account"    // A step-up by somebody else.
	CodeUnfulfilled = "login_unfulfilled"      // The provider did not do what a step-up asked for.
	CodeProvider    = "login_provider_unknown" // No such provider.
	CodeAway        = "login_provider_away"    // The provider cannot be asked just now.
	CodeConfirm     = "login_confirmation"     // The second factor is at fault.
	CodeUnproven    = "login_unproven"         // The provider cannot say that it has asked the person again.
	CodeLogoutToken = "logout_token"           // The logout token is at fault.
	CodeMethod      = "method_not_allowed"
	CodeInternal    = "internal_error"
)

// fault is a sign-in or sign-out that cannot be done. why is for operators.
type fault struct{ code, why string }

func (f *fault) Error() string {
	if f.why == "" {
		return f.code
	}
	return f.code + ": " + f.why
}

func faultOf(code, why string) *fault { return &fault{code: code, why: why} }

// codeOf is the code of an error, and its status.
func codeOf(err error) (code string, status int) {
	f, ours := errors.AsType[*fault](err)
	switch {
	case errors.Is(err, errAway):
		return CodeAway, http.StatusServiceUnavailable
	case !ours:
		return CodeInternal, http.StatusInternalServerError
	}
	switch f.code {
	case CodeDenied, CodeForeign, CodeAccount, CodeUnfulfilled, CodeConfirm, CodeUnproven:
		return f.code, http.StatusForbidden
	case CodeProvider:
		return f.code, http.StatusNotFound
	case CodeMethod:
		return f.code, http.StatusMethodNotAllowed
	case CodeCode, CodeIDToken, CodeUserinfo, CodeRefused:
		return f.code, http.StatusBadGateway
	}
	return f.code, http.StatusBadRequest
}

// words are what a person reads about a code: what happened, and what to do.
func words(code string) (title, text string) {
	switch code {
	case CodeState, CodeReplayed:
		return "This sign-in has ended", "It was already used, took too long, or was begun in another browser. Please begin again."
	case CodeMixUp:
		return "Sign-in stopped", "The answer came from another provider than the one that was asked. Please begin again."
	case CodeDenied:
		return "Sign-in cancelled", "Nothing was changed. You can begin again, or choose another way to sign in."
	case CodeAccount:
		return "Another account", "Please confirm with the account that you are signed in with."
	case CodeUnfulfilled:
		return "Not confirmed", "The provider did not ask for the confirmation that is needed here."
	case CodeConfirm:
		return "Not confirmed", "The confirmation could not be accepted. Please try again."
	case CodeUnproven:
		return "More is needed than your provider can give", "Something about this session has to be confirmed, and the provider that you have signed in with " +
			"cannot do that. Please sign out and sign in with another one, or ask whoever runs this service."
	case CodeAway:
		return "Provider not available", "The sign-in provider does not answer just now. Please try again in a moment."
	case CodeForeign:
		return "Request refused", "Another site has sent this request."
	case CodeProvider:
		return "No such provider", "Please choose one from the list."
	case CodeMethod:
		return "Not possible", "This page does not take that kind of request."
	}
	return "Sign-in failed", "The provider's answer could not be accepted. Please try again."
}
