package route

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Errors of [Table.Match] beside [ErrPath].
var (
	// ErrNoRoute means that no route takes the host and path: status 404.
	ErrNoRoute = errors.New("no route")
	// ErrMethod means that routes take the host and path, but not the method:
	// status 405. It is wrapped by a [MethodError].
	ErrMethod = errors.New("method not allowed")
)

// MethodError says which methods the path takes.
type MethodError struct {
	Allow []string // Sorted, for the header Allow.
}

// Error names the methods that the path takes.
func (e *MethodError) Error() string {
	return "method not allowed, the path takes " + strings.Join(e.Allow, ", ")
}

// Unwrap makes errors.Is find [ErrMethod].
func (e *MethodError) Unwrap() error { return ErrMethod }

// Route is one entry of a [Table]. Immutable.
type Route struct {
	ID          string
	Host        string   // Lower case; empty for any.
	Template    string   // As configured.
	Methods     []string // HEAD included where GET is; empty for all.
	Upstream    *url.URL // Scheme http, https or h2c.
	Public      bool
	Scopes      []string
	Sensitivity string // A constant Sensitivity…; never empty.
	Posture     string // A constant Posture…; never empty.
	Durability  string // A constant Durability…; never empty.
	ACR         []string
	AMR         []string      // All of them; empty for any.
	Binding     []string      // Constants event.Binding…; empty for any.
	MaxAge      time.Duration // 0 for no limit.
	Release     *Release      // Nil where no response waits.
	SignIn      *SignIn       // Nil where the route is no sign-in.
	Outlives    bool          // Its streams go on when the credential has ended that opened them.

	loose string // The shape of its template as loosely reads it.
	// near says that what it takes may be, in other letters, for a route that asks for
	// more, or for a sign-in.
	near bool
}

// looserThan reports whether what is meant for other must not come by r: it would let
// somebody pass whom other refuses, or nobody would see which account a sign-in tries.
func (r *Route) looserThan(other *Route) bool {
	return other.asksMore(r) || other.SignIn != nil && r.SignIn == nil
}

// asksMore reports whether somebody whom other lets pass may be refused by r.
func (r *Route) asksMore(other *Route) bool {
	if r.Public || other.Public {
		return !r.Public
	}
	beyond := func(all, some []string) bool { // Whether one of some is none of all; no list is any.
		return len(all) > 0 && (len(some) == 0 || len(LackingAMR(some, all)) > 0)
	}
	return len(LackingAMR(r.Scopes, other.Scopes)) > 0 || len(LackingAMR(r.AMR, other.AMR)) > 0 ||
		beyond(r.ACR, other.ACR) || beyond(r.Binding, other.Binding) ||
		r.MaxAge > 0 && (other.MaxAge == 0 || other.MaxAge > r.MaxAge) ||
		slices.Index(postures(), r.Posture) > slices.Index(postures(), other.Posture)
}

func (r *Route) takes(method string) bool {
	return len(r.Methods) == 0 || slices.Contains(r.Methods, method)
}

// LackingAMR lists the methods that are asked for and that has does not hold.
func LackingAMR(asked, has []string) []string {
	var lacks []string
	for _, m := range asked {
		if !slices.Contains(has, m) {
			lacks = append(lacks, m)
		}
	}
	return lacks
}

// Match is what a request is for.
type Match struct {
	Route *Route
	// Template is the route's template; behind {path...} it goes on with the
	// rest of the path, ids replaced by {id}.
	Template string
	// Resource is the last id of the path, percent-encoded; empty without one.
	Resource string
	// Path is the normalised path, percent-encoded: what is authorised, logged
	// and forwarded.
	Path string
}

// Target returns the URL at the upstream: its base path, then Path, then the
// query as the client wrote it.
func (m Match) Target(rawQuery string) *url.URL {
	u := *m.Route.Upstream
	escaped := strings.TrimSuffix(u.EscapedPath(), "/") + m.Path
	decoded, err := url.PathUnescape(escaped)
	if err != nil {
		decoded = escaped // Cannot happen: both parts came out of normalise.
	}
	u.Path, u.RawPath, u.RawQuery = decoded, escaped, rawQuery
	return &u
}

// Table finds the route of a request. Immutable, safe for concurrent use.
type Table struct {
	routes []*Route
	hosts  trees
	loose  trees // The same, by templates as [loosely] reads them.
}

// trees are those of all hosts: of exact names, of wildcards by their ".example.com", of
// any host by "".
type trees map[string]*node

