package announce

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/proto"

	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/judge"
)

// kindHeld is the kind of record in the control topic that keeps what waits.
const kindHeld = "held"

// headerHeld is the header of a verdict's record that carries, in the envelope of the
// control topic, what waits of its target. Gateways read no headers.
const headerHeld = "vigil-held"

// errHeld means that a record of what waits is not one of ours.
var errHeld = errors.New("record of a held verdict is malformed")

// heldRecord is what an analyzer signs of a finding that waits. It is no verdict:
// no gateway takes it for one.
type heldRecord struct {
	Limit string `json:"limit"`
	// HeldAt is since when it waits, Clock the stream time at which it was judged.
	HeldAt time.Time `json:"held_at"`
	Clock  time.Time `json:"clock"`
	// Kid is the id of the key that signs the record.
	Kid string `json:"kid"`
	// Verdict is a [verdict.Verdict] as it was judged, without a place in the order.
	Verdict []byte `json:"verdict"`
}

// heldKey is the key of a finding that waits, below the prefix of its partition.
func (p *Partition) heldKey(f *Finding) []byte {
	return topic.ControlKey(f.Proposal.Tenant, kindHeld, p.heldPrefix()+f.Proposal.ID)
}

func (p *Partition) heldPrefix() string {
	return p.stage.Authority + "/" + strconv.Itoa(p.number) + "/"
}

// hold keeps a finding for the person who may release it; the oldest gives way.
func (p *Partition) hold(ctx context.Context, f Finding, limit string, now time.Time) {
	f.limit, f.heldAt, f.kid = limit, now, p.announcer.signer.Kid()
	again := slices.IndexFunc(p.held, func(h Finding) bool { return h.Proposal.ID == f.Proposal.ID })
	if again >= 0 {
		p.held = slices.Delete(p.held, again, again+1)
	}
	if len(p.held) >= heldMax {
		p.gone(&p.held[0])
		p.held = slices.Delete(p.held, 0, 1)
		p.announcer.metrics.gaveWay.Add(ctx, 1)
	}
	key := p.heldKey(&f)
	p.unheld = slices.DeleteFunc(p.unheld, func(gone []byte) bool { return bytes.Equal(gone, key) }) // It is back.
	p.held = append(p.held, f)
	p.holding = append(p.holding, f)
	if len(p.holding) > owedMax {
		p.holding = slices.Clone(p.held) // The rest has gone since.
	}
}

// gone notes that a finding waits no longer. Beyond owedMax a tombstone is never written:
// who finds the record may release it once more, until it lapses.
func (p *Partition) gone(f *Finding) {
	p.unheld = append(p.unheld, p.heldKey(f))
	p.unheld = p.unheld[max(0, len(p.unheld)-owedMax):]
}

// drop forgets the findings that wait and that gone names, and returns them in
// their order.
func (p *Partition) drop(gone func(f *Finding) bool) []Finding {
	var out []Finding
	p.held = slices.DeleteFunc(p.held, func(f Finding) bool {
		if !gone(&f) {
			return false
		}
		p.gone(&f)
		out = append(out, f)
		return true
	})
	return out
}

// let returns the findings that waited and wait no longer, in their order; those
// that have lapsed meanwhile are dropped.
func (p *Partition) let(now time.Time) []Finding {
	p.drop(func(f *Finding) bool { return !f.Proposal.Until.After(now) })
	free := p.drop(func(f *Finding) bool { return !p.announcer.guard.holds(f) })
	for i := range free {
		free[i].released = true
	}
	return free
}

// keep makes the topic say what waits: it is there when keep returns nil, unless it
// cannot be written for heldStall. Then an alarm says so, the verdicts topic carries it
// meanwhile, Run goes on trying, and nobody else does: verdicts do not wait for what waits
// itself.
func (p *Partition) keep(ctx context.Context) error {
	if len(p.holding)+len(p.unheld) == 0 {
		return nil
	}
	a := p.announcer
	a.guard.note(slot{p.stage.Authority, p.number}, p.held)
	err := p.unburden(ctx)
	if err != nil {
		return err
	}
	if p.unkept {
		return p.vouch(ctx)
	}
	records, err := p.owed()
	if err != nil {
		return err
	}
	patience, cancel := context.WithTimeoutCause(ctx, heldStall, errStalled)
	defer cancel()
	err = a.writer.Write(patience, topic.Control, 0, records...)
	switch {
	case err != nil && (ctx.Err() != nil || errors.Is(err, ErrRefused)):
		return fmt.Errorf("what waits in partition %d: %w", p.number, err)
	case err != nil:
		p.unkept, p.vouched = true, make(map[target]bool)
		a.metrics.unkept.Add(ctx, 1)
		a.logger.ErrorContext(ctx, "alarm: what waits for a person cannot be written to its topic, until it can be the verdicts topic has the latest of each target",
			"stage", p.stage.Authority, "partition", p.number, "waiting", len(p.held), "error", err)
		return p.vouch(ctx)
	}
	p.holding, p.unheld = nil, nil
	return nil
}

