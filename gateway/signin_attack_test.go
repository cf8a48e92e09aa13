package gateway_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/listen"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// codeApp is an authenticator app (RFC 6238).
type codeApp struct {
	secret []byte
	used   uint64 // Step of the last code.
}

// code is the one of the next step where the one of this has been used.
func (a *codeApp) code() string {
	step := uint64(time.Now().Unix() / 30)
	if a.used == step {
		step++
	}
	a.used = step
	mac := hmac.New(sha1.New, a.secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, step))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// confirm goes through the page for codes as far as it leads, and sets a browser up
// that is shown a secret.
func (b *browser) confirm(a *codeApp, header ...string) shown {
	b.t.Helper()
	ask := b.do(http.MethodGet, "/.vigil/confirm?by=code&return_to=/app/1", nil, true, header...)
	token := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(ask.Text)
	if token == nil {
		return ask
	}
	if secret := regexp.MustCompile(`<code>([A-Z2-7 ]+)</code>`).FindStringSubmatch(ask.Text); secret != nil {
		a.secret, _ = base32.StdEncoding.DecodeString(strings.ReplaceAll(secret[1], " ", ""))
	}
	return b.do(http.MethodPost, "/.vigil/confirm", url.Values{"token": {token[1]}, "answer": {a.code()}}, true, header...)
}

// nextSecond waits for it: auth_time has whole seconds.
func nextSecond() { time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) }

// Whoever has copied a session within minutes of the sign-in can set up an app of
// his own. That must not lift what a verdict has put upon the session since.
func TestAThiefDoesNotConfirmHimselfOutOfAVerdict(t *testing.T) {
	s := newSignInRig(t, func(s *signInRig) { s.config.Login.SecondFactor.CodeACR = "urn:vigil:code" })
	s.start(t, true)
	begin := func(t *testing.T, user string) (*browser, map[string]string) {
		t.Helper()
		b := s.browser(t)
		told := b.signIn("/app/1", user, password).told(t)
		nextSecond()
		return b, told
	}
	stays := func(t *testing.T, thief *browser, header ...string) {
		t.Helper()
		nextSecond()
		got := thief.confirm(new(codeApp), header...)
		if after := thief.get("/app/1", "Accept", "application/json"); after.Status != http.StatusUnauthorized {
			t.Errorf("after a confirmation that was answered with %d the thief has %d, want 401", got.Status, after.Status)
		}
	}
	revoked := func(t *testing.T, user string) *browser {
		t.Helper()
		b, told := begin(t, user)
		s.seq++
		record, err := s.operator.Verdict(&verdict.Verdict{
			Id: fmt.Sprint("v", s.seq), Time: timestamppb.Now(), Epoch: 1, Seq: s.seq, Authority: verdict.AuthorityOperator, Tenant: "default",
			Target: &verdict.Target{Kind: verdict.TargetSubject, Id: told["subject"]}, Action: verdict.ActionRevoke,
			Until: timestamppb.New(time.Now().Add(time.Hour)), NotBefore: timestamppb.Now(), Cause: &verdict.Cause{EventTime: timestamppb.Now()},
		})
		if err != nil {
			t.Fatal(err)
		}
		if res, text := s.admin(t, "POST", "/v1/verdicts", record); res.StatusCode != http.StatusOK {
			t.Fatalf("POST /v1/verdicts: %d %s", res.StatusCode, text)
		}
		return b
	}
	t.Run("out of a revocation", func(t *testing.T) { stays(t, revoked(t, "alice")) })
	t.Run("out of a revocation, with a second credential that hides the session", func(t *testing.T) {
		stays(t, revoked(t, "bob"), "Authorization", "Bearer x")
	})
	t.Run("out of a step-up", func(t *testing.T) {
		b, told := begin(t, "carol")
		s.revoke(t, verdict.ActionStepUp, verdict.TargetSession, told["session"])
		stays(t, b)
	})
	t.Run("out of a step-up, with a page from before it", func(t *testing.T) {
		b, told := begin(t, "dave")
		ask := b.get("/.vigil/confirm?by=code&return_to=/app/1")
		secret := regexp.MustCompile(`<code>([A-Z2-7 ]+)</code>`).FindStringSubmatch(ask.Text)
		if secret == nil {
			t.Fatalf("no secret: %d %s", ask.Status, ask.Text)
		}
		var a codeApp
		a.secret, _ = base32.StdEncoding.DecodeString(strings.ReplaceAll(secret[1], " ", ""))
		s.revoke(t, verdict.ActionStepUp, verdict.TargetSession, told["session"])
		nextSecond()
		b.submit(ask, url.Values{"answer": {a.code()}})
		if after := b.get("/app/1", "Accept", "application/json"); after.Status != http.StatusUnauthorized {
			t.Errorf("the thief has %d, want 401", after.Status)
		}
	})
	t.Run("and who has an app from before confirms", func(t *testing.T) {
		b, told := begin(t, "erin")
		var a codeApp
		if got := b.confirm(&a); got.Status != http.StatusSeeOther {
			t.Fatalf("set up: %d %s", got.Status, got.Text)
		}
		s.revoke(t, verdict.ActionStepUp, verdict.TargetSession, told["session"])
		nextSecond()
		got := b.confirm(&a)
		if after := b.get("/app/1", "Accept", "application/json"); got.Status != http.StatusSeeOther || after.Status != http.StatusOK {
			t.Errorf("the confirmation is answered with %d %s, and then a page with %d", got.Status, got.Text, after.Status)
		}
	})
}

// A browser may show the certificate of its machine with every connection, and
// nobody is asked whether it should count: the person's own session does, with
// no right of the certificate's.
func TestASessionCookieBesideACertificate(t *testing.T) {
	var machine tls.Certificate
	s := newSignInRig(t, func(s *signInRig) {
		var ca string
		ca, _, machine = selfSigned(t, t.TempDir())
		s.config.Listen.TLS.ClientAuth, s.config.Listen.TLS.ClientCAFile = listen.ClientAuthOptional, ca
		s.config.Identity.Certificates = []identity.Certificate{{TrustDomain: "own.test", Scopes: []string{"machine"}}}
		s.config.Routes[len(s.config.Routes)-1].Scopes = []string{"machine"}
		s.config.Routes[len(s.config.Routes)-1].ACR = nil
	})
	s.start(t, true)
	b := s.browser(t)
	page := b.signIn("/app/1", "alice", password).told(t)
	with := b.copyOf()
	with.client.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{machine}
	told := with.get("/app/1", "Accept", "application/json").told(t)
	if told["subject"] != page["subject"] || told["session"] != page["session"] {
		t.Errorf("with a certificate the upstream is told %v, want alice's session", told)
	}
	if got := with.get("/strong", "Accept", "application/json"); got.Status != http.StatusForbidden {
		t.Errorf("the session has the certificate's scope: %d, want 403", got.Status)
	}
	nobody := s.browser(t)
	nobody.client.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{machine}
	if got := nobody.get("/strong", "Accept", "application/json"); got.Status != http.StatusOK {
		t.Errorf("the certificate alone: %d, want 200", got.Status)
	}
	bad := s.browser(t)
	bad.client.Transport = with.client.Transport
	if got := bad.get("/strong", "Accept", "application/json", "Cookie", "__Host-vigil=forged"); got.Status != http.StatusUnauthorized {
		t.Errorf("a forged cookie beside a good certificate: %d, want 401: nobody falls back", got.Status)
	}
}
