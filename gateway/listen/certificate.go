package listen

import (
	"context"
	"crypto/tls"

	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// version is the least version of TLS.
func (t TLS) version() uint16 {
	if t.MinVersion == "1.3" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// openCertificate reads the listener's certificate and key, and reads them again
// when they change. The result is for tls.Config.GetCertificate.
func openCertificate(o Options, m metrics) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	c := o.Config.TLS
	logged := tlsfile.Logged(o.Logger, "the listener")
	pair, err := tlsfile.OpenPair(c.CertFile, c.KeyFile, tlsfile.Options{Now: o.Now, Changed: func(err error) {
		//nolint:forbidigo // The files concern every connection, not the one whose handshake has noticed.
		m.reload(context.Background(), err)
		logged(err)
	}})
	if err != nil {
		return nil, err //nolint:wrapcheck // Names the file.
	}
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.Certificate(), nil }, nil
}
