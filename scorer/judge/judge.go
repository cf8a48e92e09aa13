package judge

import (
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/ensemble"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/rules"
)

// holdClips is how many clips of its group an actor can hold: suspicion stays
// finite, so that it also fades in finite time.
const holdClips = 2

// Share is a finding after weight and clip.
type Share struct {
	evidence.Finding
	// Nats is the finding's share of the score; the finding's own stay raw.
	Nats float64
	// Rule is the custom rule that found it, nil for a signal of the catalogue.
	Rule *rules.Rule
	// Ensemble is the user's model that found it, nil for all others.
	Ensemble *ensemble.Model
	// Exception is the one that takes the finding out of the score, nil for none.
	Exception *model.Exception
}

// Describe is the row of the signal, custom rule or ensemble that found it.
func (s *Share) Describe() *evidence.Description {
	switch {
	case s.Rule != nil:
		return s.Rule.Describe()
	case s.Ensemble != nil:
		return s.Ensemble.Describe()
	}
	return s.Signal.Describe()
}

func (s *Share) ceiling(m *model.Model) string {
	switch {
	case s.Rule != nil:
		return s.Rule.Ceiling
	case s.Ensemble != nil:
		return s.Ensemble.Ceiling
	}
	return m.Signals[s.Signal].Ceiling
}

// Terms are what a model says about one event beyond the weights of its signals.
type Terms struct {
	// Class is the class of the event's route, nil for none.
	Class *model.RouteClass
	// Exceptions are those that hold for the event now.
	Exceptions []*model.Exception
	// Brought is what the user's models say about the event.
	Brought []ensemble.Finding
	// Common is what the days of such subjects show, nil where nobody counts it.
	Common *entity.Prevalence
}

// Weigh turns findings into shares of the score under a model's terms and returns
// their sum; found is what its custom rules say. Within a group that exceeds its clip
// every share shrinks alike, so the shares always sum to the score. The result is
// appended to dst.
func Weigh(m *model.Model, t Terms, findings []evidence.Finding, found []rules.Finding, dst []Share) (shares []Share, score float64) {
	var sums [evidence.GroupCount]float64
	shares = dst
	put := func(s Share) {
		d := s.Describe()
		if s.Nats > 0 && !d.Hard {
			s.Nats *= m.GroupWeights[d.Group]
		}
		s.Exception = except(t.Exceptions, d)
		if s.Exception != nil {
			s.Nats = 0
		}
		sums[d.Group] += max(0, s.Nats) // Reassurance makes no room under a clip.
		shares = append(shares, s)
	}
	for _, f := range findings {
		weight := m.Signals[f.Signal].Weight
		if t.Class != nil {
			weight = t.Class.Weights[f.Signal]
		}
		raw := f.Nats
		if t.Common != nil && f.Common() {
			raw = min(raw, t.Common.Most(int(f.Signal), raw, m.Learning.CommonAbove))
		}
		nats := float64(raw * weight) // Not fused with the sum, see package exact.
		if nats != 0 && nats == nats {
			put(Share{Finding: f, Nats: nats})
		}
	}
	for _, f := range found {
		put(Share{
			Finding: evidence.Finding{Signal: f.Rule.Number(), Nats: f.Nats, Strong: true, Text: f.Rule.Text},
			Nats:    f.Nats, Rule: f.Rule,
		})
	}
	for _, f := range t.Brought {
		nats := float64(f.Nats * f.Model.Weight)
		if nats != 0 {
			put(Share{Finding: evidence.Finding{Signal: f.Model.Number(), Nats: f.Nats, Strong: true, Text: f.Text}, Nats: nats, Ensemble: f.Model})
		}
	}
	for i := len(dst); i < len(shares); i++ {
		g := shares[i].Describe().Group
		if sums[g] > m.Clips[g] && shares[i].Nats > 0 {
			shares[i].Nats *= m.Clips[g] / sums[g]
		}
		score += shares[i].Nats
	}
	return shares, score
}

// except returns the first exception that covers a signal.
func except(list []*model.Exception, d *evidence.Description) *model.Exception {
	for _, x := range list {
		if x.Covers(d) {
			return x
		}
	}
	return nil
}

