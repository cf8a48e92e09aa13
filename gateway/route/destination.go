package route

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// names reports whether a method, in any spelling, writes to where the header Destination
// says (RFC 4918, sections 9.8, 9.9 and 10.3).
func names(method string) bool {
	return strings.EqualFold(method, "COPY") || strings.EqualFold(method, "MOVE")
}

// aims reports why the destination of a request that s has found the route of is not for
// whoever may send it: it has to be written as a path is, at this host, where the same
// upstream finds it, and on a route that asks for no more.
func (t *Table) aims(s *search, r *http.Request, host string) error {
	to := r.Header["Destination"]
	if len(to) == 0 {
		return nil // No service takes it.
	}
	u, err := url.Parse(to[0])
	if err != nil || len(to) > 1 || u.User != nil || strings.ContainsAny(to[0], "?#") || !slices.Contains([]string{"", "http", "https"}, u.Scheme) || (u.Scheme == "") != (u.Host == "") {
		return pathError("a destination that is no path of this host")
	}
	if u.Host != "" {
		there, err := hostname(u.Host)
		if err != nil || there != host {
			return pathError("a destination at another host")
		}
	}
	path, err := normalise(rawPath(u))
	if err != nil {
		return err
	}
	dest := search{method: s.method, path: path}
	if !t.hosts.find(&dest, host) || t.slips(&dest, host) || s.route.looserThan(dest.route) {
		return pathError("a destination on a stricter route, or on none")
	}
	here, there := s.route.Upstream, dest.route.Upstream
	if here.Scheme != there.Scheme || here.Host != there.Host || strings.Trim(here.Path+there.Path, "/") != "" {
		return pathError("a destination that its upstream would look for elsewhere")
	}
	return nil
}
