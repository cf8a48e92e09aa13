package identity

import "time"

// Limits of the verifier. A token comes from a stranger until its signature
// is checked; a key set comes from a provider that may be under attack.
const (
	// TokenBytesMax bounds a token. Providers stay below 8 KiB.
	TokenBytesMax = 16 << 10
	// ProofBytesMax bounds a DPoP proof: one by an RSA key of 4096 bits has 2 KiB.
	ProofBytesMax = 8 << 10
	// HeaderBytesMax bounds a token's decoded header.
	HeaderBytesMax = 2 << 10
	// DepthMax bounds the nesting of a token's JSON.
	DepthMax = 8
	// MembersMax bounds the members of all objects of a token together.
	MembersMax = 512
	// NameBytesMax bounds each name that we take from a token: iss, sub, jti,
	// sid, client_id, kid, acr.
	NameBytesMax = 1 << 10
	// ListMax bounds aud, scope, scp, amr and roles.
	ListMax = 128

	// KeySetBytesMax bounds a JWKS document, KeysMax the keys in it.
	KeySetBytesMax = 256 << 10
	KeysMax        = 64
	// RSABitsMin is NIST SP 800-131A's least; RSABitsMax keeps one signature
	// check below a millisecond.
	RSABitsMin = 2048
	RSABitsMax = 8192
	// IssuersMax bounds the configured issuers.
	IssuersMax = 256

	// AnswerBytesMax bounds an issuer's answer about a token, QuestionsMax the
	// questions to one issuer that are open, RefusalsMax the refusals of one that
	// are remembered: strangers can make up tokens.
	AnswerBytesMax = 64 << 10
	QuestionsMax   = 64
	RefusalsMax    = 8192
	// SecretBytesMax bounds a secret's file.
	SecretBytesMax = 4 << 10
	// APIKeyFileBytesMax bounds the file of API keys, APIKeysMax the keys in it.
	APIKeyFileBytesMax = 16 << 20
	APIKeysMax         = 32768

	// pepperBytesMin is the length of a SHA-256 key that nobody guesses.
	pepperBytesMin = 32
	// breakerFailures in a row, and an issuer is left alone; for breakerPauseMax
	// at most.
	breakerFailures = 5
	breakerPauseMax = 30 * time.Second

	// fetchTimeout bounds one fetch of a key set, and so how long a request
	// with an unknown key waits.
	fetchTimeout = 5 * time.Second
	// leadKept is how long it counts that an issuer's clock was seen to be ahead.
	leadKept = 10 * time.Minute
	// clockRangeMax bounds a token's times: RFC 3339 has four digits of year.
	clockRangeMax = 253402300799
)

const (
	// filePoll is how often a key file is read again, fileInterval the least
	// time between two reads that tokens with unknown keys cause.
	filePoll     = 5 * time.Second
	fileInterval = time.Second
)
