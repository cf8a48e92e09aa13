package revoke

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Where a record came from.
const (
	originTopic = "topic"
	originAdmin = "admin"
)

// ErrStale means that a later verdict for the same target and authority is
// already known.
var ErrStale = errors.New("a later verdict is known")

// ErrBeyond means that a heartbeat says that more is scored than was emitted.
var ErrBeyond = errors.New("heartbeat claims what was never emitted")

// ErrOutranked means that a stronger verdict of the same operator or feed stands,
// which only a restore lifts.
var ErrOutranked = errors.New("a stronger verdict of the same authority stands")

// ErrFull means that there is no room for a verdict that is in force: it would not
// survive a restart without Kafka.
var ErrFull = errors.New("revoke.verdicts_max or file_bytes_max is reached")

// ErrAhead means that a verdict from the admin port is in force, but only until this
// gateway's next start: by its clock the verdict comes from the future, and nobody
// can tell whether that clock is wrong or the operator's.
var ErrAhead = errors.New("in force until this gateway starts anew: it is dated ahead of this gateway's clock; set the clocks and say it again")

// Accept takes a signed verdict from the admin port: it is in force and saved
// when Accept returns nil. The error wraps one of package verdict's reasons or
// [ErrStale], or says that the verdict is in force but could not be saved; it is
// [ErrFull] where there is no room, and [ErrAhead] where the clocks differ.
// A verdict that is known already is accepted.
func (f *Follower) Accept(envelope []byte) error {
	err := f.Load() // A record must not enter an unread file.
	if err != nil {
		return err
	}
	envelope = bytes.TrimSpace(envelope) // A file or a shell ends it with a newline.
	v, err := f.admit(envelope)
	if errors.Is(err, ErrAhead) {
		return fmt.Errorf("accept verdict: %w", err)
	}
	if err != nil {
		f.refuse(originAdmin, nil, err)
		return fmt.Errorf("accept verdict: %w", err)
	}
	err = f.file.commit()
	if err != nil {
		return fmt.Errorf("accept verdict: in force, but not saved: %w", err)
	}
	if !f.ledger.saved(v) {
		return fmt.Errorf("accept verdict: in force, but not saved: %w", ErrFull)
	}
	return nil
}

func (f *Follower) admit(envelope []byte) (*verdict.Verdict, error) {
	f.trust.RLock()
	defer f.trust.RUnlock()
	m, err := f.keys.Open(envelope)
	switch {
	case err != nil:
		return nil, err //nolint:wrapcheck // Named by Accept.
	case m.Verdict == nil:
		return nil, fmt.Errorf("a heartbeat is not taken here: %w", verdict.ErrMalformed)
	}
	v, now := m.Verdict, f.now()
	if !v.Future(now) || !byPerson(v) || lifts(v) {
		return v, f.take(v, envelope, now)
	}
	f.ahead(v, now)
	f.ledger.place(v, now)
	out, _ := f.ledger.fold(record{verdict: v, raw: envelope, at: nowhere}, now)
	switch out {
	case repeated, resigned:
		return v, nil
	case stale:
		return v, ErrStale
	case outranked:
		return v, ErrOutranked
	case lapsed:
		return v, verdict.ErrExpired
	case newest, full:
	}
	f.file.forgo(1)
	f.table.Apply(v, now)
	f.counts.applied.Add(1)
	return v, ErrAhead
}

// lifts reports whether an operator's verdict gives back what others took.
func lifts(v *verdict.Verdict) bool {
	return len(v.Clears) > 0 || verdict.Strength(v.Action) == 0
}

// byPerson reports whether an operator or a feed speaks, whose place in the order is his
// time.
func byPerson(v *verdict.Verdict) bool {
	return v.Authority != verdict.AuthoritySubject && v.Authority != verdict.AuthorityFacet
}

// take brings an authentic verdict into force where it is the newest of its key. What
// cuts does so whatever this gateway's clock says: the analyzer has looked at an
// operator's date before it relayed his word. What restores waits until that clock
// has come so far.
func (f *Follower) take(v *verdict.Verdict, raw []byte, now time.Time) error {
	if v.Future(now) {
		f.ahead(v, now)
		if byPerson(v) && lifts(v) {
			f.await(v)
			return verdict.ErrFuture
		}
		dated(v, now)
	}
	if f.ledger.news(v) {
		ok, blew := f.fuse.allow(v, now)
		if blew {
			f.alarm(v)
		}
		if !ok {
			return errHeld
		}
	}
	out, keep := f.ledger.fold(record{verdict: v, raw: raw, at: nowhere}, now)
	switch out {
	case repeated:
		f.counts.repeated.Add(1)
		return nil
	case stale:
		return ErrStale
	case lapsed:
		return verdict.ErrExpired
	case outranked:
		return ErrOutranked
	case resigned:
		f.counts.repeated.Add(1)
		f.file.add(v, keep, raw)
		return nil
	case full:
		f.file.forgo(1)
	case newest:
		f.file.add(v, keep, raw)
	}
	f.table.Apply(v, now)
	f.counts.applied.Add(1)
	return nil
}

