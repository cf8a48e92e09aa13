package login

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// flow is a sign-in under way, kept by the browser that began it.
type flow struct {
	Provider string `json:"p"`
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"` // Of PKCE.
	Return   string `json:"r"`
	Begun    int64  `json:"b"` // Unix seconds.
	// Session is the one to be stepped up; empty for a new one.
	Session string `json:"i,omitempty"`
	// What the provider is asked for.
	ACR    []string `json:"c,omitempty"`
	AMR    []string `json:"a,omitempty"` // It cannot be asked for: only looked at afterwards.
	MaxAge int64    `json:"m,omitempty"` // Seconds; 0 for no demand.
	Fresh  bool     `json:"f,omitempty"` // The person has to prove himself now.
}

// sealFlow makes the cookie of a flow.
func (r *ring) sealFlow(f flow) (*http.Cookie, error) {
	b, err := json.Marshal(f)
	if err != nil {
		return nil, err //nolint:wrapcheck // Cannot happen: texts and numbers only.
	}
	sealed := r.seal(purposeFlow, b)
	if len(sealed) > flowBytesMax {
		return nil, faultOf(CodeState, "does not fit into a cookie")
	}
	return cookie(flowName(f.State), sealed, flowFor), nil
}

// flowOf finds the flow of a callback's state in the browser's cookies.
func (r *ring) flowOf(req *http.Request, state string, now time.Time) (flow, error) {
	sealed := one(req, flowName(state))
	if sealed == "" {
		return flow{}, faultOf(CodeState, "the browser has no such sign-in")
	}
	b, err := r.open(purposeFlow, sealed)
	if err != nil {
		return flow{}, faultOf(CodeState, "not sealed by us")
	}
	var f flow
	err = json.Unmarshal(b, &f)
	if err != nil || f.State != state {
		return flow{}, faultOf(CodeState, "the sign-in has another state")
	}
	begun := time.Unix(f.Begun, 0)
	if now.Sub(begun) > flowFor || begun.Sub(now) > leeway {
		return flow{}, faultOf(CodeState, "took too long")
	}
	return f, nil
}

// secret is 256 random bits in base64url.
func secret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // Never fails, or the process ends.
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// returnTo accepts a path of this very origin and makes everything else the root:
// what a browser could read as another origin, or as one of our own pages.
func returnTo(raw, prefix string) string {
	if len(raw) > returnBytesMax || len(raw) == 0 || raw[0] != '/' || strings.HasPrefix(raw, "//") || strings.ContainsRune(raw, '\\') {
		return "/"
	}
	for _, c := range []byte(raw) {
		if c <= ' ' || c >= 0x7f {
			return "/"
		}
	}
	u, err := url.ParseRequestURI(raw)
	if err != nil || u.Host != "" || u.Scheme != "" || strings.HasPrefix(u.Path, "//") || strings.ContainsRune(u.Path, '\\') ||
		strings.HasPrefix(u.Path, prefix) {
		return "/"
	}
	return raw
}
