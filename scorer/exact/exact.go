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
// [1/sqrt 2, sqrt 2) and sums the series of 2·atanh((m-1)/(m+1)), every second
// term of it on its own, so that a processor works on both halves at once.
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
	z4 := float64(z2 * z2)
	even := float64(z4*(1.0/21)) + 1.0/17
	even = float64(z4*even) + 1.0/13
	even = float64(z4*even) + 1.0/9
	even = float64(z4*even) + 1.0/5
	even = float64(z4*even) + 1
	odd := float64(z4*(1.0/19)) + 1.0/15
	odd = float64(z4*odd) + 1.0/11
	odd = float64(z4*odd) + 1.0/7
	odd = float64(z4*odd) + 1.0/3
	sum := even + float64(z2*odd)
	return float64(float64(e)*ln2) + float64(2*float64(z*sum))
}

// Exp2 returns 2 to the power x, in [0, MaxFloat64]. Not a number gives 0. It
// sums the series of the exponential function, as [Ln] does its own.
func Exp2(x float64) float64 {
	switch {
	case !(x > -1070):
		return 0
	case x > 1020:
		return math.MaxFloat64
	}
	n := math.Floor(x + 0.5)
	r := float64((x - n) * ln2) // In [-0.347, 0.347].
	r2 := float64(r * r)
	even := float64(r2*(1.0/87178291200)) + 1.0/479001600 // 1/14! and 1/12!
	even = float64(r2*even) + 1.0/3628800
	even = float64(r2*even) + 1.0/40320
	even = float64(r2*even) + 1.0/720
	even = float64(r2*even) + 1.0/24
	even = float64(r2*even) + 1.0/2
	even = float64(r2*even) + 1
	odd := float64(r2*(1.0/6227020800)) + 1.0/39916800 // 1/13! and 1/11!
	odd = float64(r2*odd) + 1.0/362880
	odd = float64(r2*odd) + 1.0/5040
	odd = float64(r2*odd) + 1.0/120
	odd = float64(r2*odd) + 1.0/6
	odd = float64(r2*odd) + 1
	return math.Ldexp(even+float64(r*odd), int(n))
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
