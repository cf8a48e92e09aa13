package login

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/vigil-gateway/vigil/gateway/route"
)

// cookieKey holds the public half of the key by which a person confirms in this
// browser.
const cookieKey = "__Host-vigil-key"

// SecondFactor is the gateway's own: a key in the person's device or token that is
// asked for in place of a provider that cannot step up (Web Authentication Level 3).
type SecondFactor struct {
	// ACR is the context that a confirmation gives, for routes to ask for; empty
	// switches it off.
	ACR string `mapstructure:"acr"`
	// CodeACR is the context that a code of an authenticator app gives (RFC 6238), for
	// people without such a key; empty switches it off. A code can be coaxed out of
	// somebody, a key cannot.
	CodeACR string `mapstructure:"code_acr"`
	// EnrolWithin is how long after a sign-in a browser without a key may be given
	// one. Whoever comes later signs in at his provider first.
	EnrolWithin time.Duration `mapstructure:"enrol_within"`
}

// ACRValues lists the contexts that it gives.
func (c SecondFactor) ACRValues() []string {
	return slices.DeleteFunc([]string{c.ACR, c.CodeACR}, func(acr string) bool { return acr == "" })
}

func (c SecondFactor) validate() error {
	if c.ACR != "" && c.ACR == c.CodeACR {
		return fmt.Errorf("second_factor.code_acr: must not be that of a key, is %q", c.CodeACR)
	}
	if (c.ACR != "" || c.CodeACR != "") && (c.EnrolWithin < time.Minute || c.EnrolWithin > time.Hour) {
		return fmt.Errorf("second_factor.enrol_within: must be between a minute and an hour, is %s", c.EnrolWithin)
	}
	return nil
}

// heldKey is what a key cookie says: whose key it is, and its public half.
type heldKey struct {
	Subject    string              `json:"u"` // Pseudonym.
	Credential webauthn.Credential `json:"c"`
}

// holder is a person as go-webauthn knows him: by his pseudonym, with the one key of
// this browser.
type holder struct {
	subject string
	shown   string // What the authenticator shows beside the key.
	keys    []webauthn.Credential
}

// WebAuthnID implements webauthn.User.
func (h holder) WebAuthnID() []byte { return []byte(h.subject) }

// WebAuthnName implements webauthn.User.
func (h holder) WebAuthnName() string { return h.shown }

// WebAuthnDisplayName implements webauthn.User.
func (h holder) WebAuthnDisplayName() string { return h.shown }

// WebAuthnCredentials implements webauthn.User.
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.keys }

// ceremony is a confirmation under way. The page that asks for it holds it, sealed.
type ceremony struct {
	Session string               `json:"i"`
	New     bool                 `json:"n,omitempty"` // A key is made, not used.
	Return  string               `json:"r"`
	Made    int64                `json:"t"` // Unix seconds.
	Data    webauthn.SessionData `json:"d"`
	// Code is the secret where a code is asked for, and not a key.
	Code []byte `json:"c,omitempty"`
}

// newAuthority is go-webauthn for the host that browsers find us at.
func (l *Login) newAuthority() (*webauthn.WebAuthn, error) {
	if l.config.SecondFactor.ACR == "" {
		return nil, nil //nolint:nilnil // It is switched off.
	}
	w, err := webauthn.New(&webauthn.Config{
		RPID: l.origin.Hostname(), RPDisplayName: l.origin.Hostname(), RPOrigins: []string{l.config.ExternalURL},
		AttestationPreference: protocol.PreferNoAttestation,
	})
	if err != nil {
		return nil, fmt.Errorf("second_factor: %w", err)
	}
	return w, nil
}

// Ways to confirm.
const (
	byKey  = "key"
	byCode = "code"
)

