//go:build e2e

package e2e_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
)

// holder is a client with a key that its tokens are bound to.
type holder struct {
	key    *ecdsa.PrivateKey
	public jwk.Key
}

func newHolder(t *testing.T) holder {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := jwk.FromRaw(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return holder{key: key, public: public}
}

func (h holder) thumbprint(t *testing.T) string {
	t.Helper()
	b, err := h.public.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// prove gives r a token and a proof (RFC 9449), and returns the proof.
func (h holder) prove(t *testing.T, r *http.Request, token string) string {
	t.Helper()
	ath := sha256.Sum256([]byte(token))
	claims, err := json.Marshal(map[string]any{
		"jti": uuid.NewString(), "htm": r.Method, "htu": r.URL.String(), "iat": time.Now().Unix(),
		"ath": base64.RawURLEncoding.EncodeToString(ath[:]),
	})
	if err != nil {
		t.Fatal(err)
	}
	head := jws.NewHeaders()
	for name, value := range map[string]any{"typ": "dpop+jwt", "jwk": h.public} {
		err = head.Set(name, value)
		if err != nil {
			t.Fatal(err)
		}
	}
	proof, err := jws.Sign(claims, jws.WithKey(jwa.ES256, h.key, jws.WithProtectedHeaders(head)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", string(proof))
	return string(proof)
}

// The thief of a bound token is refused at his first request, whatever he tries;
// and the token ends, because that it is out is a fact.
func TestThiefOfABoundToken(t *testing.T) {
	s := startStack(t, stackOptions{analyzer: eager()})
	for n, tt := range []struct {
		name, code string
		steal      func(r *http.Request, token, proof string)
	}{
		{"shows it as a bearer token", "token_bound", func(*http.Request, string, string) {}},
		{"proves a key of his own", "dpop_key", func(r *http.Request, token, _ string) { newHolder(t).prove(t, r, token) }},
		{"uses the owner's proof again", "dpop_replayed", func(r *http.Request, token, proof string) {
			r.Header.Set("Authorization", "DPoP "+token)
			r.Header.Set("DPoP", proof)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			owner, name := newHolder(t), fmt.Sprint("owner-", n)
			token := s.idp.Mint(idp.Claims{
				Subject: name, SessionID: "sid-" + name, ClientID: "e2e", AuthTime: time.Now(), Thumbprint: owner.thumbprint(t),
			})
			home, away := s.transport(t, address(home, n+1)), s.transport(t, address(abroad, n+1))
			use := func() (status int, code, proof string) {
				r := s.request(t, http.MethodGet, "/", token, ownersAgent, nil)
				proof = owner.prove(t, r, token)
				status, code = codeOf(t, home, r)
				return status, code, proof
			}
			status, code, proof := use()
			if status != http.StatusOK {
				t.Fatalf("the owner: status %d, %s", status, code)
			}
			r := s.request(t, http.MethodGet, "/", token, thiefsAgent, nil)
			tt.steal(r, token, proof)
			status, code = codeOf(t, away, r)
			if status != http.StatusUnauthorized || code != tt.code {
				t.Errorf("the thief's first request: status %d, %s, want 401, %s", status, code, tt.code)
			}
			await(t, "the end of the token", func() bool {
				status, code, _ = use()
				return status == http.StatusUnauthorized && code == "session_revoked"
			})
		})
	}
}

// codeOf sends r and returns the answer's status and the code of its problem.
func codeOf(t *testing.T, tr *http.Transport, r *http.Request) (status int, code string) {
	t.Helper()
	a := roundTrip(t, tr, r)
	var problem struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(a.body, &problem) // A permitted answer is no problem body.
	return a.status, problem.Code
}
