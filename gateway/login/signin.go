package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// serveLogin lets a person choose a provider, or goes on to the one that there is.
//
//	GET login?return_to=/path[&provider=ID][&confirm=1]
//
// With confirm whoever has a session proves himself again, and keeps it.
func (l *Login) serveLogin(w http.ResponseWriter, r *http.Request, v Visitor) Answer {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return l.refuse(w, r, faultOf(CodeMethod, r.Method))
	}
	q := r.URL.Query()
	f := flow{Return: returnTo(q.Get("return_to"), l.config.Prefix), Fresh: q.Has("confirm")}
	if f.Fresh {
		p, err := l.Recognise(r, v)
		if err == nil {
			f.Session, f.Provider = p.now.ID, p.now.Provider
			return l.begin(w, r, f)
		}
	}
	switch {
	case q.Get("provider") != "":
		f.Provider = q.Get("provider")
	case len(l.providers) == 1:
		f.Provider = l.providers[0].spec.ID
	default:
		return l.choose(w, r, f)
	}
	if r.Method == http.MethodHead {
		return l.page(w, r, http.StatusOK, page{Title: "Sign in"})
	}
	return l.begin(w, r, f)
}

// choose shows the providers.
func (l *Login) choose(w http.ResponseWriter, r *http.Request, f flow) Answer {
	p := page{Title: "Sign in", Text: "Choose how to sign in."}
	for _, pr := range l.providers {
		q := url.Values{"provider": {pr.spec.ID}, "return_to": {f.Return}}
		if f.Fresh {
			q.Set("confirm", "1")
		}
		p.Choices = append(p.Choices, choice{Name: pr.spec.Name, Link: l.config.Prefix + pageLogin + "?" + q.Encode()})
	}
	return l.page(w, r, http.StatusOK, p)
}

// begin sends a browser to a provider (OpenID Connect Core 1.0, section 3.1.2.1)
// with what binds the answer to this browser: state and nonce in a cookie, PKCE
// (RFC 7636), one redirect URI for each provider.
func (l *Login) begin(w http.ResponseWriter, r *http.Request, f flow) Answer {
	p := l.byID[f.Provider]
	if p == nil {
		return l.refuse(w, r, faultOf(CodeProvider, ""))
	}
	leave, err := l.enterPage()
	if err != nil {
		return l.refuse(w, r, err)
	}
	defer leave()
	d, err := p.describe(r.Context())
	if err != nil {
		return l.refuse(w, r, err)
	}
	f.State, f.Nonce, f.Verifier, f.Begun = secret(), secret(), oauth2.GenerateVerifier(), l.now().Unix()
	kept, err := l.ring.sealFlow(f)
	if err != nil {
		return l.refuse(w, r, err)
	}
	target, err := l.authorize(r.Context(), p, d, f)
	if err != nil {
		return l.refuse(w, r, err)
	}
	setCookies(w.Header(), surplusFlows(r)...)
	setCookies(w.Header(), kept)
	return l.redirect(w, target)
}

// enterPage bounds how many requests of strangers make us call a provider at a time.
func (l *Login) enterPage() (leave func(), err error) {
	select {
	case l.pages <- struct{}{}:
		return func() { <-l.pages }, nil
	default:
		return nil, fmt.Errorf("%w: %d sign-ins are under way", errAway, pagesMax)
	}
}

// authorize is the address at the provider that a browser is sent to.
func (l *Login) authorize(ctx context.Context, p *provider, d *description, f flow) (string, error) {
	opts := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(f.Verifier)}
	add := func(name, value string) { opts = append(opts, oauth2.SetAuthURLParam(name, value)) }
	prompt := strings.Fields(p.spec.Prompt)
	if d.verifier != nil {
		add("nonce", f.Nonce)
		// Asked for its age, a provider has to say when the person proved himself.
		age := int64(l.config.AbsoluteTimeout / time.Second)
		if f.MaxAge > 0 {
			age = f.MaxAge
		}
		if f.Fresh {
			age = 0
			if !slices.Contains(prompt, "login") {
				prompt = append(prompt, "login")
			}
		}
		add("max_age", strconv.FormatInt(age, 10))
		if len(f.ACR) > 0 {
			add("acr_values", strings.Join(f.ACR, " "))
		}
	}
	if len(prompt) > 0 {
		add("prompt", strings.Join(prompt, " "))
	}
	target := p.oauth(d, l.url(pageCallback+"/"+p.spec.ID)).AuthCodeURL(f.State, opts...)
	if d.pushed == "" {
		return target, nil
	}
	return p.push(ctx, d, target)
}