// unburden says once more what stands of the targets of which nothing waits any more
// although their records carry it: whoever takes the partition over would hold it again,
// also of somebody whom an operator has restored.
func (p *Partition) unburden(ctx context.Context) error {
	waiting := make(map[target]bool)
	for i := range p.held {
		waiting[p.held[i].target()] = true
	}
	var again []*verdict.Verdict
	for _, key := range slices.SortedFunc(maps.Keys(p.bearing), compareTargets) {
		switch {
		case waiting[key]:
		case p.entries[key].stands == nil:
			delete(p.bearing, key)
		default:
			again = append(again, p.again(key))
		}
	}
	err := p.write(ctx, again)
	if err != nil {
		return fmt.Errorf("what waits no longer in partition %d, beside its verdicts: %w", p.number, err)
	}
	return nil
}

// vouch says once more what stands of the targets of which the control topic lacks what
// waits, so that their records carry it: it outlasts this process also if the control
// topic does not come back before that ends. Once for each target, since what follows
// ends the same one; a later record of it carries the latest.
func (p *Partition) vouch(ctx context.Context) error {
	now := p.announcer.now()
	var again []*verdict.Verdict
	for i := range p.holding {
		key := p.holding[i].target()
		e := p.entries[key]
		if p.vouched[key] || e.stands == nil || !e.stands.Live(now) {
			continue
		}
		p.vouched[key] = true
		again = append(again, p.again(key))
	}
	err := p.write(ctx, again)
	if err != nil {
		return fmt.Errorf("what waits in partition %d, beside its verdicts: %w", p.number, err)
	}
	return nil
}

// carry adds to the record of a verdict what waits of its target, the latest, and
// reports whether anything does.
func (p *Partition) carry(r *Record, of target) (bool, error) {
	for i := range slices.Backward(p.held) {
		f := &p.held[i]
		if f.target() != of {
			continue
		}
		waiting, err := p.record(f)
		if err != nil {
			return false, err
		}
		r.Headers = append(r.Headers, cloudevent.Header{Key: headerHeld, Value: waiting.Value})
		p.vouched[of] = true
		return true, nil
	}
	return false, nil
}

// carried notes what waits according to the record of the verdict that stands.
func (p *Partition) carried(v *verdict.Verdict, waiting []byte) {
	key := targetOf(v)
	switch {
	case len(waiting) == 0:
		delete(p.beside, key)
	case len(p.beside) < owedMax:
		p.beside[key] = waiting
	}
}

// target is whom a finding would end.
func (f *Finding) target() target {
	kind := f.Proposal.Target.GetKind()
	return target{f.Proposal.Tenant, kind, f.Proposal.Target.GetId(), cmp.Or(f.Proposal.Authority, authorityOf(kind))}
}

