package profile

import "github.com/vigil-gateway/vigil/scorer/exact"

// Worth is what one of n observations of members people says about what they have
// in common, in [0, 1]. People repeat themselves: of n observations a Dirichlet
// process of concentration a draws a·ln(1+n/a) and a few from its base and takes the
// others from what it drew before (Antoniak 1974), and only what is drawn is news
// to the level above (Hierarchical Dirichlet Processes, JASA 101, 2006). So one who
// does the same thing a hundred times makes no habit of a group. It is 0 where there
// are no observations or no people.
func Worth(n, members, a float64) float64 {
	drawn := float64(members * a)
	if !(n > 0) || !(drawn > 0) {
		return 0
	}
	return min(1, float64(drawn*exact.Ln(1+n/drawn))/n)
}
