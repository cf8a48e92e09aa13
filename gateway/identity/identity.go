package identity

import (
	"errors"
	"time"

	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// ErrNone means that the request carries no credential of a kind that this
// package knows.
var ErrNone = errors.New("no credential")

// Identity is who a request acts for. It is shared between requests of one
// token: the caller must not change its slices.
type Identity struct {
	Tenant, Issuer string
	// Pseudonyms made by event.Names: Session is of the token's sid, else of its
	// jti, else of its signing input; TokenID of its jti, else of its signing
	// input. Actor is who acts in the subject's place (RFC 8693 section 4.1),
	// empty where the subject acts.
	Subject, Session, TokenID, Actor string

	// LinkedAccount is the subject as its issuer alone knows it, where Subject is a person
	// whose accounts at several issuers are linked; empty elsewhere.
	LinkedAccount string

	ClientID string   // As the token spells it.
	Aliases  []string // Pseudonyms of the other names of the session.
	Scopes   []string
	Roles    []string
	ACR      string
	AMR      []string
	AuthTime time.Time // Zero where the token does not say.
	// Assumed says that AuthTime is when the person came back from a provider that may
	// not have asked him: no step-up that a verdict or a posture asks for is done by it, and
	// no route's max_age is kept by it.
	Assumed  bool
	IssuedAt time.Time // Zero where the token does not say.
	// Expires is until when the credential is accepted, its issuer's leeway included; zero
	// where nothing says, and for a session of gateway/login, which ends it itself.
	Expires time.Time
	Binding string // A constant event.Binding….
	Device  string // The proven key: its thumbprint (RFC 7638) or the certificate's (RFC 8705); empty without one.
	Method  string // A constant Method….
	Kind    string // A constant event.Subject….
	// Nonce is a DPoP nonce that the client should use from now on (RFC 9449
	// section 8.2); empty where it has a recent one.
	Nonce string
	// Memo is where gateway/session remembers whoever comes with the token; nil for an
	// identity that no token is remembered of.
	Memo *session.Memo
}

// Methods: what proves an identity.
const (
	MethodJWT           = "jwt"           // A signed token.
	MethodIntrospection = "introspection" // A token that its issuer answers for.
	MethodAPIKey        = "api_key"
	MethodMTLS          = "mtls" // A client certificate alone.
)

// Plain are the names of an identity as its issuer has them. They do not leave
// the gateway.
type Plain struct {
	Subject string
	Session string // Empty where the issuer names none: then Token names it.
	Token   string
	Actor   string // Empty where the subject acts.
}

// Identity returns rest with the names of p in it as pseudonyms under the
// issuer that rest names.
func (p Plain) Identity(names event.Names, rest Identity) Identity {
	rest.Subject = names.Subject(rest.Issuer, p.Subject)
	rest.TokenID = names.Token(rest.Issuer, p.Token)
	rest.Session = names.Session(rest.Issuer, p.Token)
	if p.Session != "" {
		rest.Aliases = []string{rest.Session}
		rest.Session = names.Session(rest.Issuer, p.Session)
	}
	if p.Actor != "" {
		rest.Actor = names.Subject(rest.Issuer, p.Actor)
	}
	return rest
}

// Codes of an [Error]: stable, for clients, events and metrics.
const (
	CodeMalformed           = "token_malformed"
	CodeTooLarge            = "token_too_large"
	CodeAlgorithm           = "token_alg"
	CodeType                = "token_type"
	CodeSignature           = "token_signature"
	CodeExpired             = "token_expired"
	CodeNotYetValid         = "token_not_yet_valid"
	CodeIssuer              = "token_issuer"
	CodeAudience            = "token_audience"
	CodeKeyUnknown          = "key_unknown"
	CodeMultipleCredentials = "multiple_credentials"
	CodeEncrypted           = "token_encrypted"
	CodeDuplicateMember     = "token_duplicate_member"
	CodeCritical            = "token_critical"
	CodeHeaderKey           = "token_header_key"
	CodeBound               = event.ReasonTokenBound
	CodeNotBound            = "token_not_bound"
	CodeInactive            = "token_inactive"
	CodeClaim               = "token_claim"
	CodeProofMissing        = "dpop_missing"
	CodeProofMalformed      = "dpop_malformed"
	CodeProofAlgorithm      = "dpop_alg"
	CodeProofSignature      = event.ReasonProofForged
	CodeProofTime           = "dpop_iat"
	CodeProofMethod         = "dpop_htm"
	CodeProofURL            = "dpop_htu"
	CodeProofToken          = "dpop_ath"
	CodeProofKey            = event.ReasonProofKey
	CodeProofRepeated       = "dpop_repeated"
	CodeProofReplayed       = event.ReasonProofReplayed
	CodeProofNonce          = "use_dpop_nonce"
	CodeAPIKey              = "api_key"
	CodeAPIKeyExpired       = "api_key_expired"
	CodeCertificate         = "certificate"
	CodeCertificateExpired  = "certificate_expired"
	CodeTokenInURL          = "token_in_url" //nolint:gosec // It names a fault.
)

// codes lists every code above, for metrics.
func codes() []string {
	return []string{
		CodeMalformed, CodeTooLarge, CodeAlgorithm, CodeType, CodeSignature, CodeExpired, CodeNotYetValid, CodeIssuer,
		CodeAudience, CodeKeyUnknown, CodeMultipleCredentials, CodeEncrypted, CodeDuplicateMember, CodeCritical,
		CodeHeaderKey, CodeBound, CodeNotBound, CodeInactive, CodeClaim, CodeProofMissing, CodeProofMalformed,
		CodeProofAlgorithm, CodeProofSignature, CodeProofTime, CodeProofMethod, CodeProofURL, CodeProofToken, CodeProofKey,
		CodeProofRepeated, CodeProofReplayed, CodeProofNonce, CodeAPIKey, CodeAPIKeyExpired, CodeCertificate, CodeCertificateExpired,
		CodeTokenInURL,
	}
}

// Error means that the credential is at fault, not the verifier: status 401.
type Error struct {
	Code        string // A constant Code….
	Description string // Safe for the client: without anything that the token says.
	// Stolen is whose credential it is, where that is authentic and must not count:
	// whoever shows a token has not got its key, or the session of a cookie is over.
	// Nil in every other case. Nothing may be allowed for it: it is what the analyzer
	// must know.
	Stolen *Identity
	// Nonce is the DPoP nonce to be used, with [CodeProofNonce].
	Nonce string
}

// Error names the code and what the client is told.
func (e *Error) Error() string { return e.Code + ": " + e.Description }

// Is makes errors.Is compare codes.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Code == e.Code
}

// OfProof reports whether a DPoP proof is at fault and not the token.
func (e *Error) OfProof() bool {
	switch e.Code {
	case CodeProofMissing, CodeProofMalformed, CodeProofAlgorithm, CodeProofSignature, CodeProofTime, CodeProofMethod,
		CodeProofURL, CodeProofToken, CodeProofKey, CodeProofRepeated, CodeProofReplayed:
		return true
	}
	return false
}

func fault(code, description string) *Error { return &Error{Code: code, Description: description} }
