package gateway_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/vigil-gateway/vigil/deploy/devstack/certified"
	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

const (
	password = "password"
	mfa      = "mfa"
	mfaACR   = "urn:vigil:mfa"
)

// livePage is a page of the upstream that holds a WebSocket open and says how it is.
const livePage = `<!doctype html><html lang="en"><title>Live page</title><h1>Live page</h1><p id="status">connecting</p>
<script>
const status = document.getElementById('status');
const socket = new WebSocket('wss://' + location.host + '/ws');
socket.onopen = () => socket.send('hello');
socket.onmessage = (e) => { status.textContent = 'live ' + e.data; };
socket.onclose = (e) => { status.textContent = 'closed ' + e.code + ' ' + e.reason; };
</script>`

// signInRig is a gateway with TLS where people sign in at a certified provider.
type signInRig struct {
	*rig

	op     *certified.Provider
	opts   certified.Options
	home   string // As browsers see the gateway.
	ring   string // The key ring's file.
	caFile string
	roots  *x509.CertPool
}

// site is the upstream: a page that tells what it was sent, a WebSocket and an
// event stream.
func site(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/ws":
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		for {
			kind, text, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), kind, text) != nil {
				return
			}
		}
	case "/live":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, livePage)
	case "/events":
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; r.Context().Err() == nil; i++ {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	default:
		w.Header().Set("Set-Cookie", "__Host-vigil=planted; Path=/; Secure")
		w.Header().Add("Set-Cookie", "app=1; Path=/")
		_ = json.NewEncoder(w).Encode(map[string]string{
			"path": r.URL.RequestURI(), "subject": r.Header.Get("X-Vigil-Subject"), "session": r.Header.Get("X-Vigil-Session"),
			"cookie": r.Header.Get("Cookie"),
		})
	}
}

