package verdict_test

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

func TestControlEnvelope(t *testing.T) {
	root := ed25519.NewKeyFromSeed(make([]byte, 32))
	private := func(name string) ed25519.PrivateKey {
		return ed25519.NewKeyFromSeed([]byte((name + " key for tests, and 32 bytes long")[:32]))
	}
	public := func(name string) ed25519.PublicKey { return private(name).Public().(ed25519.PublicKey) }
	file, err := verdict.SignKeySet(root, []verdict.Key{
		{ID: "a", Class: verdict.ClassAnalyzer, Public: public("analyzer")},
		{ID: "o", Class: verdict.ClassOperator, Public: public("operator")},
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := verdict.OpenKeySet(root.Public().(ed25519.PublicKey), file)
	if err != nil {
		t.Fatal(err)
	}
	sealed := func(kid, name string) []byte {
		b, err := verdict.NewSigner(kid, private(name)).Control([]byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	beat, err := verdict.NewSigner("a", private("analyzer")).Heartbeat(&verdict.Heartbeat{Authority: verdict.AuthoritySubject})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		record []byte
		want   error
	}{
		"an analyzer's":               {sealed("a", "analyzer"), nil},
		"an operator's":               {sealed("o", "operator"), verdict.ErrAuthority},
		"by a key that nobody knows":  {sealed("b", "analyzer"), verdict.ErrUnknownKey},
		"by another key of that name": {sealed("a", "operator"), verdict.ErrSignature},
		"a heartbeat":                 {beat, verdict.ErrUnsigned},
		"nothing":                     {nil, verdict.ErrUnsigned},
		"too large":                   {make([]byte, verdict.EnvelopeBytesMax+1), verdict.ErrUnsigned},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := keys.OpenControl(tt.record)
			if !errors.Is(err, tt.want) || err == nil && string(got) != "x" {
				t.Errorf("OpenControl = %q, %v; want error %v", got, err, tt.want)
			}
		})
	}
	_, err = keys.Open(sealed("a", "analyzer"))
	if !errors.Is(err, verdict.ErrUnsigned) {
		t.Errorf("a control envelope is opened as a verdict: %v", err)
	}
	order, err := verdict.NewSigner("o", private("operator")).Order([]byte("y"))
	if err != nil {
		t.Fatal(err)
	}
	payload, kid, err := keys.OpenOrder(order)
	if err != nil || string(payload) != "y" || kid != "o" {
		t.Errorf("OpenOrder = %q of %q, %v; want y of o", payload, kid, err)
	}
	_, err = keys.OpenControl(order)
	if !errors.Is(err, verdict.ErrUnsigned) {
		t.Errorf("an order is opened as a control envelope: %v", err)
	}
	forged, err := verdict.NewSigner("a", private("analyzer")).Order([]byte("y"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = keys.OpenOrder(forged)
	if !errors.Is(err, verdict.ErrAuthority) {
		t.Errorf("an analyzer's order: %v, want %v", err, verdict.ErrAuthority)
	}
	_, _, err = keys.OpenOrder(sealed("o", "operator"))
	if !errors.Is(err, verdict.ErrUnsigned) {
		t.Errorf("a control envelope is opened as an order: %v", err)
	}
}