// node is one place in the tree of templates of a host.
type node struct {
	literals map[string]*node
	variable *node
	leaf     []*Route // Routes whose template ends here, those with methods first.
	rest     []*Route // Routes whose template has {path...} here.
}

// NewTable compiles c. The error joins every fault of the configuration.
func NewTable(c Config) (*Table, error) {
	err := c.Validate()
	if err != nil {
		return nil, fmt.Errorf("compile routes: %w", err)
	}
	t := &Table{hosts: make(trees), loose: make(trees)}
	read := make([][]segment, 0, len(c.Routes)) // By loosely.
	for _, s := range c.Routes {
		r := s.compile()
		t.routes = append(t.routes, r)
		segments, _ := parseTemplate(r.Template) // Validated.
		t.hosts.insert(r, segments)
		loose := loosely(segments)
		read, r.loose = append(read, loose), shape(loose)
		t.loose.insert(r, loose)
		if end := len(loose) - 1; loose[end].kind == catchAll && end > 0 {
			t.loose.insert(r, loose[:end]) // The rest may be nothing, not even its slash.
		}
	}
	for i, r := range t.routes {
		for j, other := range t.routes {
			r.near = r.near || sharesHost(r.Host, other.Host) && sharesPath(read[i], read[j]) && r.looserThan(other)
		}
	}
	return t, nil
}

// sharesHost reports whether two routes may take requests for the same host.
func sharesHost(a, b string) bool {
	wild := func(a, b string) bool { return strings.HasPrefix(a, "*") && strings.HasSuffix(b, a[1:]) }
	return a == "" || b == "" || a == b || wild(a, b) || wild(b, a)
}

// sharesPath reports whether a path may be that of two templates.
func sharesPath(a, b []segment) bool {
	for i := range min(len(a), len(b)) {
		switch {
		case a[i].kind == catchAll || b[i].kind == catchAll:
			return true
		case a[i].kind == literal && b[i].kind == literal && a[i].text != b[i].text:
			return false
		}
	}
	rest := func(long, short []segment) bool {
		return len(long) == len(short)+1 && long[len(short)].kind == catchAll
	}
	return len(a) == len(b) || rest(a, b) || rest(b, a)
}

// Routes lists the table's routes in the order of the configuration. The
// caller must not change them.
func (t *Table) Routes() []*Route { return t.routes }

// compile turns a spec that has no faults into a route.
func (s Spec) compile() *Route {
	upstream, _ := parseUpstream(s.Upstream) // Validated.
	r := &Route{
		ID: s.ID, Host: strings.ToLower(s.Host), Template: s.Path, Upstream: upstream,
		Public: s.Public, Scopes: slices.Clone(s.Scopes), Sensitivity: s.Sensitivity, Posture: s.Posture,
		ACR: slices.Clone(s.ACR), AMR: slices.Clone(s.AMR), Binding: slices.Clone(s.Binding), MaxAge: s.MaxAge, SignIn: s.SignIn.compile(),
	}
	if len(s.Methods) > 0 {
		r.Methods = withHead(s.Methods)
	}
	if r.Sensitivity == "" {
		r.Sensitivity = SensitivityNormal
	}
	r.Durability = s.Durability
	if r.Durability == "" {
		r.Durability = DurabilityBatched
	}
	if r.Posture == "" {
		r.Posture = defaultPosture(r)
	}
	r.Release = s.Release.compile(r.Posture)
	r.Outlives = s.Streams != nil && s.Streams.Expiry == ExpiryIgnore
	return r
}

// defaultPosture fails closed where much is at stake and open elsewhere: an
// outage of the analyzer must not be an outage of the service.
func defaultPosture(r *Route) string {
	switch {
	case r.Public:
		return PostureAllow
	case r.Sensitivity == SensitivityHigh:
		return PostureStepUp
	case r.Sensitivity == SensitivityCritical:
		return PostureDeny
	}
	return PostureAllow
}

// loosely is a template as a service reads it that cares for neither case nor a slash at
// the end.
func loosely(segments []segment) []segment {
	out := slices.Clone(segments)
	for i := range out {
		out[i].text = strings.ToLower(out[i].text)
	}
	if end := len(out) - 1; end > 0 && out[end] == (segment{kind: literal}) {
		out = out[:end]
	}
	return out
}

