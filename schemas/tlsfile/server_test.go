package tlsfile_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// Each read of changed files is one line of the log, which says whose they are.
func TestLogged(t *testing.T) {
	var out bytes.Buffer
	changed := tlsfile.Logged(slog.New(slog.NewTextHandler(&out, nil)), "kafka")
	changed(errors.New("no key"))
	changed(nil)
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[0], `level=ERROR msg="new certificate cannot be used, the old one stays" of=kafka error="no key"`) ||
		!strings.HasSuffix(lines[1], `level=INFO msg="certificate loaded" of=kafka`) {
		t.Errorf("log:\n%s", out.String())
	}
}

// A port speaks TLS where it is configured and plain text elsewhere, and what is at
// fault is named by its key.
func TestServerListen(t *testing.T) {
	dir := t.TempDir()
	secured := tlsfile.Server{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	o := tlsfile.Options{Now: time.Now}
	_, err := secured.Listen("127.0.0.1:0", o)
	if err == nil || !strings.HasPrefix(err.Error(), "tls.cert_file: ") {
		t.Errorf("without files: %v", err)
	}
	cert, key := selfSigned(t, 7)
	write(t, secured.CertFile, cert, time.Now())
	write(t, secured.KeyFile, key, time.Now())
	for name, tt := range map[string]struct {
		server tlsfile.Server
		dial   func(address string) (net.Conn, error)
	}{
		"with TLS": {secured, func(address string) (net.Conn, error) {
			return tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		}},
		"in plain text": {tlsfile.Server{}, func(address string) (net.Conn, error) { return net.Dial("tcp", address) }},
	} {
		l, err := tt.server.Listen("127.0.0.1:0", o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		go func() {
			conn, err := l.Accept()
			if err == nil {
				_, _ = conn.Write([]byte("hello")) // Who reads nothing says so.
				_ = conn.Close()
			}
		}()
		conn, err := tt.dial(l.Addr().String())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer func() { _ = conn.Close() }()
		got, err := io.ReadAll(conn)
		if err != nil || string(got) != "hello" {
			t.Errorf("%s: reads %q, %v", name, got, err)
		}
		_, err = tt.server.Listen(l.Addr().String(), o)
		if err == nil || !strings.HasPrefix(err.Error(), "address: ") {
			t.Errorf("%s: an address that is taken: %v", name, err)
		}
	}
}
