package identity

import (
	"errors"
	"time"
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
	// input.
	Subject, Session, TokenID string
	ClientID                  string   // As the token spells it.
	Aliases                   []string // Pseudonyms of the other names of the session.
	Scopes                    []string
	ACR                       string
	AMR                       []string
	AuthTime                  time.Time // Zero where the token does not say.
	IssuedAt                  time.Time // Zero where the token does not say.
	Expires                   time.Time // As the token says, without leeway.
	Binding                   string    // A constant event.Binding….
	Method                    string    // MethodJWT.
	Kind                      string    // A constant event.Subject….
}

// MethodJWT is the Method of an identity that a bearer JWT proves.
const MethodJWT = "jwt"

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
	CodeBound               = "token_bound"
)

// Error means that the token is at fault, not the verifier: status 401.
type Error struct {
	Code        string // A constant Code….
	Description string // Safe for the client: without anything that the token says.
}

// Error names the code and what the client is told.
func (e *Error) Error() string { return e.Code + ": " + e.Description }

// Is makes errors.Is compare codes.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Code == e.Code
}

func fault(code, description string) *Error { return &Error{Code: code, Description: description} }
