package emit

import (
	"context"
	"fmt"

	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// Care says how well an event is kept until Kafka has it.
type Care uint8

// Cares.
const (
	// Batched events survive the end of the process at once, and the loss of power
	// after the spool's next sync.
	Batched Care = iota
	// Strict ones are waited for: see [Emitter.Durable].
	Strict
	// BestEffort ones are in memory alone; what a crash takes is counted.
	BestEffort
)

// Intent stands for a request that is under way. The zero Intent is of one that a
// crash leaves nothing of, and whose event is Batched.
type Intent struct {
	// Care is how well its events are kept.
	Care Care

	slot spool.Slot
}

// Intend notes that a request is under way, so that a crash leaves the event that
// tells of it; a strict one finds a place where others do not. ev is not changed and may be the one that Conclude gets in the end.
func (e *Emitter) Intend(ev *event.RequestEvent, care Care) Intent {
	in := Intent{Care: care}
	if e.spool == nil || care == BestEffort {
		return in
	}
	buf := e.buffers.get()
	defer e.buffers.put(buf)
	out, err := event.Append((*buf)[:0], ev)
	if err != nil || len(out) > spool.IntentBytesMax {
		out, err = event.Append((*buf)[:0], brief(ev))
	}
	*buf = out
	if err != nil {
		e.log.Error("request under way not noted", "error", err)
		return in
	}
	in.slot = e.spool.Begin(out, care == Strict)
	return in
}

// Lasts says that the request has had its event of phase open: what a crash leaves
// of it is one of phase close.
func (e *Emitter) Lasts(in Intent) {
	if e.spool != nil {
		e.spool.Lasts(in.slot)
	}
}

// briefBytesMax is what is left of each text that a client chooses.
const briefBytesMax = 64

// brief is an event cut to what fits into the place of a request under way.
func brief(ev *event.RequestEvent) *event.RequestEvent {
	cut := func(s string) string { return s[:min(len(s), briefBytesMax)] }
	return &event.RequestEvent{
		Kind: ev.Kind, Id: cut(ev.Id), Time: ev.Time, Phase: ev.Phase, RequestId: cut(ev.RequestId), Tenant: cut(ev.Tenant),
		Region: cut(ev.Region), Subject: cut(ev.Subject), Issuer: cut(ev.Issuer), Session: cut(ev.Session), ClientId: cut(ev.ClientId),
		Address: cut(ev.Address), Method: cut(ev.Method), Path: cut(ev.Path), Route: cut(ev.Route), Sensitivity: ev.Sensitivity,
		AuthOutcome: ev.AuthOutcome, Stream: ev.Stream, Account: cut(ev.Account),
	}
}

// Durable waits until a request that was noted survives a loss of power. The error
// wraps [spool.ErrNotDurable] where it cannot at present, or was not noted for want
// of a place or a spool: the caller must not do what the request is for.
func (e *Emitter) Durable(ctx context.Context, in Intent) error {
	if !in.slot.Held() {
		return fmt.Errorf("request not noted: %w", spool.ErrNotDurable)
	}
	return e.spool.Durable(ctx) //nolint:wrapcheck // Names what it waited for.
}

// Conclude is Emit for the terminal event of a request that was noted.
func (e *Emitter) Conclude(in Intent, ev *event.RequestEvent, traceparent string) bool {
	return e.emit(in, ev, traceparent)
}

// classOf says which events give way first: reads that were permitted, went well
// and say nothing of a sign-in.
func classOf(ev *event.RequestEvent) spool.Class {
	read := ev.Method == "GET" || ev.Method == "HEAD"
	if ev.Kind == event.KindRequest && read && ev.Phase == event.PhaseComplete && ev.Decision == event.DecisionPermit && ev.Status < 400 &&
		(ev.AuthOutcome == "" || ev.AuthOutcome == event.AuthNone) {
		return spool.Plain
	}
	return spool.Vital
}
