package exact

import "math"

// ln2 is the natural logarithm of 2, and earthKM the mean radius of the earth.
const (
	ln2     = 0.6931471805599453
	earthKM = 6371.0088
)

// Ln returns the natural logarithm of x > 0, to about 1e-15 relative; for x
// that is not positive or not a number it returns the logarithm of the smallest
// positive float, so that a fault upstream stays finite. It reduces to
// [1/sqrt 2, sqrt 2) and sums the series of 2·atanh((m-1)/(m+1)).
func Ln(x float64) float64 {
	if !(x > math.SmallestNonzeroFloat64) {
		x = math.SmallestNonzeroFloat64
	}
	if x > math.MaxFloat64 {
		x = math.MaxFloat64
	}
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m *= 2
		e--
	}
	z := (m - 1) / (m + 1)
	z2 := float64(z * z)
	sum := 0.0
	for k := 21; k >= 1; k -= 2 {
		sum = float64(sum*z2) + 1/float64(k)
	}
	return float64(float64(e)*ln2) + float64(2*float64(z*sum))
}

// Exp2 returns 2 to the power x, in [0, MaxFloat64]. Not a number gives 0.
func Exp2(x float64) float64 {
	switch {
	case !(x > -1070):
		return 0
	case x > 1020:
		return math.MaxFloat64
	}
	n := math.Floor(x + 0.5)
	r := float64((x - n) * ln2) // In [-0.347, 0.347].
	sum := 1.0
	for k := 16; k >= 1; k-- {
		sum = float64(float64(sum*r)/float64(k)) + 1
	}
	return math.Ldexp(sum, int(n))
}

// Decay returns the factor by which a quantity shrinks in elapsed units of
// time at the given half-life. Time that stands still or runs backwards decays
// nothing.
func Decay(elapsed, halfLife float64) float64 {
	if !(elapsed > 0) || !(halfLife > 0) {
		return 1
	}
	return Exp2(-elapsed / halfLife)
}

// Kilometres is the great-circle distance between two points in degrees, by
// the haversine formula, rounded to a whole kilometre: that is finer than any
// geolocation, and it hides the last bit of the system's sines.
func Kilometres(lat1, lon1, lat2, lon2 float64) float64 {
	const rad = math.Pi / 180
	sinLat := math.Sin(float64((lat2-lat1)*rad) / 2)
	sinLon := math.Sin(float64((lon2-lon1)*rad) / 2)
	h := float64(sinLat*sinLat) + float64(float64(math.Cos(lat1*rad)*math.Cos(lat2*rad))*float64(sinLon*sinLon))
	return math.Round(2 * earthKM * math.Asin(math.Sqrt(min(1, max(0, h)))))
}
