package login_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/login"
)

// What is remembered is a cache: a session that was forgotten is served all the same.
func TestMoreSessionsThanAreRemembered(t *testing.T) {
	g := newRig(t, func(c *login.Config) { c.SessionsMax = 3 })
	held := g.person()
	held.signIn()
	got, err := held.use()
	if err != nil {
		t.Fatal(err)
	}
	release := got.Hold()
	var all []*person
	for range 10 {
		p := g.person()
		p.signIn()
		all = append(all, p)
	}
	if n := g.login.Known(); n > 4 {
		t.Errorf("%d sessions are remembered, want at most 3 and the one that is held", n)
	}
	for i, p := range append(all, held) {
		_, err := p.use()
		if err != nil {
			t.Errorf("session %d: %v", i, err)
		}
	}
	release()
	release() // Once too often.
	p := g.person()
	p.signIn()
	if n := g.login.Known(); n > 3 {
		t.Errorf("%d sessions are remembered, want at most 3", n)
	}
}

// Strangers cannot make a gateway call a provider without end.
func TestPagesThatCallAProviderAreBounded(t *testing.T) {
	g := newRig(t)
	p := g.person()
	asked := p.begin("/.vigil/login")
	free := g.login.FillPages()
	_, a := p.clone().visit(p.request(http.MethodGet, "/.vigil/login"))
	if a.Status != http.StatusServiceUnavailable || a.Code != login.CodeAway {
		t.Errorf("login page: %+v, want 503", a)
	}
	_, a = p.clone().answer(asked)
	if a.Status != http.StatusServiceUnavailable {
		t.Errorf("callback: %+v, want 503", a)
	}
	free()
	g.person().signIn()
}

// Where too many renewals are under way, requests are served and renewed later.
func TestRenewalsAreBounded(t *testing.T) {
	g := newRig(t)
	p := g.person()
	p.signIn()
	g.pass(9 * time.Minute)
	free := g.login.FillRenewals()
	_, err := p.use()
	if err != nil {
		t.Fatal(err)
	}
	free()
	if n := g.op.renewed(); n != 0 {
		t.Errorf("%d refreshes, want none yet", n)
	}
	_, err = p.use()
	if err != nil {
		t.Fatal(err)
	}
	g.settled()
	if n := g.op.renewed(); n != 1 {
		t.Errorf("%d refreshes, want one", n)
	}
}

func TestOnceIsBounded(t *testing.T) {
	now := noon
	first, size := login.NewOnce(3, func() time.Time { return now })
	for i := range 10 {
		if !first(fmt.Sprint(i), time.Hour) {
			t.Errorf("%d comes for the first time, and is refused", i)
		}
		if first(fmt.Sprint(i), time.Hour) {
			t.Errorf("%d counts twice", i)
		}
	}
	if n := size(); n != 3 {
		t.Errorf("%d names are remembered, want 3", n)
	}
	now = now.Add(2 * time.Hour)
	if !first("9", time.Hour) || size() != 1 {
		t.Errorf("what is over is still remembered: %d names", size())
	}
}

func TestOpenedCookiesAreBounded(t *testing.T) {
	if n := login.OpenedAfter(10, 1000); n > 10 {
		t.Errorf("%d cookies are remembered, want at most 10", n)
	}
}

// Beyond its limit an ending is in force and not kept, and that is said; what is over
// makes room, so that nobody can sign in and out until others' sign-outs are lost.
func TestEndingsAreBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "endings")
	err := login.FillEndings(file, noon, time.Second)
	if err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("the file takes endings without end: %v", err)
	}
	err = login.FillEndings(file, noon, 2*time.Hour)
	if err != nil {
		t.Errorf("with all others over: %v", err)
	}
	b, err := os.ReadFile(file)
	if err != nil || strings.Count(string(b), "\n") != 1 || !strings.Contains(string(b), `"id":"b"`) {
		t.Errorf("the file holds %q, %v; want the last alone", b, err)
	}
}
