package epoch

import (
	"time"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/reservoir"
	"github.com/vigil-gateway/vigil/scorer/sequence"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Knowledge is one partition's part in what a tenant's partitions share. The
// zero value knows nothing.
type Knowledge struct {
	// Active is the epoch in force, nil for none.
	Active *Epoch
	// Live is what goes on learning, nil as long as nobody has anything to teach.
	Live *sequence.Shared
	// Likelihoods go on learning, too.
	Likelihoods [Habits]profile.Likelihood
	Groups      GroupLikelihoods
	// learners are the parts in detectors, by name.
	learners []*Learner
	// looked is when it was last looked whether an epoch is due.
	looked int64
}

// Grow is Live, made where there is none.
func (k *Knowledge) Grow() *sequence.Shared {
	if k.Live == nil {
		k.Live = sequence.NewShared()
	}
	return k.Live
}

// Number is that of the epoch in force, 0 for none.
func (k *Knowledge) Number() uint64 {
	if k.Active == nil {
		return 0
	}
	return k.Active.Number
}

// Prior is that of the epoch in force, nil for none.
func (k *Knowledge) Prior() *sequence.Prior {
	if k.Active == nil {
		return nil
	}
	return k.Active.Prior
}

// Takeover is the evidence of a step by the curves of the epoch in force, in nats;
// without one there is none.
func (k *Knowledge) Takeover(kind sequence.Kind, s sequence.Step) float64 {
	if k.Active == nil {
		return 0
	}
	return sequence.NatsOf(k.Active.Curves[kind], k.Active.Adaptive[kind], s)
}

// Concentration is that of a habit in the epoch in force, else the given one.
func (k *Knowledge) Concentration(habit int, otherwise float64) float64 {
	if k.Active == nil || k.Active.Concentrations[habit] == 0 {
		return otherwise
	}
	return k.Active.Concentrations[habit]
}

// Fade lets all that was learned fade by some time, by half in halfLife.
func (k *Knowledge) Fade(time, halfLife float64) {
	if k.Live != nil {
		k.Live.Fade(time, halfLife)
	}
	f := exact.Decay(time, halfLife)
	for i := range k.Likelihoods {
		k.Likelihoods[i].Decay(f)
	}
	k.Groups.decay(f)
	for _, l := range k.learners {
		l.Rows.Fade(f)
	}
}

// Summary is all that the partition has learned, nil where it is nothing. It
// stays part of the partition: encode it before the next event.
func (k *Knowledge) Summary(tenant string, partition int32, now int64) *Summary {
	if k.Live == nil && len(k.learners) == 0 {
		return nil
	}
	live := k.Live
	if live == nil {
		live = sequence.NewShared() // Not ours: whoever is asked goes on as he was.
	}
	s := &Summary{Tenant: tenant, Partition: partition, At: now, Epoch: k.Number(), Shift: k.Shift(), Sequence: live, Likelihoods: k.Likelihoods, Groups: k.Groups}
	for _, l := range k.learners {
		s.Detectors = append(s.Detectors, Detector{Name: l.Name, Rows: l.Rows})
	}
	return s
}

// Activate puts an epoch in force, and reports false where it is no later than
// the one that is.
func (k *Knowledge) Activate(e *Epoch) bool {
	if e.Number <= k.Number() {
		return false
	}
	k.Active = e
	if k.Live != nil {
		k.Live.Recent = sequence.Marginal{}
	}
	for _, l := range k.learners {
		l.Recent = reservoir.Counts{}
	}
	return true
}

// Shift is how far what is done now is from what the epoch in force knows, as
// a population stability index: the largest of the order of events and of the
// first [WatchedColumns] of each detector; 0 where that is not known yet.
func (k *Knowledge) Shift() float64 {
	if k.Active == nil {
		return 0
	}
	shift := 0.0
	if k.Live != nil {
		shift = k.Live.Recent.Shift(&k.Active.Steps)
	}
	for _, l := range k.learners {
		if d := k.Active.Detector(l.Name); d != nil {
			moved, _ := d.Reference.Shift(&l.Recent, WatchedColumns)
			shift = max(shift, moved)
		}
	}
	return shift
}

// Due reports whether the partition, were it the only one, should build an
// epoch: the first one once there is a prior, the next ones every so often, and
// one more as soon as another kind of subject can be given a curve.
func (k *Knowledge) Due(now int64, every time.Duration) bool {
	if k.Live == nil || now-k.looked < int64(lookEvery) {
		return false
	}
	k.looked = now
	return Due(k.Active, k.Live, now, every)
}

// Due reports whether an epoch should follow active, nil for none, given all
// that was learned of the order of events: detectors come with the epochs that it
// asks for, and until then their live twins score.
func Due(active *Epoch, whole *sequence.Shared, now int64, every time.Duration) bool {
	switch {
	case !whole.Prior.Known():
		return false
	case active == nil || now-active.Built >= int64(every):
		return true
	}
	for i := range whole.Tails {
		_, fits := whole.Tails[i].Fit()
		if fits && active.Curves[i] == (sequence.Curve{}) {
			return true
		}
	}
	return false
}

// Code writes or reads the knowledge, the epoch's bytes with it: a restart needs
// nothing from elsewhere.
func (k *Knowledge) Code(c *snapshot.Codec) {
	c.I64(&k.looked)
	for i := range k.Likelihoods {
		k.Likelihoods[i].Code(c)
	}
	k.Groups.code(c)
	has := k.Live != nil
	c.Bool(&has)
	if has {
		k.Grow().Code(c)
		k.Live.CodeAdaptive(c)
	}
	codeLearners(c, &k.learners)
	has = k.Active != nil
	c.Bool(&has)
	if !has {
		return
	}
	if k.Active == nil {
		k.Active = &Epoch{Prior: sequence.NewPrior()}
	}
	layout := uint64(k.Active.layout)
	c.U64(&layout)
	if c.Reading() {
		k.Active.layout = byte(layout)
	}
	k.Active.code(c)
	if c.Reading() {
		k.Active.finish()
	}
}

// codeLearners writes or reads the parts in detectors, which are in order.
func codeLearners(c *snapshot.Codec, list *[]*Learner) {
	snapshot.List(c, list, func(l **Learner) {
		if c.Reading() {
			*l = new(Learner)
		}
		c.Str(&(*l).Name)
		(*l).Rows.Code(c)
		(*l).Recent.Code(c)
	})
	if c.Reading() && len(*list) > DetectorsMax {
		c.Fail()
		*list = nil
	}
}
