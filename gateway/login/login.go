package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
	"go.opentelemetry.io/otel/metric"
	"golang.org/x/time/rate"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/origin"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// judge is the part of session.Table by which a session that has ended is cut.
type judge interface {
	Apply(v *verdict.Verdict, arrived time.Time)
}

// Options are what a [Login] depends on. All are required.
type Options struct {
	Config Config
	// Gateway is this gateway's id: which of Config.Peers it is.
	Gateway string
	Names   event.Names
	// Judge is told of sessions that have ended.
	Judge judge
	// Report is told what happened to sessions; it must not block.
	Report func(Happening)
	Logger *slog.Logger
	Meter  metric.Meter
	Now    func() time.Time
}

// Visitor is who sends a request, as far as the network shows.
type Visitor struct {
	Origin            origin.Origin
	UserAgent, Device string
	JA4               string // Of the hello of its connection; empty where it is not known.
}

// Happening is what has become of a session.
type Happening struct {
	Reason   string // event.ReasonLogin, ReasonRefresh, ReasonStepUp or ReasonLogout.
	Identity *identity.Identity
	Visitor  Visitor
	Time     time.Time
}

// Login signs people in and out and keeps their sessions.
type Login struct {
	config    Config
	origin    *url.URL
	gateway   string
	names     event.Names
	judge     judge
	report    func(Happening)
	log       *slog.Logger
	now       func() time.Time
	metrics   metrics
	ring      *ring
	providers []*provider
	byID      map[string]*provider
	byIssuer  map[string]*provider
	linking   linking
	live      *live
	callbacks *once         // States that have come back.
	factors   *once         // Challenges and codes of our own second factor: strangers, who can make states, push none of them out.
	logouts   *once         // Ids of logout tokens.
	frames    *rate.Limiter // Of front-channel logouts of nobody that is known here, which anybody may send.
	peers     *peers
	endings   *endings
	seq       atomic.Uint64      // Of what was cut last.
	authority *webauthn.WebAuthn // Nil where there is no second factor of our own.
	opened    *openedCache
	routes    map[string]*route.Route

	closing    chan struct{} // Closed by close, once.
	close      func()
	over       *once               // Refresh tokens that were given back, and sessions that a frame has ended.
	returns    map[string]*errands // Such calls, by provider; immutable.
	background background
	renewals   chan struct{} // Holds one for each renewal under way.
	pages      chan struct{} // And one for each page that calls a provider.
}

// New reads the key ring and the providers' secrets. No provider is asked yet. The
// error joins every fault.
func New(o Options) (*Login, error) {
	err := o.Config.Validate()
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	if o.Judge == nil || o.Report == nil || o.Logger == nil || o.Meter == nil || o.Now == nil {
		return nil, errors.New("login: judge, report, logger, meter and now are required")
	}
	l := &Login{
		config: o.Config, gateway: o.Gateway, names: o.Names, judge: o.Judge, report: o.Report, log: o.Logger, now: o.Now,
		byID: make(map[string]*provider), byIssuer: make(map[string]*provider), live: newLive(o.Config),
		callbacks: newOnce(onceMax, o.Now), factors: newOnce(onceMax, o.Now), logouts: newOnce(onceMax, o.Now), frames: rate.NewLimiter(20, 20),
		renewals: make(chan struct{}, renewalsMax), opened: newOpenedCache(openedMax), pages: make(chan struct{}, pagesMax),
		closing: make(chan struct{}), over: newOnce(onceMax, o.Now), returns: make(map[string]*errands),
	}
	l.close = sync.OnceFunc(func() { close(l.closing) })
	l.origin, err = url.Parse(o.Config.ExternalURL)
	if err != nil {
		return nil, fmt.Errorf("login: external_url: %w", err)
	}
	var errs []error
	l.ring, err = openRing(o.Config.KeyRingFile)
	if err != nil {
		errs = append(errs, fmt.Errorf("key_ring_file: %w", err))
	}
	for i, spec := range o.Config.Providers {
		p, err := newProvider(spec, o)
		if err != nil {
			errs = append(errs, fmt.Errorf("providers[%d].%w", i, err))
			continue
		}
		l.providers = append(l.providers, p)
		l.byID[p.spec.ID], l.byIssuer[p.spec.Issuer] = p, p
	}
	l.linking = newLinking(o.Config.Linking)
	l.metrics, err = newMetrics(o.Meter, l)
	errs = append(errs, err)
	err = errors.Join(errs...)
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	var kept []ending
	l.endings, kept, err = openEndings(o.Config.StateFile, o.Now())
	if err != nil {
		return nil, fmt.Errorf("login: state_file: %w", err)
	}
	for _, e := range kept {
		l.enforce(e, o.Now())
	}
	for id := range l.byID {
		l.returns[id] = l.newErrands("provider", id)
	}
	l.authority, err = l.newAuthority()
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	l.peers, err = newPeers(l)
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	l.routes = pageRoutes()
	return l, nil
}

