package session

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Errors of [Visit.Err]: the visit is not listed and must not be served,
// because no verdict could reach it.
var (
	ErrFull        = errors.New("too many open requests")
	ErrSessionFull = errors.New("too many open requests of one session")
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
}

// Entry is one request as it enters.
type Entry struct {
	Who Who
	// Stream is the kind of stream, event.StreamRequest for a plain request.
	Stream, Route, RequestID string
	// Public is a route that is open to everybody, such as the sign-in page:
	// verdicts about a session, subject or token do not touch it, else whoever
	// lost his session could never sign in again.
	Public bool
	// Writes is a request that opens a stream by which its sender can change
	// something for as long as it is open: a WebSocket, a gRPC call.
	Writes bool
	Time   time.Time
}

// Standing is the strongest live verdict that matches a visit. The zero value
// means that there is none.
type Standing struct {
	Action  string
	Verdict *verdict.Verdict
}

// Cut is why a request's context ended: context.Cause returns it.
//
//nolint:errname // The noun of the domain: what a verdict does to a stream.
type Cut struct {
	// Verdict is the judgement, without its evidence. Shared: do not modify. Nil
	// where none ended the visit but [Table.Suspend].
	Verdict *verdict.Verdict
	// Arrived is when it reached this gateway; zero without a verdict, and where it
	// was here before the visit became what it ends.
	Arrived time.Time
}

// Error says what was done to whom, without a name.
func (c *Cut) Error() string {
	if c.Verdict == nil {
		return "cut by the route's posture"
	}
	return fmt.Sprintf("cut by verdict %s: %s %s", c.Verdict.GetId(), c.Verdict.GetAction(), c.Verdict.GetTarget().GetKind())
}

// Visit is one request or stream in a [Table]. Safe for concurrent use.
type Visit struct {
	table  *Table
	entry  Entry
	cancel context.CancelCauseFunc
	err    error
	stream atomic.Pointer[string]
	ended  atomic.Bool // Cut by a verdict.
	left   atomic.Bool

	slots []slot // Fixed after Enter but for slot.at.
}

// slot is a visit's place under one of its names.
type slot struct {
	cell *cell
	at   int // Index into cell.visits; guarded by the mutex of the cell's shard.
}

// Err is nil where the visit is listed, else [ErrFull] or [ErrSessionFull].
func (v *Visit) Err() error { return v.err }

// Stream is the kind of stream that the visit is now.
func (v *Visit) Stream() string { return *v.stream.Load() }

// SetStream says what kind of stream the visit turned out to be. One that a verdict
// ends only now that it is an upload ends here: the verdict may have come while it
// was a request like any other.
func (v *Visit) SetStream(kind string) {
	v.stream.Store(&kind)
	if kind != event.StreamUpload {
		return
	}
	s := v.Standing()
	if s.Verdict != nil && v.endedBy(s.Action) {
		v.end(&Cut{Verdict: s.Verdict})
	}
}

// Standing returns the strongest verdict that holds now and touches the visit.
// Among equals the one that lasts longest is returned.
func (v *Visit) Standing() Standing {
	now := v.table.now()
	var best *held
	for i := range v.slots {
		best = stronger(best, v.slots[i].cell.strongest(&v.entry, now))
	}
	best = stronger(best, v.table.strongestPrefix(&v.entry, now))
	if best == nil {
		return Standing{}
	}
	return Standing{Action: best.verdict.Action, Verdict: best.verdict}
}

// Leave takes the visit out of the table and frees its context. Only the first
// call counts.
func (v *Visit) Leave() {
	if v.left.Swap(true) {
		return
	}
	for i := range v.slots {
		v.table.unlist(v, i)
	}
	if v.err == nil {
		v.table.visits.Add(-1)
	}
	v.cancel(context.Canceled)
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
		Session: v.entry.Who.Session, Subject: v.entry.Who.Subject,
		RequestId: v.entry.RequestID, Route: v.entry.Route, SupportCode: d.GetSupportCode(),
	}
}

// endedBy reports whether an action ends the visit: who may only read must not go
// on to write by what he opened before, which he could not open now.
func (v *Visit) endedBy(action string) bool {
	return verdict.Suspends(action) || action == verdict.ActionReadOnly && (v.entry.Writes || v.Stream() == event.StreamUpload)
}

// end cancels the visit's context with c, once. It reports whether it did.
func (v *Visit) end(c *Cut) bool {
	if v.left.Load() || v.ended.Swap(true) {
		return false
	}
	v.cancel(c)
	return true
}
