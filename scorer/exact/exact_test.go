package exact_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/vigil-gateway/vigil/scorer/exact"
)

// TestLnAgreesWithMath compares with the standard library.
func TestLnAgreesWithMath(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := math.Exp(rapid.Float64Range(-600, 600).Draw(t, "ln x"))
		got, want := exact.Ln(x), math.Log(x)
		if math.Abs(got-want) > 1e-13*math.Max(1, math.Abs(want)) {
			t.Fatalf("Ln(%g) = %.17g, want %.17g", x, got, want)
		}
	})
}

// TestExp2AgreesWithMath compares with the standard library.
func TestExp2AgreesWithMath(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Float64Range(-900, 900).Draw(t, "x")
		got, want := exact.Exp2(x), math.Exp2(x)
		if math.Abs(got-want) > 1e-13*want {
			t.Fatalf("Exp2(%g) = %.17g, want %.17g", x, got, want)
		}
	})
}

// TestEdgesStayFinite feeds what no honest sum holds.
func TestEdgesStayFinite(t *testing.T) {
	for _, x := range []float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1), math.SmallestNonzeroFloat64} {
		for name, y := range map[string]float64{"Ln": exact.Ln(x), "Exp2": exact.Exp2(x), "Decay": exact.Decay(x, x)} {
			if math.IsNaN(y) || math.IsInf(y, 0) {
				t.Errorf("%s(%g) = %g, want a finite number", name, x, y)
			}
		}
	}
}

// TestKilometres measures known distances.
func TestKilometres(t *testing.T) {
	tests := map[string]struct{ lat1, lon1, lat2, lon2, want float64 }{
		"the same point":            {52.5, 13.4, 52.5, 13.4, 0},
		"Berlin to Oslo":            {52.52, 13.405, 59.9139, 10.7522, 838},
		"across the date line":      {0, 179, 0, -179, 222},
		"from pole to pole":         {90, 0, -90, 0, 20015},
		"half way round the globe":  {0, 0, 0, 180, 20015},
		"London to Sydney the long": {51.5074, -0.1278, -33.8688, 151.2093, 16994},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := exact.Kilometres(tt.lat1, tt.lon1, tt.lat2, tt.lon2)
			if math.Abs(got-tt.want) > 2 {
				t.Errorf("Kilometres = %g, want %g", got, tt.want)
			}
		})
	}
}
