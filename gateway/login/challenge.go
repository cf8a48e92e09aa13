package login

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/gateway/route"
)

// Demand is what a request lacks that a sign-in can give.
type Demand struct {
	// StepUp asks for more of whoever has signed in; else anybody may sign in.
	StepUp bool
	// ACR lists the contexts of which one is needed; empty for any.
	ACR []string
	// AMR lists the methods that are all needed.
	AMR []string
	// MaxAge is how long ago the person may have proved himself; 0 for no limit.
	MaxAge time.Duration
	// Fresh asks for a proof that is made now, Verdict for one that a verdict asks for.
	Fresh, Verdict bool
}

// Challenge sends a browser that lacks something to where it gets it, and comes
// back. done is false where the request is not one that a person could follow, or
// where nobody here can give what it lacks; nothing is written then. p may be nil.
func (l *Login) Challenge(w http.ResponseWriter, r *http.Request, p *Presence, d Demand) (a Answer, done bool) {
	if !navigates(r) || !l.here(r) {
		return Answer{}, false
	}
	back := returnTo(r.URL.RequestURI(), l.config.Prefix)
	if d.StepUp && p != nil {
		pr := l.byID[p.now.Provider]
		by := l.confirms(pr, d, p.now.AMR)
		if by != "" {
			return l.redirect(w, l.confirmPath(by, back)), true
		}
		if len(d.ACR) > 0 && !pr.gives(d.ACR) {
			return Answer{}, false
		}
		// For a method that is lacking he may be asked; else it is when he proved himself.
		aged := d.MaxAge > 0 || d.Fresh && len(route.LackingAMR(d.AMR, p.now.AMR)) == 0
		if d.Verdict && pr.spec.AuthTime == AuthTimeCallback || aged && p.now.Assumed {
			// Whom it still knows it would send back unasked, again and again.
			return l.refuseWith(w, r, faultOf(CodeUnproven, pr.spec.ID), l.config.Prefix+pageLogout), true
		}
		return l.begin(w, r, flow{
			Provider: p.now.Provider, Return: back, Session: p.now.ID, ACR: d.ACR, AMR: d.AMR, MaxAge: int64(d.MaxAge / time.Second), Fresh: d.Fresh,
		}), true
	}
	if d.StepUp {
		return Answer{}, false // It came with a credential of its own.
	}
	q := url.Values{"return_to": {back}}
	if d.Fresh {
		q.Set("confirm", "1")
	}
	_, parts := sessionParts(r)
	if parts > 0 {
		setCookies(w.Header(), sessionCookies("", parts)...) // It does not count any more.
	}
	return l.redirect(w, l.config.Prefix+pageLogin+"?"+q.Encode()), true
}

// gives reports whether a provider may be able to give one of some contexts.
func (p *provider) gives(acr []string) bool {
	if p.spec.Type == TypeOAuth2 {
		return false
	}
	return len(p.spec.ACRValues) == 0 || slices.ContainsFunc(acr, func(a string) bool { return slices.Contains(p.spec.ACRValues, a) })
}

// navigates reports whether a person in a browser waits for a page: what a script,
// a frame or a program asks for must get the answer that it understands.
func navigates(r *http.Request) bool {
	if r.Method != http.MethodGet || r.Header.Get("Upgrade") != "" || r.Header.Get("Authorization") != "" {
		return false
	}
	mode, dest := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest")
	if mode != "" && mode != "navigate" || dest != "" && dest != "document" {
		return false
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		kind, _, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(kind), "text/html") {
			return true
		}
	}
	return false
}
