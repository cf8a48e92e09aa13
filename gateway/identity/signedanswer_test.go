package identity_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/identity"
)

const (
	answerHeader = `{"alg":"RS256","typ":"token-introspection+jwt","kid":"rsa"}`
	answerMedia  = "application/token-introspection+jwt"
)

// answerClaims wraps an answer as an issuer of the gateway's client does.
var answerClaims = `{"iss":"https://issuer.test","aud":"gateway:1","iat":1795348800,"token_introspection":` + active + `}`

// signing is a verifier that asks for signed answers at an endpoint that a test
// words.
func signing(t *testing.T, answer func(w http.ResponseWriter), change ...func(*identity.Options)) *identity.Verifier {
	t.Helper()
	e := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != answerMedia {
			w.WriteHeader(http.StatusNotAcceptable)
			return
		}
		answer(w)
	}))
	t.Cleanup(e.Close)
	dir := t.TempDir()
	secret, jwks := filepath.Join(dir, "secret"), filepath.Join(dir, "jwks.json")
	write(t, secret, []byte("s\n"))
	write(t, jwks, loadKeys(t).jwks())
	v := verifier(t, append([]func(*identity.Options){func(o *identity.Options) {
		o.Config.AllowPrivate = true
		o.Config.Issuers[0].JWKSFile = jwks
		o.Config.Issuers[0].Introspection = identity.Introspection{URL: e.URL, ClientID: "gateway:1", SecretFile: secret, Timeout: 5 * time.Second, Signed: true}
	}}, change...)...)
	t.Cleanup(v.CloseIdleConnections)
	return v
}

// What a signed answer may do to us (RFC 9701). The names are the attacks.
func TestSignedAnswers(t *testing.T) {
	k := loadKeys(t)
	good := k.sign(answerHeader, answerClaims)
	type answer struct{ media, text, want string }
	say := func(header, claims, want string) answer { return answer{answerMedia, k.sign(header, claims), want} }
	for name, tt := range map[string]answer{
		"as the standard has it":             {answerMedia, good, "ok"},
		"with a parameter behind the type":   {answerMedia + "; charset=utf-8", good, "ok"},
		"for several, us among them":         say(answerHeader, swap(answerClaims, `"gateway:1"`, `["x","gateway:1"]`), "ok"),
		"a type that is spelt in full":       say(swap(answerHeader, "token-", "application/token-"), answerClaims, "ok"),
		"not active":                         say(answerHeader, swap(answerClaims, active, `{"active":false}`), identity.CodeInactive),
		"without a signature at all":         {"application/json", active, "introspect: the answer is not signed"},
		"a JWT that is called JSON":          {"application/json", good, "introspect: the answer is not signed"},
		"JSON that is called a JWT":          {answerMedia, active, "introspect: signed answer: token_malformed: Send one token and nothing else"},
		"no type":                            {"", good, "introspect: the answer is not signed"},
		"by a key that is not the issuer's":  {answerMedia, k.signRaw(b64(answerHeader)+"."+b64(answerClaims), swap(answerHeader, `"rsa"`, `"rsa-other"`)), "introspect: signed answer: token_signature: The token's signature is wrong"},
		"by a key that nobody knows":         say(swap(answerHeader, `"rsa"`, `"unheard-of"`), answerClaims, "introspect: signed answer: key_unknown: The token's key is not known"),
		"a signature that was changed":       {answerMedia, good[:len(good)-8] + "AAAAAAAA", "introspect: signed answer: token_signature: The token's signature is wrong"},
		"algorithm none":                     {answerMedia, b64(swap(answerHeader, "RS256", "none")) + "." + b64(answerClaims) + ".", "introspect: signed answer: token_alg: The token's algorithm is not accepted"},
		"a key that it brings along":         say(swap(answerHeader, `"typ"`, `"jku":"https://evil.test","typ"`), answerClaims, "introspect: signed answer: token_header_key: The token must not bring its own key"),
		"an access token of the issuer":      say(header, answerClaims, "introspect: signed answer: is a JWT of another type"),
		"a JWT of no type":                   say(swap(answerHeader, `"typ":"token-introspection+jwt",`, ""), answerClaims, "introspect: signed answer: is a JWT of another type"),
		"another issuer's":                   say(answerHeader, strings.Replace(answerClaims, issuer, "https://evil.test", 1), "introspect: signed answer: is another issuer's"),
		"for another client":                 say(answerHeader, swap(answerClaims, "gateway:1", "gateway:2"), "introspect: signed answer: is for somebody else"),
		"for nobody":                         say(answerHeader, swap(answerClaims, `"aud":"gateway:1",`, ""), "introspect: signed answer: is for somebody else"),
		"one of ten minutes ago":             say(answerHeader, swap(answerClaims, "1795348800,", at(-600)+","), "introspect: signed answer: was not made just now"),
		"one of the future":                  say(answerHeader, swap(answerClaims, "1795348800,", at(600)+","), "introspect: signed answer: was not made just now"),
		"one of no time":                     say(answerHeader, swap(answerClaims, `"iat":1795348800,`, ""), "introspect: signed answer: does not say when it was made"),
		"one that has ended":                 say(answerHeader, swap(answerClaims, `"iat"`, `"exp":`+at(-90)+`,"iat"`), "introspect: signed answer: has expired"),
		"an answer that is a text":           say(answerHeader, swap(answerClaims, active, `"active"`), "introspect: signed answer: not JSON as RFC 8259 has it"),
		"no answer in it":                    say(answerHeader, swap(answerClaims, `,"token_introspection":`+active, ""), "introspect: signed answer: not JSON as RFC 8259 has it"),
		"the answer beside, not in it":       say(answerHeader, swap(active, `"aud":"https://api.test"`, `"aud":"gateway:1"`), "introspect: signed answer: was not made just now"),
		"the answer names a member twice":    say(answerHeader, swap(answerClaims, `"sub"`, `"active":false,"sub"`), "introspect: signed answer: token_duplicate_member: The token names a member twice"),
		"active in another issuer's name":    say(answerHeader, swap(answerClaims, `"active":true,"iss":"https://issuer.test"`, `"active":true,"iss":"https://evil.test"`), identity.CodeIssuer),
		"encrypted":                          {answerMedia, "a.b.c.d.e", "introspect: signed answer: token_encrypted: Encrypted tokens are not accepted"},
		"a signed answer over its limit":     {answerMedia, strings.Repeat("x", identity.AnswerBytesMax+1), "more than 65536 B"},
		"a page of somebody else's portal":   {"text/html", "<html>", "introspect: the answer is not signed"},
		"critical extensions":                say(swap(answerHeader, `"typ"`, `"crit":["x"],"typ"`), answerClaims, "introspect: signed answer: token_critical: The token needs an extension that is not supported"),
		"another algorithm of the list":      {answerMedia, k.sign(swap(answerHeader, "RS256", "PS256"), answerClaims), "ok"},
		"an audience that is one of a token": say(answerHeader, swap(answerClaims, `"gateway:1"`, `"https://api.test"`), "introspect: signed answer: is for somebody else"),
	} {
		t.Run(name, func(t *testing.T) {
			v := signing(t, func(w http.ResponseWriter) {
				w.Header()["Content-Type"] = nil
				if tt.media != "" {
					w.Header().Set("Content-Type", tt.media)
				}
				_, _ = w.Write([]byte(tt.text))
			})
			if got := outcome(t.Context(), v, bearer("opaque")); got != tt.want && !strings.HasSuffix(got, tt.want) {
				t.Errorf("Verify() = %q, want %q", got, tt.want)
			}
		})
	}
	only := signing(t, func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", answerMedia)
		_, _ = w.Write([]byte(good))
	}, func(o *identity.Options) { o.Config.Issuers[0].Algorithms = []string{"ES256"} })
	if got := outcome(t.Context(), only, bearer("opaque")); got != "introspect: signed answer: its algorithm is not accepted" {
		t.Errorf("an algorithm that is not on the issuer's list: %s", got)
	}
}

