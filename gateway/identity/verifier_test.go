package identity_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// verify returns the identity of a token that must be good.
func verify(t *testing.T, v *identity.Verifier, token string) identity.Identity {
	t.Helper()
	id, err := v.Verify(t.Context(), bearer(token), home)
	if err != nil {
		t.Fatal(err)
	}
	said := *id
	said.Memo = nil // What gateway/session makes of it.
	return said
}

func TestIdentity(t *testing.T) {
	k, n := loadKeys(t), names(t)
	full := func(change func(*identity.Identity)) identity.Identity {
		id := identity.Identity{
			Tenant: "default", Issuer: issuer, Subject: n.Subject(issuer, "alice"), Session: n.Session(issuer, "s-1"), TokenID: n.Token(issuer, "t-1"),
			ClientID: "web", Aliases: []string{n.Session(issuer, "t-1")}, Scopes: []string{"read", "write"}, ACR: "mfa", AMR: []string{"pwd", "otp"},
			AuthTime: time.Unix(1795340000, 0).UTC(), IssuedAt: time.Unix(1795348500, 0).UTC(), Expires: time.Unix(1795349160, 0).UTC(), // With the leeway of a minute.
			Binding: event.BindingNone, Method: identity.MethodJWT, Kind: event.SubjectHuman,
		}
		change(&id)
		return id
	}
	bare := swap(claims, `"jti":"t-1","sid":"s-1",`, "")
	signing := b64(header) + "." + b64(bare)
	tests := map[string]struct {
		claims string
		spec   func(*identity.Issuer)
		want   func(*identity.Identity)
	}{
		"everything": {claims: claims},
		"no sid: the session is the jti": {
			claims: swap(claims, `,"sid":"s-1"`, ""),
			want:   func(id *identity.Identity) { id.Session, id.Aliases = n.Session(issuer, "t-1"), nil },
		},
		"no sid and no jti: it is the signing input": {
			claims: bare,
			want: func(id *identity.Identity) {
				id.Session, id.Aliases, id.TokenID = n.Session(issuer, signing), nil, n.Token(issuer, signing)
			},
		},
		"another session claim": {
			claims: swap(claims, `"sid"`, `"session_state"`),
			spec:   func(s *identity.Issuer) { s.SessionClaim = "session_state" },
		},
		"another scope claim": {
			claims: swap(claims, `"jti"`, `"roles":["a","b"],"jti"`),
			spec:   func(s *identity.Issuer) { s.ScopeClaim = "roles" },
			want:   func(id *identity.Identity) { id.Scopes = []string{"a", "b"} },
		},
		"azp instead of client_id": {
			claims: swap(claims, `"client_id"`, `"azp"`),
		},
		"a client for itself is a service": {
			claims: swap(claims, `"client_id":"web"`, `"client_id":"alice"`),
			want:   func(id *identity.Identity) { id.ClientID, id.Kind = "alice", event.SubjectService },
		},
		"a grant for clients is a service": {
			claims: swap(claims, `"jti"`, `"gty":"client-credentials","jti"`),
			want:   func(id *identity.Identity) { id.Kind = event.SubjectService },
		},
		"a claim that says agent": {
			claims: swap(claims, `"jti"`, `"kind":"bot","jti"`),
			spec:   func(s *identity.Issuer) { s.KindClaim, s.AgentValues = "kind", []string{"bot"} },
			want:   func(id *identity.Identity) { id.Kind = event.SubjectAgent },
		},
		"a claim that says service": {
			claims: swap(claims, `"jti"`, `"kind":"job","jti"`),
			spec:   func(s *identity.Issuer) { s.KindClaim, s.ServiceValues = "kind", []string{"job"} },
			want:   func(id *identity.Identity) { id.Kind = event.SubjectService },
		},
		"a tenant": {
			claims: claims,
			spec:   func(s *identity.Issuer) { s.Tenant = "acme" },
			want:   func(id *identity.Identity) { id.Tenant = "acme" },
		},
		"no auth_time": {
			claims: swap(claims, `"auth_time":1795340000,`, ""),
			want:   func(id *identity.Identity) { id.AuthTime = time.Time{} },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := verifier(t, func(o *identity.Options) {
				if tt.spec != nil {
					tt.spec(&o.Config.Issuers[0])
				}
			})
			if tt.want == nil {
				tt.want = func(*identity.Identity) {}
			}
			for _, from := range []string{"full check", "cache"} {
				if diff := cmp.Diff(full(tt.want), verify(t, v, k.sign(header, tt.claims))); diff != "" {
					t.Errorf("from %s (-want +got):\n%s", from, diff)
				}
			}
		})
	}
}

