package login

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

const signedOutText = "You have signed out."

// proofOfForm shows that a request was made by the button on a page of ours.
type proofOfForm struct {
	Session string `json:"i"`
	Made    int64  `json:"t"` // Unix seconds.
}

// serveLogout signs a person out here and at his provider. A GET asks first: a
// link or a picture on another site must not sign anybody out.
func (l *Login) serveLogout(w http.ResponseWriter, r *http.Request, v Visitor) Answer {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return l.refuse(w, r, faultOf(CodeMethod, r.Method))
	}
	if foreign(r, l.config.ExternalURL) {
		return l.refuse(w, r, faultOf(CodeForeign, ""))
	}
	p, err := l.Recognise(r, v)
	if err != nil {
		_, parts := sessionParts(r)
		setCookies(w.Header(), sessionCookies("", parts)...)
		return l.redirect(w, l.config.Prefix+pageSignedOut)
	}
	if r.Method == http.MethodGet {
		return l.askLogout(w, r, p)
	}
	if !ownPage(r, l.config.ExternalURL) && !l.provenForm(w, r, p) {
		return l.refuse(w, r, faultOf(CodeForeign, "neither of this origin nor from our own form"))
	}
	setCookies(w.Header(), sessionCookies("", p.parts)...)
	l.signOut(r.Context(), p.now, v)
	return l.redirect(w, l.goodbye(r.Context(), p.now))
}

// askLogout shows the button that signs out.
func (l *Login) askLogout(w http.ResponseWriter, r *http.Request, p *Presence) Answer {
	b, err := json.Marshal(proofOfForm{Session: p.now.ID, Made: l.now().Unix()})
	if err != nil {
		return l.refuse(w, r, err) // Cannot happen: texts and numbers only.
	}
	f := &form{Action: l.config.Prefix + pageLogout, Button: "Sign out", Token: l.ring.seal(purposeForm, b)}
	d, err := l.byID[p.now.Provider].describe(r.Context())
	if err == nil {
		u, err := url.Parse(d.endSession)
		if err == nil && u.Host != "" {
			f.Goes = u.Scheme + "://" + u.Host
		}
	}
	return l.page(w, r, http.StatusOK, page{
		Title: "Sign out?", Text: "This ends your session here and at the provider.", Form: f, Again: "/", AgainText: "Stay signed in",
	})
}

// ownPage reports whether a browser says that a page of this very origin sent a
// request.
func ownPage(r *http.Request, origin string) bool {
	return r.Header.Get("Sec-Fetch-Site") == "same-origin" || r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == origin
}

// provenForm reports whether a request brings the token of our own form.
func (l *Login) provenForm(w http.ResponseWriter, r *http.Request, p *Presence) bool {
	r.Body = http.MaxBytesReader(w, r.Body, formBytesMax)
	b, err := l.ring.open(purposeForm, r.PostFormValue("token"))
	if err != nil {
		return false
	}
	var f proofOfForm
	err = json.Unmarshal(b, &f)
	return err == nil && f.Session == p.now.ID && l.now().Sub(time.Unix(f.Made, 0)) < l.config.AbsoluteTimeout
}

// signOut ends a session by its person's word.
func (l *Login) signOut(ctx context.Context, s record, v Visitor) {
	l.endEverywhere(ctx, s, v, "person", signedOutText)
}

// endEverywhere ends a session wherever we can reach, and gives its refresh token back.
func (l *Login) endEverywhere(ctx context.Context, s record, v Visitor, by, text string) {
	l.endSession(ctx, s, by, text)
	l.tell(event.ReasonLogout, s, v)
	l.peers.tell(ctx, notice{Session: s.ID, Provider: s.Provider, Issuer: s.Issuer, Subject: s.Subject})
	l.drop(ctx, s)
}

