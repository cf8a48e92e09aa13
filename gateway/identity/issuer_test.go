package identity_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/gateway/identity"
)

// What one issuer asks of its tokens beside what is always asked.
func TestIssuerRules(t *testing.T) {
	const jwtHeader = `{"alg":"RS256","typ":"JWT","kid":"rsa"}`
	k := loadKeys(t)
	add := func(members string) string { return swap(claims, `"jti"`, members+`,"jti"`) }
	profile := func(s *identity.Issuer) { s.Profile = "rfc9068" }
	required := func(list ...string) func(*identity.Issuer) {
		return func(s *identity.Issuer) { s.RequiredClaims = list }
	}
	same := func(*identity.Issuer) {}
	tests := map[string]struct {
		spec   func(*identity.Issuer)
		header string
		claims string
		want   string
	}{
		"the profile is kept":                {profile, header, claims, "ok"},
		"the profile, typ JWT":               {profile, jwtHeader, claims, identity.CodeType},
		"the profile, no client_id":          {profile, header, swap(claims, `"client_id":"web",`, ""), identity.CodeClaim},
		"the profile, no iat":                {profile, header, swap(claims, `"iat":1795348500,`, ""), identity.CodeClaim},
		"the profile, no jti":                {profile, header, swap(claims, `"jti":"t-1",`, ""), identity.CodeClaim},
		"a claim is there":                   {required("email"), header, add(`"email":"a@b"`), "ok"},
		"a claim is missing":                 {required("email"), header, claims, identity.CodeClaim},
		"a claim is null":                    {required("email"), header, add(`"email":null`), identity.CodeClaim},
		"a value is there":                   {required("org=acme"), header, add(`"org":"acme"`), "ok"},
		"a value is another":                 {required("org=acme"), header, add(`"org":"acme2"`), identity.CodeClaim},
		"a value is in a list":               {required("org=acme"), header, add(`"org":["x","acme"]`), "ok"},
		"a value is not in a list":           {required("org=acme"), header, add(`"org":["x"]`), identity.CodeClaim},
		"a value is deep in an object":       {required("org=acme"), header, add(`"org":{"x":"acme"}`), identity.CodeClaim},
		"true":                               {required("email_verified=true"), header, add(`"email_verified":true`), "ok"},
		"not true":                           {required("email_verified=true"), header, add(`"email_verified":false`), identity.CodeClaim},
		"an ID token: nonce":                 {same, jwtHeader, add(`"nonce":"n"`), identity.CodeType},
		"an ID token: at_hash":               {same, jwtHeader, add(`"at_hash":"n"`), identity.CodeType},
		"an ID token of Keycloak":            {same, jwtHeader, add(`"typ":"ID"`), identity.CodeType},
		"a refresh token of Keycloak":        {same, jwtHeader, add(`"typ":"Refresh"`), identity.CodeType},
		"an access token of Keycloak":        {same, jwtHeader, add(`"typ":"Bearer"`), "ok"},
		"a logout token":                     {same, jwtHeader, add(`"events":{"http://schemas.openid.net/event/backchannel-logout":{}}`), identity.CodeType},
		"a nonce where the type is explicit": {same, header, add(`"nonce":"n"`), "ok"},
		"an actor that is no object":         {same, header, add(`"act":"bob"`), identity.CodeMalformed},
		"an actor without a name":            {same, header, add(`"act":{"iss":"x"}`), identity.CodeMalformed},
		"an actor whose name is no text":     {same, header, add(`"act":{"sub":7}`), identity.CodeMalformed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := verifier(t, func(o *identity.Options) { tt.spec(&o.Config.Issuers[0]) })
			if got := outcome(t.Context(), v, bearer(k.sign(tt.header, tt.claims))); got != tt.want {
				t.Errorf("Verify() = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestActor(t *testing.T) {
	k, v, n := loadKeys(t), verifier(t), names(t)
	for name, tt := range map[string]struct{ act, want string }{
		"nobody else acts":  {``, ""},
		"somebody acts":     {`"act":{"sub":"bob"},`, n.Subject(issuer, "bob")},
		"a client acts":     {`"act":{"client_id":"robot"},`, n.Subject(issuer, "robot")},
		"the last one acts": {`"act":{"sub":"bob","act":{"sub":"eve"}},`, n.Subject(issuer, "bob")},
	} {
		id := verify(t, v, k.sign(header, swap(claims, `"jti"`, tt.act+`"jti"`)))
		if id.Actor != tt.want || id.Subject != n.Subject(issuer, "alice") {
			t.Errorf("%s: actor %q, subject %q", name, id.Actor, id.Subject)
		}
	}
}

// Scopes are divided by spaces and by nothing else (RFC 6749 section 3.3): another
// parser sees one scope in the others.
func TestScopesAreDividedAtSpaces(t *testing.T) {
	k, v := loadKeys(t), verifier(t)
	for name, tt := range map[string]struct {
		scope string
		want  []string
	}{
		"spaces":         {`" read  admin "`, []string{"read", "admin"}},
		"a tab":          {`"read\tadmin"`, []string{"read\tadmin"}},
		"a line feed":    {`"admin\nread"`, []string{"admin\nread"}},
		"no-break space": {`"\u00a0admin"`, []string{"\u00a0admin"}},
		"em space":       {`"read\u2003admin"`, []string{"read\u2003admin"}},
	} {
		id := verify(t, v, k.sign(header, put(claims, "scope", tt.scope)))
		if diff := cmp.Diff(tt.want, id.Scopes); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Roles are read where the issuer keeps them, and give scopes.
func TestRoles(t *testing.T) {
	k := loadKeys(t)
	v := func(path string) *identity.Verifier {
		return verifier(t, func(o *identity.Options) {
			o.Config.Issuers[0].RoleClaim = path
			o.Config.Issuers[0].RoleScopes = []identity.RoleScopes{{Role: "clerk", Scopes: []string{"orders", "read"}}, {Role: "boss", Scopes: []string{"all"}}}
		})
	}
	for name, tt := range map[string]struct {
		path, members string
		roles, scopes []string
	}{
		"nested, as Keycloak has them": {"realm_access.roles", `"realm_access":{"roles":["clerk","x"]},`, []string{"clerk", "x"}, []string{"read", "write", "orders"}},
		"under a name with dots":       {"https://x.test/roles", `"https://x.test/roles":["boss"],`, []string{"boss"}, []string{"read", "write", "all"}},
		"a text":                       {"role", `"role":"clerk of works",`, []string{"clerk of works"}, []string{"read", "write"}},
		"none":                         {"realm_access.roles", ``, nil, []string{"read", "write"}},
		"another form":                 {"realm_access.roles", `"realm_access":"clerk",`, nil, []string{"read", "write"}},
	} {
		id := verify(t, v(tt.path), k.sign(header, swap(claims, `"jti"`, tt.members+`"jti"`)))
		if diff := cmp.Diff([2][]string{tt.roles, tt.scopes}, [2][]string{id.Roles, id.Scopes}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := outcome(t.Context(), v("roles"), bearer(k.sign(header, swap(claims, `"jti"`, `"roles":[1],"jti"`)))); got != identity.CodeMalformed {
		t.Errorf("roles that are no texts: %s", got)
	}
}

// A configuration that would let somebody in who should not be, or nobody at
// all, is refused with the reason.
func TestValidateRefusesWhatCannotBeMeant(t *testing.T) {
	good := func() identity.Config {
		c := identity.DefaultConfig()
		c.Issuers = []identity.Issuer{{Issuer: "https://a.test", Audiences: []string{"x"}}}
		return c
	}
	opaque := identity.Introspection{URL: "https://a.test/introspect", ClientID: "g", SecretFile: "s"}
	tests := map[string]struct {
		change func(*identity.Config)
		want   string
	}{
		"an issuer without an audience": {func(c *identity.Config) { c.Issuers[0].Audiences = nil }, "issuers[0].audiences: name at least one"},
		"two issuers with one URL": {func(c *identity.Config) {
			c.Issuers = append(c.Issuers, identity.Issuer{Issuer: "https://A.test:443/", Audiences: []string{"y"}})
		}, `issuers[1].issuer: "https://A.test:443/" is also that of issuers[0]`},
		"HMAC":                    {func(c *identity.Config) { c.Issuers[0].Algorithms = []string{"HS256"} }, `issuers[0].algorithms[0]: "HS256"`},
		"none":                    {func(c *identity.Config) { c.Issuers[0].Algorithms = []string{"none"} }, `issuers[0].algorithms[0]: "none"`},
		"keys without TLS":        {func(c *identity.Config) { c.Issuers[0].JWKSURL = "http://a.test/keys" }, "issuers[0].jwks_url: must be https"},
		"an unknown profile":      {func(c *identity.Config) { c.Issuers[0].Profile = "jwt" }, "issuers[0].profile: unknown value"},
		"a profile and types":     {func(c *identity.Config) { c.Issuers[0].Profile, c.Issuers[0].Types = "rfc9068", []string{"JWT"} }, "issuers[0].types: the profile says which"},
		"an unknown binding":      {func(c *identity.Config) { c.Issuers[0].Binding = []string{"cookie"} }, `issuers[0].binding[0]: unknown value "cookie"`},
		"a claim without a name":  {func(c *identity.Config) { c.Issuers[0].RequiredClaims = []string{"=x"} }, "issuers[0].required_claims[0]"},
		"a claim without a value": {func(c *identity.Config) { c.Issuers[0].RequiredClaims = []string{"x="} }, "issuers[0].required_claims[0]"},
		"role scopes without roles": {func(c *identity.Config) {
			c.Issuers[0].RoleScopes = []identity.RoleScopes{{Role: "a", Scopes: []string{"b"}}}
		}, "issuers[0].role_claim: is missing"},
		"a role without scopes": {func(c *identity.Config) { c.Issuers[0].RoleScopes = []identity.RoleScopes{{Role: "a"}} }, "issuers[0].role_scopes[0]"},
		"introspection without TLS": {func(c *identity.Config) {
			c.Issuers[0].Introspection = opaque
			c.Issuers[0].Introspection.URL = "http://a.test"
		}, "issuers[0].introspection.url: must be https"},
		"introspection by anybody":  {func(c *identity.Config) { c.Issuers[0].Introspection.URL = opaque.URL }, "issuers[0].introspection.client_id: it and secret_file are both needed"},
		"introspection of nobody":   {func(c *identity.Config) { c.Issuers[0].Introspection.ClientID = "x" }, "issuers[0].introspection.url: is missing"},
		"introspection beside keys": {func(c *identity.Config) { c.Issuers[0].Introspection = opaque; c.Issuers[0].JWKSFile = "x" }, "issuers[0].introspection.url: is set beside a key set"},
		"answers that are good for days": {func(c *identity.Config) {
			c.Issuers[0].Introspection = opaque
			c.Issuers[0].Introspection.PositiveTTL = 1 << 60
		}, "issuers[0].introspection.positive_ttl"},
		"a prefix with a space": {func(c *identity.Config) {
			c.Issuers[0].Introspection = opaque
			c.Issuers[0].Introspection.TokenPrefix = " a"
		}, "issuers[0].introspection.token_prefix"},
		"two issuers whose tokens are alike": {func(c *identity.Config) {
			c.Issuers[0].Introspection = opaque
			c.Issuers = append(c.Issuers, identity.Issuer{Issuer: "https://b.test", Audiences: []string{"x"}, Introspection: opaque})
		}, `issuers[1].introspection.token_prefix: "" is also that of issuers[0]`},
		"proofs that last for ever": {func(c *identity.Config) { c.DPoP.Window = 1 << 60 }, "dpop.window: must be between 1s and 10m"},
		"no room for proofs":        {func(c *identity.Config) { c.DPoP.ProofsMax = 0 }, "dpop.proofs_max"},
		"nonces that last for ever": {func(c *identity.Config) { c.DPoP.NonceLifetime = 1 << 60 }, "dpop.nonce_lifetime"},
		"an origin that is a path":  {func(c *identity.Config) { c.DPoP.Origins = []string{"https://a.test/x"} }, "dpop.origins[0]"},
		"API keys without a pepper": {func(c *identity.Config) { c.APIKeys.KeysFile = "x" }, "api_keys: keys_file and pepper_file go together"},
		"API keys in a cookie": {func(c *identity.Config) {
			c.APIKeys = identity.APIKeys{KeysFile: "x", PepperFile: "y", Header: "cookie"}
		}, `api_keys.header: "cookie"`},
		"a certificate rule for everybody": {func(c *identity.Config) { c.Certificates = []identity.Certificate{{}} }, "certificates[0].trust_domain: name it or dns"},
		"a trust domain with capitals":     {func(c *identity.Config) { c.Certificates = []identity.Certificate{{TrustDomain: "A.org"}} }, "certificates[0].trust_domain"},
		"a wildcard for a whole country":   {func(c *identity.Config) { c.Certificates = []identity.Certificate{{DNS: "*.org"}} }, "certificates[0].dns"},
		"a fingerprint that is none": {func(c *identity.Config) {
			c.Certificates = []identity.Certificate{{DNS: "a.org", Authorities: []string{"AB:CD"}}}
		}, "certificates[0].authorities[0]"},
		"a wildcard in the middle":   {func(c *identity.Config) { c.Certificates = []identity.Certificate{{DNS: "a.*.org"}} }, "certificates[0].dns"},
		"an unknown kind of subject": {func(c *identity.Config) { c.Certificates = []identity.Certificate{{DNS: "a.org", Kind: "robot"}} }, "certificates[0].kind"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := good()
			tt.change(&c)
			err := c.Validate()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate() = %v, want %q", err, tt.want)
			}
		})
	}
	err := good().Validate()
	if err != nil {
		t.Errorf("Validate() of a good one = %v", err)
	}
}
