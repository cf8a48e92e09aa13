package gateway_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/gateway"
	"github.com/vigil-gateway/vigil/gateway/certtest"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/gateway/proxy"
)

// A secret that everybody on the machine can read is none, whichever it is; its group may
// read it.
func TestEverySecretIsClosedToOthers(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	c := gateway.DefaultConfig()
	c.TenantKeyFile, c.Admin.TokenFile = at("tenant.key"), at("admin.token")
	c.Listen.TLS.CertFile, c.Listen.TLS.KeyFile = at("listen.pem"), at("listen.key")
	c.Admin.TLS.CertFile, c.Admin.TLS.KeyFile = at("admin.pem"), at("admin.key")
	c.Identity.Issuers = []identity.Issuer{{
		Issuer: "https://issuer.test", Audiences: []string{"app"},
		Introspection: identity.Introspection{URL: "https://issuer.test/ask", ClientID: "gw", SecretFile: at("introspection.secret")},
	}}
	c.Identity.APIKeys = identity.APIKeys{Header: "X-Api-Key", KeysFile: at("keys.json"), PepperFile: at("pepper")}
	c.Login.ExternalURL, c.Login.KeyRingFile = "https://gw.test", at("ring")
	c.Login.Providers = []login.Provider{{ID: "work", Issuer: "https://issuer.test", ClientID: "gw", ClientSecretFile: at("client.secret")}}
	c.Assertion.Issuer, c.Assertion.KeyFiles = "https://gw.test", []string{at("assertion.key")}
	c.Proxy.UpstreamTLS = []proxy.UpstreamTLS{{Host: "up.test", CAFile: at("ca.pem"), CertFile: at("upstream.pem"), KeyFile: at("upstream.key")}}
	secrets := []string{
		"tenant.key", "admin.token", "listen.key", "admin.key", "introspection.secret", "pepper", "ring", "client.secret", "assertion.key", "upstream.key",
	}
	for _, name := range append(secrets, "listen.pem", "admin.pem", "upstream.pem", "keys.json") {
		must(0, os.WriteFile(at(name), []byte("not looked at\n"), 0o600))
	}
	must(0, os.WriteFile(at("ca.pem"), certtest.New(t, "upstreams").PEM(), 0o600))
	said := func(mode os.FileMode) string {
		for _, name := range secrets {
			must(0, os.Chmod(at(name), mode))
		}
		return c.CheckFiles().Error()
	}
	if text := said(0o640); strings.Contains(text, "everybody") {
		t.Errorf("open to the group: %s", text)
	}
	for _, mode := range []os.FileMode{0o644, 0o602} {
		text := said(mode)
		for _, name := range secrets {
			if !strings.Contains(text, "everybody on this machine can use "+at(name)+" ") {
				t.Errorf("mode %04o: nothing is said about %s", mode, name)
			}
		}
		if t.Failed() {
			t.Logf("%s", text)
		}
	}
}
