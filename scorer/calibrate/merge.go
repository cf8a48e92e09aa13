package calibrate

import (
	"math"

	"github.com/vigil-gateway/vigil/scorer/exact"
)

// mergePower is the exponent of the mean that [Merge] takes. At 1 a single
// member that sees nothing would silence the others, near 0 a single member
// that errs would speak for all.
const mergePower = 0.125

// Merge joins the surprises of dependent models, in nats, into one: minus the
// logarithm of the power mean of their p-values (Vovk and Wang, Combining
// p-values via averaging, Biometrika 2020), without the factor that would make
// it valid under any dependence, because its result is ranked again. It is
// between the least and the greatest of them, and 0 where there are none.
func Merge(nats []float64) float64 {
	if len(nats) == 0 {
		return 0
	}
	sum := 0.0
	for _, n := range nats {
		sum += exact.Exp2(-float64(mergePower*n) / math.Ln2)
	}
	return max(0, -exact.Ln(sum/float64(len(nats)))/mergePower)
}
