package session

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Errors of [Visit.Err]: the visit is not listed and must not be served,
// because no verdict could reach it.
var (
	ErrFull        = errors.New("too many open requests")
	ErrSessionFull = errors.New("too many open requests of one session")

	// errUsed is what List says to a visit that was listed before.
	errUsed = errors.New("the visit was listed before: make a new one")
)

// Who is everything about a visitor that a verdict may target. Subject,
// Session, TokenID, Aliases, LinkedAccount and Account are pseudonyms. Empty
// fields are not listed.
type Who struct {
	Tenant, Subject, Session, TokenID, Device, ClientID, Account, SubjectKind, JA4 string

	// LinkedAccount is the subject as its provider alone knows it, where Subject is a
	// person whose accounts are linked: verdicts about either are about the visitor.
	LinkedAccount string
	// ASN is the autonomous system of Address, 0 where unknown.
	ASN uint32
	// Aliases are other names of the session, at most AliasesMax count.
	Aliases []string
	Address netip.Addr
	// AuthTime is when the person proved himself, IssuedAt when the token was
	// made; zero where the token does not say.
	AuthTime, IssuedAt time.Time
	// Assumed says that nobody vouches for AuthTime: it does not lift a step-up.
	Assumed bool
}

// Entry is one request as it enters.
type Entry struct {
	Who Who
	// Stream is the kind of stream, event.StreamRequest for a plain request.
	Stream, Route, RequestID string
	// Public is a visit to what is open to everybody, such as the sign-in page, by
	// somebody who passes there as nobody: verdicts about a session, subject or token
	// do not touch it, else whoever lost his session could never sign in again.
	Public bool
	// Writes is a request that opens a stream by which its sender can change
	// something for as long as it is open: a WebSocket, a gRPC call.
	Writes bool
	Time   time.Time
	// Memo is that of the token, nil for none.
	Memo *Memo
}

// Standing is the strongest live verdict that matches a visit. The zero value
// means that there is none. Shared: do not modify.
type Standing struct {
	Action  string
	Verdict *verdict.Verdict
}

// Cut is why a request's context ended: context.Cause returns it.
//
//nolint:errname // The noun of the domain: what a verdict does to a stream.
type Cut struct {
	// Verdict is the judgement, as far as clients, enforcements and traces need it: no
	// evidence, score or subject. Shared: do not modify. Nil
	// where none ended the visit but [Table.Suspend] or [Visit.Expire].
	Verdict *verdict.Verdict
	// Expired says that the credential has come to its end, by which the visit was let in.
	Expired bool
	// Arrived is when it reached this gateway; zero without a verdict, and where it
	// was here before the visit became what it ends.
	Arrived time.Time
}

// Error says what was done to whom, without a name.
func (c *Cut) Error() string {
	switch {
	case c.Expired:
		return "cut at the end of its credential"
	case c.Verdict == nil:
		return "cut by the route's posture"
	}
	return fmt.Sprintf("cut by verdict %s: %s %s", c.Verdict.GetId(), c.Verdict.GetAction(), c.Verdict.GetTarget().GetKind())
}

// Visit is one request or stream in a [Table]. Safe for concurrent use once it is
// listed.
type Visit struct {
	table     *Table
	party     *party // Nil where it is not listed.
	at        int    // Index into party.visits; guarded by the mutex of the party's group.
	initial   string // Kind of stream at the start.
	requestID string
	writes    atomic.Bool
	began     time.Time
	err       error

	stream atomic.Pointer[string] // Kind of stream since, nil for the initial one.
	ended  atomic.Bool            // Cut by a verdict.
	left   atomic.Bool
	cut    atomic.Pointer[Cut]
	cancel atomic.Pointer[context.CancelCauseFunc] // Nil without a context.
}

// begin makes v, which is new, a visit that is not listed yet.
func (v *Visit) begin(t *Table, e *Entry) {
	v.table = t
	v.initial, v.requestID, v.began = e.Stream, e.RequestID, e.Time
	v.writes.Store(e.Writes)
}

// Context returns a context of ctx that ends when a verdict ends the visit, and
// when it leaves; at once where one already has. context.Cause is then a *[Cut].
// It is called once.
func (v *Visit) Context(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	v.cancel.Store(&cancel)
	// Here the cut is looked for after the context has been shown, and end shows the
	// cut before it looks for the context: one of the two meets the other.
	c := v.cut.Load()
	if c != nil {
		cancel(c)
	}
	return ctx
}

