package identity_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// active is what an issuer says about a good token.
const active = `{"active":true,"iss":"https://issuer.test","sub":"alice","aud":"https://api.test","exp":1795349100,"iat":1795348500,"jti":"t-1","sid":"s-1","client_id":"web","scope":"read write","acr":"mfa"}`

// endpoint answers questions about tokens.
type endpoint struct {
	*httptest.Server

	asked  atomic.Int64
	answer atomic.Pointer[func(w http.ResponseWriter, token string)]
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := new(endpoint)
	e.says(active)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.asked.Add(1)
		id, secret, _ := r.BasicAuth()
		if r.Method != http.MethodPost || id != "gateway%3A1" || secret != "s%26cret" || r.PostFormValue("token_type_hint") != "access_token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		(*e.answer.Load())(w, r.PostFormValue("token"))
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) answers(f func(w http.ResponseWriter, token string)) { e.answer.Store(&f) }

func (e *endpoint) says(text string) {
	e.answers(func(w http.ResponseWriter, _ string) { _, _ = fmt.Fprint(w, text) })
}

// asking trusts what the endpoint says, at a clock that the test moves.
func (e *endpoint) asking(t *testing.T, change ...func(*identity.Options)) (*identity.Verifier, *atomic.Int64) {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, []byte("s&cret\n"))
	now := new(atomic.Int64)
	now.Store(time.Unix(clock, 0).UnixNano())
	v := verifier(t, append([]func(*identity.Options){func(o *identity.Options) {
		o.Config.AllowPrivate = true
		o.Config.Issuers[0].JWKSFile = ""
		o.Config.Issuers[0].Introspection = identity.Introspection{URL: e.URL, ClientID: "gateway:1", SecretFile: secret, Timeout: 5 * time.Second}
		o.Now = func() time.Time { return time.Unix(0, now.Load()) }
	}}, change...)...)
	t.Cleanup(v.CloseIdleConnections)
	return v, now
}

