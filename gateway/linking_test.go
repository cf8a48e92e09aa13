package gateway_test

import (
	"html"
	"net/url"
	"regexp"
	"slices"
	"testing"

	"github.com/coder/websocket"

	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// signInAt signs in at one of several providers, by its name on the page.
func (b *browser) signInAt(provider, user string) map[string]string {
	b.t.Helper()
	choice := b.get("/app/1")
	link := regexp.MustCompile(`<a href="([^"]+)">` + provider + `</a>`).FindStringSubmatch(choice.Text)
	if link == nil {
		b.t.Fatalf("no choice of %s: %d %s", provider, choice.Status, choice.Text)
	}
	return b.submit(b.get(html.UnescapeString(link[1])), url.Values{"login": {user}, "act": {password}}).told(b.t)
}

// The accounts of one person at a provider with ID tokens and one with userinfo are
// one subject: a verdict about an account ends what came of it, and one about the
// person everything.
func TestVerdictsFollowLinkedAccounts(t *testing.T) {
	const alice = "alice@corp.test"
	s := newSignInRig(t, func(s *signInRig) {
		social(t, s)
		c := &s.config.Login
		for i := range c.Providers {
			c.Providers[i].Scopes = append(c.Providers[i].Scopes, "email")
			c.Providers[i].EmailDomains = []string{"corp.test"}
		}
		c.Linking = []login.Linking{{Rule: login.LinkVerifiedEmail}}
	})
	s.start(t, true)
	atWork, atHome, stranger := s.browser(t), s.browser(t), s.browser(t)
	one := atWork.signInAt("Work account", alice)["subject"]
	if two := atHome.signInAt("Social account", alice)["subject"]; one != two {
		t.Errorf("the upstream is told of %s and %s, want one person", one, two)
	}
	if other := stranger.signInAt("Social account", alice+" (unverified)")["subject"]; other == one {
		t.Error("whoever claims her address is her")
	}
	var sockets []*websocket.Conn
	for _, b := range []*browser{atWork, atHome, stranger} {
		c, _, err := b.socket()
		if err != nil {
			t.Fatal(err)
		}
		echoes(t, c)
		sockets = append(sockets, c)
	}
	account := s.names.Subject(s.op.Issuer(), alice)
	ins := s.awaitHappening(t, event.ReasonLogin, 3)
	if !slices.ContainsFunc(ins, func(e *event.RequestEvent) bool {
		return e.Subject == one && e.Attributes[event.AttributeLinkedAccount] == account
	}) {
		t.Errorf("no session event says that account %s is of %s: %v", account, one, ins)
	}
	s.revoke(t, verdict.ActionRevoke, verdict.TargetSubject, account)
	if code := closed(t, sockets[0]); code != websocket.StatusPolicyViolation {
		t.Errorf("the stream of the account ended with %d, want 1008", code)
	}
	echoes(t, sockets[1])
	s.revoke(t, verdict.ActionRevoke, verdict.TargetSubject, one)
	if code := closed(t, sockets[1]); code != websocket.StatusPolicyViolation {
		t.Errorf("the stream of the person ended with %d, want 1008", code)
	}
	echoes(t, sockets[2])
}
