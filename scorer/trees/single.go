package trees

import "math"

// belowSingle is the largest double x for which XGBoost finds x < threshold.
// It compares in single precision, so x is rounded to single first, halves to
// even. With the answer as threshold, the comparison x <= threshold in double
// precision decides every x as XGBoost does, and no walk has to convert.
func belowSingle(threshold float32) float64 {
	below := math.Nextafter32(threshold, float32(math.Inf(-1))) // The largest single that is below.
	if math.IsInf(float64(below), -1) {
		return -overflowSingle
	}
	half := (float64(below) + float64(threshold)) / 2 // Exact: a single has 24 bits, a double 53.
	if math.Float32bits(below)&1 == 0 {
		return half // The half way rounds to below, which is even.
	}
	return math.Nextafter(half, math.Inf(-1))
}

// overflowSingle is the least double that rounds to infinity in single precision.
const overflowSingle = math.MaxFloat32 + 1<<103
