package anomaly

import (
	"math"
	"strconv"

	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/feature"
)

// Columns is the width of a row.
const Columns = len(dimensions)

// dimension is one column of a row.
type dimension struct {
	name string
	// of is the number that the detector sees; sizes and times are logarithms,
	// because ten times as much is as far from usual at any size.
	of func(*evidence.Context) float64
	// say appends a number of the column for a person.
	say func(b []byte, v float64) []byte
}

//nolint:gochecknoglobals // A constant: Go has no constant tables.
var dimensions = [...]dimension{
	{"answering took", func(x *evidence.Context) float64 { return log(float64(x.Event.GetDurationUs())) }, func(b []byte, v float64) []byte { return duration(b, linear(v)/1e6) }},
	{"bytes in", func(x *evidence.Context) float64 { return log(float64(x.Event.GetBytesIn())) }, func(b []byte, v float64) []byte { return size(b, linear(v)) }},
	{"bytes out", func(x *evidence.Context) float64 { return log(float64(x.Event.GetBytesOut())) }, func(b []byte, v float64) []byte { return size(b, linear(v)) }},
	{"time since the request before", func(x *evidence.Context) float64 { return log(1e3 * feature.Gap(x)) }, func(b []byte, v float64) []byte { return duration(b, linear(v)/1e3) }},
	{"age of the session", func(x *evidence.Context) float64 { return log(entitySeconds(x)) }, func(b []byte, v float64) []byte { return duration(b, linear(v)) }},
	{"share of errors", errorShare, percent},
	{"different things a request", variety, func(b []byte, v float64) []byte { return strconv.AppendFloat(b, v, 'f', 2, 64) }},
	{"age of the sign-in", func(x *evidence.Context) float64 { return log(feature.AuthAge(x)) }, func(b []byte, v float64) []byte { return duration(b, linear(v)) }},
	// From here on against the subject's own habit: the shift of an epoch is taken of
	// the epoch.WatchedColumns before.
	{"bytes of the minute to the subject's own", own("state.minute_bytes_ratio"), times},
	{"requests of the minute to the subject's own", own("state.minute_requests_ratio"), times},
	{"bytes of the hour to the subject's own", own("state.hour_bytes_ratio"), times},
	{"different things of the hour to the subject's own", own("state.hour_resources_ratio"), times},
	{"the page in the subject's sessions", feature.RouteHabit, percent},
}

// Say is the name of a column and a number of it for a person, which may be missing.
func Say(column int, v float64) (name, number string) {
	if math.IsNaN(v) {
		return dimensions[column].name, "nothing"
	}
	return dimensions[column].name, string(dimensions[column].say(nil, v))
}

// own is the logarithm of a number against the habit of the subject.
func own(name string) func(*evidence.Context) float64 {
	f, _ := feature.Find(name)
	return func(x *evidence.Context) float64 { return log(f.Of(x)) }
}

func times(b []byte, v float64) []byte { return unit(b, linear(v), 1, " times") }

func percent(b []byte, v float64) []byte { return unit(b, 100*v, 0, " %") }

// unit appends a number with places after the point, and its unit.
func unit(b []byte, v float64, places int, name string) []byte {
	return append(strconv.AppendFloat(b, v, 'f', places, 64), name...)
}

// log is ln(1+x), NaN for NaN.
func log(x float64) float64 {
	if math.IsNaN(x) {
		return x
	}
	return exact.Ln(1 + max(0, x))
}

func linear(v float64) float64 { return exact.Exp2(v/math.Ln2) - 1 }

func entitySeconds(x *evidence.Context) float64 { return float64(x.Now-x.Session.Start) / 1e9 }

// errorShare is that of the session's answers in the hour, as if one more of
// either kind had come in before, so that the first error is no landslide.
func errorShare(x *evidence.Context) float64 {
	h := &x.Session.Hour
	return h.Errors / (h.Requests + 2)
}

// variety is how many distinct resources the session opened for each request of
// the hour.
func variety(x *evidence.Context) float64 {
	return x.Session.Spread.Weight / (x.Session.Hour.Requests + 2)
}

func duration(b []byte, seconds float64) []byte {
	switch {
	case seconds < 0.001:
		return unit(b, seconds*1e6, 0, " µs")
	case seconds < 1:
		return unit(b, seconds*1e3, 0, " ms")
	case seconds < 120:
		return unit(b, seconds, 1, " s")
	case seconds < 7200:
		return unit(b, seconds/60, 0, " min")
	case seconds < 172800:
		return unit(b, seconds/3600, 0, " h")
	}
	return unit(b, seconds/86400, 0, " days")
}

func size(b []byte, bytes float64) []byte {
	for _, name := range [...]string{" B", " KiB", " MiB", " GiB"} {
		if bytes < 1024 {
			return unit(b, bytes, 0, name)
		}
		bytes /= 1024
	}
	return unit(b, bytes, 0, " TiB")
}
