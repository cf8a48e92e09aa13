package devstack_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vigil-gateway/vigil/cmd/internal/devstack"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/cmd/internal/keys"
	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/deploy/devstack/logtest"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

func options(t *testing.T, dir string) devstack.Options {
	t.Helper()
	library, err := devstack.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	o := devstack.DefaultOptions()
	o.Dir, o.Library, o.Logger = dir, library, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	o.Partitions = 3
	o.Configure = func(c *devstack.Config) error {
		c.Analyzer.Store.Linger = 50 * time.Millisecond
		return nil
	}
	return o
}

func start(t *testing.T, o devstack.Options) *devstack.Stack {
	t.Helper()
	s, err := devstack.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stop(t *testing.T, s *devstack.Stack) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	err := s.Stop()
	if err != nil {
		t.Fatal(err)
	}
}

// status is what one request through the gateway is answered with.
func status(t *testing.T, s *devstack.Stack, path, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Run().Gateway+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// rows counts the requests in ClickHouse.
func rows(t *testing.T, s *devstack.Stack) int {
	t.Helper()
	r := s.Run()
	password, err := os.ReadFile(r.ClickHousePasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.ClickHouse+"/?database="+url.QueryEscape(r.ClickHouseDatabase),
		strings.NewReader("SELECT toInt32(count()) AS n FROM requests WHERE kind = 'request' FORMAT JSONEachRow"))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(r.ClickHouseUser, string(password))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var row struct{ N int }
	err = json.NewDecoder(resp.Body).Decode(&row)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("count rows: status %d, error %v", resp.StatusCode, err)
	}
	return row.N
}

// waitRows polls until there are n rows.
func waitRows(t *testing.T, s *devstack.Stack, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); rows(t, s) != n; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d rows, want %d", rows(t, s), n)
		}
	}
}

// TestFileOfOneRole checks that who names the gateway's own file is told where its
// keys belong, and nothing else.
func TestFileOfOneRole(t *testing.T) {
	var c devstack.Config
	err := devstack.FromFile("../../../testdata/config/gateway-short.good.yaml", nil)(&c)
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasSuffix(err.Error(), `here that stands below a section "gateway"`) {
		t.Errorf("FromFile: %v", err)
	}
}

// TestSecondStartGoesOn checks that a directory keeps data, keys and ports, that
// what was served just before a stop is not lost, and that nobody else gets in.
func TestSecondStartGoesOn(t *testing.T) {
	dir := t.TempDir()
	o := options(t, dir)
	s := start(t, o)
	token := s.IDP().Mint(idp.Claims{Subject: "ana", SessionID: "s1", Expires: time.Now().Add(time.Hour)})
	if got := status(t, s, "/accounts/1234", token); got != http.StatusOK {
		t.Errorf("with a token: status %d", got)
	}
	if got := status(t, s, "/accounts/1234", ""); got != http.StatusUnauthorized {
		t.Errorf("without a token: status %d", got)
	}
	waitRows(t, s, 2)
	_, err := devstack.Start(t.Context(), o)
	if !errors.Is(err, devstack.ErrLocked) {
		t.Errorf("second Start beside the first: %v, want %v", err, devstack.ErrLocked)
	}
	// These have had no time to reach ClickHouse.
	for range 20 {
		status(t, s, "/", token)
	}
	first := s.Run()
	stop(t, s)
	kept, err := runfile.Read(dir)
	if err != nil || kept.PID != 0 {
		t.Errorf("run file after the stop: pid %d, error %v", kept.PID, err)
	}

	s = start(t, o)
	defer stop(t, s)
	if diff := cmp.Diff(first, s.Run(), cmpopts.IgnoreFields(runfile.Run{}, "PID")); diff != "" {
		t.Errorf("the second start is somewhere else (-first +second):\n%s", diff)
	}
	if got := status(t, s, "/accounts/1234", token); got != http.StatusOK {
		t.Errorf("the first start's token: status %d", got)
	}
	waitRows(t, s, 23)
	if got := s.Upstream().Total(); got != 1 {
		t.Errorf("the upstream of the second start has served %d", got)
	}
	for _, name := range []string{"keys/root.pem", "keys/analyzer.pem", "keys/operator.pem", "secrets/tenant.key", "secrets/admin-token", "run.json"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, error %v", name, info, err)
		}
	}
}

