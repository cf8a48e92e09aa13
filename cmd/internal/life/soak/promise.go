package soak

import (
	"errors"
	"fmt"
)

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
