package login_test

import (
	"errors"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/gateway/route"
)

// A return_to leads to a path of this origin, or to the root.
func TestReturnTo(t *testing.T) {
	for raw, want := range map[string]string{
		"/a?b=c#": "/a?b=c#", "/": "/", "/a/b%20c": "/a/b%20c", "/a//b": "/a//b", "/?x=//evil.test": "/?x=//evil.test",
		"": "/", "a": "/", "//evil.test": "/", `/\evil.test`: "/", `\/evil.test`: "/", "https://evil.test": "/", "/%5c/evil.test": "/",
		"/%2f/evil.test": "/", "/\tevil": "/", "/\n//evil.test": "/", "/ä": "/", "javascript:alert(1)": "/", "/.vigil/login": "/",
		"/%2evigil/login": "/", "/" + strings.Repeat("a", 2000): "/", "/%zz": "/",
	} {
		if got := login.ReturnTo(raw, "/.vigil/"); got != want {
			t.Errorf("return_to %q leads to %q, want %q", raw, got, want)
		}
	}
}

func TestMatch(t *testing.T) {
	g := newRig(t)
	tests := map[string]struct {
		host, path string
		ours       bool
		id         string
	}{
		"the sign-in page":                      {"app.example.test", "/.vigil/login", true, "vigil:login"},
		"with a port that is the default":       {"app.example.test:443", "/.vigil/login", true, "vigil:login"},
		"the callback of a provider":            {"app.example.test", "/.vigil/callback/op", true, "vigil:callback"},
		"the callback of nobody":                {"app.example.test", "/.vigil/callback/other", true, ""},
		"a callback without a provider":         {"app.example.test", "/.vigil/callback", true, ""},
		"something else below the prefix":       {"app.example.test", "/.vigil/admin", true, ""},
		"below a page":                          {"app.example.test", "/.vigil/login/x", true, ""},
		"an odd spelling":                       {"app.example.test", "/.vigil/log%69n", true, ""},
		"another host":                          {"evil.test", "/.vigil/login", true, ""},
		"the logout of a provider, by any name": {"gateway.internal", "/.vigil/backchannel-logout", true, "vigil:backchannel-logout"},
		"a route":                               {"app.example.test", "/app", false, ""},
		"a route that begins like the prefix":   {"app.example.test", "/.vigilant", false, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := g.person().request(http.MethodGet, tt.path)
			r.Host = tt.host
			m, ours, err := g.login.Match(r)
			if ours != tt.ours || (tt.ours && tt.id == "") != errors.Is(err, route.ErrNoRoute) {
				t.Fatalf("Match(%s%s) = %v, %v", tt.host, tt.path, ours, err)
			}
			if tt.id != "" && m.Route.ID != tt.id {
				t.Errorf("route %s, want %s", m.Route.ID, tt.id)
			}
		})
	}
}

