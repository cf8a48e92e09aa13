package tlsfile_test

import (
	"bytes"
	"errors"
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
		want   []byte
	}{
		"with TLS":      {secured, []byte{21}}, // An alert, because what comes is no handshake.
		"in plain text": {tlsfile.Server{}, []byte("h")},
	} {
		l, err := tt.server.Listen("127.0.0.1:0", o)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		go func() {
			conn, err := l.Accept()
			if err == nil {
				_, _ = conn.Read(make([]byte, 5)) // Makes the handshake.
				_, _ = conn.Write([]byte("h"))
				_ = conn.Close()
			}
		}()
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_, err = conn.Write([]byte("hello"))
		got := make([]byte, 1)
		if err == nil {
			_, err = conn.Read(got)
		}
		if err != nil || !bytes.Equal(got, tt.want) {
			t.Errorf("%s: answers %v, %v, want %v", name, got, err, tt.want)
		}
		_, err = tt.server.Listen(l.Addr().String(), o)
		if err == nil || !strings.HasPrefix(err.Error(), "address: ") {
			t.Errorf("%s: an address that is taken: %v", name, err)
		}
	}
}
