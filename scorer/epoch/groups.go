package epoch

import (
	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// GroupLikelihoods compare concentrations around peer groups, by habit.
type GroupLikelihoods struct {
	// Members are how habits of members back off to those of their group, and Groups
	// how those of groups do to the tenant's.
	Members, Groups [Habits]profile.Likelihood
}

func (l *GroupLikelihoods) each(do func(*profile.Likelihood)) {
	for i := range l.Members {
		do(&l.Members[i])
	}
	for i := range l.Groups {
		do(&l.Groups[i])
	}
}

// merge adds what others have seen. The order of merges is part of the result.
func (l *GroupLikelihoods) merge(o *GroupLikelihoods) {
	for i := range l.Members {
		l.Members[i].Merge(&o.Members[i])
		l.Groups[i].Merge(&o.Groups[i])
	}
}

// decay multiplies what was seen by f, in (0, 1].
func (l *GroupLikelihoods) decay(f float64) {
	l.each(func(one *profile.Likelihood) { one.Decay(f) })
}

func (l *GroupLikelihoods) code(k *snapshot.Codec) {
	l.each(func(one *profile.Likelihood) { one.Code(k) })
}

// GroupConcentrations are how many observations of a habit that of the next level is
// worth, as [GroupLikelihoods] has the levels; 0 where that is not known.
type GroupConcentrations struct{ Members, Groups [Habits]float64 }

// fit takes the most likely concentrations, and keeps those of which too little was
// seen.
func (c *GroupConcentrations) fit(l *GroupLikelihoods) {
	for i := range l.Members {
		a, ok := l.Members[i].Best()
		if ok {
			c.Members[i] = a
		}
		a, ok = l.Groups[i].Best()
		if ok {
			c.Groups[i] = a
		}
	}
}

func (c *GroupConcentrations) code(k *snapshot.Codec) {
	for _, list := range [...]*[Habits]float64{&c.Members, &c.Groups} {
		for i := range list {
			k.F64(&list[i])
			if k.Reading() {
				list[i] = min(1e6, max(0, list[i]))
			}
		}
	}
}

// GroupConcentration is what a peer group weighs against the habit of a member, and
// its tenant against that of the group, in the epoch in force, else the given ones.
func (k *Knowledge) GroupConcentration(habit int, member, group float64) (ofMember, ofGroup float64) {
	if k.Active == nil {
		return member, group
	}
	if a := k.Active.Groups.Members[habit]; a != 0 {
		member = a
	}
	if a := k.Active.Groups.Groups[habit]; a != 0 {
		group = a
	}
	return member, group
}
