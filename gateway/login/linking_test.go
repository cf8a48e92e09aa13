package login_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

const aliceAt = "alice@corp.test"

// linkedRig has two providers that are trusted for corp.test, and a third that is
// trusted for mail.test and other.test only.
func linkedRig(t *testing.T, change ...func(*login.Config)) (g *rig, ops map[string]*fakeOP) {
	t.Helper()
	g = &rig{t: t, at: noon}
	ops = make(map[string]*fakeOP)
	c := config(ringFile(t, 1), "")
	c.Providers = nil
	trusted := map[string][]string{"op": {"corp.test"}, "second": {"corp.test", "mail.test"}, "third": {"mail.test", "other.test"}}
	for _, id := range []string{"op", "second", "third"} {
		ops[id] = newOP(t, g.now)
		c.Providers = append(c.Providers, login.Provider{
			ID: id, Issuer: ops[id].URL, ClientID: "vigil", Scopes: []string{"openid", "email"}, EmailDomains: trusted[id], Grant: []string{id},
		})
	}
	c.Linking = []login.Linking{{Rule: login.LinkVerifiedEmail}}
	g.op = ops["op"]
	g.start(c, change...)
	return g, ops
}

// at signs in at a provider that says something.
func (p *person) at(id string, op *fakeOP, claims object) {
	p.g.t.Helper()
	a := p.answerAt(id, op, "/.vigil/login?provider="+id, claims)
	if a.AuthOutcome != event.AuthSuccess {
		p.g.t.Fatalf("sign-in at %s: %+v", id, a)
	}
}

// answerAt begins a sign-in or a step-up and comes back with what the provider says.
func (p *person) answerAt(id string, op *fakeOP, target string, claims object) login.Answer {
	p.g.t.Helper()
	op.mu.Lock()
	op.sign = func(op *fakeOP) string { return op.idToken(claims) }
	op.mu.Unlock()
	w, _ := p.visit(p.request(http.MethodGet, target))
	u, err := url.Parse(w.Header().Get("Location"))
	if err != nil || !strings.HasPrefix(u.String(), op.URL+"/auth") {
		p.g.t.Fatalf("sign-in at %s leads to %s", id, u)
	}
	op.mu.Lock()
	op.nonce = u.Query().Get("nonce")
	op.mu.Unlock()
	q := url.Values{"code": {"c"}, "state": {u.Query().Get("state")}, "iss": {op.URL}}
	_, a := p.visit(p.request(http.MethodGet, "/.vigil/callback/"+id+"?"+q.Encode()))
	return a
}

// idToken is a good one, changed.
func (p *fakeOP) idToken(change object) string {
	return p.token(object{"alg": "EdDSA", "kid": "k1", "typ": "JWT"}, p.claims(change))
}

// renewsWith makes renewals bring an ID token too.
func (p *fakeOP) renewsWith(claims object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh = func(url.Values) (int, object) {
		return 200, object{"access_token": "at", "token_type": "Bearer", "expires_in": 600, "refresh_token": "rt-9", "id_token": p.idToken(claims)}
	}
}

// await uses the session until it is so.
func (p *person) await(so func() bool) {
	p.g.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		_, _ = p.use()
		if p.g.login.Renewing() == 0 && so() {
			return
		}
		if time.Now().After(deadline) {
			p.g.t.Fatal("never")
		}
	}
}

// who is the subject that the browser's session acts for.
func (p *person) who() (subject, account string) {
	p.g.t.Helper()
	got, err := p.use()
	if err != nil {
		p.g.t.Fatal(err)
	}
	return got.Identity.Subject, got.Identity.LinkedAccount
}

func verified(sub, address string) object {
	return object{"sub": sub, "email": address, "email_verified": true}
}

// One person, two providers, one subject: in every browser and spelling, on every
// gateway, and under the rights of the provider that he has come by.
func TestLinkedAccountsAreOneSubject(t *testing.T) {
	g, ops := linkedRig(t)
	first, second := g.person(), g.person()
	first.at("op", ops["op"], verified("a-1", aliceAt))
	second.at("second", ops["second"], verified("b-2", "Alice@CORP.test"))
	one, account := first.who()
	two, other := second.who()
	if one != two {
		t.Errorf("subjects %s and %s, want one", one, two)
	}
	names, _ := event.NewNames([]byte(strings.Repeat("k", 32)))
	if one != names.Subject("urn:vigil:linked:default", aliceAt) {
		t.Errorf("subject %s is not whom an operator would name", one)
	}
	if account != names.Subject(ops["op"].URL, "a-1") || other != names.Subject(ops["second"].URL, "b-2") {
		t.Errorf("accounts %s and %s, want those of the providers", account, other)
	}
	got, err := second.use()
	if err != nil || len(got.Identity.Scopes) != 1 || got.Identity.Scopes[0] != "second" {
		t.Errorf("scopes %v, %v, want those of the second provider alone", got.Identity.Scopes, err)
	}
	if len(got.Identity.Aliases) != 1 || got.Identity.Issuer != ops["second"].URL {
		t.Errorf("identity %+v, want the session of the second provider", got.Identity)
	}
	elsewhere := &rig{t: t, at: noon, op: g.op}
	elsewhere.start(g.settings)
	moved := second.clone()
	moved.g = elsewhere
	if subject, _ := moved.who(); subject != one {
		t.Errorf("another gateway takes the cookie for %s, want %s", subject, one)
	}
}

