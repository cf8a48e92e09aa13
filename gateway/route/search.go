package route

import (
	"net/http"
	"slices"
	"strings"
)

// search walks the tree of one host after another, most specific branch first,
// and remembers the methods of the routes that it passed by.
type search struct {
	method string
	path   string // Normalised.

	route *Route
	rest  string // What {path...} took.
	all   bool   // The route ends in {path...}.
	last  string // The value of the last {id} on the way to route.
	allow []string
	// passed are the guarded routes and the sign-ins that do not take the method.
	passed []*Route
}

// in searches the tree of one host.
func (s *search) in(root *node) bool {
	return root != nil && s.walk(root, s.path[1:], true, "")
}

// walk matches the segments of rest below n. more is false once the last
// segment is used up. The tree is walked at most once, whatever the path.
func (s *search) walk(n *node, rest string, more bool, last string) bool {
	if !more {
		return s.pick(n.leaf, "", last, false)
	}
	part, after, again := strings.Cut(rest, "/")
	next := n.literals[part]
	if next != nil && s.walk(next, after, again, last) {
		return true
	}
	if n.variable != nil && part != "" && s.walk(n.variable, after, again, part) {
		return true
	}
	return s.pick(n.rest, rest, last, true)
}

// pick takes the first of routes that takes the method. What may change something
// does not fall from a route, for want of the method, to one that asks for less, or does
// not look who signs in, and takes whatever comes: many services take any method, in
// any spelling, for the one they know.
func (s *search) pick(routes []*Route, rest, last string, all bool) bool {
	for _, r := range routes {
		falls := len(r.Methods) == 0 && !safe(s.method) && s.passedStricter(r)
		if r.takes(s.method) && !falls {
			s.route, s.rest, s.last, s.all = r, rest, last, all
			return true
		}
		s.allow = append(s.allow, r.Methods...)
		if !r.Public || r.SignIn != nil {
			s.passed = append(s.passed, r)
		}
	}
	return false
}

// passedStricter reports whether a route was passed by that keeps out somebody, or
// something, that r would let pass.
func (s *search) passedStricter(r *Route) bool { return slices.ContainsFunc(s.passed, r.looserThan) }

// safe reports whether a method changes nothing (RFC 9110, section 9.2.1).
func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// match is the result of a search that found a route.
func (s *search) match() Match {
	m := Match{Route: s.route, Template: s.route.Template, Resource: s.last, Path: s.path}
	if !s.all {
		return m
	}
	rest, resource := generalise(s.rest)
	m.Template = s.route.Template[:strings.LastIndexByte(s.route.Template, '/')+1] + rest
	if resource != "" {
		m.Resource = resource
	}
	return m
}