// owed are the records that the topic lacks.
func (p *Partition) owed() ([]Record, error) {
	records := make([]Record, 0, len(p.holding)+len(p.unheld))
	for i := range p.holding {
		r, err := p.record(&p.holding[i])
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	for _, key := range p.unheld { // After: one may have come and gone since the last time.
		records = append(records, Record{Key: key})
	}
	return records, nil
}

// record is the record of a finding that waits.
func (p *Partition) record(f *Finding) (Record, error) {
	v := p.propose(*f, f.Proposal.EventTime)
	b, err := v.MarshalVT()
	if err != nil {
		return Record{}, fmt.Errorf("encode held verdict %s: %w", v.Id, err)
	}
	payload, err := json.Marshal(heldRecord{Limit: f.limit, HeldAt: f.heldAt, Clock: clockOf(f), Kid: f.kid, Verdict: b})
	if err != nil {
		return Record{}, fmt.Errorf("encode held verdict %s: %w", v.Id, err)
	}
	envelope, err := p.announcer.signer.Control(payload)
	if err != nil {
		return Record{}, fmt.Errorf("sign held verdict %s: %w", v.Id, err)
	}
	return Record{Key: p.heldKey(f), Value: envelope, Headers: cloudevent.Attributes{
		ID: kindHeld + "-" + v.Id, Source: source, Type: cloudevent.TypeHeld, Time: p.announcer.now(), ContentType: cloudevent.JOSE,
	}.Headers()}, nil
}

// recover takes over what waits in the partition, whoever has held it. Where that cannot
// be read the partition goes on without, and what would end sessions waits until it is.
func (p *Partition) recover(ctx context.Context) {
	a := p.announcer
	defer p.besides(ctx) // The control topic knows better.
	records, err := a.ledger.under(ctx, a.writer, p.heldPrefix(), a.now())
	if ctx.Err() != nil {
		return // The first heartbeat says so.
	}
	if err != nil {
		p.unheard = true
		a.metrics.unheard.Add(ctx, 1)
		a.logger.ErrorContext(ctx, "alarm: what waits for a person cannot be read, what would end sessions waits until it can be",
			"stage", p.stage.Authority, "partition", p.number, "error", err)
		return
	}
	p.resume(ctx, records)
}

// besides holds what waits according to verdicts alone, and owes it to the control topic.
// What was released a moment before its holder died may be asked for once more.
func (p *Partition) besides(ctx context.Context) {
	records := make(map[string][]byte, len(p.beside))
	for of, record := range p.beside {
		f, err := p.reopen(record)
		key := string(record) // Under which resume refuses it.
		if err == nil && f.target() == of {
			key = string(p.heldKey(&f))
		}
		records[key] = record
		p.bearing[of] = true
	}
	p.beside = nil
	known := slices.Clone(p.held)
	p.resume(ctx, records)
	for i := range p.held {
		if f := &p.held[i]; !slices.ContainsFunc(known, func(k Finding) bool { return k.Proposal.ID == f.Proposal.ID }) {
			p.holding = append(p.holding, *f)
		}
	}
}

// resume holds what waits in the partition according to records, by their keys in the
// control topic.
func (p *Partition) resume(ctx context.Context, records map[string][]byte) {
	refused := 0
	known := make(map[string]bool, len(p.held)) // Of what this process holds it knows better.
	for i := range p.held {
		known[string(p.heldKey(&p.held[i]))] = true
	}
	for key, record := range records {
		f, err := p.reopen(record)
		if err != nil || string(p.heldKey(&f)) != key {
			refused++
			continue
		}
		if !known[key] {
			p.held = append(p.held, f)
		}
	}
	slices.SortFunc(p.held, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Proposal.Offset, b.Proposal.Offset), cmp.Compare(a.Proposal.ID, b.Proposal.ID))
	})
	now := p.announcer.now()
	// A predecessor may have died between the release and its record.
	p.drop(func(f *Finding) bool {
		e, known := p.entries[f.target()]
		return !f.Proposal.Until.After(now) || known && f.Proposal.Offset <= e.judged
	})
	for i := range p.held[:max(0, len(p.held)-heldMax)] {
		p.gone(&p.held[i]) // It gave way where it was held, or does now.
	}
	p.held = slices.Delete(p.held, 0, max(0, len(p.held)-heldMax))
	for i := range p.held {
		p.announcer.guard.trip(&p.held[i])
	}
	p.announcer.guard.note(slot{p.stage.Authority, p.number}, p.held)
	if refused > 0 {
		p.announcer.logger.WarnContext(ctx, "what is said to wait for a person is not ours and not believed", "partition", p.number, "records", refused)
	}
}

