package login

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// Our own pages, by the path below Config.Prefix.
const (
	pageLogin        = "login"
	pageCallback     = "callback"
	pageLogout       = "logout"
	pageSignedOut    = "signed-out"
	pageBackchannel  = "backchannel-logout"
	pageFrontchannel = "frontchannel-logout"
	pagePeer         = "peer"
	pageConfirm      = "confirm"
)

// RoutePrefix stands before the id of the routes of our own pages in events.
const RoutePrefix = "vigil:"

// pageRoutes are our pages as routes: open to everybody, under the verdicts about
// addresses like every other.
func pageRoutes() map[string]*route.Route {
	out := make(map[string]*route.Route)
	for _, p := range []string{pageLogin, pageCallback, pageLogout, pageSignedOut, pageBackchannel, pageFrontchannel, pagePeer, pageConfirm} {
		out[p] = &route.Route{
			ID: RoutePrefix + p, Public: true, Sensitivity: route.SensitivityNormal, Posture: route.PostureAllow,
		}
	}
	return out
}

// Match finds the page that a request is for. ours is false where its path is not
// below our prefix; below it everything else is route.ErrNoRoute, on every host.
func (l *Login) Match(r *http.Request) (m route.Match, ours bool, err error) {
	rest, below := strings.CutPrefix(r.URL.Path, l.config.Prefix)
	if !below {
		return route.Match{}, false, nil
	}
	page, id, _ := strings.Cut(rest, "/")
	rt := l.routes[page]
	if rt == nil || r.URL.RawPath != "" || (page == pageCallback) != (id != "") || page != pageCallback && strings.Contains(rest, "/") {
		return route.Match{}, true, route.ErrNoRoute
	}
	template := l.config.Prefix + page
	if page == pageCallback {
		if l.byID[id] == nil {
			return route.Match{}, true, route.ErrNoRoute
		}
		template += "/{provider}"
	}
	// Providers and peers may call another name of ours; browsers may not.
	if page != pageBackchannel && page != pagePeer && !l.here(r) {
		return route.Match{}, true, route.ErrNoRoute
	}
	return route.Match{Route: rt, Template: template, Path: r.URL.Path}, true, nil
}

// Reserved reports whether a normalised path is below our prefix.
func (l *Login) Reserved(path string) bool { return strings.HasPrefix(path+"/", l.config.Prefix) }

// Owns reports whether a route is one of our pages.
func (l *Login) Owns(rt *route.Route) bool { return strings.HasPrefix(rt.ID, RoutePrefix) }

// Vouches reports whether a route is the page on which a session gains by our own
// second factor. It is open to everybody as a page, and has to be judged by the
// verdicts about whoever asks for it.
func (l *Login) Vouches(rt *route.Route) bool { return rt.ID == RoutePrefix+pageConfirm }

// SignsIn reports whether a route is a page by which somebody tries to sign in, or has
// a provider called; a browser that nobody knows may ask for it.
func (l *Login) SignsIn(rt *route.Route) bool {
	switch strings.TrimPrefix(rt.ID, RoutePrefix) {
	case pageLogin, pageCallback, pageConfirm, pageFrontchannel:
		return l.Owns(rt)
	}
	return false
}

// TakesWord reports whether a route is the page at which providers say who has signed out
// there. Everybody can call it.
func (l *Login) TakesWord(rt *route.Route) bool {
	return strings.TrimPrefix(rt.ID, RoutePrefix) == pageBackchannel && l.Owns(rt)
}

// Answer is what became of a request for one of our pages.
type Answer struct {
	Status int
	// Code is why it was refused; empty where it was not.
	Code string
	// AuthOutcome is event.AuthSuccess or AuthFailure where somebody tried to sign
	// in, else event.AuthNone.
	AuthOutcome string
}

// Serve answers a request for one of our pages, which Match has found. p is the
// session that the gateway has recognised and judged, nil for none: no other can
// gain here.
func (l *Login) Serve(w http.ResponseWriter, r *http.Request, rt *route.Route, v Visitor, p *Presence) Answer {
	switch strings.TrimPrefix(rt.ID, RoutePrefix) {
	case pageLogin:
		return l.serveLogin(w, r, v)
	case pageCallback:
		return l.serveCallback(w, r, v)
	case pageLogout:
		return l.serveLogout(w, r, v)
	case pageSignedOut:
		return l.page(w, r, http.StatusOK, page{Title: "You are signed out", Text: "You can close this page.", Again: "/"})
	case pageBackchannel:
		return l.serveBackchannel(w, r, v)
	case pageFrontchannel:
		return l.serveFrontchannel(w, r, v)
	case pageConfirm:
		return l.serveConfirm(w, r, v, p)
	case pagePeer:
		return l.servePeer(w, r)
	}
	return l.refuse(w, r, faultOf(CodeMethod, ""))
}

// refuse answers a browser with a page about what went wrong.
func (l *Login) refuse(w http.ResponseWriter, r *http.Request, err error) Answer {
	return l.refuseWith(w, r, err, l.config.Prefix+pageLogin)
}

// refuseWith has a link to begin again.
func (l *Login) refuseWith(w http.ResponseWriter, r *http.Request, err error, again string) Answer {
	code, status := codeOf(err)
	if status >= http.StatusInternalServerError {
		l.log.WarnContext(r.Context(), "sign-in page refuses", "code", code, "error", err)
	} else { // Strangers must not fill the log.
		l.log.DebugContext(r.Context(), "sign-in page refuses", "code", code, "error", err)
	}
	title, text := words(code)
	a := l.page(w, r, status, page{Title: title, Text: text, Code: code, Again: again})
	a.Code = code
	return a
}

// redirect sends a browser on. It never caches where to.
func (l *Login) redirect(w http.ResponseWriter, target string) Answer {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Location", target)
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusSeeOther)
	return Answer{Status: http.StatusSeeOther, AuthOutcome: event.AuthNone}
}

// plain answers a program: a provider or a peer.
func (l *Login) plain(w http.ResponseWriter, status int, code string) Answer {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	body := "{}"
	if code != "" {
		h.Set("Content-Type", "application/json")
		body = `{"error":"invalid_request","error_description":` + strconv.Quote(code) + `}`
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // Who is gone reads no answer either.
	return Answer{Status: status, Code: code, AuthOutcome: event.AuthNone}
}
