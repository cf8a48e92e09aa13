package anomaly

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"time"
	"unsafe"

	"github.com/zeebo/xxh3"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/calibrate"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/forest"
	"github.com/vigil-gateway/vigil/scorer/quarantine"
	"github.com/vigil-gateway/vigil/scorer/reservoir"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// members are those of the ensemble that take part: the cheap ones, of which one
// sees what no single column shows. Distance to remembered rows costs as much as
// the others together and found no more; what repeats is for the test to add up.
const members = forest.Peak | forest.Relation

// Params is the part of the risk model that the signal needs.
type Params struct {
	On bool
	// Max is the most that the signal says, in nats.
	Max float64
	// HalfLife is after how long what a session showed is half forgotten.
	HalfLife   time.Duration
	Quarantine time.Duration
}

// Set is the detectors of one engine.
type Set struct {
	params Params
	table  *entity.Table[detector]
	err    error
	// Looked counts the events that were looked at.
	Looked uint64
	// Without counts the events that had no detector because all are in use.
	Without uint64

	current *detector // Of the event, where it was drawn; nil for none.
	idle    *detector // Of the event, where it was not looked at.
	sample  quarantine.Sample
	draw    uint64
	row     [Columns]float64
	rounded [Columns]float64 // As a frozen twin, which knows rounded ones, is shown it.
	shares  [Columns]float64
	words   []byte // Of the latest finding.
}

type detector struct {
	name string // Of the tenant's: kind of subject and class.
	live *twin
	// frozen is that of the epoch in force, nil where that has none.
	frozen  *twin
	epoch   *epoch.Epoch // Of which frozen was built.
	seen    int64        // When it was last asked for.
	waiting quarantine.Queue
}

// scoring is the twin that scores.
func (d *detector) scoring() *twin {
	if d.frozen != nil {
		return d.frozen
	}
	return d.live
}

// follow takes over the epoch in force, once. A live twin that scores no longer
// has no use for its normal scores: should it ever score again, it begins anew.
func (d *detector) follow(e *epoch.Epoch) {
	d.epoch, d.frozen = e, freeze(e, d.name)
	if d.frozen != nil {
		d.live.normal, d.live.known = calibrate.NewConformal(0), 0
	} else {
		d.live.bound()
	}
}

// NewSet returns a set of at most most detectors, which knows nothing.
func NewSet(most int) *Set {
	s := &Set{table: entity.NewTable[detector](most)}
	s.sample.Row = s.row[:]
	return s
}

// Use puts the parameters of another model in force and keeps what was learned.
func (s *Set) Use(p Params) { s.params = p }

// Len is the number of detectors, Evicted how many were pushed out at the limit.
func (s *Set) Len() int { return s.table.Len() }

// Evicted counts the detectors that were pushed out at the limit.
func (s *Set) Evicted() uint64 { return s.table.Evicted }

// Look returns what the detector of an event's route class, "" for none, says
// about the event; false where that is nothing, or where it is not looked at.
func (s *Set) Look(x *evidence.Context, class string) (evidence.Finding, bool) {
	s.current, s.idle = nil, nil
	if !s.params.On || x.Subject == nil || !x.Complete() {
		return evidence.Finding{}, false
	}
	d := s.of(x, class)
	if d == nil {
		return evidence.Finding{}, false
	}
	t := d.scoring()
	draw := xxh3.HashStringSeed(x.Session.Key.ID, x.Session.Requests)
	drawn := draw%Every == 0
	if !drawn && !t.large(x.Event) {
		s.idle = d
		return evidence.Finding{}, false
	}
	s.Looked++
	for i := range dimensions {
		s.row[i] = dimensions[i].of(x)
	}
	seen := &s.row
	if t == d.frozen {
		seen = &s.rounded
		for i, v := range s.row {
			seen[i] = reservoir.Round(v)
		}
	}
	score, err := t.forest.Score(seen[:])
	if err != nil {
		panic("anomaly: " + err.Error()) // Every row has its columns.
	}
	if drawn { // Only these are a fair sample of what is normal.
		s.current, s.draw = d, draw/Every
		s.sample.Actor, s.sample.Subject = x.Session.Key, evidence.Hash(x.Event.GetSubject())
		s.sample.At, s.sample.Score = x.Now, -1
		if t == d.live && t.mature() {
			s.sample.Score = score
		}
	}
	if !t.speaks() {
		return evidence.Finding{}, false
	}
	odd := &x.Session.Odd
	before := odd.To(x.Now, int64(s.params.HalfLife))
	odd.Value = min(oddMax, max(0, before+float64(temperature*calibrate.Evidence(t.normal.P(score), calibrate.Kappa))))
	x.Session.OddPeak = max(x.Session.OddPeak, float32(odd.Value))
	nats := min(s.params.Max, odd.Value) - max(said(&x.Session.Suspicion), float64(x.Subject.Odd))
	if odd.Value <= before || !(nats >= least) {
		return evidence.Finding{}, false
	}
	return evidence.Finding{Signal: evidence.Anomaly, Nats: nats, Text: s.text(t)}, true
}

const (
	// temperature is what one request's evidence counts: the requests of a session
	// are alike, so that a person with a habit of his own is strange in all.
	temperature = 0.25
	// oddMax is the most that the test remembers, in nats.
	oddMax = 12
	// least is from where on the test is worth a line, in nats: every session has
	// its less usual requests.
	least = 0.5
)

// said is the most that a signal has counted already which judges one of the
// dimensions alone, in nats: what was said once is not said again.
func said(s *entity.Suspicion) float64 {
	most := 0.0
	for _, signal := range [...]evidence.Signal{evidence.RequestRate, evidence.BytesOut, evidence.ResponseSize, evidence.SequentialIDs, evidence.Breadth, evidence.NotFoundShare} {
		most = max(most, s.Peak(int(signal)))
	}
	return most
}