// keys are a provider's, made anew by each call.
func keys(t *testing.T) json.RawMessage {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := jwk.FromRaw(private)
	if err != nil {
		t.Fatal(err)
	}
	_ = jwk.AssignKeyID(k)
	_ = k.Set(jwk.AlgorithmKey, "ES256")
	_ = k.Set(jwk.KeyUsageKey, "sig")
	set, err := json.Marshal(map[string]any{"keys": []any{k}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// bind opens a port for the rig's next gateway: whoever has to know it before that runs
// cannot lose it to somebody else.
func (g *rig) bind(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	g.bound, g.config.Listen.Address = l, l.Addr().String()
	return l.Addr().(*net.TCPAddr).Port
}

// newSignInRig has a provider that runs and everything but a gateway that does.
func newSignInRig(t *testing.T, change ...func(*signInRig)) *signInRig {
	t.Helper()
	s := &signInRig{rig: newRig(t, site)}
	s.log = slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelInfo})
	dir := t.TempDir()
	port := s.bind(t)
	s.home = fmt.Sprintf("https://localhost:%d", port)
	cert, key := s.certificate(t, dir)
	s.ring = filepath.Join(dir, "ring")
	s.newRing(t, 1)

	auth := func(id string) certified.Client {
		return certified.Client{
			ID: "vigil-" + id, Secret: "a-secret-for-tests", AuthMethod: "client_secret_basic",
			RedirectURIs:   []string{s.home + "/.vigil/callback/" + id},
			PostLogoutURIs: []string{s.home + "/.vigil/signed-out"}, GrantTypes: []string{"authorization_code", "refresh_token"},
			BackchannelLogoutURI: s.home + "/.vigil/backchannel-logout", BackchannelSessionNeeded: true,
			IDTokenAlgorithm: "ES256", DefaultACRValues: []string{"urn:vigil:pwd", mfaACR},
		}
	}
	s.opts = certified.Options{Clients: []certified.Client{auth("work"), auth("social")}, CAFile: s.caFile, Keys: keys(t), Log: testLog{t}}
	secretFile := filepath.Join(dir, "secret")
	err := os.WriteFile(secretFile, []byte("a-secret-for-tests\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}

	c := &s.config
	c.Listen.TLS.CertFile, c.Listen.TLS.KeyFile = cert, key
	c.Login.KeysMinInterval, c.Login.StateFile = time.Second, filepath.Join(dir, "endings")
	c.Login.ExternalURL, c.Login.KeyRingFile, c.Login.AllowPrivate = s.home, s.ring, true
	c.Login.Providers = []login.Provider{{
		ID: "work", Name: "Work account", ClientID: "vigil-work", ClientSecretFile: secretFile,
		Scopes: []string{"openid", "offline_access"}, Prompt: "consent", Algorithms: []string{"ES256"}, Grant: []string{"read"},
	}}
	upstream := c.Routes[0].Upstream
	c.Routes = append(c.Routes,
		route.Spec{ID: "app", Path: "/app/{page}", Upstream: upstream},
		route.Spec{ID: "ws", Path: "/ws", Upstream: upstream},
		route.Spec{ID: "strong", Path: "/strong", Upstream: upstream, ACR: []string{mfaACR}},
	)
	for _, f := range change {
		f(s)
	}
	s.startProvider(t)
	if c.Login.Providers[0].Issuer == "" {
		c.Login.Providers[0].Issuer = s.op.Issuer()
	}
	return s
}

// startProvider runs the provider, at its old address where it had one.
func (s *signInRig) startProvider(t *testing.T) {
	t.Helper()
	var err error
	s.op, err = certified.Start(t.Context(), s.opts)
	if err != nil {
		t.Fatal(err)
	}
	op := s.op
	t.Cleanup(func() { _ = op.Close() })
	u, _ := url.Parse(s.op.Issuer())
	_, _ = fmt.Sscan(u.Port(), &s.opts.Port)
}

// newRing writes the key ring with so many new keys in front of those that were there.
func (s *signInRig) newRing(t *testing.T, n int) {
	t.Helper()
	old, _ := os.ReadFile(s.ring)
	var b bytes.Buffer
	for range n {
		var k [32]byte
		_, _ = rand.Read(k[:])
		b.WriteString(base64.StdEncoding.EncodeToString(k[:]) + "\n")
	}
	b.Write(old)
	err := os.WriteFile(s.ring, b.Bytes(), 0o600)
	if err != nil {
		t.Fatal(err)
	}
}

// certificate makes one for localhost that the rig's browsers believe.
func (s *signInRig) certificate(t *testing.T, dir string) (certFile, keyFile string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, b := range map[string][]byte{certFile: certPEM, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk})} {
		err = os.WriteFile(name, b, 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	s.caFile, s.roots = certFile, x509.NewCertPool()
	s.roots.AppendCertsFromPEM(certPEM)
	return certFile, keyFile
}

// browser is somebody's, with cookies of its own.
type browser struct {
	t      *testing.T
	rig    *signInRig
	client *http.Client
}

func (s *signInRig) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots}}
	t.Cleanup(tr.CloseIdleConnections)
	return &browser{t, s, &http.Client{Transport: tr, Jar: jar}}
}

// shown is what a browser shows in the end.
type shown struct {
	Status int
	URL    *url.URL
	Header http.Header
	Text   string
}

