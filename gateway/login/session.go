package login

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// MethodCookie is the Method of an identity that our session cookie proves.
const MethodCookie = "cookie"

// sessionIssuer stands for the issuer in the pseudonyms of our own sessions.
const sessionIssuer = "urn:vigil:session"

// record is a session as its cookie holds it: all that it takes to serve it. Times
// are Unix seconds. Immutable once it is sealed.
type record struct {
	ID string `json:"i"`
	// Generation grows when the session's rights change, Renewal when the provider
	// has confirmed it again.
	Generation uint64 `json:"g,omitempty"`
	Renewal    uint64 `json:"n,omitempty"`

	Provider string `json:"p"`
	Issuer   string `json:"s"`
	Subject  string `json:"u"`
	// Person is whom the account was linked to at the sign-in; empty where it stands
	// for itself.
	Person   string   `json:"l,omitempty"`
	SID      string   `json:"d,omitempty"` // The provider's session.
	ACR      string   `json:"c,omitempty"`
	AMR      []string `json:"m,omitempty"`
	Scopes   []string `json:"o,omitempty"`
	AuthTime int64    `json:"a,omitempty"` // 0 where nobody says.
	Assumed  bool     `json:"h,omitempty"` // AuthTime is when he came back, no more.
	// Proved is when the provider vouched for the person: AuthTime without what our
	// own second factor has added since.
	Proved int64 `json:"b,omitempty"`

	Created int64 `json:"t"`
	Seen    int64 `json:"e"` // Last written use, for the idle timeout.

	RenewAt      int64  `json:"w,omitempty"` // 0 where there is nothing to renew with.
	RefreshToken string `json:"r,omitempty"`
	IDToken      string `json:"k,omitempty"`
}

// sealSession makes what the session's cookies hold. What does not fit is given
// up in the order of what it is worth: the ID token first.
func (r *ring) sealSession(s record) (string, error) {
	for {
		b, err := json.Marshal(s) //nolint:gosec // It is sealed at once.
		if err != nil {
			return "", fmt.Errorf("encode session: %w", err)
		}
		sealed := r.seal(purposeSession, b)
		switch {
		case len(sealed) <= SessionBytesMax:
			return sealed, nil
		case s.IDToken != "":
			s.IDToken = ""
		case s.RefreshToken != "":
			s.RefreshToken, s.RenewAt = "", 0
		default:
			return "", fmt.Errorf("session is %d bytes sealed, at most %d fit into cookies", len(sealed), SessionBytesMax)
		}
	}
}

// openSession reads what sealSession has made.
func (r *ring) openSession(sealed string) (record, error) {
	b, err := r.open(purposeSession, sealed)
	if err != nil {
		return record{}, err
	}
	var s record
	err = json.Unmarshal(b, &s)
	if err != nil || s.ID == "" || s.Subject == "" {
		return record{}, errSeal
	}
	return s, nil
}

func (s record) authTime() time.Time {
	if s.AuthTime == 0 {
		return time.Time{}
	}
	return time.Unix(s.AuthTime, 0).UTC()
}

// name is the session's pseudonym: the gateway's own id, so that a step-up that
// gives the provider's session another id leaves this one as it is.
func (s record) name(names event.Names) string { return names.Session(sessionIssuer, s.ID) }

// identity is who the session acts for.
func (s record) identity(names event.Names, p Provider) *identity.Identity {
	created := time.Unix(s.Created, 0).UTC()
	id := &identity.Identity{
		Tenant: p.Tenant, Issuer: s.Issuer, Subject: names.Subject(s.Issuer, s.Subject), Session: s.name(names),
		// Another with each cookie that replaces one, so that who goes on with the old
		// one elsewhere stands out.
		TokenID:  names.Token(sessionIssuer, fmt.Sprintf("%s.%d.%d", s.ID, s.Generation, s.Renewal)),
		ClientID: p.ClientID, Scopes: s.Scopes, ACR: s.ACR, AMR: s.AMR, AuthTime: s.authTime(), Assumed: s.Assumed, IssuedAt: created,
		Binding: event.BindingCookie, Method: MethodCookie, Kind: event.SubjectHuman,
	}
	if s.Person != "" {
		id.LinkedAccount, id.Subject = id.Subject, names.Subject(linkedIssuer(p.Tenant), s.Person)
	}
	if s.SID != "" {
		id.Aliases = []string{names.Session(s.Issuer, s.SID)}
	}
	return id
}