// ahead counts a verdict that is dated ahead of this gateway's clock, and says so once in
// aheadGap.
func (f *Follower) ahead(v *verdict.Verdict, now time.Time) {
	f.counts.ahead.Add(1)
	f.mu.Lock()
	said := f.aheadSaid
	due := said.IsZero() || now.Sub(said).Abs() >= aheadGap
	if due {
		f.aheadSaid = now
	}
	f.mu.Unlock()
	if due {
		f.log.Error("alarm: a verdict is dated ahead of this gateway's clock; set this machine's clock, or that of who signed it: cuts are in force all the same, what restores waits",
			"clock", now, "dated", v.Time.AsTime(), "ahead", v.Time.AsTime().Sub(now), "authority", v.Authority, "kid", v.Kid)
	}
}

// await has the topic read again once this gateway's clock has come to a verdict's date.
func (f *Follower) await(v *verdict.Verdict) {
	at := v.Time.AsTime().Add(-verdict.ClockSkew)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.due.IsZero() || at.Before(f.due) {
		f.due = at
	}
}

// retry has the topic read again where a verdict in it waits for a date that has come.
func (f *Follower) retry(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.due.IsZero() && !now.Before(f.due) {
		f.due = time.Time{}
		f.again.Add(1)
	}
}

// dated makes a verdict from the future one of now: in force, but nobody has to prove
// himself at a time to come.
func dated(v *verdict.Verdict, now time.Time) {
	if v.Future(now) {
		v.Time = timestamppb.New(now)
	}
}

// alarm says that a fuse has blown, here and on the disk.
func (f *Follower) alarm(v *verdict.Verdict) {
	f.log.Error("alarm: the analyzer's verdicts would end too many of the sessions seen here; they wait until the fuse is released",
		"tenant", v.Tenant, "verdict", v.Id, "target_kind", v.Target.GetKind(), "kid", v.Kid, "share", f.cfg.Fuse.Share)
	err := f.fuse.save()
	if err != nil {
		f.log.Error("a restart would mend the fuse", "error", err)
	}
}

// Release mends the fuse of a tenant, and reports whether it had blown. What it has
// held is read again from the topic, and what comes is counted anew.
func (f *Follower) Release(tenant string) bool {
	if !f.fuse.mend(tenant) {
		return false
	}
	err := f.fuse.save()
	if err != nil {
		f.log.Error("a restart would blow the fuse again", "error", err)
	}
	f.log.Warn("the analyzer's verdicts that were held are released", "tenant", tenant)
	f.again.Add(1)
	return true
}

// refuse counts a record without effect and logs it once per key and reason:
// who can write to the topic must not be able to fill the log.
func (f *Follower) refuse(origin string, key []byte, err error) {
	at := reasonOf(err)
	reason := reasons()[at].name
	f.counts.refused[at].Add(1)
	if reason == "stale" || reason == "held" || reason == "expired" && !f.CaughtUp() {
		return // Every compacted topic holds some, and a blown fuse raises an alarm of its own. Once it is read, one that comes in lapsed is odd.
	}
	key = key[:min(len(key), 128)]
	id := origin + "\x00" + reason + "\x00" + string(key)
	f.mu.Lock()
	_, known := f.complained[id]
	room := len(f.complained) < complaintsMax
	if room {
		f.complained[id] = struct{}{}
	}
	f.mu.Unlock()
	if !known && room {
		f.log.Warn("verdict refused", "origin", origin, "reason", reason, "key", string(key), "error", err)
	}
}

// reason is a cause for refusing a record, and its name in metrics.
type reason struct {
	name string
	err  error
}

func reasons() []reason {
	return []reason{
		{"stale", ErrStale},
		{"expired", verdict.ErrExpired},
		{"unsigned", verdict.ErrUnsigned},
		{"unknown_key", verdict.ErrUnknownKey},
		{"not_in_force", verdict.ErrNotInForce},
		{"wrong_signature", verdict.ErrSignature},
		{"wrong_authority", verdict.ErrAuthority},
		{"malformed", verdict.ErrMalformed},
		{"too_large", errTooLarge},
		{"beyond", ErrBeyond},
		{"future", verdict.ErrFuture},
		{"outranked", ErrOutranked},
		{"held", errHeld},
		{"broken_batch", errBroken},
		{"other", nil},
	}
}

// errBroken means that a batch of records cannot be read.
var errBroken = errors.New("batch cannot be read")

// errTooLarge means that a record is larger than an envelope may be.
var errTooLarge = errors.New("record too large")

// reasonOf is the index of the reason of err.
func reasonOf(err error) int {
	all := reasons()
	for i, r := range all {
		if r.err != nil && errors.Is(err, r.err) {
			return i
		}
	}
	return len(all) - 1
}