// Ruling is what the judge makes of an actor after an event.
type Ruling struct {
	// Action is what the suspicion asks for now, observe for nothing.
	Action string
	// Rung is that action's rung, nil for observe.
	Rung *model.Rung
	// Score is the suspicion that supports the action, Total all of it.
	Score, Total float64
	Hard         bool
	// Announce says that a verdict should go out: the action is stronger than
	// the one in force, or that one is about to lapse.
	Announce bool
	// Gained is what the event added to the suspicion, by group, in nats; below 0
	// where a proof took some back.
	Gained [entity.GroupSlots]float64
}

// Step adds an event's shares to an actor's suspicion and reads the ladder. It
// is a CUSUM with decay and floor (Page 1954): a signal adds by how far it
// exceeds its decayed peak, so that one fact seen twice counts once. pace is how
// suspicion of this kind of actor or facet fades.
func Step(m *model.Model, pace *entity.Pace, rungs []model.Rung, s *entity.Suspicion, shares []Share, now int64) Ruling {
	s.Decay(now, pace)
	renew(m, s, now)
	var gained [entity.GroupSlots]float64
	for i := range s.Piles {
		gained[s.Piles[i].Group] -= s.Piles[i].Nats
	}
	grown, hard := false, false
	for i := range shares {
		f := &shares[i]
		if f.Exception != nil || f.Nats < 0 {
			continue // Seen, and not held against anybody.
		}
		hard = hard || f.Describe().Hard
		if add(m, s, f, now) {
			grown = true
		}
	}
	for i := range shares {
		takeBack(s, -shares[i].Nats)
	}
	if now >= s.LevelUntil {
		s.Level = 0
	}
	r := read(m, rungs, s, hard)
	r.Gained = gained
	for i := range s.Piles {
		r.Gained[s.Piles[i].Group] += s.Piles[i].Nats
	}
	r.Total = s.Total(m.Session.Floor)
	r.Hard = hard
	r.Announce = r.Rung != nil && announce(s, &r, grown || hard, now)
	return r
}

// renew begins the next block: signals that renew may count again, and what
// they have counted drifts back by what an ordinary sample says, ln κ for each
// block that has passed. Only they can take back, and only what was theirs.
func renew(m *model.Model, s *entity.Suspicion, now int64) {
	passed := (now - s.Block) / int64(m.Session.Block)
	if passed <= 0 {
		return
	}
	s.Block += passed * int64(m.Session.Block)
	drift := min(s.Fresh, float64(float64(passed)*-exact.Ln(m.Volume.Kappa)))
	s.Fresh -= drift
	for i := range evidence.Count {
		d := evidence.Signal(i).Describe()
		if !d.Renews {
			continue
		}
		for j := range s.Marks {
			if s.Marks[j].Signal == i {
				s.Marks[j].Peak, s.Marks[j].Strong = 0, 0
			}
		}
		for c := range entity.CeilingSlots {
			held := s.Held(c, int(d.Group))
			back := min(drift, held)
			if back > 0 {
				s.Hold(c, int(d.Group), held-back)
				drift -= back
			}
		}
	}
}

// add puts one share on the pile and reports whether the pile grew.
func add(m *model.Model, s *entity.Suspicion, f *Share, now int64) bool {
	g := int(f.Describe().Group)
	full := verdict.Strength(f.ceiling(m))
	weak := min(full, verdict.Strength(verdict.ActionStepUp))
	mark := s.Mark(int(f.Signal))
	more := max(0, f.Nats-mark.Peak)
	mark.Peak = max(mark.Peak, f.Nats)
	grown := more
	if f.Strong && full > weak {
		// What this signal has counted towards a step-up moves up with it.
		strong := max(0, f.Nats-mark.Strong)
		moved := min(strong-more, s.Held(weak, g))
		mark.Strong = max(mark.Strong, f.Nats)
		s.Hold(weak, g, s.Held(weak, g)-moved)
		s.Hold(full, g, s.Held(full, g)+more+moved)
		grown = strong
	} else {
		s.Hold(weak, g, s.Held(weak, g)+more)
	}
	for c := range entity.CeilingSlots {
		s.Hold(c, g, max(m.Session.Floor, min(s.Held(c, g), holdClips*m.Clips[g])))
	}
	if f.Describe().Renews {
		s.Fresh += grown
	}
	note(s, f, now)
	return grown > 0
}

