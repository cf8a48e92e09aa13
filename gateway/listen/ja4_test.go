package listen_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/certtest"
	"github.com/vigil-gateway/vigil/gateway/listen"
)

// chrome is the hello by which the technical description of JA4 explains it, in an
// order in which a browser sends one, with GREASE.
func chrome(change ...func(*tls.ClientHelloInfo)) *tls.ClientHelloInfo {
	h := &tls.ClientHelloInfo{
		CipherSuites: []uint16{
			0x8a8a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
		},
		Extensions: []uint16{
			0x6a6a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015, 0xcaca,
		},
		SignatureSchemes:  []tls.SignatureScheme{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601},
		SupportedVersions: []uint16{0xdada, tls.VersionTLS13, tls.VersionTLS12},
		SupportedProtos:   []string{"h2", "http/1.1"},
	}
	for _, f := range change {
		f(h)
	}
	return h
}

// The expected values of the first four cases stand in public descriptions of the
// method: FoxIO's, and that of a public echo server for a client with OpenSSL.
func TestJA4(t *testing.T) {
	protos := func(p ...string) func(*tls.ClientHelloInfo) {
		return func(h *tls.ClientHelloInfo) { h.SupportedProtos = p }
	}
	versions := func(v ...uint16) func(*tls.ClientHelloInfo) {
		return func(h *tls.ClientHelloInfo) { h.SupportedVersions = v }
	}
	many := make([]uint16, 32_000)
	for i := range many {
		many[i] = uint16(i)
	}
	for name, c := range map[string]struct {
		hello *tls.ClientHelloInfo
		want  string
	}{
		"the published example": {chrome(), "t13d1516h2_8daaf6152771_e5627efa2ab1"},
		"the same client in another order": {chrome(func(h *tls.ClientHelloInfo) {
			h.Extensions[0], h.Extensions[5], h.CipherSuites[1], h.CipherSuites[9] = h.Extensions[5], h.Extensions[0], h.CipherSuites[9], h.CipherSuites[1]
		}), "t13d1516h2_8daaf6152771_e5627efa2ab1"},
		"without signature algorithms nothing is behind the extensions": {
			chrome(func(h *tls.ClientHelloInfo) { h.SignatureSchemes = nil }), "t13d1516h2_8daaf6152771_6d807ffa2a79",
		},
		"a client that names a signalling cipher": {&tls.ClientHelloInfo{
			CipherSuites:      []uint16{0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0x00ff},
			Extensions:        []uint16{0x0000, 0x000b, 0x000a, 0x0023, 0x0010, 0x0017, 0x000d, 0x002b, 0x002d, 0x0033, 0x0005},
			SignatureSchemes:  []tls.SignatureScheme{0x0503, 0x0403, 0x0807, 0x0806, 0x0805, 0x0804, 0x0601, 0x0501, 0x0401},
			SupportedVersions: []uint16{tls.VersionTLS13, tls.VersionTLS12}, SupportedProtos: []string{"h2"},
		}, "t13d1011h2_61a7ad8aa9b6_3fcd1a44f3e3"},
		"another order of signature algorithms is another client": {chrome(func(h *tls.ClientHelloInfo) {
			h.SignatureSchemes[0], h.SignatureSchemes[1] = h.SignatureSchemes[1], h.SignatureSchemes[0]
		}), "t13d1516h2_8daaf6152771_8b78003a6112"},
		"a hello that says nothing":          {&tls.ClientHelloInfo{}, "t00i000000_000000000000_000000000000"},
		"no server name":                     {chrome(func(h *tls.ClientHelloInfo) { h.Extensions[2] = 0x0a0a }), "t13i1515h2_8daaf6152771_e5627efa2ab1"},
		"TLS 1.2":                            {chrome(versions(tls.VersionTLS12, tls.VersionTLS11)), "t12d1516h2_8daaf6152771_e5627efa2ab1"},
		"TLS 1.1":                            {chrome(versions(tls.VersionTLS11)), "t11d1516h2_8daaf6152771_e5627efa2ab1"},
		"TLS 1.0":                            {chrome(versions(tls.VersionTLS10)), "t10d1516h2_8daaf6152771_e5627efa2ab1"},
		"SSL 3.0":                            {chrome(versions(0x0300)), "ts3d1516h2_8daaf6152771_e5627efa2ab1"},
		"an unheard-of version":              {chrome(versions(0x7f1c)), "t00d1516h2_8daaf6152771_e5627efa2ab1"},
		"the first protocol is HTTP/1.1":     {chrome(protos("http/1.1", "h2")), "t13d1516h1_8daaf6152771_e5627efa2ab1"},
		"a protocol of one character":        {chrome(protos("x")), "t13d1516xx_8daaf6152771_e5627efa2ab1"},
		"no protocol":                        {chrome(protos()), "t13d151600_8daaf6152771_e5627efa2ab1"},
		"a protocol with a byte that is odd": {chrome(protos("\x30\xab")), "t13d15163b_8daaf6152771_e5627efa2ab1"},
		"and one with such a byte at the front": {
			chrome(protos("\xab\xcd")), "t13d1516ad_8daaf6152771_e5627efa2ab1",
		},
		"odd bytes inside do not matter": {chrome(protos("\x30\xab\xcd\x31")), "t13d151601_8daaf6152771_e5627efa2ab1"},
		"counts end at 99, and what is hashed at a limit": {
			chrome(func(h *tls.ClientHelloInfo) { h.CipherSuites = many }), "t13d9916h2_38924eece25f_e5627efa2ab1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := listen.Fingerprint(c.hello); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestJA4IsAllocatedOnce(t *testing.T) {
	h := chrome()
	if n := testing.AllocsPerRun(100, func() { listen.Fingerprint(h) }); n > 1 {
		t.Errorf("%.0f allocations, want the fingerprint's own", n)
	}
}

func BenchmarkJA4(b *testing.B) {
	h := chrome()
	b.ReportAllocs()
	for b.Loop() {
		listen.Fingerprint(h)
	}
}

// handshake greets s as config has it and returns the fingerprint that its handler sees.
func handshake(t *testing.T, s *server, h2 bool, config *tls.Config) string {
	t.Helper()
	p := new(http.Protocols)
	p.SetHTTP1(!h2)
	p.SetHTTP2(h2)
	config.ServerName, config.InsecureSkipVerify = "one.example", true
	tr := &http.Transport{Protocols: p, TLSClientConfig: config}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.Addr().String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "one.example"
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", res.StatusCode, err)
	}
	return string(b)
}

// Handlers of every protocol see the hello of their connection, also where client
// certificates are asked for and where a session is resumed.
func TestHandlersSeeTheHello(t *testing.T) {
	dir := t.TempDir()
	cert, key := pair(t, dir, "one.example")
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, listen.JA4(r.Context())) })
	plain := serve(t, show)
	got, err := ask(t, plain, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if err != nil || got != "" {
		t.Errorf("without TLS the hello is %q, %v; want none", got, err)
	}
	bundle := filepath.Join(dir, "bundle.pem")
	err = os.WriteFile(bundle, certtest.New(t, "ours").PEM(), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*server{
		"certificate of the server only": serve(t, show, func(o *listen.Options) { o.Config.TLS = listen.TLS{CertFile: cert, KeyFile: key} }),
		"certificates of clients too": serve(t, show, func(o *listen.Options) {
			o.Config.TLS = listen.TLS{CertFile: cert, KeyFile: key, ClientAuth: listen.ClientAuthOptional, ClientCAFile: bundle}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			one := handshake(t, s, true, &tls.Config{})
			old := handshake(t, s, false, &tls.Config{MaxVersion: tls.VersionTLS12})
			if !strings.HasPrefix(one, "t13d") || one[8:10] != "h2" || len(one) != len("t13d1516h2_8daaf6152771_e5627efa2ab1") {
				t.Errorf("HTTP/2 over TLS 1.3: %q", one)
			}
			if !strings.HasPrefix(old, "t12d") || old[8:10] != "00" || old[11:] == one[11:] {
				t.Errorf("HTTP/1.1 over TLS 1.2: %q beside %q", old, one)
			}
			sessions := tls.NewLRUClientSessionCache(4)
			first := handshake(t, s, true, &tls.Config{ClientSessionCache: sessions})
			again := handshake(t, s, true, &tls.Config{ClientSessionCache: sessions})
			if first == "" || again == "" {
				t.Errorf("a session's hello is %q, and %q where it is resumed", first, again)
			}
			if name == "certificate of the server only" && first == again {
				t.Errorf("a resumed session names its key: %q twice", first)
			}
		})
	}
}
