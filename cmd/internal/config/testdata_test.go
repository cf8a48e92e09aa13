package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/config"
	"github.com/vigil-gateway/vigil/cmd/internal/keys"
)

// load reads a file as the role that its name begins with.
func load(file string) error {
	s := config.Sources{File: file, SkipFiles: !strings.Contains(file, "missing-file")}
	if strings.HasPrefix(filepath.Base(file), config.RoleAnalyzer) {
		_, err := config.Load(s, config.DefaultAnalyzer())
		return err
	}
	_, err := config.Load(s, config.DefaultGateway())
	return err
}

// Every file of testdata/config is accepted, or refused with exactly the words
// that stand in it.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("../../../testdata/config/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			err := load(file)
			if strings.HasSuffix(file, ".good.yaml") {
				if err != nil {
					t.Error(err)
				}
				return
			}
			_, ok := errors.AsType[config.Faults](err)
			if !ok {
				t.Fatalf("Load = %v, want faults", err)
			}
			got := strings.NewReplacer(file+":", "", filepath.Dir(file)+"/", "").Replace(err.Error())
			want := wanted(t, file, got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// wanted reads what a file says about itself. With UPDATE_GOLDEN the file is
// written anew when the number of lines stays; else places would move.
func wanted(t *testing.T, file, got string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want, rest []string
	for line := range strings.SplitSeq(string(b), "\n") {
		text, found := strings.CutPrefix(line, "# want: ")
		if found {
			want = append(want, text)
			continue
		}
		rest = append(rest, line)
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		var out strings.Builder
		for line := range strings.SplitSeq(got, "\n") {
			out.WriteString("# want: " + line + "\n")
		}
		out.WriteString(strings.Join(rest, "\n"))
		err = os.WriteFile(file, []byte(out.String()), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	return strings.Join(want, "\n")
}

// TestPathsCountFromTheFile checks that each key of the analyzer that names a
// file or folder counts from the configuration's own folder.
func TestPathsCountFromTheFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "analyzer.yaml")
	text := "tenant_key_file: f\nkafka: {brokers: [\"127.0.0.1:9\"]}\nmodel: {file: f}\nkeys: {key_set_file: f, root_public_file: f}\n" +
		"state: {dir: d, warm_start: f}\nannounce: {key_file: f, kid: k}\n"
	for name, content := range map[string]string{file: text, filepath.Join(dir, "f"): ""} {
		err := os.WriteFile(name, []byte(content), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := config.Load(config.Sources{File: file, SkipFiles: true}, config.DefaultAnalyzer())
	if err != nil {
		t.Fatal(err)
	}
	c := loaded.Config
	f := filepath.Join(dir, "f")
	want := []string{f, f, f, f, filepath.Join(dir, "d"), f, f}
	got := []string{c.TenantKeyFile, c.Model.File, c.Keys.KeySetFile, c.Keys.RootPublicFile, c.State.Dir, c.State.WarmStart, c.Announce.KeyFile}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

// TestExpired checks that a certificate that has expired, or a bundle with no other, is
// warned of: a service starts with it, and everybody turns it away.
func TestExpired(t *testing.T) {
	dir := t.TempDir()
	made := func(name string, ends time.Time) []byte {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		of := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: ends.Add(-time.Hour), NotAfter: ends}
		der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for file, content := range map[string][]byte{name: text, name + ".key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
			err = os.WriteFile(filepath.Join(dir, file), content, 0o600)
			if err != nil {
				t.Fatal(err)
			}
		}
		return text
	}
	made("later", time.Now().Add(3*time.Hour))
	past, future := made("past", time.Now().Add(-time.Hour)), made("future", time.Now().Add(time.Hour))
	err := os.WriteFile(filepath.Join(dir, "both"), append(past, future...), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = keys.Init(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ cert, bundle, want string }{
		"a certificate":            {"past", "future", "listen.tls.cert_file: " + filepath.Join(dir, "past") + " has expired at "},
		"one of tomorrow":          {"later", "future", "listen.tls.cert_file: " + filepath.Join(dir, "later") + " counts only from "},
		"a bundle":                 {"future", "past", "listen.tls.client_ca_file: " + filepath.Join(dir, "past") + " has expired at "},
		"a bundle that has others": {"future", "both", ""},
	} {
		file := filepath.Join(dir, "gateway.yaml")
		text := fmt.Sprintf("id: g\ntenant_key_file: secrets/tenant.key\nkafka: {brokers: [\"127.0.0.1:9\"]}\nrevoke: {dir: state}\n"+
			"keys: {key_set_file: keys/keys.jws, root_public_file: keys/root.pub.pem}\n"+
			"listen: {tls: {cert_file: %s, key_file: %[1]s.key, client_auth: optional, client_ca_file: %s}}\n"+
			"routes: [{id: a, path: /, upstream: \"http://a\", public: true}]\n", tt.cert, tt.bundle)
		err := os.WriteFile(file, []byte(text), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := config.Load(config.Sources{File: file}, config.DefaultGateway())
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(loaded.Warnings, "\n")
		if tt.want == "" && got != "" || !strings.HasPrefix(got, tt.want) || strings.Count(got, "\n") > 0 {
			t.Errorf("%s: warnings %q, want %q", name, got, tt.want)
		}
	}
}

// TestStarterShowsEveryKey checks that what is begun with names each key that can be
// set, those of list entries and of sections in them too.
func TestStarterShowsEveryKey(t *testing.T) {
	var out strings.Builder
	err := config.Starter(&out, "head", config.DefaultGateway(), map[string]string{"routes": "- id: a\n  path: /\n  upstream: http://a"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n  #    client_secret_file: \"\"\n", "\n#    streams:\n", "\n  #      token_prefix: \"\"\n", "\n  # An entry may have:\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	for line := range strings.SplitSeq(out.String(), "\n") {
		if len([]rune(line)) > 84 {
			t.Errorf("too long: %s", line)
		}
	}
}

// TestFileWhereAFolderBelongs checks that it is said before a service starts.
func TestFileWhereAFolderBelongs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	err := os.WriteFile(file, []byte("revoke: {dir: gateway.yaml}\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = config.Load(config.Sources{File: file}, config.DefaultGateway())
	if err == nil || !strings.Contains(err.Error(), ":1:15: revoke.dir: "+file+" is a file, not a folder") {
		t.Errorf("Load() = %v", err)
	}
}
