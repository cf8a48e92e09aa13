package revoke

import (
	"bytes"
	"errors"
	"fmt"
	"time"

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

// ErrFull means that there is no room for a verdict that is in force: it would not
// survive a restart without Kafka.
var ErrFull = errors.New("revoke.verdicts_max or file_bytes_max is reached")

// Accept takes a signed verdict from the admin port: it is in force and saved
// when Accept returns nil. The error wraps one of package verdict's reasons or
// [ErrStale], or says that the verdict is in force but could not be saved; it is
// [ErrFull] where there is no room.
// A verdict that is known already is accepted.
func (f *Follower) Accept(envelope []byte) error {
	err := f.Load() // A record must not enter an unread file.
	if err != nil {
		return err
	}
	envelope = bytes.TrimSpace(envelope) // A file or a shell ends it with a newline.
	m, err := f.keys.Load().Open(envelope)
	if err == nil && m.Verdict == nil {
		err = fmt.Errorf("a heartbeat is not taken here: %w", verdict.ErrMalformed)
	}
	if err == nil {
		err = f.take(m.Verdict, envelope, f.now())
	}
	if err != nil {
		f.refuse(originAdmin, nil, err)
		return fmt.Errorf("accept verdict: %w", err)
	}
	err = f.file.commit()
	if err != nil {
		return fmt.Errorf("accept verdict: in force, but not saved: %w", err)
	}
	if !f.ledger.saved(m.Verdict) {
		return fmt.Errorf("accept verdict: in force, but not saved: %w", ErrFull)
	}
	return nil
}

// take brings an authentic verdict into force where it is the newest of its key.
func (f *Follower) take(v *verdict.Verdict, raw []byte, now time.Time) error {
	out, keep := f.ledger.fold(record{verdict: v, raw: raw, at: nowhere}, now)
	switch out {
	case repeated:
		f.counts.repeated.Add(1)
		return nil
	case stale:
		return ErrStale
	case lapsed:
		return verdict.ErrExpired
	case full:
		f.file.forgo(1)
	case newest:
		f.file.add(v, keep, raw)
	}
	f.table.Apply(v, now)
	f.counts.applied.Add(1)
	return nil
}

// refuse counts a record without effect and logs it once per key and reason:
// who can write to the topic must not be able to fill the log.
func (f *Follower) refuse(origin string, key []byte, err error) {
	at := reasonOf(err)
	reason := reasons()[at].name
	f.counts.refused[at].Add(1)
	if reason == "stale" || reason == "expired" && !f.CaughtUp() {
		return // Every compacted topic holds some. Once it is read, one that comes in lapsed is odd.
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
		{"wrong_signature", verdict.ErrSignature},
		{"wrong_authority", verdict.ErrAuthority},
		{"malformed", verdict.ErrMalformed},
		{"too_large", errTooLarge},
		{"beyond", ErrBeyond},
		{"other", nil},
	}
}

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
