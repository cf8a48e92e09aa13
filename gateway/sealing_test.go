package gateway_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/gateway"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// The key that seals is checked before anything is served: what readers cannot
// verify they would refuse.
func TestKeyThatSealsMustBeListedForThisGateway(t *testing.T) {
	dir := t.TempDir()
	write := func(name, kind string, der []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		err = os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	root, key := ed25519.NewKeyFromSeed(make([]byte, 32)), ed25519.NewKeyFromSeed([]byte("key of gateway gw-1 in this test"))
	der, err := x509.MarshalPKIXPublicKey(root.Public())
	rootFile := write("root.pub.pem", "PUBLIC KEY", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(key)
	keyFile := write("gw-1.pem", "PRIVATE KEY", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(root)
	otherFile := write("other.pem", "PRIVATE KEY", der, err)
	set, err := verdict.SignKeySet(root, []verdict.Key{{ID: "k", Class: verdict.ClassGateway, Gateway: "gw-1", Public: key.Public().(ed25519.PublicKey)}})
	if err != nil {
		t.Fatal(err)
	}
	setFile := filepath.Join(dir, "keys.jws")
	err = os.WriteFile(setFile, set, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	open := write("open.pem", "PRIVATE KEY", der, nil)
	err = os.Chmod(open, 0o604)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ id, file, want string }{
		"no key seals nothing":          {"gw-1", "", ""},
		"the key of this gateway":       {"gw-1", keyFile, ""},
		"the key of another gateway":    {"gw-2", keyFile, "lists no key of class \"gateway\" for gateway \"gw-2\""},
		"a key that is not listed":      {"gw-1", otherFile, "lists no key of class \"gateway\" for gateway \"gw-1\""},
		"a key that everybody can read": {"gw-1", open, "chmod 600"},
		"a file that is not there":      {"gw-1", filepath.Join(dir, "none"), "no such file"},
		"a file with no private key":    {"gw-1", rootFile, "parse private key"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := gateway.DefaultConfig()
			c.ID, c.Keys, c.Emit.KeyFile = tt.id, gateway.Keys{KeySetFile: setFile, RootPublicFile: rootFile}, tt.file
			err := c.CheckFiles()
			said := ""
			if err != nil {
				said = err.Error()
			}
			if named := strings.Contains(said, "emit.key_file"); named != (tt.want != "") || !strings.Contains(said, tt.want) {
				t.Errorf("CheckFiles() = %v, want it to say %q", err, tt.want)
			}
		})
	}
}