func TestConfigFaults(t *testing.T) {
	provider := func(change func(*login.Provider)) func(*login.Config) {
		return func(c *login.Config) { change(&c.Providers[0]) }
	}
	tests := map[string]struct {
		change func(*login.Config)
		want   string
	}{
		"no key ring":                      {func(c *login.Config) { c.KeyRingFile = "" }, "key_ring_file: is required"},
		"an address without TLS":           {func(c *login.Config) { c.ExternalURL = "http://app.example.test" }, "external_url: must be https"},
		"an address with a path":           {func(c *login.Config) { c.ExternalURL += "/app" }, "external_url: must be scheme"},
		"a prefix that is everything":      {func(c *login.Config) { c.Prefix = "/" }, "prefix:"},
		"a prefix that leads out":          {func(c *login.Config) { c.Prefix = "/../" }, "prefix:"},
		"a session that never ends":        {func(c *login.Config) { c.AbsoluteTimeout = 0 }, "absolute_timeout:"},
		"idle for longer than it lasts":    {func(c *login.Config) { c.IdleTimeout = c.AbsoluteTimeout + 1 }, "idle_timeout:"},
		"a storm of fetches":               {func(c *login.Config) { c.KeysMinInterval = 0 }, "keys_min_interval:"},
		"two providers with one id":        {func(c *login.Config) { c.Providers = append(c.Providers, c.Providers[0]) }, "providers[1].id:"},
		"two providers with one issuer":    {func(c *login.Config) { c.Providers = append(c.Providers, c.Providers[0]); c.Providers[1].ID = "b" }, "providers[1].issuer:"},
		"a provider without TLS":           {func(c *login.Config) { c.AllowPrivate = false }, "providers[0].issuer: must be https"},
		"an id that is no path":            {provider(func(p *login.Provider) { p.ID = "../x" }), "providers[0].id:"},
		"no client":                        {provider(func(p *login.Provider) { p.ClientID = "" }), "providers[0].client_id:"},
		"a secret that is not there":       {provider(func(p *login.Provider) { p.ClientAuth = login.ClientAuthPost }), "providers[0].client_secret_file:"},
		"an oauth2 provider without ends":  {provider(func(p *login.Provider) { p.Type = login.TypeOAuth2 }), "providers[0].userinfo_url:"},
		"a context that cannot be given":   {provider(func(p *login.Provider) { p.Type, p.ACRValues = login.TypeOAuth2, []string{"mfa"} }), "providers[0].acr_values:"},
		"a type that nobody knows":         {provider(func(p *login.Provider) { p.Type = "saml" }), "providers[0].type:"},
		"one context for key and code":     {func(c *login.Config) { c.SecondFactor.ACR, c.SecondFactor.CodeACR = "a", "a" }, "second_factor.code_acr:"},
		"a key for whoever comes":          {func(c *login.Config) { c.SecondFactor.ACR, c.SecondFactor.EnrolWithin = "a", 24*time.Hour }, "second_factor.enrol_within:"},
		"a peer without TLS":               {func(c *login.Config) { c.AllowPrivate = false; c.Peers = []login.Peer{{ID: "a", URL: "http://a"}} }, "peers[0].url:"},
		"a linking rule that nobody knows": {func(c *login.Config) { c.Linking = []login.Linking{{Rule: "email"}} }, "linking[0].rule: must be"},
		"two linking rules for a tenant": {func(c *login.Config) {
			c.Linking = []login.Linking{{Rule: login.LinkNone}, {Rule: login.LinkNone, Tenant: "default"}}
		}, "linking[1].tenant:"},
		"a linking rule that links nobody": {func(c *login.Config) { c.Linking = []login.Linking{{Rule: login.LinkVerifiedEmail}} }, "linking[0].rule: links nobody"},
		"an exception in capitals": {func(c *login.Config) {
			c.Linking = []login.Linking{{Rule: login.LinkNone, Except: []string{"Alice@corp.test"}}}
		}, "linking[0].except[0]:"},
		"trust without a linking rule":   {provider(func(p *login.Provider) { p.EmailDomains = []string{"corp.test"} }), "providers[0].email_domains: there is no"},
		"trust in every domain":          {provider(func(p *login.Provider) { p.EmailDomains = []string{"*.test"} }), "providers[0].email_domains[0]:"},
		"trust in a top-level domain":    {provider(func(p *login.Provider) { p.EmailDomains = []string{"test"} }), "providers[0].email_domains[0]:"},
		"trust in what is not asked for": {provider(func(p *login.Provider) { p.EmailDomains = []string{"corp.test"} }), "providers[0].scopes:"},
		"two peers with one id": {func(c *login.Config) {
			c.Peers = []login.Peer{{ID: "a", URL: "https://a"}, {ID: "a", URL: "https://b"}}
		}, "peers[1].id:"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := config("ring", "http://127.0.0.1:1")
			err := c.Validate()
			if err != nil {
				t.Fatalf("before: %v", err)
			}
			tt.change(&c)
			err = c.Validate()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate() = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestKeyRing(t *testing.T) {
	const key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	tests := map[string]struct {
		text string
		keys int
	}{
		"one key":                  {key, 1},
		"with comments and blanks": {"# new\n" + key + "\n\n# old\n" + key + "\n", 2},
		"none":                     {"# nothing\n", 0},
		"empty":                    {"", 0},
		"too short":                {"AAAA", 0},
		"another alphabet":         {strings.ReplaceAll(key, "A", "-"), 0},
		"too many":                 {strings.Repeat(key+"\n", login.KeysMax+1), 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n, err := login.ParseRing([]byte(tt.text))
			if n != tt.keys || (err == nil) != (tt.keys > 0) {
				t.Errorf("parseRing() = %d keys, %v; want %d", n, err, tt.keys)
			}
		})
	}
}

// A browser has room for a few sign-ins under way, and no more.
func TestManyTabs(t *testing.T) {
	g := newRig(t)
	p := g.person()
	for range 20 {
		p.begin("/.vigil/login")
	}
	n := 0
	for name := range p.cookies {
		if strings.HasPrefix(name, "__Host-vigil-flow-") {
			n++
		}
	}
	if n > 8 || n < 2 {
		t.Errorf("%d sign-ins under way in one browser, want at most 8", n)
	}
}

// Every cookie has what limits who sees it.
func TestCookieAttributes(t *testing.T) {
	g := newRig(t)
	p := g.person()
	asked := p.begin("/.vigil/login")
	w, _ := p.answer(asked)
	cookies := w.Header().Values("Set-Cookie")
	if len(cookies) < 3 {
		t.Fatalf("cookies %v", cookies)
	}
	for _, c := range cookies {
		if !regexp.MustCompile(`^__Host-vigil[^=]*=[^;]*; Path=/;( Max-Age=\d+;)? HttpOnly; Secure; SameSite=Lax$`).MatchString(c) {
			t.Errorf("cookie %s", c)
		}
	}
}

// A gateway whose files are at fault says so before it starts.
func TestCheckFiles(t *testing.T) {
	c := config(ringFile(t, 1), "http://127.0.0.1:1")
	err := login.CheckFiles(c)
	if err != nil {
		t.Errorf("good files: %v", err)
	}
	c.KeyRingFile, c.Providers[0].ClientSecretFile = os.DevNull, "/does/not/exist"
	err = login.CheckFiles(c)
	if err == nil || !strings.Contains(err.Error(), "key_ring_file") || !strings.Contains(err.Error(), "providers[0].client_secret_file") {
		t.Errorf("CheckFiles() = %v, want both", err)
	}
}