// Two spellings of one ECDSA signature are one session.
func TestMalleableSignatureIsTheSameSession(t *testing.T) {
	k, v := loadKeys(t), verifier(t)
	token := k.sign(`{"alg":"ES256","typ":"at+jwt","kid":"ec"}`, swap(claims, `"jti":"t-1","sid":"s-1",`, ""))
	twin := otherSpelling(t, token)
	if token == twin {
		t.Fatal("the twin is the token")
	}
	if a, b := verify(t, v, token), verify(t, v, twin); a.Session != b.Session || a.TokenID != b.TokenID {
		t.Errorf("sessions %q and %q", a.Session, b.Session)
	}
}

func TestAuthorizationHeader(t *testing.T) {
	k, v := loadKeys(t), verifier(t)
	token := k.sign(header, claims)
	tests := map[string]struct {
		values []string
		want   string
	}{
		"none":                                 {nil, identity.ErrNone.Error()},
		"a scheme that begins alike":           {[]string{"Bearers YTpi"}, identity.ErrNone.Error()},
		"a tab behind the scheme":              {[]string{"Bearer\tx"}, identity.CodeMalformed},
		"a space of Latin-1 behind the scheme": {[]string{"DPoP\xa0x"}, identity.CodeMalformed},
		"a space of Latin-1 before the scheme": {[]string{"\xa0bearer x"}, identity.CodeMalformed},
		"a colon behind the scheme":            {[]string{"Bearer:x"}, identity.CodeMalformed},
		"another scheme":                       {[]string{"Basic YTpi"}, identity.ErrNone.Error()},
		"empty":                                {[]string{""}, identity.ErrNone.Error()},
		"scheme alone":                         {[]string{"Bearer"}, identity.CodeMalformed},
		"scheme and space":                     {[]string{"Bearer "}, identity.CodeMalformed},
		"scheme in capitals":                   {[]string{"BEARER " + token}, "ok"},
		"several spaces":                       {[]string{"Bearer   " + token}, "ok"},
		"two headers":                          {[]string{"Bearer " + token, "Bearer " + token}, identity.CodeMultipleCredentials},
		"two headers, one foreign":             {[]string{"Basic YTpi", "Bearer " + token}, identity.CodeMultipleCredentials},
		"two tokens in one":                    {[]string{"Bearer " + token + ", Bearer " + token}, identity.CodeMalformed},
		"a parameter behind":                   {[]string{"Bearer " + token + " x=1"}, identity.CodeMalformed},
		"over 16 KiB":                          {[]string{"Bearer " + strings.Repeat("x", identity.TokenBytesMax+1)}, identity.CodeTooLarge},
		"a line break":                         {[]string{"Bearer " + token[:20] + "\n" + token[20:]}, identity.CodeMalformed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{Header: http.Header{}}
			if tt.values != nil {
				r.Header["Authorization"] = tt.values
			}
			if got := outcome(t.Context(), v, r); got != tt.want {
				t.Errorf("Verify() = %q, want %q", got, tt.want)
			}
		})
	}
}

// An issuer gives only the contexts that are its own.
func TestContextOfAnotherIssuer(t *testing.T) {
	k := loadKeys(t)
	for name, tt := range map[string]struct {
		values []string
		want   string
	}{
		"none is listed":  {nil, "mfa"},
		"it is listed":    {[]string{"gold", "mfa"}, "mfa"},
		"another's alone": {[]string{"gold"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			v := verifier(t, func(o *identity.Options) { o.Config.Issuers[0].ACRValues = tt.values })
			id, err := v.Verify(t.Context(), bearer(k.sign(header, claims)), home)
			if err != nil || id.ACR != tt.want {
				t.Errorf("context %q, %v; want %q", id.ACR, err, tt.want)
			}
		})
	}
}

// A token that was good once is looked at again by the clock, on every hit.
func TestCachedTokenExpires(t *testing.T) {
	k := loadKeys(t)
	now := time.Unix(clock, 0)
	v := verifier(t, func(o *identity.Options) { o.Now = func() time.Time { return now } })
	token := k.sign(header, claims)
	for _, tt := range []struct {
		at   int64
		want string
	}{
		{clock, "ok"},
		{1795349100 + 59, "ok"},
		{1795349100 + 60, identity.CodeExpired},
		{clock, "ok"},
		{1795348500 - 61, identity.CodeNotYetValid},
	} {
		now = time.Unix(tt.at, 0)
		if got := outcome(t.Context(), v, bearer(token)); got != tt.want {
			t.Errorf("at %s: %q, want %q", now.UTC(), got, tt.want)
		}
	}
}

func TestMaxTokenAge(t *testing.T) {
	k := loadKeys(t)
	now := time.Unix(clock, 0)
	v := verifier(t, func(o *identity.Options) {
		o.Config.Issuers[0].MaxTokenAge = 3 * time.Minute
		o.Now = func() time.Time { return now }
	})
	now = time.Unix(1795348500+200, 0)
	if got := outcome(t.Context(), v, bearer(k.sign(header, claims))); got != "ok" {
		t.Errorf("a young token: %q", got)
	}
	now = time.Unix(1795348500+240, 0)
	if got := outcome(t.Context(), v, bearer(k.sign(header, claims))); got != identity.CodeExpired {
		t.Errorf("an old token: %q", got)
	}
	if got := outcome(t.Context(), v, bearer(k.sign(header, swap(claims, `"iat":1795348500,`, "")))); got != identity.CodeMalformed {
		t.Errorf("a token without iat: %q", got)
	}
}

