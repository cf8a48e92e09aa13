package route

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// Sensitivities of a route, least first.
const (
	SensitivityLow      = "low"
	SensitivityNormal   = "normal"
	SensitivityHigh     = "high"
	SensitivityCritical = "critical"
)

// sensitivities lists them in order.
func sensitivities() []string {
	return []string{SensitivityLow, SensitivityNormal, SensitivityHigh, SensitivityCritical}
}

// IsSensitivity reports whether s is one.
func IsSensitivity(s string) bool { return slices.Contains(sensitivities(), s) }

// Stricter returns the higher of two sensitivities; what is none counts lowest.
// So an upstream can say that a response is more than its route, and never less.
func Stricter(a, b string) string {
	if slices.Index(sensitivities(), b) > slices.Index(sensitivities(), a) {
		return b
	}
	return a
}

// Postures: what a route does while nobody knows the standing of its callers,
// because scoring is stale or the verdicts have not been read yet.
const (
	PostureAllow  = "allow"
	PostureStepUp = "step_up"
	PostureDeny   = "deny"
)

// postures lists them, least strict first.
func postures() []string { return []string{PostureAllow, PostureStepUp, PostureDeny} }

// Durabilities: how well the event of a route's request is kept until Kafka has it.
const (
	DurabilityBatched    = "batched"
	DurabilityStrict     = "strict"
	DurabilityBestEffort = "best_effort"
)

// Config is the routing table as an operator writes it.
type Config struct {
	// Routes in any order: the most specific one wins, whatever its place.
	Routes []Spec `mapstructure:"routes"`
}

// Spec is one route as an operator writes it.
type Spec struct {
	// ID names the route in events, metrics and verdicts. Unique.
	ID string `mapstructure:"id"`
	// Host is an exact host name, a wildcard such as *.example.com, or empty
	// for any host. Ports do not count.
	Host string `mapstructure:"host"`
	// Path is a template: /accounts/{id}/orders/{order}, /files/{path...}.
	Path string `mapstructure:"path"`
	// Methods that the route takes; empty for all. GET implies HEAD.
	Methods []string `mapstructure:"methods"`
	// Upstream is where requests go: http, https, or h2c for HTTP/2 without
	// TLS, with an optional path that is put before the request's own.
	Upstream string `mapstructure:"upstream"`
	// Public routes need no credential.
	Public bool `mapstructure:"public"`
	// Scopes that a token must all have.
	Scopes []string `mapstructure:"scopes"`
	// Sensitivity is low, normal, high or critical; normal where empty.
	Sensitivity string `mapstructure:"sensitivity"`
	// Posture while scoring is stale or verdicts are unknown: allow, step_up or
	// deny. Where empty it follows the sensitivity: high steps up, critical
	// denies, the others and public routes allow.
	Posture string `mapstructure:"posture"`
	// ACR lists the authentication contexts that are good enough, the one that is wanted
	// most first; empty for any.
	ACR []string `mapstructure:"acr"`
	// AMR lists the authentication methods (RFC 8176) that must all have been used, such
	// as pwd and otp; empty for any.
	AMR []string `mapstructure:"amr"`
	// MaxAge is how long ago the person may have signed in; 0 for no limit.
	MaxAge time.Duration `mapstructure:"max_age"`
	// Binding lists the keys that a token may be bound to, of which it must have
	// proven one: dpop, mtls or cookie. Empty accepts tokens that are bound to none.
	Binding []string `mapstructure:"binding"`
	// Durability of the events: batched (kept over the end of the process, and over a
	// loss of power after some milliseconds), strict (no upstream is called before the
	// request is on the disk; 503 where it cannot be) or best_effort (in memory, losses
	// are counted); batched where empty.
	Durability string `mapstructure:"durability"`
	// Release holds the first byte of a response back until its own event is scored;
	// absent where nothing waits.
	Release *ReleaseSpec `mapstructure:"release"`
	// Streams says how long what is opened on the route may stay open; absent for the
	// defaults.
	Streams *StreamsSpec `mapstructure:"streams"`
	// SignIn says how the outcome and account of a sign-in are read; absent
	// where the route is none.
	SignIn *SignInSpec `mapstructure:"sign_in"`
}

// Expiries: what becomes of an open stream when the credential ends that opened it.
const (
	ExpiryEnd    = "end"
	ExpiryIgnore = "ignore"
)