// Abort ends the visit's context for a reason that is no verdict's. It has no effect
// where the context has ended, or there is none.
func (v *Visit) Abort(cause error) {
	if cancel := v.cancel.Load(); cancel != nil {
		(*cancel)(cause)
	}
}

// Err is nil where the visit is listed, else [ErrFull] or [ErrSessionFull].
func (v *Visit) Err() error { return v.err }

// Stream is the kind of stream that the visit is now.
func (v *Visit) Stream() string {
	if kind := v.stream.Load(); kind != nil {
		return *kind
	}
	return v.initial
}

// SetStream says what kind of stream the visit turned out to be.
func (v *Visit) SetStream(kind string) {
	v.stream.Store(&kind)
	if kind == event.StreamUpload {
		v.SetWrites()
	}
}

// SetWrites says that the visit has turned out to be a stream by which its sender can
// change something for as long as it is open. One that a verdict ends only by that ends
// here: the verdict may have come while it was a request like any other.
func (v *Visit) SetWrites() {
	v.writes.Store(true)
	s := v.Standing()
	if s.Verdict != nil && v.endedBy(s.Action) {
		v.end(&Cut{Verdict: s.Verdict})
	}
}

// Expire ends the visit because the credential has come to its end by which it was let
// in. It has no effect where the visit has ended.
func (v *Visit) Expire() {
	if v.end(&Cut{Expired: true}) {
		v.table.metrics.cut.Add(noCaller(), 1, metric.WithAttributes(attribute.String("action", "expiry"), attribute.String("stream", v.Stream())))
	}
}

// Standing returns the strongest verdict that holds now and touches the visit.
// Among equals the one that lasts longest is returned. A visit that is not listed
// has none.
func (v *Visit) Standing() Standing { return v.StandingAt(v.table.now()) }

// StandingAt is Standing for a caller who has just looked at the clock.
func (v *Visit) StandingAt(now time.Time) Standing {
	if v.party == nil {
		return Standing{}
	}
	return v.table.standing(v.party, now)
}

// Leave takes the visit out of the table and frees its context. Only the first
// call counts.
func (v *Visit) Leave() {
	if v.left.Swap(true) {
		return
	}
	if v.err == nil {
		v.table.leave(v)
		v.table.visits.Add(-1)
	}
	if cancel := v.cancel.Load(); cancel != nil {
		(*cancel)(context.Canceled)
	}
}

// Receipt is the enforcement of c on this visit, whose end the client saw at
// the time at. The caller adds gateway and bytes. Times that the verdict does
// not know stay 0.
func (v *Visit) Receipt(c *Cut, at time.Time) *verdict.Enforcement {
	e := v.Refusal(c.Verdict, at)
	e.Stream = v.Stream()
	if t := c.Verdict.GetCause().GetEventTime(); t != nil {
		e.EventToCutUs = max(at.Sub(t.AsTime()).Microseconds(), 0)
	}
	if !c.Arrived.IsZero() {
		e.ApplyUs = max(at.Sub(c.Arrived).Microseconds(), 0)
	}
	return e
}

// Refusal is the enforcement of a verdict on a request that was never admitted.
// It measures nothing: the verdict was in force long before.
func (v *Visit) Refusal(d *verdict.Verdict, at time.Time) *verdict.Enforcement {
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.UUID{} // The system's random source is broken; the receipt still counts.
	}
	return &verdict.Enforcement{
		Id: id.String(), Time: timestamppb.New(at), Tenant: d.GetTenant(), VerdictId: d.GetId(),
		Target: d.GetTarget(), Action: d.GetAction(), Stream: event.StreamRequest,
		Session: v.party.entry.Who.Session, Subject: v.party.entry.Who.Subject,
		RequestId: v.requestID, Route: v.party.entry.Route, SupportCode: d.GetSupportCode(),
	}
}

// endedBy reports whether an action ends the visit: who may only read must not go
// on to write by what he opened before, which he could not open now.
func (v *Visit) endedBy(action string) bool {
	return verdict.Suspends(action) || action == verdict.ActionReadOnly && v.writes.Load()
}

// end cancels the visit's context with c, once. It reports whether it did.
func (v *Visit) end(c *Cut) bool {
	if v.left.Load() || v.ended.Swap(true) {
		return false
	}
	v.cut.Store(c)
	if cancel := v.cancel.Load(); cancel != nil {
		(*cancel)(c)
	}
	return true
}
