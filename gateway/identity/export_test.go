package identity

import "time"

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
