package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// confirmation is the claim cnf of a token (RFC 7800): the keys that whoever
// shows it must have, all of them that we know of.
type confirmation struct {
	bound   bool   // There is one, of whatever kind.
	foreign bool   // It names nothing that we can check.
	jkt     string // RFC 9449 section 6.1.
	x5t     string // x5t#S256, RFC 8705 section 3.1.
}

// readConfirmation reads the claim cnf. One that cannot be read cannot be met.
func readConfirmation(value []byte) confirmation {
	if value == nil {
		return confirmation{}
	}
	c := confirmation{bound: true}
	o, err := parseObject(value)
	if err != nil {
		c.foreign = true
		return c
	}
	// Members beside them are ignored, as RFC 7800 section 3.1 asks.
	for name, to := range map[string]*string{"jkt": &c.jkt, "x5t#S256": &c.x5t} {
		v := o.get(name)
		if v == nil {
			continue
		}
		var ok bool
		*to, ok = text(v)
		c.foreign = c.foreign || !ok || *to == ""
	}
	c.foreign = c.foreign || c.jkt == "" && c.x5t == ""
	return c
}

// bind holds a request to the keys that its token is bound to, and returns its
// identity with what was proven.
func (v *Verifier) bind(r *http.Request, s scheme, e *verified, from netip.Addr, now time.Time) (*Identity, error) {
	id, c := &e.identity, &e.confirm
	if c.bound { // What is proven is this request's alone.
		own := e.identity
		id = &own
	}
	switch {
	case c.foreign, s == schemeBearer && c.jkt != "":
		return nil, stolen(e, CodeBound, "The token is bound to a key and cannot be used as a bearer token")
	case s == schemeDPoP && c.jkt == "":
		return nil, fault(CodeNotBound, "The token is not bound to a DPoP key")
	}
	if c.x5t != "" && r.TLS == nil {
		// Something before us ends TLS: its owner could not show it either.
		return nil, fault(CodeBound, "The token is bound to a certificate, and this connection can have none")
	}
	if c.x5t != "" {
		x5t := certificateThumbprint(r)
		if subtle.ConstantTimeCompare([]byte(x5t), []byte(c.x5t)) != 1 {
			return nil, stolen(e, CodeBound, "The token is bound to a certificate that this connection has not got")
		}
		id.Binding, id.Device = event.BindingMTLS, x5t
	}
	if c.jkt != "" {
		nonce, err := v.prove(r, e, from, now)
		if err != nil {
			return nil, err
		}
		id.Binding, id.Device, id.Nonce = event.BindingDPoP, c.jkt, nonce
	}
	required := e.issuer.spec.Binding
	if len(required) > 0 && !slices.Contains(required, id.Binding) {
		return nil, fault(CodeNotBound, "The token must be bound to a key")
	}
	return id, nil
}

// stolen is a refusal of an authentic token whose key the request has not got.
func stolen(e *verified, code, description string) *Error {
	err, id := fault(code, description), e.identity
	err.Stolen = &id
	return err
}

// certificateThumbprint is that of the client's certificate; empty without one.
func certificateThumbprint(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return ""
	}
	return certificateText(r.TLS.PeerCertificates[0])
}

// certificateText is a certificate's thumbprint (RFC 8705 section 3.1).
func certificateText(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
