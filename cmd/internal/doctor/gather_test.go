package doctor_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vigil-gateway/vigil/cmd/internal/doctor"
	"github.com/vigil-gateway/vigil/cmd/internal/keys"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is the part of an installation that fits into a test: files, topics, an
// issuer and two admin ports. ClickHouse is away and no analyzer is in a group.
type place struct {
	dir       string
	in        doctor.Installation
	gateway   string // What it says of itself.
	analyzer  string
	keySet    string // The issuer's.
	published *httptest.Server
}

func newPlace(t *testing.T, specs []topic.Spec) *place {
	t.Helper()
	p := &place{
		dir:      t.TempDir(),
		gateway:  `{"status":"ready","gateway":"gw-1","emit":{"requests":{"queued_records":1,"queued_records_max":100}},"revoke":{"staleness_ms":900}}`,
		analyzer: `{"status":"ready","model":"0123456789abcdef","mode":"observe","clickhouse":"ok"}`,
		keySet:   `{"keys":[{"kty":"OKP"}]}`,
	}
	say := func(text *string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, *text) // A doctor that has gone needs no answer.
		}))
		t.Cleanup(s.Close)
		return s
	}
	p.published = say(&p.keySet)
	files, err := keys.Init(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := broker.Start(broker.Options{Topics: specs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	same := fmt.Sprintf("tenant_key_file: %s\nkafka: {brokers: [%q]}\nkeys: {key_set_file: %s, root_public_file: %s}\n", files.TenantKey, b.Addr(), files.KeySet, files.RootPublic)
	p.write(t, "gateway.yaml", same+fmt.Sprintf(`id: gw-1
revoke: {dir: .}
identity:
  allow_private: true
  issuers:
    - {issuer: "https://idp.example.com", audiences: [shop], jwks_url: %q}
    - {issuer: "http://127.0.0.1:1", audiences: [shop], introspection: {url: "http://127.0.0.1:1/asked", client_id: gw, secret_file: partner.secret}}
routes: [{id: all, path: "/{rest...}", upstream: "http://shop:3000"}]
`, p.published.URL))
	p.write(t, "partner.secret", "s3cret")
	p.write(t, "analyzer.yaml", same+fmt.Sprintf("announce: {key_file: %s, kid: %s}\nstate: {dir: .}\nstore: {addresses: [\"127.0.0.1:1\"]}\n", files.AnalyzerKey, keys.AnalyzerKid))
	p.in = doctor.Installation{
		GatewayFiles: []string{p.file("gateway.yaml")}, AnalyzerFiles: []string{p.file("analyzer.yaml")},
		GatewayAdmin: []string{say(&p.gateway).URL}, AnalyzerAdmin: []string{say(&p.analyzer).URL},
		Processes: map[string]int{"this test": os.Getpid()}, Now: time.Now,
	}
	return p
}

func (p *place) file(name string) string { return filepath.Join(p.dir, name) }

func (p *place) write(t *testing.T, name, text string) {
	t.Helper()
	err := os.WriteFile(p.file(name), []byte(text), 0o600)
	if err != nil {
		t.Fatal(err)
	}
}

// lapsed gives the gateway a certificate whose time is over.
func lapsed(t *testing.T, p *place) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	over := time.Now().Add(-time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: over.Add(-time.Hour), NotAfter: over},
		&x509.Certificate{SerialNumber: big.NewInt(1)}, public, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, "gateway.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	p.write(t, "gateway.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	b, err := os.ReadFile(p.file("gateway.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, "gateway.yaml", string(b)+fmt.Sprintf("listen: {tls: {cert_file: %s, key_file: %s}}\n", p.file("gateway.pem"), p.file("gateway.key")))
}

// machine are checks about the machine that the test runs on.
var machine = []string{"disks", "descriptors"}

// lacking are the checks that are not green, with all that they say.
func (p *place) lacking(t *testing.T) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, r := range doctor.Judge(doctor.Gather(t.Context(), p.in)) {
		if r.Level != doctor.Green && !slices.Contains(machine, r.Check) {
			out[r.Check] += string(r.Level) + ": " + r.Text + " → " + r.Hint + "\n"
		}
	}
	return out
}

// away are those that are red in every place.
var away = []string{"clickhouse", "group-lag"}

func TestGatherSeesWhatIsThere(t *testing.T) {
	p := newPlace(t, topic.All(3))
	got := p.lacking(t)
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, away) {
		t.Errorf("not green: %v", got)
	}
	if !strings.Contains(got["clickhouse"], "connection refused") || strings.Count(got["group-lag"], "nobody is in group") != 3 {
		t.Errorf("not green: %v", got)
	}
}

// Each thing is broken on its own, and what says so is the check that is meant.
func TestGatherSeesWhatIsBroken(t *testing.T) {
	without := slices.DeleteFunc(topic.All(3), func(s topic.Spec) bool { return s.Name == topic.Dead })
	wrong := topic.All(3)
	for i := range wrong {
		if wrong[i].Name == topic.Verdicts {
			wrong[i].Compact, wrong[i].Retention, wrong[i].Partitions = false, time.Hour, 2
		}
	}
	more := func(name, text string) func(*testing.T, *place) {
		return func(t *testing.T, p *place) {
			t.Helper()
			b, err := os.ReadFile(p.file(name))
			if err != nil {
				t.Fatal(err)
			}
			p.write(t, name, string(b)+text)
		}
	}
	tests := map[string]struct {
		specs []topic.Spec
		spoil func(*testing.T, *place)
		want  map[string]string // Check to what it says.
	}{
		"a key that nobody knows": {topic.All(3), more("analyzer.yaml", "lane: 3\n"), map[string]string{"config": "lane: unknown key"}},
		"a secret for everybody": {topic.All(3), func(t *testing.T, p *place) {
			t.Helper()
			err := os.Chmod(keys.In(p.dir).TenantKey, 0o644)
			if err != nil {
				t.Fatal(err)
			}
		}, map[string]string{"secret-files": "(mode 0644)", "config": "tenant_key_file: everybody"}},
		"the key of an assertion for everybody": {topic.All(3), func(t *testing.T, p *place) {
			t.Helper()
			b, err := os.ReadFile(keys.In(p.dir).AnalyzerKey)
			if err != nil {
				t.Fatal(err)
			}
			p.write(t, "assertion.key", string(b))
			more("gateway.yaml", fmt.Sprintf("assertion: {issuer: \"https://gw.example.com\", key_files: [%s]}\n", p.file("assertion.key")))(t, p)
			err = os.Chmod(p.file("assertion.key"), 0o644)
			if err != nil {
				t.Fatal(err)
			}
		}, map[string]string{"secret-files": "assertion.key (mode 0644)", "config": "assertion.key_files[0]"}},
		"other lanes":             {topic.All(3), more("gateway.yaml", "lanes: 8\n"), map[string]string{"agreement": "gateway.yaml has 8"}},
		"a topic that is missing": {without, func(*testing.T, *place) {}, map[string]string{"topics": "topic vigil.dead is missing"}},
		"a topic that is another": {wrong, func(*testing.T, *place) {}, map[string]string{
			"topics": "vigil.verdicts has 2 partitions, vigil.requests has 3", "topic-settings": "cleanup.policy=delete, needs compact",
		}},
		"a key set of others": {topic.All(3), func(t *testing.T, p *place) {
			t.Helper()
			other, err := keys.Init(t.TempDir())
			if err == nil {
				err = os.Rename(other.KeySet, keys.In(p.dir).KeySet)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, map[string]string{"config": "keys.key_set_file", "key-set": "not signed by the root"}},
		"an issuer without keys": {topic.All(3), func(_ *testing.T, p *place) { p.keySet = `{}` }, map[string]string{"issuers": "no key at"}},
		"a provider that is away": {topic.All(3), func(t *testing.T, p *place) {
			t.Helper()
			p.write(t, "ring", base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n")
			more("gateway.yaml", `login:
  external_url: https://app.example.com
  allow_private: true
  key_ring_file: ring
  state_file: endings
  providers: [{id: op, name: Provider, issuer: "http://127.0.0.1:1/op", client_id: vigil}]
`)(t, p)
		}, map[string]string{"issuers": "http://127.0.0.1:1/op: "}},
		"an issuer that is a page":     {topic.All(3), func(_ *testing.T, p *place) { p.keySet = `<html>` }, map[string]string{"issuers": "not with JSON"}},
		"a gateway that hears nothing": {topic.All(3), func(_ *testing.T, p *place) { p.gateway = strings.Replace(p.gateway, "900", "90000", 1) }, map[string]string{"verdict-feed": "1m30s"}},
		"an analyzer that catches up":  {topic.All(3), func(_ *testing.T, p *place) { p.analyzer = strings.Replace(p.analyzer, "ready", "catching up", 1) }, map[string]string{"analyzers": "catching up"}},
		"a gateway that was shown forged": {topic.All(3), func(_ *testing.T, p *place) {
			p.gateway = strings.Replace(p.gateway, `"staleness_ms"`, `"refused_records":{"unsigned":2},"staleness_ms"`, 1)
		}, map[string]string{"refused-verdicts": "2 unsigned"}},
		"a wrong clock": {topic.All(3), func(_ *testing.T, p *place) {
			p.in.Now = func() time.Time { return time.Now().Add(time.Hour) }
		}, map[string]string{"clocks": "-1h0m0s off"}},
		"a gateway whose events wait": {topic.All(3), func(_ *testing.T, p *place) {
			p.gateway = strings.Replace(p.gateway, `"queued_records":1`, `"queued_records":95`, 1)
		}, map[string]string{"events": "95 of at most 100 events waiting"}},
		"two analyzers with two models": {topic.All(3), func(t *testing.T, p *place) {
			t.Helper()
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, strings.Replace(p.analyzer, "0123456789abcdef", "fedcba9876543210", 1)) // A doctor that has gone needs no answer.
			}))
			t.Cleanup(other.Close)
			p.in.AnalyzerAdmin = append(p.in.AnalyzerAdmin, other.URL)
		}, map[string]string{"models": "has model fedcba987654"}},
		"a certificate that has expired": {topic.All(3), func(t *testing.T, p *place) {
			t.Helper()
			lapsed(t, p)
		}, map[string]string{"certificates": "gateway.pem has expired"}},
		"nobody at the admin port": {topic.All(3), func(_ *testing.T, p *place) { p.in.GatewayAdmin = []string{"http://127.0.0.1:1"} }, map[string]string{"gateways": "connection refused"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, tt.specs)
			tt.spoil(t, p)
			got := p.lacking(t)
			for check, text := range got {
				want, meant := tt.want[check]
				if !meant && !slices.Contains(away, check) || meant && !strings.Contains(text, want) {
					t.Errorf("%s says %q, want %q", check, text, want)
				}
			}
			for check := range tt.want {
				if got[check] == "" {
					t.Errorf("%s is green: %v", check, got)
				}
			}
		})
	}
}

func TestNobodyAnswers(t *testing.T) {
	f := doctor.Gather(t.Context(), doctor.Installation{
		GatewayAdmin: []string{"http://127.0.0.1:1"}, Brokers: []string{"127.0.0.1:1"}, Now: time.Now,
	})
	if !doctor.Unreachable(f) {
		t.Errorf("somebody answers: %+v", f)
	}
	p := newPlace(t, topic.All(1))
	if doctor.Unreachable(doctor.Gather(t.Context(), p.in)) {
		t.Error("nobody answers")
	}
}