// StreamsSpec says how long a WebSocket, an event stream, a gRPC call, a download or an
// upload may stay open.
type StreamsSpec struct {
	// Expiry is what the end of the token, key or certificate means for a stream that it
	// has opened: end (the stream ends with it) or ignore (it goes on until a verdict
	// ends it); end where empty. A session of the gateway's own is renewed and does not end by it.
	Expiry string `mapstructure:"expiry"`
}

// SignInSpec says how a sign-in that passes through is read.
type SignInSpec struct {
	// Account is where the login name is: form:NAME or json:PATH, the path with
	// dots.
	Account string `mapstructure:"account"`
	// Success lists the statuses of a sign-in that worked; where empty 200,
	// 201, 204, 302 and 303.
	Success []int `mapstructure:"success"`
	// Failure lists the statuses of one that did not; where empty 400, 401,
	// 403, 422 and 423.
	Failure []int `mapstructure:"failure"`
	// MFAFailure lists the statuses of a failed second factor; none where empty.
	MFAFailure []int `mapstructure:"mfa_failure"`
}

// Validate reports every fault at once, each named by its key, among them any
// two routes that take the same requests.
func (c Config) Validate() error {
	var errs []error
	if len(c.Routes) > RoutesMax {
		errs = append(errs, fmt.Errorf("routes: at most %d are allowed, there are %d", RoutesMax, len(c.Routes)))
	}
	seen := make(map[string]int, len(c.Routes))
	for i, s := range c.Routes {
		errs = append(errs, s.faults(fmt.Sprintf("routes[%d]", i))...)
		first, dup := seen[s.ID]
		if dup && s.ID != "" {
			errs = append(errs, fmt.Errorf("routes[%d].id: %q is also the id of routes[%d]", i, s.ID, first))
		}
		if !dup {
			seen[s.ID] = i
		}
	}
	return errors.Join(append(errs, c.shadows()...)...)
}

// shadows names every two routes of which one can never be reached, or whose
// choice would depend on their order in the file.
func (c Config) shadows() []error {
	var errs []error
	first := make(map[string][]int)
	for i, s := range c.Routes {
		segments, err := parseTemplate(s.Path)
		if err != nil {
			continue // Named by faults already.
		}
		key := strings.ToLower(s.Host) + " " + shape(segments)
		for _, j := range first[key] {
			other := c.Routes[j]
			method, clash := overlap(other.Methods, s.Methods)
			if clash {
				errs = append(errs, fmt.Errorf("routes[%d].path: route %q shadows route %q (routes[%d]): both take %s of %s%s",
					i, s.ID, other.ID, j, method, hostText(s.Host), s.Path))
			}
		}
		first[key] = append(first[key], i)
	}
	return errs
}

// overlap returns a method that both lists name. A list of methods beside a
// route that takes all is no clash, because the one that names them is the
// more specific.
func overlap(a, b []string) (method string, clash bool) {
	if len(a) == 0 || len(b) == 0 {
		return "every method", len(a) == len(b)
	}
	b = withHead(b)
	for _, m := range withHead(a) {
		if slices.Contains(b, m) {
			return m, true
		}
	}
	return "", false
}

// withHead returns upper-case methods, HEAD added where GET is there.
func withHead(methods []string) []string {
	out := make([]string, 0, len(methods)+1)
	for _, m := range methods {
		out = append(out, strings.ToUpper(m))
	}
	if slices.Contains(out, "GET") && !slices.Contains(out, "HEAD") {
		out = append(out, "HEAD")
	}
	return out
}

func hostText(host string) string {
	if host == "" {
		return "any host at "
	}
	return host
}