// do sends a request as a browser does for a page, follows redirects and reads
// what comes. With stop it follows none.
func (b *browser) do(method, address string, form url.Values, stop bool, header ...string) shown {
	b.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.rig.home + address
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := *b.client
	if stop {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	res, err := client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return shown{res.StatusCode, res.Request.URL, res.Header, string(text)}
}

func (b *browser) get(address string, header ...string) shown {
	b.t.Helper()
	return b.do(http.MethodGet, address, nil, false, header...)
}

// submit fills in the form of a page that it shows.
func (b *browser) submit(s shown, fields url.Values) shown {
	b.t.Helper()
	m := regexp.MustCompile(`<form[^>]*action="([^"]+)"`).FindStringSubmatch(s.Text)
	if m == nil {
		b.t.Fatalf("no form at %s: %d %s", s.URL, s.Status, s.Text)
	}
	for _, hidden := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(s.Text, -1) {
		fields.Set(hidden[1], html.UnescapeString(hidden[2]))
	}
	target, err := s.URL.Parse(html.UnescapeString(m[1]))
	if err != nil {
		b.t.Fatal(err)
	}
	s = b.do(http.MethodPost, target.String(), fields, false)
	if strings.Contains(s.Text, "document.forms[0].submit()") { // What its script would do.
		return b.submit(s, url.Values{})
	}
	return s
}

// signIn goes to a page and signs in where the provider asks.
func (b *browser) signIn(path, user, act string) shown {
	b.t.Helper()
	s := b.get(path)
	if !strings.Contains(s.Text, "Test provider") {
		b.t.Fatalf("no sign-in page but %d %s: %s", s.Status, s.URL, s.Text)
	}
	return b.submit(s, url.Values{"login": {user}, "act": {act}})
}

// told is what the upstream was sent for a page.
func (s shown) told(t *testing.T) map[string]string {
	t.Helper()
	var out map[string]string
	err := json.Unmarshal([]byte(s.Text), &out)
	if s.Status != http.StatusOK || err != nil {
		t.Fatalf("%s shows %d %s, want a page of the upstream", s.URL, s.Status, s.Text)
	}
	return out
}

// cookies are what the browser would send to the gateway.
func (b *browser) cookies() []*http.Cookie {
	u, _ := url.Parse(b.rig.home)
	return b.client.Jar.Cookies(u)
}

// copyOf is a browser that somebody has copied another's cookies into.
func (b *browser) copyOf() *browser {
	c := b.rig.browser(b.t)
	u, _ := url.Parse(b.rig.home)
	var all []*http.Cookie
	for _, k := range b.cookies() {
		all = append(all, &http.Cookie{Name: k.Name, Value: k.Value, Path: "/", Secure: true})
	}
	c.client.Jar.SetCookies(u, all)
	return c
}

// socket opens a WebSocket as a page of the gateway's origin does.
func (b *browser) socket() (c *websocket.Conn, status int, err error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	b.t.Cleanup(cancel)
	var res *http.Response
	//nolint:bodyclose // The library closes it.
	c, res, err = websocket.Dial(ctx, strings.Replace(b.rig.home, "https", "wss", 1)+"/ws", &websocket.DialOptions{
		HTTPClient: b.client, HTTPHeader: http.Header{"Origin": {b.rig.home}},
	})
	if err == nil {
		b.t.Cleanup(func() { _ = c.CloseNow() })
	}
	if res != nil {
		status = res.StatusCode
	}
	return c, status, err
}

// open begins to read a stream.
func (b *browser) open(t *testing.T, path string) io.Reader {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.rig.home+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := b.client.Do(r)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %v, %v", path, res, err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res.Body
}

// echoes reports whether a WebSocket still answers.
func echoes(t *testing.T, c *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := c.Write(ctx, websocket.MessageText, []byte("hello"))
	if err != nil {
		t.Fatalf("write to WebSocket: %v", err)
	}
	_, text, err := c.Read(ctx)
	if err != nil || string(text) != "hello" {
		t.Fatalf("read from WebSocket: %q, %v", text, err)
	}
}

// closed waits until a WebSocket ends, and returns its code.
func closed(t *testing.T, c *websocket.Conn) websocket.StatusCode {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, _, err := c.Read(ctx)
	return websocket.CloseStatus(err)
}

// happenings are the session events so far, in no order.
func (s *signInRig) happenings(t *testing.T, reason string) []*event.RequestEvent {
	t.Helper()
	var out []*event.RequestEvent
	for _, value := range s.records(t, topic.Requests) {
		e := new(event.RequestEvent)
		err := event.Decode(value, e)
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == event.KindSession && e.Reason == reason {
			out = append(out, e)
		}
	}
	return out
}

// awaitHappening waits for so many session events of a reason.
func (s *signInRig) awaitHappening(t *testing.T, reason string, n int) []*event.RequestEvent {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		got := s.happenings(t, reason)
		if len(got) >= n {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d session events %s, want %d", len(got), reason, n)
		}
	}
}

// testLog writes lines to the test's log.
type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	if l.t.Context().Err() == nil {
		l.t.Log(strings.TrimSpace(string(b)))
	}
	return len(b), nil
}