func TestIntrospection(t *testing.T) {
	e, n := newEndpoint(t), names(t)
	v, _ := e.asking(t)
	want := identity.Identity{
		Tenant: "default", Issuer: issuer, Subject: n.Subject(issuer, "alice"), Session: n.Session(issuer, "s-1"), TokenID: n.Token(issuer, "t-1"),
		ClientID: "web", Aliases: []string{n.Session(issuer, "t-1")}, Scopes: []string{"read", "write"}, ACR: "mfa",
		IssuedAt: time.Unix(1795348500, 0).UTC(), Expires: time.Unix(1795349160, 0).UTC(),
		Binding: event.BindingNone, Method: identity.MethodIntrospection, Kind: event.SubjectHuman,
	}
	for range 2 {
		if diff := cmp.Diff(want, verify(t, v, "opaque-1")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	// A JWT of the issuer is asked about, too; its own claims count for nothing.
	k := loadKeys(t)
	if id := verify(t, v, k.sign(header, swap(claims, "alice", "mallory"))); id.Subject != n.Subject(issuer, "alice") {
		t.Errorf("a JWT acts for %q", id.Subject)
	}
	if asked := e.asked.Load(); asked != 2 {
		t.Errorf("%d questions about two tokens", asked)
	}
	// But an ID token is none for APIs, whatever its issuer answers.
	idToken := k.sign(put(header, "typ", `"JWT"`), put(claims, "nonce", `"n"`))
	if got := outcome(t.Context(), v, bearer(idToken)); got != identity.CodeType {
		t.Errorf("an ID token: %s", got)
	}
	err := v.Ready()
	if err != nil {
		t.Errorf("Ready() = %v", err)
	}
}

// What an issuer's answer may do to us. The names are the attacks.
func TestIntrospectionAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		answer, want string
	}{
		"an ID token, as Keycloak answers":          {swap(active, `"sub"`, `"typ":"ID","token_type":"Bearer","sub"`), identity.CodeType},
		"a refresh token, as oidc-provider answers": {swap(active, `"aud":"https://api.test",`, ""), identity.CodeType},
		"a refresh token, as Hydra answers":         {swap(active, `"sub"`, `"token_use":"refresh_token","sub"`), identity.CodeType},
		"an access token, as Hydra answers":         {swap(active, `"sub"`, `"token_use":"access_token","token_type":"Bearer","sub"`), "ok"},
		"a token of an unknown type":                {swap(active, `"sub"`, `"token_type":"mac","sub"`), identity.CodeType},
		"a type that is no text":                    {swap(active, `"sub"`, `"token_type":["Bearer"],"sub"`), identity.CodeType},
		"a bearer token":                            {swap(active, `"sub"`, `"token_type":"bearer","sub"`), "ok"},
		"not active":                                {`{"active":false}`, identity.CodeInactive},
		"not active, and much more":                 {swap(active, "true", "false"), identity.CodeInactive},
		"active as a text":                          {swap(active, "true", `"true"`), "introspect: answer does not say whether the token is active"},
		"active twice":                              {swap(active, `"sub"`, `"active":false,"sub"`), "introspect: answer: duplicate member"},
		"a list":                                    {"[" + active + "]", "introspect: answer: not JSON as RFC 8259 has it"},
		"another issuer":                            {swap(active, issuer, "https://evil.test"), identity.CodeIssuer},
		"no issuer":                                 {swap(active, `"iss":"https://issuer.test",`, ""), "ok"},
		"for somebody else":                         {swap(active, "https://api.test", "https://other.test"), identity.CodeAudience},
		"for nobody":                                {swap(active, `"aud":"https://api.test",`, `"token_type":"Bearer",`), identity.CodeAudience},
		"expired":                                   {swap(active, "1795349100", at(-60)), identity.CodeExpired},
		"no end":                                    {swap(active, `"exp":1795349100,`, ""), "ok"},
		"not yet valid":                             {swap(active, `"sub"`, `"nbf":`+at(120)+`,"sub"`), identity.CodeNotYetValid},
		"nobody acts":                               {swap(swap(active, `"sub":"alice",`, ""), `"client_id":"web",`, ""), identity.CodeMalformed},
		"a client acts":                             {swap(active, `"sub":"alice",`, ""), "ok"},
		"bound to a key":                            {swap(active, `"sub"`, `"cnf":{"jkt":"abc"},"sub"`), identity.CodeBound},
		"bound to a key that is not named":          {swap(active, `"sub"`, `"token_type":"DPoP","sub"`), identity.CodeMalformed},
		"scopes that are an object":                 {swap(active, `"read write"`, `{}`), identity.CodeMalformed},
		"an answer over its limit":                  {swap(active, "alice", strings.Repeat("x", identity.AnswerBytesMax)), "more than 65536 B"},
		"an answer that nests deep":                 {swap(active, `"sub"`, `"x":`+nested(9)+`,"sub"`), "introspect: answer: too deep or too many members"},
		"a page of somebody else's portal":          {"<html>", "introspect: answer: not JSON as RFC 8259 has it"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t)
			e.says(tt.answer)
			v, _ := e.asking(t)
			if got := outcome(t.Context(), v, bearer("opaque")); got != tt.want && !strings.HasSuffix(got, tt.want) {
				t.Errorf("Verify() = %q, want %q", got, tt.want)
			}
		})
	}
	e := newEndpoint(t)
	e.says(swap(active, `"aud":"https://api.test",`, `"token_type":"Bearer",`))
	v, _ := e.asking(t, func(o *identity.Options) { o.Config.Issuers[0].Introspection.AudienceOptional = true })
	if got := outcome(t.Context(), v, bearer("opaque")); got != "ok" {
		t.Errorf("no audience where none is needed: %s", got)
	}
	before := e.asked.Load()
	for _, token := range []string{"op aque", "op,aque", "öpaque", "op\x00aque"} {
		if got := outcome(t.Context(), v, bearer(token)); got != identity.CodeMalformed {
			t.Errorf("%q: %s", token, got)
		}
	}
	if e.asked.Load() != before {
		t.Error("the issuer was asked about what is no token")
	}
}