// push hands an authorization request over behind the browser's back (RFC 9126), so
// that nobody can change it on the way.
func (p *provider) push(ctx context.Context, d *description, target string) (string, error) {
	u, err := url.Parse(target)
	if err != nil {
		return "", faultOf(CodeInternal, err.Error())
	}
	var answer struct {
		RequestURI string `json:"request_uri"`
	}
	err = p.post(ctx, d.pushed, u.Query(), &answer)
	switch {
	case errors.Is(err, errAway):
		return "", err
	case err != nil:
		return "", faultOf(CodeRefused, "pushed request: "+err.Error())
	}
	if answer.RequestURI == "" {
		return "", faultOf(CodeRefused, "no request_uri")
	}
	end, err := url.Parse(d.endpoint.AuthURL)
	if err != nil {
		return "", faultOf(CodeInternal, err.Error())
	}
	q := end.Query()
	q.Set("client_id", p.spec.ClientID)
	q.Set("request_uri", answer.RequestURI)
	end.RawQuery = q.Encode()
	return end.String(), nil
}

// serveCallback takes the answer of a provider.
func (l *Login) serveCallback(w http.ResponseWriter, r *http.Request, v Visitor) Answer {
	if r.Method != http.MethodGet {
		return l.refuse(w, r, faultOf(CodeMethod, r.Method))
	}
	id := strings.TrimPrefix(r.URL.Path, l.config.Prefix+pageCallback+"/")
	a, back, err := l.callback(w, r, id, v)
	if err == nil {
		l.metrics.count(r.Context(), l.metrics.signIns, "ok")
		a.AuthOutcome = event.AuthSuccess
		return a
	}
	code, _ := codeOf(err)
	l.metrics.count(r.Context(), l.metrics.signIns, code)
	a = l.refuseWith(w, r, err, l.config.Prefix+pageLogin+"?"+url.Values{"return_to": {back}}.Encode())
	a.AuthOutcome = event.AuthFailure
	return a
}

// callback checks, in this order, that the answer belongs to a sign-in of this
// browser, that it is the first, and that it comes from whom we asked; then it lets
// the provider's word count. back is where a new try leads.
func (l *Login) callback(w http.ResponseWriter, r *http.Request, id string, v Visitor) (a Answer, back string, err error) {
	q := r.URL.Query()
	for _, name := range []string{"state", "code", "iss", "error"} {
		if len(q[name]) > 1 {
			return Answer{}, "/", faultOf(CodeState, name+" twice")
		}
	}
	now := l.now()
	f, err := l.ring.flowOf(r, q.Get("state"), now)
	if err != nil {
		return Answer{}, "/", err
	}
	setCookies(w.Header(), cookie(flowName(f.State), "", 0))
	if !l.callbacks.first(f.State, flowFor+leeway) {
		return Answer{}, f.Return, faultOf(CodeReplayed, "")
	}
	if f.Provider != id {
		return Answer{}, f.Return, faultOf(CodeMixUp, "redirect URI of another provider")
	}
	leave, err := l.enterPage()
	if err != nil {
		return Answer{}, f.Return, err
	}
	defer leave()
	p := l.byID[id]
	d, err := p.describe(r.Context())
	if err != nil {
		return Answer{}, f.Return, err
	}
	if iss := q.Get("iss"); q.Has("iss") && iss != p.spec.Issuer || !q.Has("iss") && d.answersWith {
		return Answer{}, f.Return, faultOf(CodeMixUp, "iss")
	}
	switch q.Get("error") {
	case "":
	case "access_denied", "login_required", "interaction_required", "consent_required":
		return Answer{}, f.Return, faultOf(CodeDenied, q.Get("error"))
	case "temporarily_unavailable", "server_error":
		return Answer{}, f.Return, errAway
	default:
		return Answer{}, f.Return, faultOf(CodeRefused, fmt.Sprintf("%.64q", q.Get("error")))
	}
	got, err := p.exchange(r.Context(), d, f, q.Get("code"), l.url(pageCallback+"/"+id))
	if err != nil {
		return Answer{}, f.Return, err
	}
	got.acr = l.believed(p, got.acr)
	err = f.fulfilled(got)
	if err != nil {
		return Answer{}, f.Return, err
	}
	a, err = l.admit(w, r, f, p, got, v)
	return a, f.Return, err
}

