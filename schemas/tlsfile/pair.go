package tlsfile

import (
	"crypto/tls"
	"fmt"

	"github.com/vigil-gateway/vigil/schemas/keyfile"
)

// Pair is a certificate chain with its private key.
type Pair struct{ file watched[*tls.Certificate] }

// OpenPair reads a certificate chain and its key, both in PEM. Only the owner and group
// of the key's file may be able to use it. The error names the file.
func OpenPair(certFile, keyFile string, o Options) (*Pair, error) {
	p := &Pair{file: watched[*tls.Certificate]{options: o, names: []string{certFile, keyFile}}}
	p.file.make = func(content [][]byte) (*tls.Certificate, error) {
		err := keyfile.Closed(keyFile)
		if err != nil {
			return nil, err //nolint:wrapcheck // Names the file.
		}
		pair, err := tls.X509KeyPair(content[0], content[1])
		if err != nil {
			return nil, fmt.Errorf("%s with %s: %w", certFile, keyFile, err)
		}
		return &pair, nil
	}
	err := p.file.open()
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Certificate returns the pair in force.
func (p *Pair) Certificate() *tls.Certificate { return p.file.get() }
