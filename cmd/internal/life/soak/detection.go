package soak

import (
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/judge"
)

// incident is one attack as it is seen: requests are counted from the first
// suspicious one on.
type incident struct {
	suspicious bool
	requests   int
	throttle   int // Requests until the first throttle or read_only, 0 for never.
	stepUp     int // Until step-up or more.
	revoke     int // Until revoke or block.
	// began is the time of the first suspicious one, and the others how long after it
	// the verdict fell.
	began              time.Time
	stepUpIn, revokeIn time.Duration
	// Until when an attacker's step-up, and his revoke, of before the first
	// suspicious request are in force: who is still held then is held at once.
	earlyStepUp, earlyRevoke time.Time
}

// see books an event of the attack; begins says that it begins a request.
func (c *incident) see(label life.Label, begins bool, at time.Time) {
	if label.Suspicious && !c.suspicious {
		c.suspicious, c.began = true, at
		if c.earlyStepUp.After(at) || c.earlyRevoke.After(at) {
			c.stepUp = 1
		}
		if c.earlyRevoke.After(at) {
			c.revoke = 1
		}
	}
	if c.suspicious && begins {
		c.requests++
	}
}

// take books a proposal that falls, or is met, at a time: on an event of the attacker,
// or of the owner.
func (c *incident) take(p *judge.Proposal, byAttacker bool, at time.Time) {
	level := verdict.Strength(p.Action)
	ends := level >= verdict.Strength(verdict.ActionRevoke)
	caught := level >= verdict.Strength(verdict.ActionStepUp)
	switch {
	case c.suspicious:
	case byAttacker && ends:
		c.earlyRevoke = p.Until
		return
	case byAttacker && caught:
		c.earlyStepUp = p.Until
		return
	default:
		return // The owner's own affair.
	}
	set := func(n *int, in *time.Duration) {
		if *n == 0 {
			*n, *in = max(1, c.requests), at.Sub(c.began)
		}
	}
	switch {
	case ends:
		set(&c.revoke, &c.revokeIn)
		set(&c.stepUp, &c.stepUpIn)
	case caught:
		set(&c.stepUp, &c.stepUpIn)
	default:
		set(&c.throttle, new(time.Duration))
	}
}

// Detection is one row of the detection table.
type Detection struct {
	Kind    string `json:"kind"`
	Attacks int    `json:"attacks"`
	// Slowed counts those that were at least throttled, Caught those that met a
	// step-up or more, Ended those that met a revoke or block.
	Slowed int `json:"slowed"`
	Caught int `json:"caught"`
	Ended  int `json:"ended"`
	// Requests from the first suspicious one on until then; 0 where none was.
	StepUpMedian int `json:"step_up_median"`
	StepUpP90    int `json:"step_up_p90"`
	RevokeMedian int `json:"revoke_median"`
	RevokeP90    int `json:"revoke_p90"`
	// StepUpIn and RevokeIn are medians, too: how long after the first suspicious
	// request the verdict fell, by the attack's own clock.
	StepUpIn time.Duration `json:"step_up_ns_median"`
	RevokeIn time.Duration `json:"revoke_ns_median"`
	// Requests of the median attack if nothing stops it.
	Requests int `json:"requests"`
}

// detect makes the table, in the order in which the kinds are defined.
func (r *Report) detect(attacks []*life.Attack, cases []incident) {
	rows := make(map[string]*Detection)
	steps, ends, all := make(map[string][]int), make(map[string][]int), make(map[string][]int)
	stepsIn, endsIn := make(map[string][]time.Duration), make(map[string][]time.Duration)
	for i, a := range attacks {
		c := &cases[i]
		if !c.suspicious {
			continue // It never began, or was forged calm to the end.
		}
		d := rows[a.Kind]
		if d == nil {
			d = &Detection{Kind: a.Kind}
			rows[a.Kind] = d
		}
		d.Attacks++
		all[a.Kind] = append(all[a.Kind], c.requests)
		if c.throttle > 0 || c.stepUp > 0 {
			d.Slowed++
		}
		if c.stepUp > 0 {
			d.Caught++
			steps[a.Kind], stepsIn[a.Kind] = append(steps[a.Kind], c.stepUp), append(stepsIn[a.Kind], c.stepUpIn)
		}
		if c.revoke > 0 {
			d.Ended++
			ends[a.Kind], endsIn[a.Kind] = append(ends[a.Kind], c.revoke), append(endsIn[a.Kind], c.revokeIn)
		}
	}
	for _, kind := range life.AttackKinds() {
		d := rows[kind]
		if d == nil {
			continue
		}
		d.StepUpMedian, d.StepUpP90 = quantile(steps[kind], 0.5), quantile(steps[kind], 0.9)
		d.RevokeMedian, d.RevokeP90 = quantile(ends[kind], 0.5), quantile(ends[kind], 0.9)
		d.StepUpIn, d.RevokeIn = quantile(stepsIn[kind], 0.5), quantile(endsIn[kind], 0.5)
		d.Requests = quantile(all[kind], 0.5)
		r.Detection = append(r.Detection, *d)
	}
}

func quantile[T int | time.Duration](x []T, q float64) T {
	if len(x) == 0 {
		return 0
	}
	slices.Sort(x)
	return x[min(len(x)-1, int(float64(len(x))*q))]
}