// takeBack lets a proof answer the suspicion that somebody else acts, as far
// as it supports at most a step-up. Peaks stay, so that the same facts do not
// count again.
func takeBack(s *entity.Suspicion, nats float64) {
	for c := range verdict.Strength(verdict.ActionStepUp) + 1 {
		for g := range evidence.GroupCount {
			if !(nats > 0) {
				return
			}
			if evidence.Group(g).Identity() {
				held := s.Held(c, g)
				back := max(0, min(nats, held))
				s.Hold(c, g, held-back)
				nats -= back
			}
		}
	}
}

// note remembers the strongest that each signal has said. Where there are too many,
// the weakest gives way: what a verdict rests on stands in it, whatever else was done
// before.
func note(s *entity.Suspicion, f *Share, now int64) {
	r := entity.Reason{Signal: int(f.Signal), Nats: f.Nats, Raw: f.Finding.Nats, At: now} // The finding's text is valid for this event only.
	for i := range s.Reasons {
		old := &s.Reasons[i]
		if old.Signal != r.Signal {
			continue
		}
		if r.Nats >= old.Nats {
			r.Text = append(old.Text[:0], f.Text...)
			*old = r
		}
		return
	}
	if len(s.Reasons) < entity.ReasonsMax {
		s.Remember(r, f.Text)
		return
	}
	weakest := &s.Reasons[0]
	for i := range s.Reasons {
		if s.Reasons[i].Nats < weakest.Nats {
			weakest = &s.Reasons[i]
		}
	}
	if weakest.Nats < r.Nats {
		r.Text = append(weakest.Text[:0], f.Text...)
		*weakest = r
	}
}

// read returns the strongest rung that the suspicion reaches. By hysteresis,
// an action in force stays until suspicion is well below what brought it about.
func read(m *model.Model, rungs []model.Rung, s *entity.Suspicion, hard bool) Ruling {
	r := Ruling{Action: verdict.ActionObserve}
	for i := range rungs {
		g := &rungs[i]
		sum, threshold := support(s, g), g.Threshold
		if verdict.Strength(g.Action) <= s.Level {
			threshold *= m.Session.Hysteresis
		}
		fact := hard && g.Action == verdict.ActionRevoke
		if sum >= threshold || fact {
			r.Action, r.Rung, r.Score = g.Action, g, max(0, sum)
		}
	}
	return r
}

// Supports appends to dst what supports each rung now, in nats.
func Supports(rungs []model.Rung, s *entity.Suspicion, dst []float64) []float64 {
	for i := range rungs {
		dst = append(dst, support(s, &rungs[i]))
	}
	return dst
}

// support is the suspicion whose ceiling and group allow a rung's action, as far
// as no proof has answered it.
func support(s *entity.Suspicion, g *model.Rung) float64 {
	sum, strength := 0.0, verdict.Strength(g.Action)
	if strength <= verdict.Strength(verdict.ActionStepUp) {
		sum -= s.Answered
	}
	if len(s.Piles) == 0 {
		return sum
	}
	for c := strength; c < entity.CeilingSlots; c++ {
		if len(g.Groups) == 0 {
			for g := range evidence.GroupCount {
				sum += s.Held(c, g)
			}
			continue
		}
		for _, group := range g.Groups {
			sum += s.Held(c, int(group))
		}
	}
	return sum
}

// announce lets a stronger action out at once, and the one in force again only
// in the last quarter of its life and on new evidence.
func announce(s *entity.Suspicion, r *Ruling, grown bool, now int64) bool {
	level := verdict.Strength(r.Action)
	switch {
	case !grown || level < s.Level:
		return false
	case level == s.Level && now < s.LevelUntil-int64(r.Rung.For)/4:
		return false
	}
	return true
}