// Whatever is short of a verified address of a trusted provider links nothing.
func TestWhoIsNotLinked(t *testing.T) {
	g, ops := linkedRig(t)
	alice := g.person()
	alice.at("op", ops["op"], verified("a-1", aliceAt))
	linked, _ := alice.who()
	for name, tt := range map[string]struct {
		provider string
		claims   object
	}{
		"an address that nobody has verified":            {"second", object{"email": aliceAt, "email_verified": false}},
		"an address about which nothing is said":         {"second", object{"email": aliceAt}},
		"an address that is verified in words":           {"second", object{"email": aliceAt, "email_verified": "yes"}},
		"an address that is not, in text":                {"second", object{"email": aliceAt, "email_verified": "false"}},
		"a number that is no truth":                      {"second", object{"email": aliceAt, "email_verified": 1}},
		"a provider that is not trusted for the domain":  {"third", object{"email": aliceAt, "email_verified": true}},
		"a domain below the trusted one":                 {"second", verified("m", "alice@evil.corp.test")},
		"a domain that ends like the trusted one":        {"second", verified("m", "alice@evilcorp.test")},
		"a domain that begins like the trusted one":      {"second", verified("m", "alice@corp.test.evil.test")},
		"two addresses in one":                           {"second", verified("m", "alice@evil.test@corp.test")},
		"an address in quotes":                           {"second", verified("m", `"alice@corp.test"@mail.test`)},
		"a letter that is alike":                         {"second", verified("m", "аlice@corp.test")},
		"a letter that becomes alike in lower case":      {"second", verified("m", "ALİCE@corp.test")},
		"a domain in letters that are alike":             {"second", verified("m", "alice@cοrp.test")},
		"white space around it":                          {"second", verified("m", " "+aliceAt)},
		"a line end":                                     {"second", verified("m", aliceAt+"\n")},
		"a dot behind it":                                {"second", verified("m", aliceAt+".")},
		"an address with a tag is another":               {"second", verified("m", "alice+x@corp.test")},
		"an address in another claim":                    {"second", object{"preferred_username": aliceAt, "upn": aliceAt, "email_verified": true}},
		"an address in another spelling":                 {"second", object{"Email": aliceAt, "email": "m@evil.test", "email_verified": true}},
		"verified in another spelling":                   {"second", object{"email": aliceAt, "email_verified": false, "Email_Verified": true}},
		"a list of addresses":                            {"second", object{"email": []string{aliceAt}, "email_verified": true}},
		"the address as the name that the provider uses": {"second", object{"sub": aliceAt}},
	} {
		t.Run(name, func(t *testing.T) {
			mallory := g.person()
			mallory.at(tt.provider, ops[tt.provider], merge(object{"sub": "m"}, tt.claims))
			if subject, _ := mallory.who(); subject == linked {
				t.Error("is alice")
			}
		})
	}
}

// Takeover by pre-registration: a stranger opens an account with somebody's address
// before its owner comes, and waits in a session of his own until the owner verifies
// it. The session never becomes the owner's.
func TestAnAccountThatWasThereBeforeIsNotTakenAlong(t *testing.T) {
	g, ops := linkedRig(t)
	mallory, alice := g.person(), g.person()
	mallory.at("second", ops["second"], object{"sub": "m", "email": aliceAt, "email_verified": false})
	before, account := mallory.who()
	alice.at("op", ops["op"], verified("a-1", aliceAt))
	linked, _ := alice.who()
	if before == linked || account != "" {
		t.Fatalf("who waits is %s (%s), linked", before, account)
	}
	// Now the address counts as verified, and the session is renewed.
	ops["second"].renewsWith(verified("m", aliceAt))
	g.pass(8 * time.Minute)
	mallory.await(func() bool { return ops["second"].renewed() > 0 })
	if after, _ := mallory.who(); after != before {
		t.Errorf("by a renewal %s becomes %s", before, after)
	}
	// Nor by a step-up: that proves the same account, and leaves it as it was.
	a := mallory.answerAt("second", ops["second"], "/.vigil/login?confirm=1", verified("m", aliceAt))
	if after, _ := mallory.who(); a.AuthOutcome != event.AuthSuccess || after != before {
		t.Errorf("by a step-up (%+v) %s becomes %s", a, before, after)
	}
}

