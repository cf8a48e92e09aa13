package calibrate

import "github.com/vigil-gateway/vigil/scorer/exact"

// Kappa is the usual exponent of [Evidence].
const Kappa = 0.3

// Evidence turns a p-value in (0, 1] into evidence in nats: the logarithm of
// the e-value kappa·p^(kappa-1) (Shafer et al., Test martingales, Bayes factors
// and p-values, Statistical Science 2011), whose mean under uniform p is 1. kappa
// is in (0, 1); at [Kappa] a p of 1 gives -1.2 and a p of 0.001 gives 3.6.
func Evidence(p, kappa float64) float64 {
	return exact.Ln(kappa) + float64((kappa-1)*exact.Ln(min(1, p)))
}
