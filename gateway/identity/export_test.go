package identity

import (
	"net/netip"
	"time"
)

// Claims are what the strict layer reads from a token before its signature.
type Claims struct {
	Members                      map[string][]byte // Text by name.
	Issuer, Subject, TokenID     string
	Audiences                    []string
	Expires, NotBefore, IssuedAt time.Time
	Algorithm, KeyID, Type       string
}

// Read is the strict layer alone.
func Read(token string) (Claims, error) {
	p, err := parse(token)
	if err != nil {
		return Claims{}, err
	}
	is := &issuer{spec: Issuer{}.defaults()}
	c, err := is.read(p.claims)
	if err != nil {
		return Claims{}, err
	}
	out := Claims{
		Members: make(map[string][]byte), Issuer: c.issuer, Subject: c.subject, TokenID: c.tokenID, Audiences: c.audiences,
		Expires: c.expires, NotBefore: c.notBefore, IssuedAt: c.issuedAt, Algorithm: p.alg, KeyID: p.kid, Type: p.typ,
	}
	for _, m := range p.claims {
		out.Members[m.name] = m.value
	}
	return out, nil
}

// Cached is how many verified tokens are remembered at the moment.
func (v *Verifier) Cached() int {
	n := 0
	for i := range v.cache.shards {
		s := &v.cache.shards[i]
		s.mu.RLock()
		n += len(s.young) + len(s.old)
		s.mu.RUnlock()
	}
	return n
}

// Thumbprint is that of a JWK.
func Thumbprint(jwk []byte) (string, error) {
	_, t, err := parsePublicKey(jwk)
	return t, err
}

// CloseIdleConnections ends what the questions to issuers have left open.
func (v *Verifier) CloseIdleConnections() { v.asking.CloseIdleConnections() }

// Refuse remembers that an issuer has refused a token.
func (v *Verifier) Refuse(issuer, token string) {
	i := v.issuers[issuer].ask
	i.mu.Lock()
	defer i.mu.Unlock()
	i.refuse(token)
}

// Refusals is how many of an issuer are remembered.
func (v *Verifier) Refusals(issuer string) int {
	i := v.issuers[issuer].ask
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.young) + len(i.old)
}

// ReadAnswer reads what an issuer says about a token.
func ReadAnswer(answer string) (Claims, error) {
	o, err := parseObject([]byte(answer))
	if err != nil {
		return Claims{}, err
	}
	is := &issuer{spec: Issuer{}.defaults(), ask: &introspector{}}
	c, err := is.read(o)
	return Claims{Issuer: c.issuer, Subject: c.subject}, err
}

// Reachable reports whether keys may be fetched from an address.
func Reachable(a netip.Addr, allowPrivate bool) bool { return reachable(a.Unmap(), allowPrivate) }

// NewReplays is a memory of proofs, which reports whether it had room for one.
func NewReplays(window time.Duration, proofsMax int) func(thumbprint, id string, from netip.Addr, now time.Time) bool {
	p := newReplays(window, proofsMax)
	return func(thumbprint, id string, from netip.Addr, now time.Time) bool {
		_, err := p.seen(thumbprint, id, from, now)
		return err == nil
	}
}