// An answer to be signed is asked for as such, and a JWT of the issuer is asked about
// and not verified although there are keys.
func TestSignedAnswersAreOfTheIssuersKeys(t *testing.T) {
	k := loadKeys(t)
	asked := 0
	v := signing(t, func(w http.ResponseWriter) {
		asked++
		w.Header().Set("Content-Type", answerMedia)
		_, _ = w.Write([]byte(k.sign(answerHeader, answerClaims)))
	})
	if id := verify(t, v, k.sign(header, swap(claims, "alice", "mallory"))); id.Subject != names(t).Subject(issuer, "alice") || asked != 1 {
		t.Errorf("%q after %d questions, want what the issuer says", id.Subject, asked)
	}
	err := v.Ready()
	if err != nil {
		t.Errorf("Ready() = %v", err)
	}
}

func TestSignedAnswersNameEveryFault(t *testing.T) {
	signed := identity.Introspection{URL: "https://issuer.test/introspect", ClientID: "x", SecretFile: "x", Signed: true}
	plain := signed
	plain.Signed = false
	for name, c := range map[string]struct {
		issuer identity.Issuer
		want   string
	}{
		"signed, with keys by URL":       {identity.Issuer{JWKSURL: "https://issuer.test/keys", Introspection: signed}, ""},
		"signed, with keys of discovery": {identity.Issuer{Introspection: signed}, ""},
		"not signed, with keys":          {identity.Issuer{JWKSURL: "https://issuer.test/keys", Introspection: plain}, "introspection.url: is set beside a key set"},
		"signed, keys without TLS":       {identity.Issuer{JWKSURL: "http://issuer.test/keys", Introspection: signed}, "jwks_url: must be https"},
		"signed, by nobody's endpoint":   {identity.Issuer{Introspection: identity.Introspection{Signed: true}}, "introspection.url: is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			config := identity.DefaultConfig()
			c.issuer.Issuer, c.issuer.Audiences = "https://issuer.test", []string{"x"}
			config.Issuers = []identity.Issuer{c.issuer}
			err := config.Validate()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
