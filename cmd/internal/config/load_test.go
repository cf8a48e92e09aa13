package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vigil-gateway/vigil/cmd/internal/config"
)

type tls struct {
	CertFile string `mapstructure:"cert_file"`
}

type listen struct {
	Address     string         `mapstructure:"address"`
	ReadTimeout time.Duration  `mapstructure:"read_timeout"`
	HeaderBytes int64          `mapstructure:"header_bytes"`
	TLS         tls            `mapstructure:"tls"`
	TrustedHops uint8          `mapstructure:"trusted_hops"`
	ProxyFrom   []string       `mapstructure:"proxy_from"`
	Networks    []netip.Prefix `mapstructure:"networks"`
}

type signIn struct {
	Field string `mapstructure:"field"`
}

type route struct {
	ID       string  `mapstructure:"id"`
	Upstream string  `mapstructure:"upstream"`
	Posture  string  `mapstructure:"posture"`
	Public   bool    `mapstructure:"public"`
	SignIn   *signIn `mapstructure:"sign_in"`
}

type sample struct {
	Listen listen  `mapstructure:"listen"`
	Routes []route `mapstructure:"routes"`
	Ratio  float64 `mapstructure:"ratio"`
	Mode   string  `mapstructure:"mode"`
}

func (s sample) Validate() error {
	var errs []error
	if s.Listen.Address == "" {
		errs = append(errs, fmt.Errorf("listen: %w", errors.Join(errors.New("address: must not be empty"))))
	}
	if s.Mode != "observe" && s.Mode != "enforce" {
		errs = append(errs, fmt.Errorf(`mode: must be one of observe, enforce, is %q`, s.Mode))
	}
	for i, r := range s.Routes {
		if r.Upstream == "" {
			errs = append(errs, fmt.Errorf("routes[%d].upstream: must not be empty", i))
		}
	}
	return errors.Join(errs...)
}

