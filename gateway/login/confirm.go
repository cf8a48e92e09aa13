package login

import (
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// confirmScript is the only script that we serve: browsers let nothing else talk to
// an authenticator.
const confirmScript = `const form=document.forms[0],note=document.getElementById('note');
form.addEventListener('submit',async(e)=>{e.preventDefault();note.textContent='';
try{const o=JSON.parse(form.dataset.options).publicKey;
const c=form.dataset.make?await navigator.credentials.create({publicKey:PublicKeyCredential.parseCreationOptionsFromJSON(o)})
:await navigator.credentials.get({publicKey:PublicKeyCredential.parseRequestOptionsFromJSON(o)});
form.elements.answer.value=JSON.stringify(c);form.submit();
}catch(x){note.textContent='That did not work. Please try again.';}});`

// Methods of a confirmed session (RFC 8176): a key in hardware, a one-time code.
const (
	MethodKey  = "hwk"
	MethodCode = "otp"
)

// serveConfirm asks for the gateway's own second factor, and takes it.
//
//	GET confirm?by=key|code&return_to=/path
func (l *Login) serveConfirm(w http.ResponseWriter, r *http.Request, v Visitor, p *Presence) Answer {
	if !l.canConfirm() || r.Method != http.MethodGet && r.Method != http.MethodPost {
		return l.refuse(w, r, faultOf(CodeMethod, r.Method))
	}
	if p == nil {
		back := returnTo(r.URL.Query().Get("return_to"), l.config.Prefix)
		return l.redirect(w, l.config.Prefix+pageLogin+"?"+url.Values{"return_to": {back}}.Encode())
	}
	if r.Method == http.MethodGet {
		return l.askConfirm(w, r, p)
	}
	a, again, err := l.confirm(w, r, p, v)
	if err != nil {
		a = l.refuseWith(w, r, err, again)
		a.AuthOutcome = event.AuthMFAFailure
		return a
	}
	a.AuthOutcome = event.AuthSuccess
	return a
}

func (l *Login) canConfirm() bool { return l.authority != nil || l.config.SecondFactor.CodeACR != "" }

// confirmPath is where a person confirms by a key or a code, and from where he goes on to back.
func (l *Login) confirmPath(by, back string) string {
	return l.config.Prefix + pageConfirm + "?" + url.Values{"by": {by}, "return_to": {back}}.Encode()
}

// askConfirm shows the page that asks for a key or a code. A browser that has none is
// given one only where its person has just signed in at his provider: else whoever
// has stolen a session would bring one of his own, or with a code that he has coaxed
// out of somebody get a key.
func (l *Login) askConfirm(w http.ResponseWriter, r *http.Request, p *Presence) Answer {
	q := r.URL.Query()
	back := returnTo(q.Get("return_to"), l.config.Prefix)
	code := l.authority == nil || l.config.SecondFactor.CodeACR != "" && q.Get("by") == byCode
	h := l.holderOf(r, p)
	secret := l.codeOf(r, h.subject)
	known := len(h.keys) > 0
	if code {
		known = secret != nil
	}
	if !known && !l.enrols(p) {
		return l.redirect(w, l.config.Prefix+pageLogin+"?"+url.Values{"return_to": {back}, "confirm": {"1"}}.Encode())
	}
	if code {
		return l.askCode(w, r, ceremony{Session: p.now.ID, New: !known, Return: back, Made: l.now().Unix(), Code: secret}, h)
	}
	options, c, err := l.ask(h, p.now.ID, back)
	if err != nil {
		return l.refuse(w, r, err)
	}
	out := page{Text: "Use your device's screen lock or your security key.", Form: &form{Button: "Confirm", Options: string(options), Make: c.New}}
	if c.New {
		out.Text = "Set up this browser once: it will ask for your device's screen lock or your security key."
		out.Form.Button = "Set up"
	}
	return l.pageFor(w, r, c, out)
}

// enrols reports whether a session's browser may be given a second factor. A verdict
// that asks for more of the session is not satisfied by what its holder brings then.
func (l *Login) enrols(p *Presence) bool {
	return !p.doubt && l.now().Sub(time.Unix(p.now.Proved, 0)) <= l.config.SecondFactor.EnrolWithin
}

// askCode asks for a code, and shows an app's secret where there is none yet.
func (l *Login) askCode(w http.ResponseWriter, r *http.Request, c ceremony, h holder) Answer {
	out := page{Text: "Enter the code that your authenticator app shows.", Form: &form{Button: "Confirm", Input: "Code"}}
	if c.New {
		c.Code = newCodeSecret()
		out.Text = "Set up this browser once: enter this key into your authenticator app, then the code that it shows."
		out.Secret, out.App = appSecret(c.Code), template.URL(appLink(l.origin.Hostname(), h.shown, c.Code)) //nolint:gosec // Made here, of a scheme that is no script.
		out.Form.Button = "Set up"
	}
	return l.pageFor(w, r, c, out)
}

// pageFor writes the page of a ceremony.
func (l *Login) pageFor(w http.ResponseWriter, r *http.Request, c ceremony, out page) Answer {
	b, err := json.Marshal(c)
	if err != nil {
		return l.refuse(w, r, err) // Cannot happen: texts and numbers only.
	}
	out.Title = "Confirm that it is you"
	out.Form.Action, out.Form.Token = l.config.Prefix+pageConfirm, l.ring.seal(purposeCeremony, b)
	return l.page(w, r, http.StatusOK, out)
}

// confirm checks an answer and lets the session go on with more. Where the answer does
// not do, again is where the person can give another and still come to where he was going.
func (l *Login) confirm(w http.ResponseWriter, r *http.Request, p *Presence, v Visitor) (a Answer, again string, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, formBytesMax)
	b, err := l.ring.open(purposeCeremony, r.PostFormValue("token"))
	var c ceremony
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	now := l.now()
	switch {
	case err != nil, c.Session != p.now.ID:
		return Answer{}, "/", faultOf(CodeConfirm, "not begun by this session")
	case now.Sub(time.Unix(c.Made, 0)) > ceremonyFor:
		return Answer{}, "/", faultOf(CodeConfirm, "took too long")
	case c.New && p.doubt:
		return Answer{}, "/", faultOf(CodeConfirm, "set up after a verdict")
	}
	by := byKey
	if c.Code != nil {
		by = byCode
	}
	again = l.confirmPath(by, c.Return)
	answer := r.PostFormValue("answer")
	next := p.now
	var kept *http.Cookie
	if c.Code != nil {
		next.ACR = l.config.SecondFactor.CodeACR
		next.AMR = also(next.AMR, MethodCode)
		err = l.checkCode(p.now.ID, c.Code, answer)
		if err == nil {
			kept, err = l.sealCode(p.Identity.Subject, c.Code)
		}
	} else {
		next.ACR = l.config.SecondFactor.ACR
		next.AMR = also(next.AMR, MethodKey)
		kept, err = l.confirmKey(r, p, c, answer)
	}
	if err != nil {
		return Answer{}, again, err
	}
	next.Generation++
	next.AuthTime, next.Assumed, next.Seen = now.Unix(), false, now.Unix()
	sealed, err := l.ring.sealSession(next)
	if err != nil {
		return Answer{}, again, err
	}
	l.live.put(next, v, now)
	setCookies(w.Header(), sessionCookies(sealed, p.parts)...)
	setCookies(w.Header(), kept)
	l.tell(event.ReasonStepUp, next, v)
	return l.redirect(w, c.Return), "", nil
}

// confirmKey checks an authenticator's answer, once.
func (l *Login) confirmKey(r *http.Request, p *Presence, c ceremony, answer string) (*http.Cookie, error) {
	if l.authority == nil || !l.factors.first("confirm\x00"+c.Data.Challenge, ceremonyFor+leeway) {
		return nil, faultOf(CodeConfirm, "used before")
	}
	h := l.holderOf(r, p)
	key, err := l.check(h, c, []byte(answer))
	if err != nil {
		return nil, err
	}
	return l.sealKey(h.subject, *key)
}

// also is a list with one more that it may have already.
func also(list []string, one string) []string {
	if slices.Contains(list, one) {
		return list
	}
	return append(slices.Clone(list), one)
}