// An absent typ is accepted only where the operator says so.
func TestTypeNone(t *testing.T) {
	k := loadKeys(t)
	v := verifier(t, func(o *identity.Options) { o.Config.Issuers[0].Types = []string{"none"} })
	if got := outcome(t.Context(), v, bearer(k.sign(swap(header, `"typ":"at+jwt",`, ""), claims))); got != "ok" {
		t.Errorf("no typ: %q", got)
	}
	if got := outcome(t.Context(), v, bearer(k.sign(header, claims))); got != identity.CodeType {
		t.Errorf("a typ: %q", got)
	}
}

// The cache is bounded, and what falls out of it is only checked again.
func TestCacheIsBounded(t *testing.T) {
	const entries = 256
	k := loadKeys(t)
	v := verifier(t, func(o *identity.Options) { o.Config.CacheEntries = entries })
	edHeader := `{"alg":"EdDSA","typ":"at+jwt","kid":"ed"}`
	for n := range 4 * entries {
		verify(t, v, k.sign(edHeader, swap(claims, "t-1", fmt.Sprint("t-", n))))
	}
	if n := v.Cached(); n > entries || n < entries/4 {
		t.Errorf("%d tokens are remembered, want at most %d", n, entries)
	}
	verify(t, v, k.sign(edHeader, swap(claims, "t-1", "t-0")))
	off := verifier(t, func(o *identity.Options) { o.Config.CacheEntries = 0 })
	verify(t, off, k.sign(header, claims))
	if n := off.Cached(); n != 0 {
		t.Errorf("%d tokens are remembered by no cache", n)
	}
}

func TestCacheHitDoesNotAllocate(t *testing.T) {
	k, v := loadKeys(t), verifier(t)
	r := bearer(k.sign(header, claims))
	ctx := t.Context()
	allocations := testing.AllocsPerRun(100, func() {
		_, err := v.Verify(ctx, r, home)
		if err != nil {
			t.Error(err)
		}
	})
	if allocations > 0 {
		t.Errorf("a hit makes %v allocations, want 0", allocations)
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	c := identity.Config{
		CacheEntries: -1,
		Issuers: []identity.Issuer{
			{Issuer: "https://a", Audiences: []string{""}, Algorithms: []string{"HS256"}, Types: []string{""}, JWKSURL: "http://a/keys", Leeway: time.Hour, MaxTokenAge: -1, AgentValues: []string{"x"}},
			{Issuer: "https://a", JWKSURL: "https://a", JWKSFile: "x"},
			{},
			{Issuer: "not a url", Audiences: []string{"x"}},
		},
	}
	err := c.Validate()
	if err == nil {
		t.Fatal("Validate accepted a faulty configuration")
	}
	for _, want := range []string{
		"issuers[0].audiences", `issuers[0].algorithms[0]: "HS256" is not one of`, "issuers[0].types", "issuers[0].jwks_url: must be https",
		"issuers[0].leeway", "issuers[0].max_token_age", "issuers[0].kind_claim", "issuers[1].jwks_file", `issuers[1].issuer: "https://a" is also that of issuers[0]`,
		"issuers[2].issuer: is missing", "issuers[3].issuer: must be https", "cache_entries", "keys_min_interval", "keys_refresh",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Validate() = %v\nwithout %q", err, want)
		}
	}
	err = identity.Config{Issuers: make([]identity.Issuer, identity.IssuersMax+1)}.Validate()
	if err == nil || !strings.Contains(err.Error(), "issuers: at most") {
		t.Error("Validate() accepted more than IssuersMax issuers")
	}
	err = identity.DefaultConfig().Validate()
	if err != nil {
		t.Errorf("the default configuration has faults: %v", err)
	}
}

func TestErrorsCompareByCode(t *testing.T) {
	_, err := verifier(t).Verify(t.Context(), bearer("x"), home)
	if !errors.Is(err, &identity.Error{Code: identity.CodeMalformed}) || errors.Is(err, &identity.Error{Code: identity.CodeExpired}) {
		t.Errorf("errors.Is does not compare codes of %v", err)
	}
}

func BenchmarkVerify(b *testing.B) {
	k := loadKeys(b)
	for name, head := range map[string]string{"RS256": header, "ES256": `{"alg":"ES256","typ":"at+jwt","kid":"ec"}`} {
		r := bearer(k.sign(head, claims))
		for cached, entries := range map[string]int{"hit": 1024, "miss": 0} {
			b.Run(name+"/"+cached, func(b *testing.B) {
				v := verifier(b, func(o *identity.Options) { o.Config.CacheEntries = entries })
				b.ReportAllocs()
				for b.Loop() {
					_, err := v.Verify(b.Context(), r, home)
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