// A good answer is used for its time, at most until the token expires; a bad one
// for a shorter one.
func TestIntrospectionIsRemembered(t *testing.T) {
	e := newEndpoint(t)
	v, now := e.asking(t)
	ask := func(token string, after time.Duration) (string, int64) {
		now.Store(time.Unix(clock, 0).Add(after).UnixNano())
		before := e.asked.Load()
		return outcome(t.Context(), v, bearer(token)), e.asked.Load() - before
	}
	steps := func(token string, list ...any) {
		t.Helper()
		for i := 0; i < len(list); i += 3 {
			got, asked := ask(token, list[i].(time.Duration))
			if got != list[i+1] || asked != int64(list[i+2].(int)) {
				t.Errorf("%s after %s: %s with %d questions, want %s with %d", token, list[i], got, asked, list[i+1], list[i+2])
			}
		}
	}
	steps("a", time.Duration(0), "ok", 1, 29*time.Second, "ok", 0, 30*time.Second, "ok", 1)
	e.says(swap(active, "1795349100", at(40)))
	steps("b", 99*time.Second, "ok", 1)
	e.says(`{"active":false}`)
	steps("b", 100*time.Second, identity.CodeInactive, 1)
	steps("c", 101*time.Second, identity.CodeInactive, 1, 105*time.Second, identity.CodeInactive, 0, 106*time.Second, identity.CodeInactive, 1)
}

// Many requests with one token at one time are one question.
func TestIntrospectionIsSingleFlight(t *testing.T) {
	e := newEndpoint(t)
	hold := make(chan struct{})
	e.answers(func(w http.ResponseWriter, _ string) {
		<-hold
		_, _ = fmt.Fprint(w, active)
	})
	v, _ := e.asking(t, func(o *identity.Options) { o.Config.Issuers[0].Introspection.Timeout = 5 * time.Second })
	gone, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 20 {
		ctx := t.Context()
		if i == 0 {
			ctx = gone
		}
		wg.Go(func() {
			if got := outcome(ctx, v, bearer("opaque")); got != "ok" && i > 0 {
				t.Errorf("Verify() = %s", got)
			}
		})
	}
	for e.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	leave() // Whoever asked first does not take the answer from the others.
	close(hold)
	wg.Wait()
	// Whoever comes just as the answer does may ask once more.
	if asked := e.asked.Load(); asked > 2 {
		t.Errorf("20 requests with one token were %d questions", asked)
	}
}

// Tokens that an issuer does not even take the question about shut nobody else out.
func TestMadeUpTokensDoNotOpenTheBreaker(t *testing.T) {
	e := newEndpoint(t)
	v, _ := e.asking(t)
	e.answers(func(w http.ResponseWriter, token string) {
		if strings.HasPrefix(token, "odd") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = fmt.Fprint(w, active)
	})
	for i := range 10 {
		if got := outcome(t.Context(), v, bearer(fmt.Sprint("odd-", i))); !strings.HasPrefix(got, "introspect: status 400") {
			t.Errorf("odd token %d: %s", i, got)
		}
	}
	if got := outcome(t.Context(), v, bearer("good")); got != "ok" {
		t.Errorf("a good token behind odd ones: %s", got)
	}
}

// An issuer that fails is left alone for a while, and then tried once. What was
// good before stays so for its time.
func TestIntrospectionBreaker(t *testing.T) {
	e := newEndpoint(t)
	v, now := e.asking(t)
	if got := outcome(t.Context(), v, bearer("before")); got != "ok" {
		t.Fatal(got)
	}
	e.answers(func(w http.ResponseWriter, _ string) { w.WriteHeader(http.StatusInternalServerError) })
	for i := range 10 {
		got := outcome(t.Context(), v, bearer(fmt.Sprint("during-", i)))
		want := "introspect: status 500"
		if i >= 5 {
			want = "introspect: the issuer has not answered lately"
		}
		if got != want {
			t.Errorf("failure %d: %s, want %s", i, got, want)
		}
	}
	if got := outcome(t.Context(), v, bearer("before")); got != "ok" {
		t.Errorf("a token from before: %s", got)
	}
	now.Add(int64(time.Second))
	if got := outcome(t.Context(), v, bearer("trial")); got != "introspect: status 500" {
		t.Errorf("the trial: %s", got)
	}
	now.Add(int64(time.Second))
	if got := outcome(t.Context(), v, bearer("early")); got != "introspect: the issuer has not answered lately" {
		t.Errorf("after a trial that failed: %s", got)
	}
	hold, asked := make(chan struct{}), make(chan struct{})
	e.answers(func(w http.ResponseWriter, _ string) {
		close(asked)
		<-hold
		_, _ = fmt.Fprint(w, active)
	})
	now.Add(int64(time.Second))
	trial := make(chan string)
	go func() { trial <- outcome(t.Context(), v, bearer("trial-2")) }()
	<-asked
	if got := outcome(t.Context(), v, bearer("beside")); got != "introspect: the issuer has not answered lately" {
		t.Errorf("beside the trial: %s", got)
	}
	close(hold)
	if got := <-trial; got != "ok" {
		t.Errorf("the trial that works: %s", got)
	}
	e.says(active)
	for range 2 {
		if got := outcome(t.Context(), v, bearer("after")); got != "ok" {
			t.Errorf("when it works again: %s", got)
		}
	}
}