// TestStartRefuses names what is wrong before anything is started.
func TestStartRefuses(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for name, tt := range map[string]struct {
		change func(*devstack.Options)
		want   string
	}{
		"no partitions":              {func(o *devstack.Options) { o.Partitions = 0 }, "--partitions:"},
		"unknown mode":               {func(o *devstack.Options) { o.Mode = "maybe" }, "mode:"},
		"upstream that is no URL":    {func(o *devstack.Options) { o.Upstream, o.Issuer = "host", "http://127.0.0.1:1" }, "--upstream:"},
		"upstream without an issuer": {func(o *devstack.Options) { o.Upstream = "http://127.0.0.1:1" }, "--issuer:"},
		"upstream without an audience": {func(o *devstack.Options) {
			o.Upstream, o.Issuer, o.Configure = "http://127.0.0.1:1", "http://127.0.0.1:1", nil
		}, "--audience:"},
		"issuer in clear text": {func(o *devstack.Options) {
			o.Upstream, o.Issuer, o.Audience, o.Configure = "http://127.0.0.1:1", "http://login.example.com", "a", nil
		}, "--issuer: must be https"},
		"address that is none": {func(o *devstack.Options) { o.Listen = "foo" }, "--listen:"},
		"address that is taken": {func(o *devstack.Options) {
			o.Listen, o.Library = taken.Addr().String(), "/nowhere" // Who gets as far as ClickHouse says so.
		}, "--listen:"},
		"configuration at fault": {func(o *devstack.Options) {
			o.Configure = func(c *devstack.Config) error { c.Gateway.Lanes = 0; return nil }
		}, "gateway.lanes:"},
	} {
		o := options(t, filepath.Join(t.TempDir(), "new"))
		tt.change(&o)
		_, err = devstack.Start(t.Context(), o)
		if !errors.Is(err, devstack.ErrOptions) || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s at its beginning", name, err, tt.want)
		}
		_, err = os.Stat(o.Dir)
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: something is left in the directory: %v", name, err)
		}
	}
}

// TestOwnServiceIsRemembered checks that a directory goes on with the service
// that it was begun with, and that the samples never take that one's ports.
func TestOwnServiceIsRemembered(t *testing.T) {
	own := httptest.NewServer(http.NotFoundHandler())
	defer own.Close()
	o := options(t, t.TempDir())
	o.Upstream, o.Issuer, o.Audience = own.URL, own.URL, "shop"
	stop(t, start(t, o))

	o.Upstream, o.Issuer, o.Audience = "", "", ""
	s := start(t, o)
	r := s.Run()
	if s.IDP() != nil || r.Upstream != own.URL || r.Issuer != own.URL || r.Audience != "shop" {
		t.Errorf("the second start has sample %v, upstream %s, issuer %s, audience %s", s.IDP() != nil, r.Upstream, r.Issuer, r.Audience)
	}
	err := s.UpstreamFault(t.Context())
	if err != nil {
		t.Errorf("a service that is there: %v", err)
	}
	if got := s.Config().Gateway.Identity.Issuers[0].Audiences; !slices.Equal(got, []string{"shop"}) {
		t.Errorf("audiences %v", got)
	}
	own.Close() // Its port is free, and still not ours.
	err = s.UpstreamFault(t.Context())
	if err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(own.URL, "http://")) {
		t.Errorf("a service that is away: %v", err)
	}
	stop(t, s)

	o.Sample = true
	s = start(t, o)
	defer stop(t, s)
	r = s.Run()
	if s.IDP() == nil || r.Upstream == own.URL || r.Issuer == own.URL || r.OwnService {
		t.Errorf("asked for the sample: upstream %s, issuer %s, own service %t", r.Upstream, r.Issuer, r.OwnService)
	}
}

// TestRotatedKeysAreReadAgain checks that the gateway believes a key of after its
// start, and that the analyzer then signs with it; and that paths of a configuration
// count from its own folder wherever they are read.
func TestRotatedKeysAreReadAgain(t *testing.T) {
	o := options(t, t.TempDir())
	dir := t.TempDir()
	t.Chdir(dir)
	err := os.WriteFile("up.yaml", []byte("gateway: {emit: {spool: {dir: spool}}}\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	o.Configure = devstack.FromFile("up.yaml", nil)
	var log logtest.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s := start(t, o)
	defer stop(t, s)
	if got := s.Config().Gateway.Emit.Spool.Dir; got != filepath.Join(dir, "spool") {
		t.Errorf("the file's folder spool is %s: other commands would look elsewhere", got)
	}
	p := s.Places()
	_, err = p.Rotate(keys.Rotation{Class: verdict.ClassAnalyzer, KeyFile: p.AnalyzerKey, RootKey: p.RootKey, Now: time.Now(), Overlap: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	const version = `"key_set_version":3` // Made, then with the gateway's key, then rotated.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Run().GatewayAdmin+"/readyz?verbose", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(body), version) && strings.Contains(log.String(), `msg="key set in force" part=analyzer version=3 signs=analyzer-2`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the gateway says %s, the log\n%s", body, log.String())
		}
	}
}

// TestFindLibrary checks that a library that is named is the one that is taken.
func TestFindLibrary(t *testing.T) {
	_, err := devstack.FindLibrary(filepath.Join(t.TempDir(), "none.so"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a named library that is not there: %v", err)
	}
	t.Chdir(t.TempDir())
	_, err = devstack.FindLibrary("")
	if !errors.Is(err, devstack.ErrNoLibrary) {
		t.Errorf("outside of a checkout: %v, want %v", err, devstack.ErrNoLibrary)
	}
}
