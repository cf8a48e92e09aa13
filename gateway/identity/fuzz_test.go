package identity_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/vigil-gateway/vigil/gateway/identity"
)

// FuzzToken: the strict layer never panics, and what it accepts another parser
// reads in the same way.
func FuzzToken(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(tokenDir, "*.txt"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add(readVector(f, file).token)
	}
	f.Fuzz(compareWithJWX)
}

// FuzzClaims reaches further into the claims than FuzzToken: it encodes them.
func FuzzClaims(f *testing.F) {
	f.Add(header, claims)
	for _, s := range []string{`{"exp":1e9,"sub":"\ud83d\ude00"}`, `{"sub":"a","exp":1.5,"aud":["a"],"x":{"y":[null,{}]}}`, "{\"sub\" : \"a\\u0000\", \"exp\":0 }"} {
		f.Add(header, s)
	}
	f.Fuzz(func(t *testing.T, head, body string) {
		compareWithJWX(t, b64(head)+"."+b64(body)+".AAAA")
	})
}

func compareWithJWX(t *testing.T, token string) {
	t.Helper()
	ours, err := identity.Read(token)
	if err != nil {
		return
	}
	message, err := jws.Parse([]byte(token), jws.WithCompact())
	if err != nil {
		t.Fatalf("jwx refuses what we accept: %v", err)
	}
	head := message.Signatures()[0].ProtectedHeaders()
	if head.Algorithm().String() != ours.Algorithm || head.KeyID() != ours.KeyID || head.Type() != ours.Type {
		t.Errorf("jwx reads the header as %v, we as %+v", head, ours)
	}
	var theirs map[string]json.RawMessage
	err = json.Unmarshal(message.Payload(), &theirs)
	if err != nil || len(theirs) != len(ours.Members) {
		t.Fatalf("%d members for encoding/json, %v, %d for us", len(theirs), err, len(ours.Members))
	}
	for name, value := range ours.Members {
		var a, b any
		if json.Unmarshal(value, &a) != nil {
			continue // A number that float64 cannot hold.
		}
		err = json.Unmarshal(theirs[name], &b)
		if err != nil || !cmp.Equal(a, b) {
			t.Errorf("member %q is %s for us, %s for encoding/json", name, value, theirs[name])
		}
	}
	tok, err := jwt.ParseInsecure([]byte(token))
	if err != nil {
		return // jwx is stricter about the type of a claim that we do not use.
	}
	if tok.Issuer() != ours.Issuer || tok.Subject() != ours.Subject || tok.JwtID() != ours.TokenID || !slices.Equal(tok.Audience(), ours.Audiences) {
		t.Errorf("jwx reads %v, we %+v", tok, ours)
	}
	for name, pair := range map[string][2]time.Time{
		"exp": {tok.Expiration(), ours.Expires}, "nbf": {tok.NotBefore(), ours.NotBefore}, "iat": {tok.IssuedAt(), ours.IssuedAt},
	} {
		if ours.Members[name] != nil && pair[0].Unix() != pair[1].Unix() {
			t.Errorf("%s is %s for jwx, %s for us", name, pair[0], pair[1])
		}
	}
}

// FuzzProof: no proof makes the verifier panic, and none but ours proves.
func FuzzProof(f *testing.F) {
	k, p := loadKeys(f), newProver()
	v := verifier(f)
	token := p.bound(k)
	used := p.proof(token)
	_, err := v.Verify(f.Context(), shown("DPoP", token, used), home)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(used, "https://api.test/orders")
	f.Add("a.b.c", "https://api.test/%zz")
	f.Fuzz(func(t *testing.T, proof, htu string) {
		for _, x := range []string{proof, p.proof(token, set("htu", htu), set("htm", "PUT"))} {
			id, err := v.Verify(t.Context(), shown("DPoP", token, x), home)
			if err == nil {
				t.Errorf("a proof that we did not make proves %s", id.Device)
			}
		}
	})
}

// FuzzIntrospection: no answer makes the verifier panic, and none that does not
// say so in one way only makes a token good.
func FuzzIntrospection(f *testing.F) {
	f.Add(active)
	f.Add(`{"active":true,"act":{"sub":"x"},"cnf":{"jkt":1},"aud":["https://api.test"],"sub":"a"}`)
	f.Fuzz(func(t *testing.T, answer string) {
		c, err := identity.ReadAnswer(answer)
		if err == nil && c.Subject == "" {
			t.Errorf("%q names nobody and is accepted", answer)
		}
	})
}
