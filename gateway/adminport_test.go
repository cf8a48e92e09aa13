package gateway_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/gateway"
	"github.com/vigil-gateway/vigil/gateway/certtest"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// The admin port is plain on this machine alone: elsewhere the admin token would be
// read on its way.
func TestAdminPortInTheOpenIsRefused(t *testing.T) {
	const open = "can be reached from other machines"
	tests := map[string]struct {
		address string
		tls     tlsfile.Server
		want    string // Part of the fault; empty for none.
	}{
		"loopback":                        {address: "127.0.0.1:9080"},
		"loopback of IPv6":                {address: "[::1]:9080"},
		"another address of loopback":     {address: "127.8.0.1:9080"},
		"localhost":                       {address: "localhost:9080"},
		"every interface":                 {address: "0.0.0.0:9080", want: open},
		"every interface, unsaid":         {address: ":9080", want: open},
		"every interface of IPv6":         {address: "[::]:9080", want: open},
		"a private address":               {address: "10.0.0.7:9080", want: open},
		"a name":                          {address: "gateway.internal:9080", want: open},
		"every interface, with TLS":       {address: ":9080", tls: tlsfile.Server{CertFile: "a", KeyFile: "b"}},
		"every interface, with mTLS":      {address: ":9080", tls: tlsfile.Server{CertFile: "a", KeyFile: "b", ClientCAFile: "c"}},
		"half a pair":                     {address: ":9080", tls: tlsfile.Server{CertFile: "a"}, want: "go together"},
		"client certificates without TLS": {address: "127.0.0.1:0", tls: tlsfile.Server{ClientCAFile: "c"}, want: "needs cert_file"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := gateway.DefaultConfig()
			c.Admin.Address, c.Admin.TLS = tt.address, tt.tls
			var got []string
			for line := range strings.SplitSeq(c.Validate().Error(), "\n") { // The rest of it lacks much.
				if strings.HasPrefix(line, "admin.") {
					got = append(got, line)
				}
			}
			if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)) {
				t.Errorf("faults %q, want %q", got, tt.want)
			}
		})
	}
}

// With client_ca_file only who shows a certificate of that authority is heard at all.
func TestAdminPortHearsOnlyCertificatesOfItsAuthority(t *testing.T) {
	g := newRig(t, app)
	authority, stranger := certtest.New(t, "operators"), certtest.New(t, "strangers")
	dir := t.TempDir()
	server := authority.Issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"admin.test"} })
	g.config.Admin.TLS.CertFile, g.config.Admin.TLS.KeyFile = server.Files(t, dir)
	g.config.Admin.TLS.ClientCAFile = filepath.Join(dir, "operators.pem")
	must(0, os.WriteFile(g.config.Admin.TLS.ClientCAFile, authority.PEM(), 0o600))
	g.start(t, false)
	name := func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "ann"} }
	for who, tt := range map[string]struct {
		scheme string
		certs  []tls.Certificate
		want   int // 0 where nobody answers.
	}{
		"an operator":                       {scheme: "https", certs: []tls.Certificate{authority.Issue(t, name).Certificate}, want: http.StatusOK},
		"nobody":                            {scheme: "https"},
		"a certificate of another":          {scheme: "https", certs: []tls.Certificate{stranger.Issue(t, name).Certificate}},
		"somebody who does not speak TLS":   {scheme: "http", want: 0},
		"an operator of the other's making": {scheme: "https", certs: []tls.Certificate{certtest.SelfSigned(t, name).Certificate}},
	} {
		t.Run(who, func(t *testing.T) {
			tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool(), ServerName: "admin.test", Certificates: tt.certs}}
			defer tr.CloseIdleConnections()
			status := 0
			res, err := (&http.Client{Transport: tr}).Get(tt.scheme + "://" + g.gateway.AdminAddr().String() + "/livez")
			if err == nil {
				status = res.StatusCode
				_ = res.Body.Close()
			}
			if status != tt.want && (tt.scheme == "https" || status != http.StatusBadRequest) {
				t.Errorf("status %d (%v), want %d", status, err, tt.want)
			}
		})
	}
}
