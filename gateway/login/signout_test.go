package login_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// A sign-out gives the refresh token back, and asks the provider to end its session.
func TestSignOut(t *testing.T) {
	g := newRig(t)
	p := g.person()
	p.signIn()
	device := p.cookies["__Host-vigil-device"]
	w, a := p.visit(p.request(http.MethodPost, "/.vigil/logout", "Sec-Fetch-Site", "same-origin", "Origin", home))
	u, _ := url.Parse(w.Header().Get("Location"))
	if a.Status != http.StatusSeeOther || u.Path != "/end" || u.Query().Get("id_token_hint") == "" ||
		u.Query().Get("post_logout_redirect_uri") != home+"/.vigil/signed-out" {
		t.Errorf("sign-out leads to %d %s", a.Status, u)
	}
	if p.cookies["__Host-vigil"] != "" || p.cookies["__Host-vigil-device"] != device {
		t.Errorf("cookies after sign-out: %v", p.cookies)
	}
	g.gaveBack(t, "rt-1")
}

// gaveBack waits until one refresh token was given back, and no other.
func (g *rig) gaveBack(t *testing.T, token string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		g.op.mu.Lock()
		revoked := g.op.revoked
		g.op.mu.Unlock()
		if len(revoked) == 1 && revoked[0] == token {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("refresh tokens given back: %v, want %s", revoked, token)
		}
	}
}

// A session that a verdict has revoked loses its refresh token, the newest and once.
func TestRevokedSessionLosesItsRefreshToken(t *testing.T) {
	g := newRig(t)
	p := g.person()
	p.signIn()
	old := p.clone()
	g.pass(9 * time.Minute)
	_, err := p.use()
	if err != nil {
		t.Fatal(err)
	}
	g.settled()
	got, err := old.use() // Its cookie still holds the one that is used up.
	if err != nil {
		t.Fatal(err)
	}
	got.Drop(t.Context())
	got.Drop(t.Context())
	g.gaveBack(t, "rt-2")
}

// Who has signed out stays out when the gateway restarts, and nobody else does.
func TestSignedOutOverARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "endings")
	ring := ringFile(t, 1)
	g := &rig{t: t, at: noon}
	g.op = newOP(t, g.now)
	start := func() {
		g.verdicts = nil
		g.start(config(ring, g.op.URL), func(c *login.Config) { c.StateFile = file })
	}
	start()
	p := g.person()
	p.signIn()
	got, err := p.use()
	if err != nil {
		t.Fatal(err)
	}
	p.visit(p.request(http.MethodPost, "/.vigil/logout", "Sec-Fetch-Site", "same-origin"))
	half, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = half.WriteString(`{"kind":"sess`) // A crash in the middle of the next line.
	_ = half.Close()
	start()
	if len(g.verdicts) != 1 || g.verdicts[0].GetTarget().GetId() != got.Identity.Session || g.verdicts[0].GetPublicText() == "" {
		t.Errorf("after a restart %v are in force, want one on %s", g.verdicts, got.Identity.Session)
	}
	g.pass(13 * time.Hour)
	start()
	if len(g.verdicts) != 0 {
		t.Errorf("%d verdicts on sessions that would have ended anyway", len(g.verdicts))
	}
	b, err := os.ReadFile(file)
	if err != nil || len(b) != 0 {
		t.Errorf("the file still holds %q, %v", b, err)
	}
}

// Of two words about one target the later counts, whatever the clock has done between
// them: else who signs out after it was turned back would stay in.
func TestASignOutCountsAfterTheClockWasTurnedBack(t *testing.T) {
	g := newRig(t)
	for _, since := range []time.Duration{0, -time.Hour, 0} {
		g.pass(since)
		p := g.person()
		p.signIn()
		p.visit(p.request(http.MethodPost, "/.vigil/logout", "Sec-Fetch-Site", "same-origin"))
	}
	if len(g.verdicts) != 3 {
		t.Fatalf("%d verdicts, want 3", len(g.verdicts))
	}
	for i, v := range g.verdicts[1:] {
		if was := g.verdicts[i]; !verdict.Later(v.GetEpoch(), v.GetSeq(), was.GetEpoch(), was.GetSeq()) {
			t.Errorf("sign-out %d has the number %d, the one before it %d", i+2, v.GetSeq(), was.GetSeq())
		}
	}
}

// A frame may end only a session that its provider has named to us.
func TestFrontchannelLogout(t *testing.T) {
	g := newRig(t)
	p := g.person()
	p.signIn()
	send := func(query string) int {
		_, a := g.person().visit(g.person().request(http.MethodGet, "/.vigil/frontchannel-logout?"+query))
		return a.Status
	}
	iss := url.QueryEscape(g.op.URL)
	for _, query := range []string{"", "iss=" + iss, "sid=op-1", "iss=https://evil.test&sid=op-1", "iss=" + iss + "&sid=" + strings.Repeat("x", 1025)} {
		if got := send(query); got != http.StatusBadRequest {
			t.Errorf("%q: %d, want 400", query, got)
		}
	}
	send("iss=" + iss + "&sid=guessed")
	_, err := p.use()
	if err != nil || len(g.verdicts) > 0 {
		t.Fatalf("after guesses: %v, %d verdicts", err, len(g.verdicts))
	}
	p.visit(p.request(http.MethodGet, "/.vigil/frontchannel-logout?iss="+iss+"&sid=guessed"))
	if p.cookies["__Host-vigil"] == "" {
		t.Fatal("a link on another site signs a person out")
	}
	copied := p.clone()
	p.visit(p.request(http.MethodGet, "/.vigil/frontchannel-logout?iss="+iss+"&sid=op-1"))
	if p.cookies["__Host-vigil"] != "" {
		t.Error("the browser keeps the cookies of a session that has ended")
	}
	_, err = copied.use()
	wantFault(t, err, login.CodeEnded)
	other := g.person()
	other.signIn()
	_, err = other.use()
	if err != nil {
		t.Fatal(err)
	}
	flood := 0
	for range 200 {
		if send("iss="+iss+"&sid=x") == http.StatusBadRequest {
			flood++
		}
	}
	if flood == 0 {
		t.Error("frames are not limited")
	}
	copied = other.clone()
	_, a := g.person().visit(g.person().request(http.MethodGet, "/.vigil/frontchannel-logout?iss="+iss+"&sid=op-1"))
	_, err = copied.use()
	if a.Status != http.StatusOK || err == nil {
		t.Errorf("behind a flood of guesses a provider's word ends nothing: %d, %v", a.Status, err)
	}
}