// CheckFiles reads every file that [New] reads and reports every fault.
func CheckFiles(c Config) error {
	var errs []error
	_, err := openRing(c.KeyRingFile)
	if err != nil {
		errs = append(errs, fmt.Errorf("login.key_ring_file: %w", err))
	}
	_, err = loadRoots(c.PeersCAFile)
	if err != nil {
		errs = append(errs, fmt.Errorf("login.%w", err))
	}
	for i, spec := range c.Providers {
		_, err = newProvider(spec, Options{Config: c})
		if err != nil {
			errs = append(errs, fmt.Errorf("login.providers[%d].%w", i, err))
		}
	}
	return errors.Join(errs...)
}

// Run follows the key ring and renews the sessions of open streams until ctx ends,
// and then returns nil.
func (l *Login) Run(ctx context.Context) error {
	l.background.Go(func() { l.ring.follow(ctx, l.log) })
	l.keep(ctx)
	return l.Close()
}

// Close waits for what is under way and frees what New has opened. Run does so itself.
func (l *Login) Close() error {
	l.close()
	l.background.Close()
	l.peers.client.CloseIdleConnections()
	return l.endings.close()
}

// Presence is a request of somebody who has signed in.
type Presence struct {
	// Identity is who it acts for.
	Identity *identity.Identity

	login *Login
	now   record
	parts int
	fresh bool // The browser has to be given new cookies.
	doubt bool // A verdict asks for more of it.
}

// Recognise returns who a session cookie acts for. The error is identity.ErrNone
// where there is none, and an *identity.Error where it must not count; that names whose
// it was where its session is over.
//
// It says nothing about whether a verdict has ended the session: the caller asks
// gateway/session, on every request.
func (l *Login) Recognise(r *http.Request, v Visitor) (*Presence, error) {
	sealed, parts := sessionParts(r)
	if parts == 0 {
		return nil, identity.ErrNone
	}
	p, err := l.recognise(r, sealed, v)
	if err != nil {
		code, _ := codeOf(err)
		l.metrics.count(r.Context(), l.metrics.sessions, code)
		refused := &identity.Error{Code: code, Description: "The session does not count any more"}
		switch code {
		case CodeExpired, CodeSuperseded, CodeStale, CodeEnded:
			known, err := l.openSession(sealed)
			if err == nil { // Always: it has been opened just now.
				refused.Stolen = known.identity
			}
		}
		return nil, refused
	}
	p.parts = parts
	return p, nil
}

func (l *Login) recognise(r *http.Request, sealed string, v Visitor) (*Presence, error) {
	known, err := l.openSession(sealed)
	if err != nil {
		return nil, err
	}
	s := known.record
	if foreign(r, l.config.ExternalURL) {
		return nil, faultOf(CodeForeign, "")
	}
	now := l.now()
	if !now.Before(time.Unix(s.Created, 0).Add(l.config.AbsoluteTimeout)) {
		l.drop(r.Context(), s)
		return nil, faultOf(CodeExpired, "absolute")
	}
	s, fresh, err := l.live.meet(s, v, now)
	if err != nil {
		return nil, err
	}
	l.renewIfDue(r.Context(), s.ID, now)
	if now.Sub(time.Unix(s.Seen, 0)) >= max(touchEvery, l.config.IdleTimeout/10) {
		fresh = true
	}
	id := known.identity
	if s.Generation != known.record.Generation || s.Renewal != known.record.Renewal {
		id = s.identity(l.names, l.byID[s.Provider].spec)
	}
	return &Presence{Identity: id, login: l, now: s, fresh: fresh}, nil
}

