package identity

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/gateway/guard"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
)

// Introspection says how an issuer is asked about its tokens (RFC 7662).
type Introspection struct {
	// URL of the endpoint; empty for none.
	URL string `mapstructure:"url"`
	// ClientID that the gateway is known by at the issuer.
	ClientID string `mapstructure:"client_id"`
	// SecretFile holds the client's secret. It is read again for each question.
	SecretFile string `mapstructure:"secret_file"`
	// TokenPrefix begins every opaque token of the issuer. At most one issuer may
	// have none.
	TokenPrefix string `mapstructure:"token_prefix"`
	// PositiveTTL is how long an answer that a token is good may be used, at most
	// until the token expires. So long a token lives on that its issuer has
	// withdrawn. 30s where 0.
	PositiveTTL time.Duration `mapstructure:"positive_ttl"`
	// NegativeTTL is how long an answer that it is not may be used; 5s where 0.
	NegativeTTL time.Duration `mapstructure:"negative_ttl"`
	// Timeout bounds one question; 2s where 0.
	Timeout time.Duration `mapstructure:"timeout"`
	// AudienceOptional accepts answers that name no audience but a token_type,
	// because only tokens for this gateway are answered for. An audience that is
	// named must be ours.
	AudienceOptional bool `mapstructure:"audience_optional"`
	// Signed asks for answers that the issuer has signed (RFC 9701), and takes no
	// other. Its keys are found as for tokens, at jwks_url, in jwks_file or by discovery.
	Signed bool `mapstructure:"signed"`
}

// faults reports what is wrong with the section, each fault prefixed by its key.
func (c Introspection) faults(is Issuer, allowPrivate bool) []error {
	if c == (Introspection{}) {
		return nil
	}
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf("introspection."+format, args...)) }
	if c.URL == "" {
		add("url: is missing")
	} else {
		err := checkKeyURL(c.URL, allowPrivate)
		if err != nil {
			add("url: %w", err)
		}
	}
	if c.ClientID == "" || c.SecretFile == "" {
		add("client_id: it and secret_file are both needed: an endpoint that answers anybody tells on tokens")
	}
	if !c.Signed && (is.JWKSURL != "" || is.JWKSFile != "") {
		add("url: is set beside a key set, and answers are not signed; tokens are verified by keys or asked about, not both")
	}
	if strings.Trim(c.TokenPrefix, token68) != "" {
		add("token_prefix: %q cannot begin a token", c.TokenPrefix)
	}
	for _, d := range []struct {
		key   string
		value time.Duration
		most  time.Duration
	}{{"positive_ttl", c.PositiveTTL, time.Hour}, {"negative_ttl", c.NegativeTTL, time.Minute}, {"timeout", c.Timeout, fetchTimeout}} {
		if d.value < 0 || d.value > d.most {
			add("%s: must be between 0 and %s, is %s", d.key, d.most, d.value)
		}
	}
	return errs
}

// defaults returns c with its empty fields filled.
func (c Introspection) defaults() Introspection {
	if c.PositiveTTL == 0 {
		c.PositiveTTL = 30 * time.Second
	}
	if c.NegativeTTL == 0 {
		c.NegativeTTL = 5 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 2 * time.Second
	}
	return c
}

// prefixFaults reports issuers whose opaque tokens cannot be told apart.
func prefixFaults(issuers []Issuer) []error {
	var errs []error
	seen := make(map[string]int)
	for i, is := range issuers {
		if is.Introspection.URL == "" {
			continue
		}
		first, dup := seen[is.Introspection.TokenPrefix]
		if dup {
			errs = append(errs, fmt.Errorf("issuers[%d].introspection.token_prefix: %q is also that of issuers[%d]", i, is.Introspection.TokenPrefix, first))
		}
		seen[is.Introspection.TokenPrefix] = i
	}
	return errs
}

// token68 are the characters of a bearer token (RFC 6750 section 2.1).
const token68 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

var (
	errBreaker = errors.New("the issuer has not answered lately")
	errBusy    = errors.New("too many questions at once")
	// errQuestion is about one token: whoever makes tokens up could have an issuer that
	// is well left alone by it.
	errQuestion = errors.New("the issuer does not take the question")
)

// introspector asks one issuer about tokens. Questions about one token at one
// time are one question; an issuer that does not answer is left alone for a
// while; and what it says no to is not asked again at once. Strangers can make up
// tokens, so everything they can fill is bounded.
type introspector struct {
	config  Introspection // With its defaults.
	client  *http.Client
	budgets *guard.Budgets
	metrics *metrics
	log     *slog.Logger
	now     func() time.Time
	// read takes a signed answer apart; nil where answers are not signed.
	read  func(ctx context.Context, media, text string) (object, error)
	slots chan struct{} // Bounds the questions that are open.

	mu       sync.Mutex
	flights  map[string]*flight
	breaker  breaker
	seed     maphash.Seed
	young    map[uint64]time.Time // Hash of a refused token to the end of its refusal.
	old      map[uint64]time.Time
	refusals int // Of a generation, at most.
}

