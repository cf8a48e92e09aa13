package reservoir

import "math"

// Step is into how many steps a unit is divided.
const Step = 1024

// Number is a value as a sample keeps it: 0 where there was none, else one more
// than the value in steps.
type Number uint16

// Pack rounds a value into [0, 64); NaN is kept as missing.
func Pack(v float64) Number {
	if math.IsNaN(v) {
		return 0
	}
	return Number(1 + min(math.MaxUint16-1, math.Round(float64(max(0, min(v, 64))*Step))))
}

// Value is what was packed, NaN for what was missing.
func (n Number) Value() float64 {
	if n == 0 {
		return math.NaN()
	}
	return float64(n-1) / Step
}

// Round is a value as a sample keeps it.
func Round(v float64) float64 { return Pack(v).Value() }
