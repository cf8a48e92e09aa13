package tlsfile_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

func authority(t *testing.T) *broker.Authority {
	t.Helper()
	a, err := broker.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// serve answers each connection with the name in the client's certificate; without
// a configuration it speaks no TLS.
func serve(t *testing.T, c *tls.Config) (addr string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if c == nil {
				_, _ = io.WriteString(conn, "no TLS here, whoever asks")
			} else {
				secured := tls.Server(conn, c)
				if secured.HandshakeContext(t.Context()) == nil {
					_, _ = io.WriteString(secured, secured.ConnectionState().PeerCertificates[0].Subject.CommonName)
				}
				_ = secured.Close()
			}
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

// secured is a server's configuration that asks for certificates of an authority.
func secured(t *testing.T, a *broker.Authority, hosts ...string) *tls.Config {
	t.Helper()
	cert, key, err := a.Issue("server", hosts...)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(a.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
}

func TestDialerSaysWhatAFailedHandshakeMeans(t *testing.T) {
	a, other := authority(t), authority(t)
	cert, key, err := a.Issue("gateway-1")
	if err != nil {
		t.Fatal(err)
	}
	foreignCert, foreignKey, err := other.Issue("gateway-1")
	if err != nil {
		t.Fatal(err)
	}
	good := tlsfile.Client{CAFile: a.CAFile(), CertFile: cert, KeyFile: key}
	here, elsewhere, plain := serve(t, secured(t, a, "127.0.0.1", "kafka.example")), serve(t, secured(t, a, "kafka.example")), serve(t, nil)
	with := func(change func(*tlsfile.Client)) tlsfile.Client {
		c := good
		change(&c)
		return c
	}
	tests := map[string]struct {
		client tlsfile.Client
		addr   string
		want   string // What the error says, "" for none.
	}{
		"the server that is meant":      {good, here, ""},
		"the name that is configured":   {with(func(c *tlsfile.Client) { c.ServerName = "kafka.example" }), elsewhere, ""},
		"a certificate for other names": {good, elsewhere, "say it in tls.server_name"},
		"another authority":             {with(func(c *tlsfile.Client) { c.CAFile = other.CAFile() }), here, "not signed by an authority of tls.ca_file"},
		"a port without TLS":            {good, plain, "does not speak TLS"},
		"a client of another authority": {with(func(c *tlsfile.Client) { c.CertFile, c.KeyFile = foreignCert, foreignKey }), here, "remote error: tls:"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d, err := tlsfile.NewDialer(tt.client, tlsfile.Options{Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			conn, err := d.Dial(t.Context(), "tcp", tt.addr)
			if err == nil {
				defer func() { _ = conn.Close() }()
				var said []byte
				said, err = io.ReadAll(conn) // In TLS 1.3 a refusal of our certificate comes here.
				if err == nil && string(said) != "gateway-1" {
					t.Errorf("the server sees %q", said)
				}
			} else if !errors.Is(err, tlsfile.ErrHandshake) {
				t.Errorf("%v is no failed handshake", err)
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestDialerShowsTheCertificateThatIsInForce(t *testing.T) {
	a := authority(t)
	addr := serve(t, secured(t, a, "127.0.0.1"))
	cert, key, err := a.Issue("first")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	d, err := tlsfile.NewDialer(tlsfile.Client{CAFile: a.CAFile(), CertFile: cert, KeyFile: key}, tlsfile.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	seen := func() string {
		conn, err := d.Dial(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		said, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		return string(said)
	}
	if got := seen(); got != "first" || d.Name() != "CN=first" {
		t.Fatalf("the server sees %q, this side %q", got, d.Name())
	}
	nextCert, nextKey, err := a.Issue("second")
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{nextCert: cert, nextKey: key} {
		err = os.Rename(from, to)
		if err == nil {
			err = os.Chtimes(to, now.Add(time.Hour), now.Add(time.Hour))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Minute)
	if got := seen(); got != "second" {
		t.Errorf("after the renewal the server sees %q", got)
	}
}

func TestNilDialerSpeaksPlainText(t *testing.T) {
	conn, err := (*tlsfile.Dialer)(nil).Dial(t.Context(), "tcp", serve(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(said), "no TLS") {
		t.Errorf("%q, %v", said, err)
	}
	_ = conn.Close()
}

// A key that everybody can read is no secret.
func TestDialerRefusesAPublicKeyFile(t *testing.T) {
	a := authority(t)
	cert, key, err := a.Issue("gateway-1")
	if err == nil {
		err = os.Chmod(key, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = tlsfile.NewDialer(tlsfile.Client{CAFile: a.CAFile(), CertFile: cert, KeyFile: key}, tlsfile.Options{Now: time.Now})
	if err == nil || !strings.HasPrefix(err.Error(), "tls.key_file: everybody on this machine can use ") {
		t.Errorf("NewDialer() = %v", err)
	}
}