// flight is a question that is open.
type flight struct {
	done   chan struct{}
	answer object // Nil where the token is not active.
	err    error
}

func newIntrospector(c Introspection, client *http.Client, m *metrics, o Options) *introspector {
	return &introspector{
		config: c.defaults(), client: client, budgets: o.Budgets, metrics: m, log: o.Logger, now: o.Now, slots: make(chan struct{}, QuestionsMax),
		flights: make(map[string]*flight), seed: maphash.MakeSeed(), refusals: RefusalsMax / 2,
	}
}

// introspect returns what the issuer says about an active token; from is who shows
// it. The error is an [Error] where the issuer says that the token is not active, and
// a [guard.Error] where too many questions are open because of the address.
func (i *introspector) introspect(ctx context.Context, token string, from netip.Addr) (object, error) {
	i.mu.Lock()
	if i.refused(token) {
		i.mu.Unlock()
		return nil, fault(CodeInactive, "The token is not active")
	}
	f := i.flights[token]
	if f == nil {
		hold, err := i.begin(ctx, from)
		if err != nil {
			i.mu.Unlock()
			return nil, err
		}
		f = &flight{done: make(chan struct{})}
		i.flights[token] = f
		go i.fly(context.WithoutCancel(ctx), token, f, hold)
	}
	i.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for introspection: %w", context.Cause(ctx))
	}
	switch {
	case f.err != nil:
		return nil, f.err
	case f.answer == nil:
		return nil, fault(CodeInactive, "The token is not active")
	}
	return f.answer, nil
}

// begin takes a place of the address's, a slot and the breaker's leave; mu is held.
func (i *introspector) begin(ctx context.Context, from netip.Addr) (guard.Hold, error) {
	hold, err := i.budgets.Enter(ctx, guard.Introspections, from)
	if err != nil {
		return hold, fmt.Errorf("introspect: %w", err)
	}
	select {
	case i.slots <- struct{}{}:
	default:
		hold.Leave()
		return hold, fmt.Errorf("introspect: %w", errBusy)
	}
	if !i.breaker.allow(i.now()) {
		<-i.slots
		hold.Leave()
		return hold, fmt.Errorf("introspect: %w", errBreaker)
	}
	return hold, nil
}