// Made-up tokens cannot fill the gateway, nor the issuer.
func TestIntrospectionIsBounded(t *testing.T) {
	e := newEndpoint(t)
	hold := make(chan struct{})
	e.answers(func(w http.ResponseWriter, _ string) {
		<-hold
		_, _ = fmt.Fprint(w, `{"active":false}`)
	})
	v, _ := e.asking(t, func(o *identity.Options) { o.Config.Issuers[0].Introspection.Timeout = 5 * time.Second })
	var wg sync.WaitGroup
	var busy, refused atomic.Int64
	for i := range identity.QuestionsMax + 40 {
		wg.Go(func() {
			switch got := outcome(t.Context(), v, bearer(fmt.Sprint("made-up-", i))); got {
			case "introspect: too many questions at once":
				busy.Add(1)
			case identity.CodeInactive:
				refused.Add(1)
			default:
				t.Errorf("Verify() = %s", got)
			}
		})
	}
	for busy.Load() < 40 {
		time.Sleep(time.Millisecond)
	}
	close(hold)
	wg.Wait()
	if refused.Load() != identity.QuestionsMax {
		t.Errorf("%d were asked about, want %d", refused.Load(), identity.QuestionsMax)
	}
	for i := range 3 * identity.RefusalsMax {
		v.Refuse(issuer, fmt.Sprint("made-up-", i))
	}
	if n := v.Refusals(issuer); n > identity.RefusalsMax || n < identity.RefusalsMax/2 {
		t.Errorf("%d refusals are remembered, want at most %d", n, identity.RefusalsMax)
	}
}

// Issuers are told apart by the prefixes of their tokens.
func TestIntrospectionByPrefix(t *testing.T) {
	a, b := newEndpoint(t), newEndpoint(t)
	b.says(swap(active, issuer, "https://other.test"))
	v, _ := a.asking(t, func(o *identity.Options) {
		other := o.Config.Issuers[0]
		other.Issuer, other.Introspection.URL, other.Introspection.TokenPrefix = "https://other.test", b.URL, "oth_"
		o.Config.Issuers = append(o.Config.Issuers, other)
	})
	if id := verify(t, v, "plain"); id.Issuer != issuer {
		t.Errorf("no prefix: %s", id.Issuer)
	}
	if id := verify(t, v, "oth_a.b.c"); id.Issuer != "https://other.test" {
		t.Errorf("a prefix: %s", id.Issuer)
	}
	// A token whose issuer answers in the name of the other.
	b.says(active)
	if got := outcome(t.Context(), v, bearer("oth_x")); got != identity.CodeIssuer {
		t.Errorf("an answer in another's name: %s", got)
	}
	if got := outcome(t.Context(), verifier(t), bearer("opaque")); got != identity.CodeMalformed {
		t.Errorf("where nobody is asked: %s", got)
	}
}

// The endpoint is fetched as keys are: by nobody's redirect, and from no address
// of our own house unless that is allowed.
func TestIntrospectionIsGuarded(t *testing.T) {
	e := newEndpoint(t)
	other := newEndpoint(t)
	e.answers(func(w http.ResponseWriter, _ string) {
		w.Header().Set("Location", other.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	v, _ := e.asking(t)
	if got := outcome(t.Context(), v, bearer("opaque")); got != "introspect: status 307" || other.asked.Load() != 0 {
		t.Errorf("a redirect: %s, %d questions", got, other.asked.Load())
	}
	inside, _ := e.asking(t, func(o *identity.Options) {
		o.Config.AllowPrivate = false
		o.Config.Issuers[0].Introspection.URL = strings.Replace(e.URL, "http://", "https://", 1)
	})
	if got := outcome(t.Context(), inside, bearer("opaque")); !strings.Contains(got, "address is private") {
		t.Errorf("an address of our own house: %s", got)
	}
}
