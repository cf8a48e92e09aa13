package store_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// hello is the first thing that a client has said over TLS, and who it is.
type hello struct {
	holder string
	said   []byte
}

// serverTLS is that of a server that wants certificates of an authority.
func serverTLS(t *testing.T, a *broker.Authority) *tls.Config {
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
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
	}
}

// nativeServer takes one TLS connection after the other, reads what is said first
// and hangs up.
func nativeServer(t *testing.T, a *broker.Authority) (addr string, hellos <-chan hello) {
	t.Helper()
	config := serverTLS(t, a)
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
			secured := tls.Server(conn, config)
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
}

// TestHTTPOverTLS stores through a server that speaks TLS alone and wants a certificate:
// every row arrives, and neither another authority nor plain text comes through.
func TestHTTPOverTLS(t *testing.T) {
	a, err := broker.NewAuthority(t.TempDir())
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
	back, err := url.Parse(olaptest.Server(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	var holders sync.Map
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		holders.Store(r.In.TLS.PeerCertificates[0].Subject.CommonName, true)
		r.SetURL(back)
		r.Out.Host = r.In.Host
	}}
	server := httptest.NewUnstartedServer(proxy)
	server.TLS = serverTLS(t, a)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // It is spoken to wrongly on purpose.
	server.StartTLS()
	t.Cleanup(server.Close)

	r := newRig(t)
	r.config.Addresses = []string{server.Listener.Addr().String()}
	r.config.TLS = tlsfile.Client{CAFile: a.CAFile(), CertFile: cert, KeyFile: key}
	r.start()
	r.requests(1, 50)
	r.once(50)
	if _, seen := holders.Load("vigil-writer"); !seen {
		t.Error("the server has not seen the certificate")
	}
	c := r.config
	c.TLS.CAFile = other.CAFile()
	_, err = store.Open(t.Context(), c)
	if !errors.Is(err, tlsfile.ErrHandshake) {
		t.Errorf("another authority: %v, want %v", err, tlsfile.ErrHandshake)
	}
	c.TLS = tlsfile.Client{}
	_, err = store.Open(t.Context(), c)
	if err == nil {
		t.Error("plain text came through")
	}
}