// fly asks, and tells everybody who waits.
func (i *introspector) fly(ctx context.Context, token string, f *flight, hold guard.Hold) {
	defer hold.Leave()
	ctx, cancel := context.WithTimeout(ctx, i.config.Timeout)
	defer cancel()
	f.answer, f.err = i.ask(ctx, token)
	i.metrics.introspected(ctx, f.answer != nil, f.err)
	odd := errors.Is(f.err, errQuestion)
	if f.err != nil && !odd { // Strangers must not fill the log.
		i.log.WarnContext(ctx, "introspect token", "url", i.config.URL, "error", f.err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.breaker.done(f.err == nil || odd, i.now())
	if f.err == nil && f.answer == nil {
		i.refuse(token)
	}
	delete(i.flights, token)
	close(f.done)
	<-i.slots
}

// ask sends one question (RFC 7662 section 2.1).
func (i *introspector) ask(ctx context.Context, token string) (object, error) {
	secret, err := readSecret(i.config.SecretFile)
	if err != nil {
		return nil, err
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.config.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("introspect: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", i.accept())
	req.SetBasicAuth(url.QueryEscape(i.config.ClientID), url.QueryEscape(secret)) // RFC 6749 section 2.3.1.
	resp, err := i.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("introspect: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // Read only: nothing is lost.
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return nil, fmt.Errorf("introspect: status %d: %w", resp.StatusCode, errQuestion)
	default:
		return nil, fmt.Errorf("introspect: status %d", resp.StatusCode)
	}
	body, err := readBounded(resp.Body, i.config.URL, AnswerBytesMax)
	if err != nil {
		return nil, err
	}
	o, err := i.answer(ctx, resp.Header.Get("Content-Type"), body)
	if err != nil {
		return nil, err
	}
	switch string(o.get("active")) {
	case "true":
		return o, nil
	case "false":
		return nil, nil
	}
	return nil, errors.New("introspect: answer does not say whether the token is active")
}

// accept is the form in which answers are asked for.
func (i *introspector) accept() string {
	if i.read != nil {
		return signedAnswerMedia
	}
	return "application/json"
}

// answer reads what the issuer says about a token.
func (i *introspector) answer(ctx context.Context, media string, body []byte) (object, error) {
	if i.read != nil {
		return i.read(ctx, media, string(body))
	}
	o, err := parseObject(body)
	if err != nil {
		return nil, fmt.Errorf("introspect: answer: %w", err)
	}
	return o, nil
}

// refused reports whether the issuer has refused the token lately; mu is held.
func (i *introspector) refused(token string) bool {
	h := maphash.String(i.seed, token)
	until, known := i.young[h]
	if !known {
		until = i.old[h]
	}
	return i.now().Before(until)
}

// refuse remembers a refusal; mu is held.
func (i *introspector) refuse(token string) {
	if i.young == nil || len(i.young) >= i.refusals {
		i.old, i.young = i.young, make(map[uint64]time.Time)
	}
	i.young[maphash.String(i.seed, token)] = i.now().Add(i.config.NegativeTTL)
}

// breaker leaves a service alone that has failed several times in a row, for a
// second at first and twice as long after each trial that fails.
type breaker struct {
	failures int       // In a row.
	until    time.Time // No question before; zero where closed.
	trial    bool      // One question is out to see whether it works again.
}

func (b *breaker) allow(now time.Time) bool {
	switch {
	case b.failures < breakerFailures:
		return true
	case b.trial, now.Before(b.until):
		return false
	}
	b.trial = true
	return true
}

func (b *breaker) done(ok bool, now time.Time) {
	b.trial = false
	if ok {
		b.failures = 0
		return
	}
	b.failures++
	if b.failures >= breakerFailures {
		b.until = now.Add(min(time.Second<<min(b.failures-breakerFailures, 10), breakerPauseMax))
	}
}

// isAccess reports whether an active token is one for APIs. Endpoints say active to
// ID tokens and refresh tokens, too: Keycloak to the first, oidc-provider to the
// second. An answer that names neither a type nor an audience does not say.
func isAccess(token string, answer object, hasAudience bool) bool {
	if otherKind(answer) {
		return false
	}
	p, err := parse(token)
	if err == nil && !p.accessToken() && otherKind(p.claims) {
		return false
	}
	use, _ := text(answer.get("token_use")) // Of Hydra and Cognito.
	if answer.get("token_use") != nil && use != "access_token" && use != "access" {
		return false
	}
	if answer.get("token_type") == nil {
		return hasAudience
	}
	kind, _ := text(answer.get("token_type"))
	return strings.EqualFold(kind, "Bearer") || strings.EqualFold(kind, "DPoP")
}

// readSecret reads a small file without the line break at its end. Only its owner and
// group may be able to use it.
func readSecret(name string) (string, error) {
	err := keyfile.Closed(name)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	f, err := os.Open(name) //nolint:gosec // The operator names the file.
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	defer func() { _ = f.Close() }() // Read only: nothing is lost.
	b, err := readBounded(f, name, SecretBytesMax)
	if err != nil {
		return "", err
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" {
		return "", fmt.Errorf("read secret: %s is empty", name)
	}
	return s, nil
}

// asked returns the issuer that is asked about a token: the one whose prefix the
// token has, the longest first, else, where the token is no JWT, the one without
// a prefix.
func (v *Verifier) asked(token string) *issuer {
	for _, is := range v.opaque {
		prefix := is.ask.config.TokenPrefix
		if prefix != "" && strings.HasPrefix(token, prefix) || prefix == "" && !looksLikeJWT(token) {
			return is
		}
	}
	return nil
}

// looksLikeJWT reports whether a token has the dots of a JWT.
func looksLikeJWT(token string) bool {
	dots := strings.Count(token, ".")
	return dots == 2 || dots == 4
}

// introspect has a token's issuer answer for it.
func (v *Verifier) introspect(ctx context.Context, is *issuer, token string, from netip.Addr, now time.Time) (*verified, error) {
	if strings.Trim(token, token68) != "" {
		return nil, fault(CodeMalformed, "The token has characters that no token has")
	}
	o, err := is.ask.introspect(ctx, token, from)
	if err != nil {
		return nil, err
	}
	c, err := is.read(o)
	if err != nil {
		return nil, err
	}
	named := len(c.audiences) > 0 || !is.ask.config.AudienceOptional
	switch {
	case c.issuer != "" && c.issuer != is.spec.Issuer:
		return nil, fault(CodeIssuer, "The token's issuer is not known")
	case !isAccess(token, o, len(c.audiences) > 0):
		return nil, fault(CodeType, "The token is of another type")
	case named && !slices.ContainsFunc(c.audiences, func(a string) bool { return slices.Contains(is.spec.Audiences, a) }):
		return nil, fault(CodeAudience, "The token is for somebody else")
	}
	err = is.checkClaims(o, c, now)
	if err != nil {
		return nil, err
	}
	until, ends := now.Add(is.ask.config.PositiveTTL), is.until(c)
	if !ends.IsZero() && ends.Before(until) {
		until = ends
	}
	token = strings.Clone(token)
	e := &verified{
		token: token, identity: is.identity(v.names, MethodIntrospection, token, is.seen(c, now)), confirm: c.confirm,
		from: is.from(c), until: until, issuer: is,
	}
	e.identity.Expires = ends
	return e, nil
}
