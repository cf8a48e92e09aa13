//go:build browser

package gateway_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// chrome is a real browser. CHROMIUM names its program, and SCREENSHOTS a folder for
// what it shows.
type chrome struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // It is chromedp's handle of the tab.
	shot string
}

func newChrome(t *testing.T) *chrome {
	t.Helper()
	path, err := exec.LookPath(os.Getenv("CHROMIUM"))
	if err != nil {
		t.Fatal("no browser: run `make test-browser`, which fetches one, or name yours with CHROMIUM=PATH")
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(),
		chromedp.ExecPath(path), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.NoSandbox,
		chromedp.IgnoreCertErrors, chromedp.DisableGPU, chromedp.WindowSize(480, 640), chromedp.UserDataDir(t.TempDir()),
		// It asks nobody on the network, and needs no more shared memory than a container has.
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true))
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	err = chromedp.Do(ctx, chromedp.Navigate("about:blank")) // The first call starts it, and must have no deadline.
	if err != nil {
		t.Fatal(err)
	}
	shot := os.Getenv("SCREENSHOTS")
	if shot != "" {
		err = os.MkdirAll(shot, 0o750)
		if err != nil {
			t.Fatal(err)
		}
	}
	return &chrome{t: t, ctx: ctx, shot: shot}
}

// tab is another page of the same browser.
func (c *chrome) tab() *chrome {
	c.t.Helper()
	ctx, cancel := chromedp.NewContext(c.ctx)
	c.t.Cleanup(cancel)
	err := chromedp.Do(ctx, chromedp.Navigate("about:blank"))
	if err != nil {
		c.t.Fatal(err)
	}
	return &chrome{t: c.t, ctx: ctx, shot: c.shot}
}

// do acts, waits until script is true of the page that comes of it, and takes a
// picture of that.
func (c *chrome) do(name, script string, actions ...chromedp.Action[chromedp.Void]) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	err := chromedp.Do(ctx, actions...)
	if err != nil {
		c.t.Fatalf("%s: %v; shows %s", name, err, c.page())
	}
	for {
		there, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+script+")")) // Fails while one page makes way for another.
		if err == nil && there {
			break
		}
		if ctx.Err() != nil {
			c.t.Fatalf("%s: never %s; shows %s", name, script, c.page())
		}
		time.Sleep(50 * time.Millisecond)
	}
	if c.shot == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	for err != nil && ctx.Err() == nil { // A page that was just loaded may have no size yet.
		time.Sleep(50 * time.Millisecond)
		png, err = chromedp.Run(ctx, chromedp.FullScreenshot(100))
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(c.shot, name+".png"), png, 0o600)
	}
	if err != nil {
		c.t.Error(err)
	}
}

// page is what the browser shows, for a failure.
func (c *chrome) page() string {
	text, err := chromedp.Run(c.ctx, chromedp.Evaluate[string]("location.href + ' ' + document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return text
}

// Scripts for what a page shows.
func heading(text string) string {
	return `document.querySelector("h1")?.textContent == "` + text + `"`
}

func status(text string) string {
	return `document.querySelector("#status")?.textContent.startsWith("` + text + `")`
}

func click(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chromedp.CSS(selector))
}

// small makes the browser a small phone in the dark.
func small() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := chromedp.EmulateViewport(320, 568, chromedp.EmulateMobile, chromedp.EmulateTouch)(ctx, tab)
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
		})
		return err
	})
}

// fits is true of a page that a person with a small phone can read and use: nothing
// is beside the screen, every target is as large as a thumb asks for (WCAG 2.2,
// success criterion 2.5.5), every field has a label, and text is light on dark.
const fits = `document.documentElement.scrollWidth <= innerWidth
 && [...document.querySelectorAll("a,button,input:not([type=hidden])")].every(e => e.getBoundingClientRect().height >= 44)
 && [...document.querySelectorAll("input:not([type=hidden])")].every(e => e.labels.length == 1)
 && document.documentElement.lang == "en" && getComputedStyle(document.querySelector("h1")).color == "rgb(255, 255, 255)"`

func TestOurPagesOnASmallScreenInARealBrowser(t *testing.T) {
	s := newSignInRig(t, func(s *signInRig) {
		social(t, s)
		s.config.Login.SecondFactor.CodeACR = "urn:vigil:code"
	})
	s.start(t, true)
	c := newChrome(t)
	show := func(name, title, path string) {
		t.Helper()
		c.do(name, heading(title), chromedp.Navigate(s.home+path))
		good, err := chromedp.Run(c.ctx, chromedp.Evaluate[bool](fits))
		if err != nil || !good {
			t.Errorf("%s does not fit (%v): %s", name, err, c.page())
		}
	}
	c.do("31-small", "innerWidth == 320", small(), chromedp.Navigate(s.home+"/.vigil/signed-out"))
	show("32-signed-out", "You are signed out", "/.vigil/signed-out")
	show("33-choice", "Sign in", "/app/1")
	show("34-none-such", "No such provider", "/.vigil/login?provider=none")
	show("35-over", "This sign-in has ended", "/.vigil/callback/work?state=x&code=y")
	c.do("36-provider", heading("Test provider"), chromedp.Navigate(s.home+"/.vigil/login?provider=work&return_to=/live"))
	c.do("37-in", `location.host == "`+strings.TrimPrefix(s.home, "https://")+`"`, chromedp.SendKeys(chromedp.CSS(`input[name=login]`), "alice"), click(`button[value=password]`))
	show("38-sign-out", "Sign out?", "/.vigil/logout")
	show("39-code", "Confirm that it is you", "/.vigil/confirm?by=code")
	_ = s.op.Close()
	show("40-away", "Provider not available", "/.vigil/login?provider=work")
}