// of is the detector of an event, nil where the limit leaves none for it.
func (s *Set) of(x *evidence.Context, class string) *detector {
	kind := 0
	switch x.Event.GetSubjectKind() {
	case event.SubjectService:
		kind = 1
	case event.SubjectAgent:
		kind = 2
	}
	key := entity.Key{Tenant: x.Event.GetTenant(), Kind: [...]string{event.SubjectHuman, event.SubjectService, event.SubjectAgent}[kind], ID: sensitivity(x.Event.GetSensitivity())}
	if class != "" {
		key.Kind, key.ID = [...]string{"human in class", "service in class", "agent in class"}[kind], class
	}
	d := s.table.Get(key)
	switch {
	case d != nil:
	case s.table.Full() && x.Now-s.table.Oldest().seen < int64(idleFor):
		s.Without++
		return nil
	default:
		key.Tenant = strings.Clone(key.Tenant) // Nothing of the event is kept.
		d = newDetector(key)
		s.table.Put(key, d)
	}
	d.seen = x.Now
	if d.name == "" { // New, or restored.
		d.name = key.Kind + "/" + key.ID
	}
	if e := x.Tenant.Shared.Active; e != d.epoch {
		d.follow(e)
	}
	return d
}

// sensitivity is what stands for a route's class; a word that no configuration
// has makes no detector.
func sensitivity(s string) string {
	for _, known := range [...]string{"low", "high", "critical"} {
		if s == known {
			return known // Ours, not the event's.
		}
	}
	return "normal"
}

func newDetector(key entity.Key) *detector {
	return &detector{live: newTwin(xxh3.HashString(key.Tenant + "\x00model.anomaly\x00" + key.Kind + "\x00" + key.ID))}
}

// Learn takes what the event just looked at would teach, unless it is suspicious.
// Where it was not looked at, it teaches what has proved clean: no event pays for both.
func (s *Set) Learn(x *evidence.Context, suspicious bool, clean func(entity.Key) bool) {
	if s.current != nil && !suspicious {
		s.current.waiting.Offer(&s.sample, s.draw)
	}
	if s.idle != nil {
		s.idle.learn(x, s.params.Quarantine, clean)
	}
	s.current, s.idle = nil, nil
}

// Spare lets the last event teach nothing that has proved clean: it pays for
// something else already.
func (s *Set) Spare() { s.idle = nil }

// learn lets the live twin learn one row that has proved clean, if there is one, and
// with it what goes into the next epoch.
func (d *detector) learn(x *evidence.Context, quarantine time.Duration, clean func(entity.Key) bool) {
	q := d.waiting.Next(x.Now, quarantine, clean)
	if q == nil {
		return
	}
	if q.Score >= 0 && d.frozen == nil {
		d.live.learned(q.At, q.Score)
	}
	before := d.live.forest.Counts().Learned
	_, err := d.live.forest.Next(q.Row)
	if err != nil {
		panic("anomaly: " + err.Error()) // Rows of another width are not restored.
	}
	if d.frozen == nil {
		d.live.bound()
	}
	shared := &x.Tenant.Shared
	if l := shared.Learner(x.Tenant.Key.Tenant, d.name, Columns); l != nil {
		shared.Learn(l, q.Row, d.live.forest.Counts().Learned > before)
	}
}

// text says what is strange about the row, by the dimensions that make most of
// the score. It is valid until the next look.
func (s *Set) text(t *twin) string {
	t.forest.Shares(s.shares[:])
	b := append(s.words[:0], "a request unlike clean ones of its kind"...)
	for told := range dimensionsTold {
		best := 0
		for i := range s.shares {
			if s.shares[i] > s.shares[best] {
				best = i
			}
		}
		usual := t.forest.Quantile(best, 0.5)
		if told > 0 && s.shares[best] < shareLeast || math.IsNaN(s.row[best]) || math.IsNaN(usual) {
			break
		}
		sep := ": "
		if told > 0 {
			sep = "; "
		}
		b = append(append(append(b, sep...), dimensions[best].name...), ' ')
		b = append(dimensions[best].say(b, s.row[best]), ", usually "...)
		b = dimensions[best].say(b, usual)
		s.shares[best] = 0
	}
	s.words = b
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // Not written again before the next look.
}

// Code writes or reads the set, in the order of last use.
func (s *Set) Code(k *snapshot.Codec) {
	s.current, s.idle, s.err = nil, nil, nil
	s.table.Code(k, func(d *detector) { s.code(k, d) }, nil)
}

// Err is why the last reading of the state failed, nil where it did not.
func (s *Set) Err() error { return s.err }

// code writes or reads a detector. The frozen twin is made again of its epoch.
func (s *Set) code(k *snapshot.Codec, d *detector) {
	var state string
	if !k.Reading() {
		var b bytes.Buffer
		_ = d.live.forest.Snapshot(&b) // A buffer takes everything.
		state = b.String()
	} else {
		*d = *newDetector(entity.Key{})
	}
	k.Str(&state)
	if k.Reading() && !k.Failed() {
		f, err := forest.Restore(strings.NewReader(state))
		if err == nil {
			_, err = f.Score(s.row[:]) // Says whether its rows have our width.
		}
		if err != nil {
			s.err = fmt.Errorf("detector: %w", err)
		} else {
			d.live.forest = f
			d.live.bound()
		}
	}
	d.live.normal.Code(k)
	k.Int(&d.live.known)
	k.I64(&d.seen)
	d.waiting.Code(k, Columns)
}
