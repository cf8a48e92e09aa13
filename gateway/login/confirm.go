package login

import (
	"encoding/json"
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

// amrKey is the method of a confirmed session: a key in hardware (RFC 8176).
const amrKey = "hwk"

// serveConfirm asks for the gateway's own second factor, and takes it.
func (l *Login) serveConfirm(w http.ResponseWriter, r *http.Request, v Visitor) Answer {
	if l.authority == nil || r.Method != http.MethodGet && r.Method != http.MethodPost {
		return l.refuse(w, r, faultOf(CodeMethod, r.Method))
	}
	p, err := l.Recognise(r, v)
	if err != nil {
		back := returnTo(r.URL.Query().Get("return_to"), l.config.Prefix)
		return l.redirect(w, l.config.Prefix+pageLogin+"?"+url.Values{"return_to": {back}}.Encode())
	}
	if r.Method == http.MethodGet {
		return l.askConfirm(w, r, p)
	}
	a, err := l.confirm(w, r, p, v)
	if err != nil {
		a = l.refuseWith(w, r, err, "/")
		a.AuthOutcome = event.AuthMFAFailure
		return a
	}
	a.AuthOutcome = event.AuthSuccess
	return a
}

// askConfirm shows the page that talks to the authenticator. A browser without a key
// is given one only where its person has just signed in: else whoever has stolen a
// session would bring a key of his own.
func (l *Login) askConfirm(w http.ResponseWriter, r *http.Request, p *Presence) Answer {
	back := returnTo(r.URL.Query().Get("return_to"), l.config.Prefix)
	h := l.holderOf(r, p)
	if len(h.keys) == 0 && l.now().Sub(p.now.authTime()) > l.config.SecondFactor.EnrolWithin {
		return l.redirect(w, l.config.Prefix+pageLogin+"?"+url.Values{"return_to": {back}, "confirm": {"1"}}.Encode())
	}
	options, c, err := l.ask(h, p.now.ID, back)
	if err != nil {
		return l.refuse(w, r, err)
	}
	b, err := json.Marshal(c)
	if err != nil {
		return l.refuse(w, r, err) // Cannot happen: texts and numbers only.
	}
	out := page{
		Title: "Confirm that it is you", Text: "Use your device's screen lock or your security key.",
		Form: &form{
			Action: l.config.Prefix + pageConfirm, Button: "Confirm", Token: l.ring.seal(purposeCeremony, b),
			Options: string(options), Make: c.New,
		},
	}
	if c.New {
		out.Text = "Set up this browser once: it will ask for your device's screen lock or your security key."
		out.Form.Button = "Set up"
	}
	return l.page(w, r, http.StatusOK, out)
}

// confirm checks an authenticator's answer and lets the session go on with more.
func (l *Login) confirm(w http.ResponseWriter, r *http.Request, p *Presence, v Visitor) (Answer, error) {
	r.Body = http.MaxBytesReader(w, r.Body, formBytesMax)
	b, err := l.ring.open(purposeCeremony, r.PostFormValue("token"))
	var c ceremony
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	now := l.now()
	switch {
	case err != nil, c.Session != p.now.ID:
		return Answer{}, faultOf(CodeConfirm, "not begun by this session")
	case now.Sub(time.Unix(c.Made, 0)) > ceremonyFor:
		return Answer{}, faultOf(CodeConfirm, "took too long")
	case !l.callbacks.first("confirm\x00"+c.Data.Challenge, ceremonyFor+leeway):
		return Answer{}, faultOf(CodeConfirm, "used before")
	}
	h := l.holderOf(r, p)
	key, err := l.check(h, c, []byte(r.PostFormValue("answer")))
	if err != nil {
		return Answer{}, err
	}
	kept, err := l.sealKey(h.subject, *key)
	if err != nil {
		return Answer{}, err
	}
	next := p.now
	next.Generation++
	next.ACR, next.AuthTime, next.Seen = l.config.SecondFactor.ACR, now.Unix(), now.Unix()
	if !slices.Contains(next.AMR, amrKey) {
		next.AMR = append(slices.Clone(next.AMR), amrKey)
	}
	sealed, err := l.ring.sealSession(next)
	if err != nil {
		return Answer{}, err
	}
	l.live.put(next, v, now)
	setCookies(w.Header(), sessionCookies(sealed, p.parts)...)
	setCookies(w.Header(), kept)
	l.tell(event.ReasonStepUp, next, v)
	return l.redirect(w, c.Return), nil
}
