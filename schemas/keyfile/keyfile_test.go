package keyfile_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// file writes a file and returns its path.
func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	err := os.WriteFile(path, []byte(content), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFaultsNameTheirKey reads what an operator may have put in the wrong place.
func TestFaultsNameTheirKey(t *testing.T) {
	root, other := ed25519.NewKeyFromSeed(make([]byte, 32)), ed25519.NewKeyFromSeed([]byte("another root key of 32 bytes ..."))
	der, err := x509.MarshalPKIXPublicKey(root.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	key := verdict.Key{ID: "a", Class: verdict.ClassAnalyzer, Public: other.Public().(ed25519.PublicKey)}
	signed := func(by ed25519.PrivateKey) string {
		set, err := verdict.SignKeySet(by, []verdict.Key{key})
		if err != nil {
			t.Fatal(err)
		}
		return string(set)
	}
	keySet := func(root, set string) func(*testing.T) error {
		return func(t *testing.T) error {
			t.Helper()
			_, err := keyfile.KeySet(file(t, root), file(t, set))
			return err
		}
	}
	tenantKey := func(content string) func(*testing.T) error {
		return func(t *testing.T) error {
			t.Helper()
			_, _, err := keyfile.TenantKey(file(t, content))
			return err
		}
	}
	token := func(content string) func(*testing.T) error {
		return func(t *testing.T) error {
			t.Helper()
			_, err := keyfile.Token(file(t, content))
			return err
		}
	}
	tests := map[string]struct {
		read func(*testing.T) error
		want string // How the error begins, "" for none.
	}{
		"a key set of the root":        {keySet(public, signed(root)), ""},
		"a key set of another root":    {keySet(public, signed(other)), "keys.key_set_file: "},
		"a root that is no key":        {keySet("root", signed(root)), "keys.root_public_file: "},
		"a key set that is too long":   {keySet(public, strings.Repeat("x", keyfile.BytesMax+1)), "keys.key_set_file: has 1048577 B, at most 1048576 are allowed"},
		"a tenant's key":               {tenantKey(strings.Repeat("k", 32)), ""},
		"a tenant's key that is short": {tenantKey("k"), "tenant_key_file: "},
		"a token":                      {token(" a-token-for-tests-only\n"), ""},
		"a toy token":                  {token("\n toy \n"), "admin.token_file: has 3 B, needs at least 16"},
		"no file": {func(t *testing.T) error {
			t.Helper()
			_, err := keyfile.Token(filepath.Join(t.TempDir(), "gone"))
			return err
		}, "admin.token_file: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := tt.read(t)
			if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
	got, err := keyfile.Token("")
	if err != nil || got != nil {
		t.Errorf("no token is configured: %q, %v", got, err)
	}
	got, err = keyfile.Token(file(t, " a-token-for-tests-only\n"))
	if err != nil || string(got) != "a-token-for-tests-only" {
		t.Errorf("a token with space around it: %q, %v", got, err)
	}
}

// A service goes on with the key set that was in force where its file is older than
// that, also after a restart; a root that was replaced begins anew.
func TestAnOlderKeySetIsNotTakenOver(t *testing.T) {
	root, other := ed25519.NewKeyFromSeed(make([]byte, 32)), ed25519.NewKeyFromSeed([]byte("another root key of 32 bytes ..."))
	public := func(k ed25519.PrivateKey) string {
		der, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		return file(t, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	}
	set := func(version uint64, by ed25519.PrivateKey) string {
		text, err := verdict.KeyList{Version: version}.Sign(by, nil)
		if err != nil {
			t.Fatal(err)
		}
		return file(t, string(text))
	}
	dir := filepath.Join(t.TempDir(), "made when it is needed")
	for _, step := range []struct {
		name    string
		by      ed25519.PrivateKey
		version uint64
		want    uint64
		refused bool
	}{
		{"the first", root, 3, 3, false},
		{"the same again", root, 3, 3, false},
		{"a later one", root, 5, 5, false},
		{"an older one", root, 4, 5, true},
		{"an older one once more", root, 4, 5, true},
		{"the next", root, 6, 6, false},
		{"the first of a root that has replaced ours", other, 1, 1, false},
	} {
		got, err := keyfile.KeySetOver(public(step.by), set(step.version, step.by), dir)
		if errors.Is(err, verdict.ErrRollback) != step.refused || err != nil && !step.refused {
			t.Fatalf("%s: %v, want refused %v", step.name, err, step.refused)
		}
		if v := got.List().Version; v != step.want {
			t.Errorf("%s: version %d is in force, want %d", step.name, v, step.want)
		}
	}
	got, err := keyfile.KeySetOver(public(root), set(1, root), "")
	if err != nil || got.List().Version != 1 {
		t.Errorf("without a directory: %v, %v", got, err)
	}
}
