package login

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sort"
	"strings"
	"time"
)

// Names of our cookies. Browsers keep a cookie with the prefix __Host- only where
// it was set over TLS by this very host for all of its paths, so that no
// neighbour's domain can plant one (RFC 6265bis, section 4.1.3.2).
const (
	cookieSession = "__Host-vigil"
	cookieDevice  = "__Host-vigil-device"
	cookieFlow    = "__Host-vigil-flow-"
)

// chunkName is the cookie of the i-th part of a session.
func chunkName(i int) string {
	return [chunksMax]string{cookieSession, cookieSession + "-1", cookieSession + "-2", cookieSession + "-3"}[i]
}

// cookie has every attribute that limits who sees it. Lax sends it along when a
// person comes back from the provider, and not with what other sites embed or post.
func cookie(name, value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	switch {
	case value == "":
		c.MaxAge = -1
	case life > 0:
		c.MaxAge = int(life / time.Second)
	}
	return c
}

// one returns the value of a cookie that the request names exactly once.
func one(r *http.Request, name string) string {
	found := r.CookiesNamed(name)
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// sessionParts joins the parts of the session that a request carries, and counts
// them. A part that is there twice makes the whole unreadable.
func sessionParts(r *http.Request) (sealed string, parts int) {
	if !strings.Contains(strings.Join(r.Header["Cookie"], ""), cookieSession) {
		return "", 0
	}
	var part [chunksMax]string
	var seen [chunksMax]int
	for _, c := range r.Cookies() {
		for i := range chunksMax {
			if c.Name == chunkName(i) {
				part[i] += c.Value
				seen[i]++
			}
		}
	}
	for parts < chunksMax && seen[parts] > 0 {
		parts++
	}
	if parts == 1 {
		return part[0], 1
	}
	return strings.Join(part[:parts], ""), parts
}

// sessionCookies are what a browser has to keep of a sealed session, and what it
// has to forget of an older one with more parts. An empty one is forgotten whole.
func sessionCookies(sealed string, had int) []*http.Cookie {
	var out []*http.Cookie
	i := 0
	for ; len(sealed) > 0; i++ {
		n := min(len(sealed), chunkBytes)
		out = append(out, cookie(chunkName(i), sealed[:n], 0))
		sealed = sealed[n:]
	}
	for ; i < max(had, 1) && i < chunksMax; i++ {
		out = append(out, cookie(chunkName(i), "", 0))
	}
	return out
}

// flowName is the cookie of the sign-in that has a state: one each, so that two
// tabs do not take each other's.
func flowName(state string) string {
	sum := sha256.Sum256([]byte(state))
	return cookieFlow + base64.RawURLEncoding.EncodeToString(sum[:9])
}

// surplusFlows are the cookies of sign-ins that have to go to make room for one.
func surplusFlows(r *http.Request) []*http.Cookie {
	var names []string
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, cookieFlow) {
			names = append(names, c.Name)
		}
	}
	sort.Strings(names)
	var out []*http.Cookie
	for len(names) >= flowsMax {
		out = append(out, cookie(names[0], "", 0))
		names = names[1:]
	}
	return out
}

// setCookies adds cookies to a response.
func setCookies(h http.Header, cookies ...*http.Cookie) {
	for _, c := range cookies {
		h.Add("Set-Cookie", c.String())
	}
}