// goodbye is where a browser goes on to sign out at its provider (OpenID Connect
// RP-Initiated Logout 1.0), and comes back to our last page.
func (l *Login) goodbye(ctx context.Context, s record) string {
	p := l.byID[s.Provider]
	last := l.config.Prefix + pageSignedOut
	d, err := p.describe(ctx)
	if err != nil || d.endSession == "" {
		return last
	}
	u, err := url.Parse(d.endSession)
	if err != nil {
		return last
	}
	q := u.Query()
	q.Set("client_id", p.spec.ClientID)
	q.Set("post_logout_redirect_uri", l.url(pageSignedOut))
	if s.IDToken != "" {
		q.Set("id_token_hint", s.IDToken)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// serveBackchannel takes a provider's word that a session has ended there (OpenID
// Connect Back-Channel Logout 1.0): whatever is open of it is cut before the answer.
//
// The connection is not kept: a provider that came back on one that we have closed
// meanwhile, idle or at a restart, would lose its word, as a POST is not sent twice.
func (l *Login) serveBackchannel(w http.ResponseWriter, r *http.Request, v Visitor) Answer {
	w.Header().Set("Connection", "close")
	if r.Method != http.MethodPost {
		return l.plain(w, http.StatusMethodNotAllowed, CodeMethod)
	}
	r.Body = http.MaxBytesReader(w, r.Body, formBytesMax)
	token := r.PostFormValue("logout_token")
	if len(r.PostForm["logout_token"]) > 1 { // RFC 6749 section 3.1: no parameter comes twice.
		return l.plain(w, http.StatusBadRequest, CodeLogoutToken)
	}
	err := l.believe(r.Context(), token, v)
	if err != nil {
		if _, theirs := errors.AsType[*fault](err); theirs { // Strangers must not fill the log.
			l.log.DebugContext(r.Context(), "logout token refused", "error", err)
			return l.plain(w, http.StatusBadRequest, CodeLogoutToken)
		}
		l.log.WarnContext(r.Context(), "logout token cannot be checked", "error", err)
		return l.plain(w, http.StatusServiceUnavailable, CodeAway)
	}
	l.peers.tell(r.Context(), notice{Token: token})
	return l.plain(w, http.StatusOK, "")
}

// errLogoutKnown means that a logout token has come before: what it says is done.
var errLogoutKnown = faultOf(CodeLogoutToken, "jti: used before")

// believe checks a logout token and does what it says, once.
func (l *Login) believe(ctx context.Context, token string, v Visitor) error {
	p, err := l.authorOf(token)
	if err != nil {
		return err
	}
	t, err := p.logoutToken(ctx, token)
	if err != nil {
		return err
	}
	if !l.logouts.first(p.spec.ID+"\x00"+t.ID, logoutAgeMax+2*leeway) {
		return errLogoutKnown
	}
	at := min(t.IssuedAt, l.now().Unix()) // As auth_time is.
	l.signedOutAt(ctx, p, t.SID, t.Subject, time.Unix(at, 0), v)
	return nil
}

// signedOutAt ends what a provider's session, or all of a person's where sid is
// empty, has become here. Tokens of the same provider session that clients bring
// themselves end with it.
func (l *Login) signedOutAt(ctx context.Context, p *provider, sid, subject string, at time.Time, v Visitor) {
	issuer := p.spec.Issuer
	for _, s := range l.live.of(issuer, sid, subject) {
		if sid == "" && s.AuthTime > at.Unix() {
			continue // Signed in again since.
		}
		l.endSession(ctx, s, "provider", signedOutText)
		l.tell(event.ReasonLogout, s, v)
	}
	by := l.person(issuer, subject)
	if by == "" {
		by = byProvider + p.spec.ID
	}
	if sid != "" {
		l.cut(ctx, p.spec.Tenant, &verdict.Target{Kind: verdict.TargetSession, Id: l.names.Session(issuer, sid)}, time.Time{}, signedOutText, by)
		return
	}
	// auth_time has whole seconds: who proves himself in the same second does so again.
	l.cut(ctx, p.spec.Tenant, &verdict.Target{Kind: verdict.TargetSubject, Id: l.names.Subject(issuer, subject)}, at.Add(time.Second), signedOutText, by)
}

// serveFrontchannel takes the same word from a frame in the browser (OpenID Connect
// Front-Channel Logout 1.0). Anybody can load it, so it counts only for a session
// that is known by the provider's id for it, which nobody else knows: here, by the
// browser's own cookie, which it hardly ever sends in a frame, or at another gateway,
// which is asked. Only those that guess are limited, so that they cannot keep the
// provider's word out.
func (l *Login) serveFrontchannel(w http.ResponseWriter, r *http.Request, v Visitor) Answer {
	if r.Method != http.MethodGet {
		return l.plain(w, http.StatusMethodNotAllowed, CodeMethod)
	}
	q := r.URL.Query()
	p := l.byIssuer[q.Get("iss")]
	if p == nil || q.Get("sid") == "" || len(q.Get("sid")) > claimBytesMax { // No session has a longer one.
		return l.plain(w, http.StatusBadRequest, CodeLogoutToken)
	}
	named := l.live.of(p.spec.Issuer, q.Get("sid"), "")
	sealed, parts := sessionParts(r)
	s, err := l.ring.openSession(sealed)
	own := err == nil && s.Issuer == p.spec.Issuer && s.SID == q.Get("sid")
	first := own && l.over.first("frame\x00"+s.ID, l.config.AbsoluteTimeout)
	if len(named) == 0 && !first && !l.frames.AllowN(l.now(), 1) {
		return l.plain(w, http.StatusBadRequest, CodeLogoutToken)
	}
	l.signOutNamed(r.Context(), p, q.Get("sid"), v)
	if own { // Else a link would sign people out.
		if first && !slices.ContainsFunc(named, func(one record) bool { return one.ID == s.ID }) {
			l.signOut(r.Context(), s, v) // It has not been used here yet.
		}
		setCookies(w.Header(), sessionCookies("", parts)...)
	}
	l.peers.tell(r.Context(), notice{Provider: p.spec.ID, SID: q.Get("sid")})
	return l.plain(w, http.StatusOK, "")
}

// signOutNamed signs out what is known here of a provider's session.
func (l *Login) signOutNamed(ctx context.Context, p *provider, sid string, v Visitor) {
	for _, s := range l.live.of(p.spec.Issuer, sid, "") {
		l.signOut(ctx, s, v)
	}
}
