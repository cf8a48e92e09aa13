package store_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// hello is the first thing that a client has said over TLS, and who it is.
type hello struct {
	holder string
	said   []byte
}

// nativeServer takes one TLS connection after the other, reads what is said first
// and hangs up.
func nativeServer(t *testing.T, a *broker.Authority) (addr string, hellos <-chan hello) {
	t.Helper()
	cert, key, err := a.Issue("clickhouse", "127.0.0.1")
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
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	out := make(chan hello, 16)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			secured := tls.Server(conn, &tls.Config{
				MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
			})
			b := make([]byte, 4096)
			n, err := secured.Read(b)
			if err == nil {
				out <- hello{secured.ConnectionState().PeerCertificates[0].Subject.CommonName, b[:n]}
			}
			_ = secured.Close()
		}
	}()
	return l.Addr().String(), out
}

// TestNativeProtocolOverTLS looks at what reaches a server: the user with the
// password of the file and the certificate, over TLS or not at all.
func TestNativeProtocolOverTLS(t *testing.T) {
	dir := t.TempDir()
	a, err := broker.NewAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	other, err := broker.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := a.Issue("vigil-writer")
	if err != nil {
		t.Fatal(err)
	}
	addr, hellos := nativeServer(t, a)
	password := filepath.Join(dir, "password")
	err = os.WriteFile(password, []byte("a-password-for-tests\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	c := store.DefaultConfig()
	c.Addresses, c.Username, c.PasswordFile = []string{addr}, "vigil_writer", password
	c.TLS = tlsfile.Client{CAFile: a.CAFile(), CertFile: cert, KeyFile: key}
	open := func(c store.Config) error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := store.Open(ctx, c)
		if err == nil {
			t.Fatal("a server that hangs up is open")
		}
		if strings.Contains(err.Error(), "a-password-for-tests") {
			t.Errorf("the error tells the password: %v", err)
		}
		return err
	}
	err = open(c)
	if errors.Is(err, tlsfile.ErrHandshake) {
		t.Fatal(err)
	}
	select {
	case h := <-hellos:
		if h.holder != "vigil-writer" || !bytes.Contains(h.said, []byte("vigil_writer")) || !bytes.Contains(h.said, []byte("a-password-for-tests")) {
			t.Errorf("the server sees %q, who says %q", h.holder, h.said)
		}
	default:
		t.Error("nothing reached the server")
	}
	for len(hellos) > 0 {
		<-hellos
	}

	c.TLS.CAFile = other.CAFile()
	err = open(c)
	if !errors.Is(err, tlsfile.ErrHandshake) || !strings.Contains(err.Error(), "not signed by an authority of tls.ca_file") {
		t.Errorf("another authority: %v", err)
	}
	c.TLS = tlsfile.Client{}
	err = open(c)
	if len(hellos) > 0 {
		t.Errorf("plain text came through: %v", err)
	}
	c.Protocol, c.TLS = store.ProtocolHTTP, tlsfile.Client{CAFile: a.CAFile()}
	err = open(c)
	if !strings.Contains(err.Error(), "tls: needs protocol native") {
		t.Errorf("HTTP: %v", err)
	}
}