// A link ends with what it stands on: at the next renewal, and at a step-up.
func TestALinkEndsWithItsAddress(t *testing.T) {
	for name, claims := range map[string]object{
		"another address":                      verified("b-2", "bob@corp.test"),
		"an address that is not verified":      {"sub": "b-2", "email": aliceAt, "email_verified": false},
		"an address of an untrusted domain":    verified("b-2", "alice@evil.test"),
		"the end of the address is all he has": {"sub": "b-2", "email": "", "email_verified": true},
	} {
		t.Run(name, func(t *testing.T) {
			g, ops := linkedRig(t)
			op := ops["second"]
			p := g.person()
			p.at("second", op, verified("b-2", aliceAt))
			linked, _ := p.who()
			stepped := p.clone()
			a := stepped.answerAt("second", op, "/.vigil/login?confirm=1", claims)
			if subject, _ := stepped.who(); a.AuthOutcome != event.AuthSuccess || subject == linked {
				t.Errorf("after a step-up (%+v) the session is of %s still", a, subject)
			}
			p = g.person()
			p.at("second", op, verified("b-2", aliceAt))
			op.renewsWith(claims)
			g.pass(8 * time.Minute)
			p.await(func() bool {
				_, err := p.use()
				return err != nil
			})
			g.login.Idle()
			op.mu.Lock()
			defer op.mu.Unlock()
			if !slices.Contains(op.revoked, "rt-9") {
				t.Errorf("given back are %v, want what the renewal has brought", op.revoked)
			}
		})
	}
}

// A renewal that says nothing about an address leaves the link as it is.
func TestASilentRenewalKeepsTheLink(t *testing.T) {
	g, ops := linkedRig(t)
	op := ops["second"]
	p := g.person()
	p.at("second", op, verified("b-2", aliceAt))
	linked, _ := p.who()
	op.renewsWith(object{"sub": "b-2"})
	g.pass(8 * time.Minute)
	p.await(func() bool { return op.renewed() > 0 })
	if subject, _ := p.who(); subject != linked {
		t.Errorf("the session is of %s, want %s", subject, linked)
	}
}

// Unlinking: whoever is excepted, or comes by a provider that is trusted no more, is
// refused with the cookie that he has, and his own account when he signs in again.
func TestUnlinking(t *testing.T) {
	for name, change := range map[string]func(*login.Config){
		"an address that is excepted": func(c *login.Config) { c.Linking[0].Except = []string{aliceAt} },
		"a tenant that links no more": func(c *login.Config) { c.Linking[0].Rule = login.LinkNone },
		"a provider that is trusted no more": func(c *login.Config) {
			for i := range c.Providers {
				if c.Providers[i].ID == "op" {
					c.Providers[i].EmailDomains = []string{"mail.test"}
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, ops := linkedRig(t)
			p := g.person()
			p.at("op", ops["op"], verified("a-1", aliceAt))
			linked, account := p.who()
			after := &rig{t: t, at: noon, op: g.op}
			after.start(g.settings, change)
			p.g = after
			_, err := p.use()
			if err == nil {
				t.Fatal("the session goes on")
			}
			p.at("op", ops["op"], verified("a-1", aliceAt))
			if subject, none := p.who(); subject != account || none != "" || subject == linked {
				t.Errorf("is %s, linked to %s, want the account %s", subject, none, account)
			}
		})
	}
}

// Two tenants never share a person, although an address is the same.
func TestTenantsShareNobody(t *testing.T) {
	g, ops := linkedRig(t, func(c *login.Config) {
		c.Linking = append(c.Linking, login.Linking{Tenant: "other", Rule: login.LinkVerifiedEmail})
		c.Providers[2].Tenant, c.Providers[2].EmailDomains = "other", []string{"corp.test"}
		fourth := c.Providers[2]
		fourth.ID, fourth.Issuer = "fourth", "https://fourth.test"
		c.Providers = append(c.Providers, fourth)
	})
	here, there := g.person(), g.person()
	here.at("op", ops["op"], verified("a-1", aliceAt))
	there.at("third", ops["third"], verified("a-1", aliceAt))
	one, _ := here.who()
	two, account := there.who()
	if account == "" || one == two {
		t.Errorf("subjects %s and %s (of %q), want two that are linked", one, two, account)
	}
}

// A provider that signs an account out ends what the account has open here, also
// where the gateway knows the session by its cookie only, and nobody else's.
func TestALogoutOfALinkedAccountNamesTheAccount(t *testing.T) {
	g, ops := linkedRig(t)
	p := g.person()
	p.at("second", ops["second"], verified("b-2", aliceAt))
	_, account := p.who()
	token := ops["second"].token(object{"alg": "EdDSA", "kid": "k1", "typ": "logout+jwt"}, ops["second"].logout(object{"sid": nil, "sub": "b-2"}))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/.vigil/backchannel-logout", strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, a := g.person().visit(r)
	if a.Status != http.StatusOK {
		t.Fatalf("logout: %+v", a)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	last := g.verdicts[len(g.verdicts)-1]
	if last.GetTarget().GetKind() != verdict.TargetSubject || last.GetTarget().GetId() != account {
		t.Errorf("the last verdict is about %v, want the account %s", last.GetTarget(), account)
	}
}