func TestInARealBrowser(t *testing.T) {
	s := newSignInRig(t, func(s *signInRig) {
		social(t, s)
		upstream := s.config.Routes[0].Upstream
		s.config.Routes = append(s.config.Routes, route.Spec{ID: "live", Path: "/live", Upstream: upstream, Methods: []string{http.MethodGet}})
	})
	s.start(t, true)
	c := newChrome(t)
	const work, name = `a[href*="provider=work"]`, `input[name=login]`

	// Sign in, with a choice of providers.
	c.do("01-choice", heading("Sign in"), chromedp.Navigate(s.home+"/live"))
	c.do("02-provider", heading("Test provider"), click(work))
	c.do("03-live", status("live hello"), chromedp.SendKeys(chromedp.CSS(name), "alice"), click(`button[value=password]`))
	in := s.awaitHappening(t, event.ReasonLogin, 1)[0]

	// A verdict asks for a step-up in the middle of the page.
	s.revoke(t, verdict.ActionStepUp, verdict.TargetSession, in.Session)
	c.do("04-suspended", status("closed 1008"))
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // auth_time has whole seconds.
	c.do("05-step-up", heading("Test provider"), chromedp.Navigate(s.home+"/live"))
	c.do("06-live-again", status("live hello"), chromedp.SendKeys(chromedp.CSS(name), "alice"), click(`button[value=mfa]`))
	up := s.awaitHappening(t, event.ReasonStepUp, 1)[0]
	if up.Session != in.Session {
		t.Errorf("stepped up to session %s, want %s to go on", up.Session, in.Session)
	}

	// Signing out in another tab ends the stream of the first.
	other := c.tab()
	other.do("07-sign-out", heading("Sign out?"), chromedp.Navigate(s.home+"/.vigil/logout"))
	other.do("08-at-the-provider", `location.href.startsWith("`+s.op.Issuer()+`/session/end")`, click("button"))
	c.do("09-ended", status("closed 1008 Session ended"))
	other.do("10-signed-out", heading("You are signed out"), click("button"))
	c.do("11-sign-in-again", heading("Sign in"), chromedp.Navigate(s.home+"/live"))

	// Who says no is told so, and can begin again.
	c.do("12-provider", heading("Test provider"), click(work))
	c.do("13-cancelled", heading("Sign-in cancelled"), click(`button[value=cancel]`))
	c.do("14-begin-again", heading("Sign in"), click("a"))
}

// Our own second factor, with an authenticator that Chromium simulates.
func TestSecondFactorInARealBrowser(t *testing.T) {
	const keyACR = "urn:vigil:key"
	s := newSignInRig(t, func(s *signInRig) {
		social(t, s)
		upstream := s.config.Routes[0].Upstream
		s.config.Login.Providers = s.config.Login.Providers[1:] // The one that cannot step up.
		s.config.Login.SecondFactor.ACR, s.config.Login.SecondFactor.CodeACR = keyACR, "urn:vigil:code"
		s.config.Routes = append(s.config.Routes, route.Spec{ID: "live", Path: "/live", Upstream: upstream, Methods: []string{http.MethodGet}, ACR: []string{keyACR}})
	})
	s.start(t, true)
	c := newChrome(t)
	const name = `input[name=login]`
	key, err := chromedp.Run(c.ctx, func(ctx context.Context, tab *chromedp.Target) (webauthn.AuthenticatorID, error) {
		_, err := cdp.Call(ctx, tab, webauthn.Enable, webauthn.EnableParams{})
		if err != nil {
			return "", err
		}
		made, err := cdp.Call(ctx, tab, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
			Options: &webauthn.VirtualAuthenticatorOptions{
				Protocol: "ctap2", Transport: "internal", HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
			},
		})
		return made.AuthenticatorID, err
	})
	if err != nil {
		t.Fatal(err)
	}
	verified := func(yes bool) chromedp.Action[chromedp.Void] {
		return func(ctx context.Context, tab *chromedp.Target) (chromedp.Void, error) {
			_, err := cdp.Call(ctx, tab, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: key, IsUserVerified: yes})
			return chromedp.Void{}, err
		}
	}

	// Who has just signed in is given a key.
	c.do("21-provider", heading("Test provider"), chromedp.Navigate(s.home+"/live"))
	c.do("22-set-up", heading("Confirm that it is you"), chromedp.SendKeys(chromedp.CSS(name), "alice"), click(`button[value=password]`))
	c.do("23-live", status("live hello"), click("button"))
	in := s.awaitHappening(t, event.ReasonStepUp, 1)[0]
	if in.Acr != keyACR {
		t.Errorf("stepped up to %q, want %q", in.Acr, keyACR)
	}

	// A verdict asks for it again; who cannot unlock the device gets no further.
	s.revoke(t, verdict.ActionStepUp, verdict.TargetSession, in.Session)
	c.do("24-suspended", status("closed 1008"))
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // auth_time has whole seconds.
	c.do("25-confirm", `document.querySelector("button")?.textContent == "Confirm"`, chromedp.Navigate(s.home+"/live"))
	c.do("26-not-verified", `document.querySelector("#note").textContent.startsWith("That did not work")`, verified(false), click("button"))
	c.do("27-live-again", status("live hello"), verified(true), click("button"))
	again := s.awaitHappening(t, event.ReasonStepUp, 2)
	for _, e := range again {
		if e.Session != in.Session {
			t.Errorf("stepped up session %s, want %s to go on", e.Session, in.Session)
		}
	}
	c.do("28-app", `document.querySelector("main code")?.textContent.length == 39`, chromedp.Navigate(s.home+"/.vigil/confirm?by=code"))
	c.do("29-wrong-code", heading("Not confirmed"), chromedp.SendKeys(chromedp.CSS("#answer"), "000000"), click("button"))
}