// mind does later what the control topic did not let be done at once, until ctx ends:
// it reads what waits, judges anew what has waited for that alone, and writes what waits.
func (p *Partition) mind(ctx context.Context) error {
	again := time.NewTicker(p.announcer.ledger.retry)
	defer again.Stop()
	for {
		err := p.hear(ctx)
		if err == nil {
			err = p.catchUp(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("what waits in partition %d: %w", p.number, err)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// hear reads what waits, if that is not known and can be, and then judges what has
// waited for it: also what a predecessor held.
func (p *Partition) hear(ctx context.Context) error {
	a := p.announcer
	p.mu.Lock()
	unheard := p.unheard
	p.mu.Unlock()
	var records map[string][]byte
	if unheard {
		var err error
		records, err = a.ledger.under(ctx, a.writer, p.heldPrefix(), a.now())
		if err != nil {
			return nil // The alarm stands, and it is tried again.
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if unheard {
		p.resume(ctx, records)
		p.unheard = false
		a.logger.InfoContext(ctx, "what waits for a person is read", "stage", p.stage.Authority, "partition", p.number, "waiting", len(p.held))
	}
	return p.announce(ctx, p.drop(func(f *Finding) bool { return f.limit == LimitUnread }), a.now())
}

// catchUp writes what keep could not.
func (p *Partition) catchUp(ctx context.Context) error {
	for ctx.Err() == nil {
		p.mu.Lock()
		records, err := p.owed()
		owes := p.unkept && len(records) > 0
		if owes {
			p.holding, p.unheld = nil, nil
		} else {
			p.unkept = false
		}
		p.mu.Unlock()
		if err != nil || !owes {
			return err
		}
		err = p.announcer.writer.Write(ctx, topic.Control, 0, records...) // For as long as it takes.
		if err != nil {
			return err
		}
	}
	return nil
}

// reopen is the finding of a record.
func (p *Partition) reopen(record []byte) (Finding, error) {
	payload, err := p.announcer.keys.OpenControl(record)
	if err != nil {
		return Finding{}, fmt.Errorf("held verdict: %w", err)
	}
	var h heldRecord
	err = json.Unmarshal(payload, &h)
	if err != nil {
		return Finding{}, fmt.Errorf("held verdict: %w: %w", errHeld, err)
	}
	v := new(verdict.Verdict)
	err = proto.Unmarshal(h.Verdict, v)
	if err != nil {
		return Finding{}, fmt.Errorf("held verdict: %w: %w", errHeld, err)
	}
	if v.Cause.GetTopic() != p.stage.Topic || v.Cause.GetPartition() != int32(p.number) || !p.stage.Owns(v.Target.GetKind()) ||
		v.Until == nil || verdict.Strength(v.Action) <= 0 {
		return Finding{}, fmt.Errorf("held verdict %s: %w", v.Id, errHeld)
	}
	f := Finding{Clock: h.Clock, limit: h.Limit, heldAt: h.HeldAt, kid: h.Kid, Proposal: judge.Proposal{
		ID: v.Id, Target: v.Target, Authority: v.Authority, Action: v.Action, Until: v.Until.AsTime(), Score: v.Score,
		Evidence: v.Evidence, PublicText: v.PublicText, OperatorText: v.OperatorText, Subject: v.Subject, Tenant: v.Tenant,
		EventID: v.Cause.EventId, EventTime: v.Cause.EventTime.AsTime(), Offset: v.Cause.Offset, Model: v.Model,
	}}
	if elsewhere(v.Cause, p.topicID) {
		f.Proposal.Offset = 0 // What has been judged of the new topic is newer.
	}
	if v.NotBefore != nil {
		f.Proposal.NotBefore = v.NotBefore.AsTime()
	}
	return f, nil
}

// ledger is what waits according to the control topic, over all partitions and
// processes. It is read on from where it was read to, because every partition
// that is assigned asks for it; and anew where that was long ago, because a
// tombstone does not stand in the topic for ever.
type ledger struct {
	mu      gate
	next    int64
	read    time.Time
	failed  time.Time // When the last try to read failed.
	records map[string][]byte
	refused int // Beyond ledgerMax.

	stall, retry time.Duration // Within which a record must come, and until it is tried again.
}

func newLedger() *ledger { return &ledger{mu: newGate(), stall: heldStall, retry: heldRetry} }

// under returns the records whose id begins so.
func (l *ledger) under(ctx context.Context, w *Writer, prefix string, now time.Time) (map[string][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.read) > ledgerFresh {
		l.next, l.refused, l.records = 0, 0, make(map[string][]byte)
	}
	if now.Sub(l.failed) < l.retry {
		return nil, fmt.Errorf("what waits for a person: %w", errUnread)
	}
	next, err := w.read(ctx, l.stall, topic.Control, 0, l.next, l.take)
	if err != nil {
		l.failed = now
		return nil, fmt.Errorf("what waits for a person: %w", err)
	}
	l.next, l.read, l.failed = next, now, time.Time{}
	found := make(map[string][]byte)
	if l.refused > 0 {
		w.logger.WarnContext(ctx, "more verdicts wait for a person than are read", "left_out", l.refused, "limit", ledgerMax)
		w.metrics.gaveWay.Add(ctx, int64(l.refused))
		l.refused = 0
	}
	for key, record := range l.records {
		if parts := strings.Split(key, "\x00"); strings.HasPrefix(parts[2], prefix) {
			found[key] = record
		}
	}
	return found, nil
}

func (l *ledger) take(m kafka.Message) {
	parts := bytes.Split(m.Key, []byte{0})
	if len(parts) != 3 || string(parts[1]) != kindHeld {
		return // Another's business.
	}
	key := string(m.Key)
	_, known := l.records[key]
	switch {
	case len(m.Value) == 0:
		delete(l.records, key)
	case known || len(l.records) < ledgerMax:
		l.records[key] = m.Value
	default:
		l.refused++
	}
}