// openSession opens a session's cookies, or remembers what they hold.
func (l *Login) openSession(sealed string) (*opened, error) {
	keys := l.ring.keys.Load()
	o := l.opened.get(sealed, keys)
	if o != nil && o.identity != nil { // Else it is a device that somebody calls a session.
		return o, nil
	}
	s, err := l.ring.openSession(sealed)
	if err != nil {
		return nil, faultOf(CodeCookie, "")
	}
	p := l.byID[s.Provider]
	if p == nil || p.spec.Issuer != s.Issuer {
		return nil, faultOf(CodeCookie, "its provider is not configured any more")
	}
	if s.Person != l.linking.person(p.spec, s.Person) {
		return nil, faultOf(CodeCookie, "its account is not linked any more")
	}
	o = &opened{sealed: sealed, keys: keys, record: s, identity: s.identity(l.names, p.spec)}
	l.opened.put(o)
	return o, nil
}

// Who is whom the request acts for; nil where p is.
func (p *Presence) Who() *identity.Identity {
	if p == nil {
		return nil
	}
	return p.Identity
}

// Doubt says that a verdict asks for more of the session: a second factor that it is
// given now would prove nothing about its person. p may be nil.
func (p *Presence) Doubt() {
	if p != nil {
		p.doubt = true
	}
}

// Hold keeps the session in mind, and renewed, until release is called.
func (p *Presence) Hold() (release func()) { return p.login.live.hold(p.now.ID, p.login.now) }

// Drop gives the session's refresh token back: a verdict has ended it.
func (p *Presence) Drop(ctx context.Context) { p.login.drop(ctx, p.now) }

// Renew adds the cookies to an answer that the browser has to keep from now on, if
// there are any. Such an answer must not be kept by anybody on the way.
func (p *Presence) Renew(h http.Header) {
	if !p.fresh {
		return
	}
	s := p.now
	s.Seen = p.login.now().Unix()
	sealed, err := p.login.ring.sealSession(s)
	if err != nil {
		return // Cannot happen: it fitted before. The old cookies serve on.
	}
	setCookies(h, sessionCookies(sealed, p.parts)...)
	h.Set("Cache-Control", "no-store")
}

// Device is the device that a request's cookie proves; empty without one.
func (l *Login) Device(r *http.Request) string {
	sealed := one(r, cookieDevice)
	if sealed == "" {
		return ""
	}
	keys := l.ring.keys.Load()
	o := l.opened.get(sealed, keys)
	if o != nil {
		return o.device // Empty where it is a session that somebody calls a device.
	}
	b, err := l.ring.open(purposeDevice, sealed)
	if err != nil {
		return ""
	}
	var d device
	if json.Unmarshal(b, &d) != nil {
		return ""
	}
	l.opened.put(&opened{sealed: sealed, keys: keys, device: d.ID})
	return d.ID
}

// device is what a device cookie says. It names a browser, not a person.
type device struct {
	ID   string `json:"i"`
	Made int64  `json:"t"` // Unix seconds.
}

// knowDevice gives a browser that signs in a name, unless it has one.
func (l *Login) knowDevice(w http.ResponseWriter, r *http.Request) string {
	id := l.Device(r)
	if id == "" {
		id = secret()[:22]
	}
	b, err := json.Marshal(device{ID: id, Made: l.now().Unix()})
	if err == nil { // Always: texts and numbers only.
		setCookies(w.Header(), cookie(cookieDevice, l.ring.seal(purposeDevice, b), deviceFor))
	}
	return id
}

// foreign reports whether another site made the browser send a request that may
// change something, or that opens a WebSocket. SameSite=Lax does not stop a
// neighbour under the same registrable domain; what browsers say about themselves
// does (Fetch Metadata, RFC 6454). Clients that say nothing are no browsers.
func foreign(r *http.Request, origin string) bool {
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	if safe && r.Header.Get("Upgrade") == "" {
		return false
	}
	from := r.Header.Get("Origin")
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
		return from != "" && !strings.EqualFold(from, origin)
	}
	return true
}

// here reports whether a request is for the host that browsers find us at.
func (l *Login) here(r *http.Request) bool {
	return strings.EqualFold(strings.TrimSuffix(r.Host, defaultPort(l.origin.Scheme)), strings.TrimSuffix(l.origin.Host, defaultPort(l.origin.Scheme)))
}

func defaultPort(scheme string) string {
	if scheme == "http" {
		return ":80"
	}
	return ":443"
}

// url is the address of one of our pages as browsers see it.
func (l *Login) url(page string) string { return l.config.ExternalURL + l.config.Prefix + page }
