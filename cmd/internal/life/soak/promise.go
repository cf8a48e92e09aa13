package soak

import (
	"errors"
	"fmt"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/scorer/evidence"
)

// exclusion is a circumstance that is itself what a group looks for: within it the
// group's evidence is no news, and its mean of exp(L) may be above 1. Everywhere
// else, and over all blocks together, it may not.
type exclusion struct {
	group evidence.Group
	trait life.Trait
	why   string
}

// exclusions are all of them, with their reasons.
func exclusions() []exclusion {
	return []exclusion{
		{evidence.Network, life.Travelling, "a traveller shows new countries, which is what a stolen token shows"},
		{evidence.Network, life.HotelOrCafe, "a network where he has never been"},
		{evidence.Network, life.Roaming, "a foreign operator, while the phone's other network is at home"},
		{evidence.Network, life.TwoClients, "one token shown by two programs is in two places when one of them changes its network"},
		{evidence.Client, life.NewPhone, "a device, a system and a program that he has never had"},
		{evidence.Client, life.NewBrowser, "a program that he has never had"},
		{evidence.Walk, life.IDWork, "one id after the other is his work today, and a walk's picture"},
		{evidence.Volume, life.BulkExport, "more bytes than on any other day are sent, as an exfiltration sends them"},
	}
}

// looksFor are the circumstances that are themselves what a group looks for, or all
// of them behind the groups.
func looksFor(g int) life.Trait { return looked[g] }

//nolint:gochecknoglobals // Made once of a constant list: it is asked about every block.
var looked = func() (list [groupsAndAll]life.Trait) {
	for _, x := range exclusions() {
		list[x.group] |= x.trait
		list[evidence.GroupCount] |= x.trait
	}
	return list
}()

// OneUnit checks that what each group gains from honest actors in a block is in
// one unit: the mean of exp(L) is at most 1, for each kind of subject that is
// named, for each group and all together, over all blocks and over those of
// each circumstance but the ones that the group looks for.
func (r *Report) OneUnit(kinds ...string) error {
	var errs []error
	check := func(what string, g int, m *mean) {
		if mean := m.of(g); m.n[g] >= segmentBlocksMin && mean > 1 {
			errs = append(errs, fmt.Errorf("%s: the mean of exp(L) of %s is %.3f over %.0f blocks", what, groupName(g), mean, m.n[g]))
		}
	}
	for _, kind := range kinds {
		if r.kinds[kind] == nil {
			continue
		}
		for g := range groupsAndAll {
			check(kind, g, &r.kinds[kind].mean)
			for _, s := range r.Segments {
				if s.Kind == kind && looksFor(g)&s.trait == 0 {
					check(kind+", "+s.Trait, g, &s.mean)
				}
			}
		}
	}
	return errors.Join(errs...)
}

// Promised checks what an installation is promised for the kinds of subject
// that are named: no revocation and no block, and step-ups and throttles within
// twice their budget. Every broken promise is reported.
func (r *Report) Promised(kinds ...string) error {
	var errs []error
	for _, kind := range kinds {
		k := r.kinds[kind]
		if k == nil {
			errs = append(errs, fmt.Errorf("%s: nobody lived", kind))
			continue
		}
		// One more than the rate, so that a few days do not promise less than one.
		within := func(action string, n, budget int) {
			if float64(n) > 1+2*float64(budget)*float64(k.SubjectDays)/10000 {
				errs = append(errs, fmt.Errorf("%s: %d times %s in %d subject-days, promised are %d per 10,000", kind, n, action, k.SubjectDays, 2*budget))
			}
		}
		within("step_up", k.StepUp, StepUpBudget)
		within("throttle or read_only", k.Throttle+k.ReadOnly, ThrottleBudget)
		if k.Revoke+k.Block > 0 {
			errs = append(errs, fmt.Errorf("%s: %d times revoke and %d times block in %d subject-days, promised is none", kind, k.Revoke, k.Block, k.SubjectDays))
		}
	}
	return errors.Join(errs...)
}