// believed is the context that a provider may vouch for; empty where it is none of
// its own. A person can change what his browser asks a provider for, and some say
// back whatever they were asked: what our own second factor gives, nobody else does.
func (l *Login) believed(p *provider, acr string) string {
	own := l.config.SecondFactor
	if acr == own.ACR || acr == own.CodeACR || len(p.spec.ACRValues) > 0 && !slices.Contains(p.spec.ACRValues, acr) {
		return ""
	}
	return acr
}

// fulfilled reports whether a provider did what it was asked for.
func (f flow) fulfilled(got proof) error {
	begun := time.Unix(f.Begun, 0).Add(-leeway).Unix()
	switch {
	case len(f.ACR) > 0 && !slices.Contains(f.ACR, got.acr):
		return faultOf(CodeUnfulfilled, "acr")
	case len(route.LackingAMR(f.AMR, got.amr)) > 0:
		return faultOf(CodeUnfulfilled, "amr")
	case f.Fresh && got.authTime < begun:
		return faultOf(CodeUnfulfilled, "auth_time: not asked again")
	case f.MaxAge > 0 && got.authTime < begun-f.MaxAge:
		return faultOf(CodeUnfulfilled, "auth_time: too long ago")
	}
	return nil
}

// admit begins a session, or goes on with one that was stepped up.
func (l *Login) admit(w http.ResponseWriter, r *http.Request, f flow, p *provider, got proof, v Visitor) (Answer, error) {
	now := l.now()
	sealed, parts := sessionParts(r)
	was, err := l.ring.openSession(sealed)
	had := err == nil
	reason := event.ReasonLogin
	next := record{
		ID: secret(), Provider: p.spec.ID, Issuer: got.issuer, Subject: got.subject, Created: now.Unix(),
		Person: l.linking.person(p.spec, got.email),
	}
	goesOn := had && f.Session != "" && was.ID == f.Session
	if goesOn {
		if was.Issuer != got.issuer || was.Subject != got.subject {
			return Answer{}, faultOf(CodeAccount, "")
		}
		was, _, err = l.live.meet(was, v, now)
		over := err != nil || !now.Before(time.Unix(was.Created, 0).Add(l.config.AbsoluteTimeout))
		// Who was linked must be still; who was not, is only by a new session: nobody
		// becomes somebody else in the middle of one.
		if over || was.Person != "" && was.Person != next.Person {
			goesOn = false // It ended meanwhile: the proof begins a new one.
		} else {
			next, reason = was, event.ReasonStepUp
			next.Generation++
		}
	}
	next.SID, next.ACR, next.AMR, next.Scopes, next.AuthTime = got.sid, got.acr, got.amr, got.scopes, got.authTime
	next.Proved, next.Assumed = got.authTime, got.assumed
	next.Seen, next.RefreshToken, next.IDToken, next.RenewAt = now.Unix(), got.refreshToken, got.idToken, 0
	if got.refreshToken != "" && got.renewIn > 0 {
		next.RenewAt = now.Add(got.renewIn).Unix()
	}
	sealed, err = l.ring.sealSession(next)
	if err != nil {
		return Answer{}, err
	}
	if had && !goesOn {
		l.endEverywhere(r.Context(), was, v, "replaced", "Somebody has signed in anew in this browser.")
	}
	l.live.put(next, v, now)
	setCookies(w.Header(), sessionCookies(sealed, parts)...)
	v.Device = l.knowDevice(w, r)
	l.tell(reason, next, v)
	return l.redirect(w, f.Return), nil
}