func (t trees) insert(r *Route, segments []segment) {
	key := strings.TrimPrefix(r.Host, "*")
	if t[key] == nil {
		t[key] = new(node)
	}
	t[key].insert(r, segments)
}

func (n *node) insert(r *Route, segments []segment) {
	for _, s := range segments {
		switch s.kind {
		case literal:
			if n.literals == nil {
				n.literals = make(map[string]*node)
			}
			if n.literals[s.text] == nil {
				n.literals[s.text] = new(node)
			}
			n = n.literals[s.text]
		case variable:
			if n.variable == nil {
				n.variable = new(node)
			}
			n = n.variable
		case catchAll:
			n.rest = methodsFirst(append(n.rest, r))
			return
		}
	}
	n.leaf = methodsFirst(append(n.leaf, r))
}

// methodsFirst puts the route that takes every method last.
func methodsFirst(routes []*Route) []*Route {
	slices.SortStableFunc(routes, func(a, b *Route) int { return min(len(b.Methods), 1) - min(len(a.Methods), 1) })
	return routes
}

// Match finds the most specific route that takes r. The error wraps
// [ErrNoRoute], [ErrMethod] (as a [MethodError]) or [ErrPath].
func (t *Table) Match(r *http.Request) (Match, error) {
	if r.Method == http.MethodConnect || r.URL.Opaque != "" {
		return Match{}, pathError("not a path")
	}
	if reflects(r.Method) {
		return Match{}, &MethodError{Allow: []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPatch, http.MethodPost, http.MethodPut}}
	}
	path, err := normalise(rawPath(r.URL))
	if err != nil {
		return Match{}, err
	}
	host, err := hostname(r.Host)
	if err != nil {
		return Match{}, err
	}
	s := search{method: r.Method, path: path}
	if t.hosts.find(&s, host) {
		if t.slips(&s, host) {
			return Match{}, pathError("a stricter route in other letters")
		}
		if names(s.method) {
			err = t.aims(&s, r, host)
			if err != nil {
				return Match{}, err
			}
		}
		return s.match(), nil
	}
	if len(s.allow) > 0 {
		slices.Sort(s.allow)
		return Match{}, &MethodError{Allow: slices.Compact(s.allow)}
	}
	return Match{}, ErrNoRoute
}

// slips reports whether a request would be one for a route that asks for more than the one
// that was found, or for a sign-in, were its path in another case or with a slash more or
// less at its end: many services take it for that. What the route that was found spells
// out itself is meant so.
func (t *Table) slips(s *search, host string) bool {
	if !s.route.near || s.route.Template == s.path || s.path == "/" {
		return false
	}
	near := search{method: s.method, path: strings.ToLower(strings.TrimSuffix(s.path, "/"))}
	if t.loose.find(&near, host) {
		return s.route.looserThan(near.route) && near.route.loose != s.route.loose
	}
	return near.passedStricter(s.route)
}

// reflects reports whether a method, in any spelling, asks for the request to be sent
// back (RFC 9110 section 9.3.8). What an upstream is sent is not for the client to
// see: it holds what the gateway says about him, such as a signed assertion.
func reflects(method string) bool {
	return strings.EqualFold(method, http.MethodTrace) || strings.EqualFold(method, "TRACK")
}

// rawPath returns the path as the client spelt it: net/url keeps it only where
// it differs from its own spelling.
func rawPath(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath()
}

// hostname returns the host of a request without its port and last dot, in
// lower case.
func hostname(host string) (string, error) {
	at := strings.LastIndexByte(host, ':')
	switch {
	case strings.ContainsAny(host, "@/\\?# "):
		return "", fmt.Errorf("%w: host %q", ErrPath, host)
	case strings.HasPrefix(host, "["):
		end := strings.IndexByte(host, ']')
		_, err := netip.ParseAddr(strings.Trim(host[:end+1], "[]"))
		if end < 0 || err != nil {
			return "", fmt.Errorf("%w: host %q", ErrPath, host)
		}
		host = host[:end+1]
	case at >= 0:
		host = host[:at]
	}
	return strings.ToLower(strings.TrimSuffix(host, ".")), nil
}

// find tries the exact host, the wildcards from the longest on, then any host.
func (t trees) find(s *search, host string) bool {
	if host != "" && s.in(t[host]) {
		return true
	}
	for at := strings.IndexByte(host, '.'); at >= 0; {
		if s.in(t[host[at:]]) {
			return true
		}
		next := strings.IndexByte(host[at+1:], '.')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return s.in(t[""])
}