// confirms is how a demand is met by our own second factor: by its context, by its
// method beside those that a session has, or because the provider cannot say when it has
// asked a person anew. Empty where it is not.
func (l *Login) confirms(p *provider, d Demand, has []string) string {
	c := l.config.SecondFactor
	for _, acr := range d.ACR { // In the order of preference (OpenID Connect Core section 3.1.2.1).
		if slices.Contains(c.ACRValues(), acr) {
			break
		}
		if slices.Contains(p.spec.ACRValues, acr) {
			return "" // The provider gives what is wanted more.
		}
	}
	lacks := route.LackingAMR(d.AMR, has)
	anew := len(d.ACR) == 0 && (p.spec.AuthTime == AuthTimeCallback || len(lacks) > 0)
	meets := func(acr, amr string) bool {
		return acr != "" && (anew || slices.Contains(d.ACR, acr)) && !slices.ContainsFunc(lacks, func(m string) bool { return m != amr })
	}
	switch {
	case meets(c.ACR, MethodKey):
		return byKey
	case meets(c.CodeACR, MethodCode):
		return byCode
	}
	return ""
}

// holderOf is the person of a session, with the key of his browser where it has one.
func (l *Login) holderOf(r *http.Request, p *Presence) holder {
	h := holder{subject: p.Identity.Subject, shown: l.byID[p.now.Provider].spec.Name}
	b, err := l.ring.open(purposeKey, one(r, cookieKey))
	if err != nil {
		return h
	}
	var k heldKey
	if json.Unmarshal(b, &k) == nil && k.Subject == h.subject {
		h.keys = []webauthn.Credential{k.Credential}
	}
	return h
}

// sealKey makes the cookie of a key. What its maker attests is not kept: nobody asked.
func (l *Login) sealKey(subject string, c webauthn.Credential) (*http.Cookie, error) {
	c.Attestation, c.Extensions = webauthn.CredentialAttestation{}, webauthn.CredentialExtensions{}
	b, err := json.Marshal(heldKey{Subject: subject, Credential: c})
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	sealed := l.ring.seal(purposeKey, b)
	if len(sealed) > flowBytesMax {
		return nil, faultOf(CodeConfirm, "key does not fit into a cookie")
	}
	return cookie(cookieKey, sealed, deviceFor), nil
}

// ask begins a ceremony: with the browser's key, or to make one. The options are for
// the browser.
func (l *Login) ask(h holder, session, back string) (options []byte, c ceremony, err error) {
	c = ceremony{Session: session, New: len(h.keys) == 0, Return: back, Made: l.now().Unix()}
	var asked any
	var data *webauthn.SessionData
	if c.New {
		asked, data, err = l.authority.BeginRegistration(h, webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
			UserVerification: protocol.VerificationRequired, ResidentKey: protocol.ResidentKeyRequirementDiscouraged,
		}))
	} else {
		asked, data, err = l.authority.BeginLogin(h, webauthn.WithUserVerification(protocol.VerificationRequired))
	}
	if err != nil {
		return nil, ceremony{}, fmt.Errorf("begin confirmation: %w", err)
	}
	c.Data = *data
	options, err = json.Marshal(asked)
	if err != nil {
		return nil, ceremony{}, fmt.Errorf("encode options: %w", err)
	}
	return options, c, nil
}

// check takes the authenticator's answer and returns the key as it is now. The error
// is a *fault.
func (l *Login) check(h holder, c ceremony, answer []byte) (*webauthn.Credential, error) {
	var key *webauthn.Credential
	if c.New {
		parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
		if err == nil {
			key, err = l.authority.CreateCredential(h, c.Data, parsed)
		}
		if err != nil {
			return nil, faultOf(CodeConfirm, why(err))
		}
	} else {
		parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
		if err == nil {
			key, err = l.authority.ValidateLogin(h, c.Data, parsed)
		}
		if err != nil {
			return nil, faultOf(CodeConfirm, why(err))
		}
	}
	switch {
	case key.Authenticator.CloneWarning:
		return nil, faultOf(CodeConfirm, "the key's counter went back: it has a copy")
	case !key.Flags.UserVerified:
		return nil, faultOf(CodeConfirm, "the person was not verified")
	}
	return key, nil
}

// why is what go-webauthn says for developers, which its text leaves out.
func why(err error) string {
	e, ok := errors.AsType[*protocol.Error](err)
	if ok {
		return e.Details + ": " + e.DevInfo
	}
	return err.Error()
}
