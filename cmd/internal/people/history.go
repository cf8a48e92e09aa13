package people

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// Narrator turns visits into the events that a gateway would have emitted for
// them.
type Narrator struct {
	// Names, Routes and Issuer are those of the installation, so that the
	// history speaks of the same people as the live events.
	Names  event.Names
	Routes *route.Table
	Issuer string
	Tenant string
	// Host is the gateway's host:port, as clients write it.
	Host string
	// Tick is how often a stream that lasts is reported.
	Tick time.Duration
}

// streamAfter is how long an exchange lasts before the gateway calls it a
// stream, where it is not one from the start.
const streamAfter = time.Second

// History returns the events of every visit before now, in the order of time.
func (n *Narrator) History(p *Population) ([]*event.RequestEvent, error) {
	var all []*event.RequestEvent
	r := Random(p.seed, "history", 0)
	for _, v := range p.past() {
		events, err := n.Tell(r, &v)
		if err != nil {
			return nil, err
		}
		all = append(all, events...)
	}
	slices.SortStableFunc(all, func(a, b *event.RequestEvent) int { return a.Time.AsTime().Compare(b.Time.AsTime()) })
	return all, nil
}

// Tell returns the events of one visit.
func (n *Narrator) Tell(r *rand.Rand, v *Visit) ([]*event.RequestEvent, error) {
	var events []*event.RequestEvent
	at := v.Start
	signedIn := at
	for i := range v.Steps {
		s := &v.Steps[i]
		at = at.Add(s.Wait)
		if s.Path == "/login" {
			signedIn = at
		}
		e, err := n.event(r, v, s, at, signedIn)
		if err != nil {
			return nil, err
		}
		events = append(events, n.phases(r, e, s)...)
	}
	return events, nil
}

// event is one finished request.
func (n *Narrator) event(r *rand.Rand, v *Visit, s *Step, at, signedIn time.Time) (*event.RequestEvent, error) {
	req, err := http.NewRequest(s.Method, "http://"+n.Host+s.Path, http.NoBody) //nolint:noctx // It is never sent.
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	match, err := n.Routes.Match(req)
	if err != nil {
		return nil, fmt.Errorf("history: route %s %s: %w", s.Method, s.Path, err)
	}
	network := v.Spot.Network
	e := &event.RequestEvent{
		Kind: event.KindRequest, Id: randomID(r, at), Time: timestamppb.New(at), Phase: event.PhaseComplete,
		Tenant: n.Tenant, Address: v.Spot.Address.String(),
		Asn: network.ASN, AsOrg: network.Org, Country: network.Country,
		Latitude: new(network.Latitude), Longitude: new(network.Longitude),
		AccuracyRadiusKm: network.AccuracyKM, NetworkTags: network.Tags, UserAgent: v.Agent,
		Method: s.Method, Host: n.Host, Path: match.Path, Route: match.Route.ID, Template: match.Template,
		Resource: match.Resource, Sensitivity: match.Route.Sensitivity,
		Status: uint32(s.Status), Decision: event.DecisionPermit, AuthOutcome: event.AuthNone,
		BytesIn: uint64(len(s.Form.Encode())), BytesOut: s.BytesOut, DurationUs: 600 + uint64(r.IntN(2500)),
	}
	e.RequestId = e.Id
	if match.Route.SignIn != nil {
		e.Account = n.Names.Account(s.Form.Get("username"))
		e.AuthOutcome = match.Route.SignIn.Outcome(s.Status)
	}
	if !s.Anonymous {
		e.Issuer, e.Subject = n.Issuer, n.Names.Subject(n.Issuer, v.Person.Name)
		e.Session = n.Names.Session(n.Issuer, v.SessionID)
		e.TokenId = n.Names.Token(n.Issuer, v.TokenID())
		e.ClientId, e.AuthMethod, e.Binding = v.Client, "jwt", event.BindingNone
		e.SubjectKind, e.Acr, e.Amr, e.AuthTime = event.SubjectHuman, acrPassword, []string{"pwd"}, timestamppb.New(signedIn)
	}
	return e, nil
}

// acrPassword is the assurance of a sign-in with a password alone.
const acrPassword = "urn:vigil:demo:password" //nolint:gosec // The name of a method, not a secret.

// phases is e alone, or open, ticks and close where it lasts. Bytes are those of
// the whole stream so far.
func (n *Narrator) phases(r *rand.Rand, e *event.RequestEvent, s *Step) []*event.RequestEvent {
	if s.Stream == "" {
		return []*event.RequestEvent{e}
	}
	if s.Stream == event.StreamDownload && s.Lasts < streamAfter {
		e.DurationUs = uint64(s.Lasts / time.Microsecond)
		e.Time = timestamppb.New(e.Time.AsTime().Add(s.Lasts))
		return []*event.RequestEvent{e}
	}
	begin := e.Time.AsTime()
	phase := func(name string, after time.Duration, bytes uint64) *event.RequestEvent {
		x := proto.CloneOf(e)
		x.Id, x.Phase, x.Stream = randomID(r, begin.Add(after)), name, s.Stream
		x.Time, x.DurationUs, x.BytesOut, x.BytesIn = timestamppb.New(begin.Add(after)), uint64(after/time.Microsecond), bytes, 0
		return x
	}
	opened := time.Duration(0)
	if s.Stream == event.StreamDownload {
		opened = streamAfter // Nobody can tell before.
	}
	events := []*event.RequestEvent{phase(event.PhaseOpen, opened, share(s, opened))}
	for at := opened + n.Tick; at < s.Lasts; at += n.Tick {
		events = append(events, phase(event.PhaseTick, at, share(s, at)))
	}
	return append(events, phase(event.PhaseClose, s.Lasts, s.BytesOut))
}

// share is how much of a stream's bytes has been sent after a time.
func share(s *Step, at time.Duration) uint64 {
	return uint64(float64(s.BytesOut) * float64(at) / float64(s.Lasts))
}

// randomID is a UUIDv7 of the population's own randomness.
func randomID(r *rand.Rand, at time.Time) string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16|0x7000|uint64(r.Uint32N(1<<12)))
	binary.BigEndian.PutUint64(id[8:], r.Uint64()>>2|1<<63)
	return id.String()
}