// faults reports what is wrong with one route, each fault prefixed by key.
func (s Spec) faults(key string) []error {
	var errs []error
	fault := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf(key+"."+field+": "+format, args...))
	}
	if s.ID == "" {
		fault("id", "is missing")
	}
	err := checkHost(s.Host)
	if err != nil {
		fault("host", "%w", err)
	}
	_, err = parseTemplate(s.Path)
	if err != nil {
		fault("path", "%w", err)
	}
	for i, m := range s.Methods {
		err = checkOneOf(m, methods())
		if err != nil {
			fault(fmt.Sprintf("methods[%d]", i), "%w", err)
		}
	}
	_, err = parseUpstream(s.Upstream)
	if err != nil {
		fault("upstream", "%w", err)
	}
	for _, f := range []struct {
		key, value string
		all        []string
	}{
		{"sensitivity", s.Sensitivity, sensitivities()},
		{"posture", s.Posture, postures()},
		{"durability", s.Durability, []string{DurabilityBatched, DurabilityStrict, DurabilityBestEffort}},
	} {
		if f.value == "" {
			continue
		}
		err = checkOneOf(f.value, f.all)
		if err != nil {
			fault(f.key, "%w", err)
		}
	}
	if s.MaxAge < 0 {
		fault("max_age", "must not be negative, is %s", s.MaxAge)
	}
	for i, scope := range s.Scopes {
		if scope == "" || strings.ContainsAny(scope, " \"\\") {
			fault(fmt.Sprintf("scopes[%d]", i), "%q is not one scope (RFC 6749 section 3.3)", scope)
		}
	}
	for i, acr := range s.ACR {
		if acr == "" || strings.ContainsAny(acr, " \"\\") {
			fault(fmt.Sprintf("acr[%d]", i), "%q is not one authentication context", acr)
		}
	}
	for i, amr := range s.AMR {
		if amr == "" || strings.ContainsAny(amr, " \"\\") {
			fault(fmt.Sprintf("amr[%d]", i), "%q is not one authentication method (RFC 8176)", amr)
		}
	}
	for i, b := range s.Binding {
		err = checkOneOf(b, []string{event.BindingDPoP, event.BindingMTLS, event.BindingCookie})
		if err != nil {
			fault(fmt.Sprintf("binding[%d]", i), "%w", err)
		}
	}
	if s.Public && len(s.Scopes)+len(s.ACR)+len(s.AMR)+len(s.Binding) > 0 || s.Public && s.MaxAge > 0 {
		fault("public", "a public route asks for no credential, so it cannot have scopes, acr, amr, binding or max_age")
	}
	return append(errs, s.sectionFaults(key)...)
}

// sectionFaults reports what is wrong with the sections of a route.
func (s Spec) sectionFaults(key string) []error {
	var errs []error
	if s.SignIn != nil {
		for _, err := range s.SignIn.faults() {
			errs = append(errs, fmt.Errorf("%s.sign_in: %w", key, err))
		}
	}
	if s.Streams != nil && s.Streams.Expiry != "" {
		err := checkOneOf(s.Streams.Expiry, []string{ExpiryEnd, ExpiryIgnore})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s.streams.expiry: %w", key, err))
		}
	}
	if s.Release != nil {
		for _, err := range s.Release.faults(&s) {
			errs = append(errs, fmt.Errorf("%s.release%w", key, err))
		}
	}
	return errs
}

// parseUpstream reads the address of an upstream.
func parseUpstream(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New("is missing")
	}
	_, _, err := net.SplitHostPort(raw)
	if err == nil && !strings.Contains(raw, "/") {
		return nil, fmt.Errorf("%q has no scheme: write http://%s, or https or h2c", raw, raw)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("is not a URL: %w", err)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "h2c":
		return nil, fmt.Errorf("scheme must be http, https or h2c, is %q", u.Scheme)
	case u.Host == "" || u.Hostname() == "":
		return nil, fmt.Errorf("%q names no host", raw)
	case u.User != nil:
		return nil, errors.New("must not carry a user or password")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, errors.New("must not carry a query or fragment")
	}
	if u.Path != "" {
		_, err = normalise(u.EscapedPath())
		if err != nil {
			return nil, fmt.Errorf("path %q: %w", u.Path, err)
		}
	}
	return u, nil
}

// checkHost reports why host is not an exact name, a wildcard or empty.
func checkHost(host string) error {
	name := strings.TrimPrefix(host, "*.")
	switch {
	case host == "":
		return nil
	case strings.Contains(name, "*"):
		return fmt.Errorf("%q: a wildcard stands first and alone, as in *.example.com", host)
	case strings.ContainsAny(name, "/@?# ") || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || name == "":
		return fmt.Errorf("%q is not a host name", host)
	case strings.Contains(name, ":") && !strings.HasPrefix(name, "["):
		return fmt.Errorf("%q: leave the port away, it does not count", host)
	}
	return nil
}

func methods() []string {
	return []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "QUERY"}
}

// checkOneOf reports that got is none of want, with the nearest of them.
func checkOneOf(got string, want []string) error {
	if slices.Contains(want, got) {
		return nil
	}
	best, distance := "", 4
	for _, w := range want {
		d := editDistance(strings.ToLower(got), strings.ToLower(w))
		if d < distance {
			best, distance = w, d
		}
	}
	if best != "" {
		return fmt.Errorf("unknown value %q, did you mean %q?", got, best)
	}
	return fmt.Errorf("unknown value %q, must be one of %s", got, strings.Join(want, ", "))
}

// editDistance is Levenshtein's, in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
