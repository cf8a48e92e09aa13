package life

import (
	"strconv"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// record is one event of a visit in short: what differs from its neighbours.
type record struct {
	at       int64 // UnixNano.
	id       int64
	in, out  uint64
	micros   uint32
	template int16 // -1 for a path that no template matches.
	status   uint16
	hop      uint8 // Index into the visit's accesses.
	pass     uint8 // Index into its passes.
	look     uint8 // Index into its looks.
	phase    uint8
	stream   uint8
	outcome  uint8
	// anonymous records show no token, session ones speak of the session itself.
	anonymous, session bool
	suspicious         bool
	forged             bool // By a gateway that lies.
	request            uint32
	path, reason       string
	account            string
	traits             Trait
}

// pass is the token that a request shows.
type pass struct {
	session, token string
	authTime       int64
}

// look is how a client presents itself.
type look struct {
	agent, ja4, client, cookie string
	bound                      bool
}

// visit is one use of an application by one actor, with its events in order.
type visit struct {
	who      *actor
	tenant   *tenant
	hops     []access
	passes   []pass
	looks    []look
	records  []record
	next     int
	traits   Trait
	attack   int // 1 + index of the attack, 0 for none.
	requests uint32
	serial   uint64
}

// actor is whoever an event can be of.
type actor struct {
	subject, account string
	kind             string
	traits           Trait
}

// phases, streams and outcomes by their number in a record.
var (
	phases   = [...]string{event.PhaseComplete, event.PhaseOpen, event.PhaseTick, event.PhaseClose}                                                 //nolint:gochecknoglobals // A constant: Go has no constant lists.
	streams  = [...]string{event.StreamRequest, event.StreamWebSocket, event.StreamSSE, event.StreamDownload, event.StreamUpload, event.StreamGRPC} //nolint:gochecknoglobals // As above.
	outcomes = [...]string{event.AuthNone, event.AuthSuccess, event.AuthFailure, event.AuthMFAFailure}                                              //nolint:gochecknoglobals // As above.
)

const (
	complete = iota
	opened
	ticked
	closed
)

const (
	plainRequest = iota
	webSocket
	serverSent
	bigDownload
	bigUpload
)

const (
	noOutcome = iota
	success
	failure
	factorFailure
)

// fill writes a record into an event, all fields anew.
func (w *World) fill(ev *event.RequestEvent, v *visit, r *record) {
	w.serial++
	at := w.times(ev, r, v)
	ev.Reset()
	ev.Time = at
	ev.Kind, ev.Id, ev.Phase, ev.Stream = event.KindRequest, strconv.FormatUint(w.serial, 36), phases[r.phase], streams[r.stream]
	if r.session {
		ev.Kind = event.KindSession
	}
	ev.RequestId = ev.Id
	if r.phase != complete {
		ev.RequestId = strconv.FormatUint(v.serial, 36) + "-" + strconv.FormatUint(uint64(r.request), 10)
	}
	w.emitter(ev, v, r)
	ev.Tenant, ev.Host, ev.Region = v.tenant.name, v.tenant.app.host, "eu"
	ev.AuthMethod, ev.Binding = "none", event.BindingNone
	h := &v.hops[r.hop]
	ev.Address, ev.Asn, ev.AsOrg, ev.Country, ev.NetworkTags = h.address, h.asn, h.org, h.country, h.tags
	if h.located {
		w.lat, w.lon = h.lat, h.lon
		ev.Latitude, ev.Longitude, ev.AccuracyRadiusKm = &w.lat, &w.lon, h.radius
	}
	l := &v.looks[r.look]
	ev.UserAgent, ev.Ja4 = l.agent, l.ja4
	w.identify(ev, v, r, l)
	ev.Status, ev.Decision, ev.Reason = uint32(r.status), event.DecisionPermit, r.reason
	if r.reason != "" && !r.session {
		ev.Decision = event.DecisionDeny
		if r.phase == closed {
			ev.Decision = event.DecisionCut
		}
	}
	ev.AuthOutcome, ev.Account = outcomes[r.outcome], r.account
	ev.BytesIn, ev.BytesOut, ev.DurationUs = r.in, r.out, uint64(r.micros)
	w.address(ev, v, r)
}

// times reuses the timestamps of the event.
func (w *World) times(ev *event.RequestEvent, r *record, v *visit) *timestamppb.Timestamp {
	at := ev.Time
	if at == nil {
		at = new(timestamppb.Timestamp)
	}
	at.Seconds, at.Nanos = r.at/1e9, int32(r.at%1e9)
	if !r.anonymous && len(v.passes) > 0 {
		p := &v.passes[r.pass]
		w.auth.Seconds, w.auth.Nanos = p.authTime/1e9, int32(p.authTime%1e9)
	}
	return at
}

// emitter is the gateway that saw the request: a client stays with one, mostly.
func (w *World) emitter(ev *event.RequestEvent, v *visit, r *record) {
	g := v.serial % gateways
	if r.forged {
		g = gateways - 1
	}
	w.seqs[g]++
	ev.Gateway, ev.Epoch, ev.Seq = w.gatewayNames[g], 1, w.seqs[g]
}

// identify writes who the token says it is.
func (w *World) identify(ev *event.RequestEvent, v *visit, r *record, l *look) {
	if l.cookie != "" {
		ev.Device = l.cookie
	}
	if r.anonymous || len(v.passes) == 0 {
		return
	}
	p := &v.passes[r.pass]
	ev.Subject, ev.Issuer, ev.SubjectKind = v.who.subject, v.tenant.issuer, v.who.kind
	ev.Session, ev.TokenId, ev.ClientId = p.session, p.token, l.client
	ev.AuthMethod = "jwt"
	switch {
	case l.bound:
		ev.Binding = event.BindingDPoP
	case l.cookie != "" && v.who.kind == event.SubjectHuman:
		ev.Binding = event.BindingCookie
	}
	if v.who.kind == event.SubjectHuman && p.authTime != 0 {
		ev.AuthTime, ev.Acr, ev.Amr = &w.auth, v.tenant.acr, v.tenant.amr
	}
}

// address writes what was asked for.
func (w *World) address(ev *event.RequestEvent, v *visit, r *record) {
	if r.template < 0 {
		ev.Method, ev.Path, ev.Route, ev.Sensitivity = "GET", r.path, "rest", "normal"
		return
	}
	t := &v.tenant.app.templates[r.template]
	ev.Method, ev.Template, ev.Path, ev.Route, ev.Sensitivity = t.method, t.path, t.path, t.route, t.sensitivity
	if !t.hasID {
		return
	}
	if t.resource >= 0 {
		ev.Resource = v.tenant.app.resources[t.resource].text(r.id)
	} else {
		ev.Resource = strconv.FormatInt(r.id, 10)
	}
	ev.Path = t.pre + ev.Resource + t.post
}