func defaults() sample {
	return sample{
		Listen: listen{Address: "127.0.0.1:8080", ReadTimeout: 5 * time.Second, HeaderBytes: 64 << 10, ProxyFrom: []string{"10.0.0.0/8", "192.168.0.0/16"}},
		Ratio:  1, Mode: "observe",
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	err := os.WriteFile(path, []byte(text), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLoadLayers checks who wins, and that every value knows where it is from.
func TestLoadLayers(t *testing.T) {
	file := write(t, "vigil.yaml", `
listen:
  read_timeout: 1m30s
  header_bytes: 32KiB
  proxy_from: [172.16.0.0/12]
  networks: [2001:db8::/32]
routes:
  - id: a
    upstream: http://a
    sign_in: {field: user}
  - {id: b, upstream: http://b}
`)
	got, err := config.Load(config.Sources{
		File: file,
		Env:  []string{"VIGIL_LISTEN_ADDRESS=:9", "VIGIL_RATIO=0.5", "VIGIL_GATEWAY_PORT=tcp://10.0.0.1:80", "HOME=/x"},
		Set:  []string{"ratio=0.25", "routes[1].public=true", "routes[2].id=c", "routes[2].upstream=http://c", "listen.trusted_hops=2"},
	}, defaults())
	if err != nil {
		t.Fatal(err)
	}
	want := sample{
		Listen: listen{
			Address: ":9", ReadTimeout: 90 * time.Second, HeaderBytes: 32 << 10, TrustedHops: 2,
			ProxyFrom: []string{"172.16.0.0/12"}, Networks: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")},
		},
		Routes: []route{
			{ID: "a", Upstream: "http://a", SignIn: &signIn{Field: "user"}},
			{ID: "b", Upstream: "http://b", Public: true},
			{ID: "c", Upstream: "http://c"},
		},
		Ratio: 0.25, Mode: "observe",
	}
	if diff := cmp.Diff(want, got.Config, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("Load (-want +got):\n%s", diff)
	}
	if len(got.Warnings) != 0 {
		t.Errorf("warnings %q for variables that are nobody's", got.Warnings)
	}
	origins := make(map[string]string)
	for _, v := range got.Values(true) {
		origins[v.Key] = strings.ReplaceAll(v.Value+" < "+v.Origin, file, "F")
	}
	for key, want := range map[string]string{
		"listen.address":      ":9 < env VIGIL_LISTEN_ADDRESS",
		"listen.read_timeout": "1m30s < F:3",
		"listen.header_bytes": "32KiB < F:4",
		"ratio":               "0.25 < --set ratio",
		"mode":                "observe < default",
		"routes[0].id":        "a < F:8",
		"routes[1].public":    "true < --set routes[1].public",
		"routes[1].posture":   " < default",
	} {
		if origins[key] != want {
			t.Errorf("origin of %s is %q, want %q", key, origins[key], want)
		}
	}
}

// TestLoadFaults checks that everything is said at once, in exactly these words.
func TestLoadFaults(t *testing.T) {
	tests := map[string]struct {
		file string
		src  config.Sources
		want string
	}{
		"everything at once, in the order of the file": {
			file: `
listen:
  adddress: ":80"
  read_timeout: 30
  header_bytes: 64Kib
  trusted_hops: 256
  tls: {cert_file: absent.pem}
mode: enforced
routes:
  - id: a
    upstream: http://a
    public: yes
  - id: b
unkwon: 1
`,
			want: `
F:3:3: listen.adddress: unknown key; did you mean "address"?
F:4:17: listen.read_timeout: "30" has no unit: a duration needs one, such as 30s, 30ms or 30m
F:5:17: listen.header_bytes: needs a size such as 65536 or 64KiB, is "64Kib"
F:6:17: listen.trusted_hops: must be below 256, is 256
F:7:20: listen.tls.cert_file: file DIR/absent.pem does not exist
F:8:7: mode: must be one of observe, enforce, is "enforced"; did you mean "enforce"?
F:12:13: routes[0].public: needs true or false, is "yes"; did you mean "true"?
F:13:5: routes[1].upstream: must not be empty
F:14:1: unkwon: unknown key; known here: listen, routes, ratio, mode`,
		},
		"a key in the wrong section is found in the right one": {
			file: "address: x\n",
			want: `F:1:1: address: unknown key; did you mean "listen.address"?`,
		},
		"given twice": {
			file: "ratio: 1\nratio: 2\n",
			want: `F:2:1: ratio: is given twice, first in line 1`,
		},
		"no value": {
			file: "ratio:\nlisten:\n",
			want: `F:1:7: ratio: has no value; leave the key out for the default`,
		},
		"wrong shapes": {
			file: "listen: 5\nroutes: {id: a}\nratio: [1]\n",
			want: `
F:1:9: listen: needs a section of keys (address, read_timeout, header_bytes, tls, trusted_hops, proxy_from, networks), is "5"
F:2:9: routes: needs a list (lines that begin with a dash), is a section
F:3:8: ratio: needs one value, is a list`,
		},
		"not yaml": {
			file: "listen:\n\taddress: x\n",
			want: `F:2:1: is not YAML: found character that cannot start any token`,
		},
		"two documents": {
			file: "ratio: 1\n---\nratio: 2\n",
			want: `F:2:1: a second YAML document begins here; one is allowed`,
		},
		"a network that is none": {
			file: "listen: {networks: [10.0.0.0/8, 10.0.0/8]}\n",
			want: `F:1:33: listen.networks[1]: "10.0.0/8": netip.ParsePrefix("10.0.0/8"): ParseAddr("10.0.0"): IPv4 address too short`,
		},
		"variables and flags say so": {
			file: "ratio: 1\n",
			src: config.Sources{
				Env: []string{"VIGIL_LISTEN_READ_TIMEOUT=5", "VIGIL_MODE=x"},
				Set: []string{"listen.adddress=x", "ratio", "routes[1].id=x", "listen.address="},
			},
			want: `
env VIGIL_LISTEN_READ_TIMEOUT: listen.read_timeout: "5" has no unit: a duration needs one, such as 5s, 5ms or 5m
--set listen.adddress: listen.adddress: unknown key; did you mean "listen.address"?
--set ratio: needs the form key=value, is "ratio"
--set routes[1].id: routes[1].id: index [1]: the list has 0 entries, so the next one is [0]
--set listen.address: listen.address: must not be empty
env VIGIL_MODE: mode: must be one of observe, enforce, is "x"`,
		},
		"aliases that unfold for ever": {
			file: "routes: &a\n- *a\n",
			want: `F:1:9: routes[0]: needs a section of keys (id, upstream, posture, public, sign_in), is a list`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.src.File = write(t, "v.yaml", tt.file)
			_, err := config.Load(tt.src, defaults())
			_, ok := errors.AsType[config.Faults](err)
			if !ok {
				t.Fatalf("Load = %v, want faults", err)
			}
			got := strings.ReplaceAll(err.Error(), tt.src.File, "F")
			got = strings.ReplaceAll(got, filepath.Dir(tt.src.File), "DIR")
			if diff := cmp.Diff(strings.TrimSpace(tt.want), got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMistypedVariableIsAWarning checks that a variable which is nobody's does no harm.
func TestMistypedVariableIsAWarning(t *testing.T) {
	got, err := config.Load(config.Sources{Env: []string{"VIGIL_LISTEN_ADDESS=x"}}, defaults())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"environment variable VIGIL_LISTEN_ADDESS is not used; did you mean VIGIL_LISTEN_ADDRESS?"}
	if diff := cmp.Diff(want, got.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// What Print writes must load to the same configuration.
func TestPrintLoadsBack(t *testing.T) {
	file := write(t, "v.yaml", "listen: {address: '080', header_bytes: 96KiB}\nroutes: [{id: 'true', upstream: 'http://a'}]\nratio: 0.125\n")
	first, err := config.Load(config.Sources{File: file}, defaults())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = first.Print(&out, true, true)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "mode: observe # default") {
		t.Errorf("Print does not say where a value comes from:\n%s", out.String())
	}
	second, err := config.Load(config.Sources{File: write(t, "p.yaml", out.String())}, sample{})
	if err != nil {
		t.Fatalf("%v in\n%s", err, out.String())
	}
	if diff := cmp.Diff(first.Config, second.Config, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("printed and loaded (-want +got):\n%s", diff)
	}
}

// TestDefaultsStayTheCallers checks that Load writes nothing into its arguments.
func TestDefaultsStayTheCallers(t *testing.T) {
	d := defaults()
	file := write(t, "v.yaml", "listen: {proxy_from: [x]}\n")
	_, err := config.Load(config.Sources{File: file}, d)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaults().Listen.ProxyFrom, d.Listen.ProxyFrom); diff != "" {
		t.Errorf("Load changed the defaults (-want +got):\n%s", diff)
	}
}

// TestMapsAreRefused keeps viper's lower-casing away from users' own keys.
func TestMapsAreRefused(t *testing.T) {
	type bad struct {
		Headers map[string]string `mapstructure:"headers"`
	}
	_, err := config.Load(config.Sources{}, bad{})
	if err == nil || !strings.Contains(err.Error(), "a map loses the case of its keys") {
		t.Errorf("Load of a type with a map = %v", err)
	}
}
