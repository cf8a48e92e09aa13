package feature

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

// Feature is one number that models may ask for.
type Feature struct {
	// Name is what model files and training data call it.
	Name string
	// Doc says what it is, with its unit.
	Doc string
	// Of returns the number, NaN where the fact is missing. It allocates nothing.
	Of func(*evidence.Context) float64
}

// All lists every feature in the order of its documentation.
func All() []Feature { return slices.Clone(table) }

// Names lists the names of all features, in their order.
func Names() []string {
	names := make([]string, len(table))
	for i, f := range table {
		names[i] = f.Name
	}
	return names
}

// Find returns the feature of a name, false where there is none.
func Find(name string) (Feature, bool) {
	i := slices.IndexFunc(table, func(f Feature) bool { return f.Name == name })
	if i < 0 {
		return Feature{}, false
	}
	return table[i], true
}

// entropyBytes is how much of a text its entropy is taken of.
const entropyBytes = 64

// table is the table of all features; new ones are appended to their part.
//
//nolint:gochecknoglobals // A constant: Go has no constant tables.
var table = []Feature{
	{"event.bytes_in", "bytes of the request", func(x *evidence.Context) float64 { return float64(x.Event.GetBytesIn()) }},
	{"event.bytes_out", "bytes of the answer", func(x *evidence.Context) float64 { return float64(x.Event.GetBytesOut()) }},
	{"event.duration_us", "microseconds until the answer was complete", func(x *evidence.Context) float64 { return float64(x.Event.GetDurationUs()) }},
	{"event.status", "HTTP status", func(x *evidence.Context) float64 { return known(float64(x.Event.GetStatus())) }},
	{"event.asn", "AS number", func(x *evidence.Context) float64 { return known(float64(x.Event.GetAsn())) }},
	{"event.latitude", "degrees", func(x *evidence.Context) float64 { return finite(x.Event.Latitude) }},
	{"event.longitude", "degrees", func(x *evidence.Context) float64 { return finite(x.Event.Longitude) }},
	{"event.waf_score", "score of the gateway's firewall", func(x *evidence.Context) float64 { s := x.Event.GetWafScore(); return finite(&s) }},
	{"event.auth_age", "seconds since the sign-in", AuthAge},
	{"event.path_depth", "segments of the path", func(x *evidence.Context) float64 { return depth(x.Event.GetPath()) }},
	{"event.path_bytes", "length of the path", func(x *evidence.Context) float64 { return float64(len(x.Event.GetPath())) }},
	{"event.query_bytes", "length of the query; attribute query", func(x *evidence.Context) float64 { return float64(len(x.Event.GetAttributes()[event.AttributeQuery])) }},
	{"event.resource_entropy", "bits a character of the id in the path", func(x *evidence.Context) float64 { return Entropy(x.Event.GetResource()) }},

	{"state.hour", "hour of the day, UTC, 0 to 23", func(x *evidence.Context) float64 { return float64(time.Unix(0, x.At).UTC().Hour()) }},
	{"state.weekday", "day of the week, UTC, 0 is Sunday", func(x *evidence.Context) float64 { return float64(time.Unix(0, x.At).UTC().Weekday()) }},
	{"state.session_age", "whole seconds since the session began", func(x *evidence.Context) float64 { return float64((x.Now - x.Session.Start) / int64(time.Second)) }},
	{"state.session_requests", "of the session, with this one", func(x *evidence.Context) float64 { return float64(x.Session.Requests) }},
	{"state.gap", "seconds since the session's last event", Gap},
	{"state.minute_requests", "of the session", func(x *evidence.Context) float64 { return x.Session.Minute.Requests }},
	{"state.minute_bytes", "bytes sent to the session", func(x *evidence.Context) float64 { return x.Session.Minute.Bytes }},
	{"state.hour_answers", "of the session, with this one", func(x *evidence.Context) float64 { return x.Session.Hour.Requests }},
	{"state.hour_errors", "answers of the session from 400 on", func(x *evidence.Context) float64 { return x.Session.Hour.Errors }},
	{"state.hour_bytes", "bytes sent to the session", func(x *evidence.Context) float64 { return x.Session.Hour.Bytes }},
	{"state.hour_resources", "distinct resources of the session, sensitive ones count more", func(x *evidence.Context) float64 { return x.Session.Spread.Weight }},
	{"state.places", "networks and clients that the session was used from", func(x *evidence.Context) float64 { return float64(len(x.Session.Places)) }},
	{"state.minute_bytes_ratio", "to the median minute of the subject", ratio(func(x *evidence.Context) (float64, *profile.Numeric) {
		return x.Session.Minute.Bytes, &x.Subject.MinuteBytes
	})},
	{"state.minute_requests_ratio", "to the median minute of the subject", ratio(func(x *evidence.Context) (float64, *profile.Numeric) {
		return x.Session.Minute.Requests, &x.Subject.Rate
	})},
	{"state.hour_bytes_ratio", "to the median hour of the subject", ratio(func(x *evidence.Context) (float64, *profile.Numeric) {
		return x.Session.Hour.Bytes, &x.Subject.HourBytes
	})},
	{"state.hour_resources_ratio", "to the median hour of the subject", ratio(func(x *evidence.Context) (float64, *profile.Numeric) {
		return x.Session.Spread.Weight, &x.Subject.Breadth
	})},
	{"state.route_habit", "share of the subject's clean sessions that used the template", RouteHabit},
	{"state.walk", "ids in a row that went the same way", walk},
	{"state.failures", "failed sign-ins of the actor", func(x *evidence.Context) float64 {
		if x.Session.Login == nil {
			return 0
		}
		return float64(x.Session.Login.Failures)
	}},
	{"state.subject_requests", "requests of the subject, with this one", func(x *evidence.Context) float64 {
		if x.Subject == nil {
			return math.NaN()
		}
		return float64(x.Subject.Total)
	}},
	{"state.history", "clean sessions that taught the subject", func(x *evidence.Context) float64 {
		if x.Subject == nil {
			return math.NaN()
		}
		return x.Subject.N
	}},
	{"state.new_country", "1 if the subject's habit has not this country", func(x *evidence.Context) float64 { return fresh(x, entity.Countries, x.Event.GetCountry()) }},
	{"state.new_network", "1 if the subject's habit has not this network", func(x *evidence.Context) float64 { return fresh(x, entity.Networks, x.Network) }},
	{"state.new_client", "1 if the subject's habit has not this client", func(x *evidence.Context) float64 { return fresh(x, entity.Families, x.Agent.Family) }},
	{"state.new_device", "1 if the subject's habit has not this device", func(x *evidence.Context) float64 { return fresh(x, entity.Devices, x.Event.GetDevice()) }},
}

// known is a number of which 0 means that it is not known.
func known(f float64) float64 {
	if f == 0 {
		return math.NaN()
	}
	return f
}

func finite(f *float64) float64 {
	if f == nil || math.IsInf(*f, 0) {
		return math.NaN()
	}
	return *f
}

func depth(path string) float64 {
	path = strings.Trim(path, "/")
	if path == "" {
		return 0
	}
	return float64(strings.Count(path, "/") + 1)
}

// AuthAge is how many whole seconds ago the actor signed in, NaN where unknown.
func AuthAge(x *evidence.Context) float64 {
	if x.Event.GetAuthTime() == nil {
		return math.NaN()
	}
	return float64(max(0, (x.At-x.Event.GetAuthTime().AsTime().UnixNano())/int64(time.Second)))
}

// Gap is how many seconds lie between an event and the one before it in its
// session, at least 0; NaN for the first.
func Gap(x *evidence.Context) float64 {
	if x.Before == 0 {
		return math.NaN()
	}
	return max(0, entity.Seconds(x.Before, x.At))
}

// ratio is a number of the session against the median of its subject, NaN where
// the subject has none.
func ratio(of func(*evidence.Context) (float64, *profile.Numeric)) func(*evidence.Context) float64 {
	return func(x *evidence.Context) float64 {
		if x.Subject == nil {
			return math.NaN()
		}
		value, habit := of(x)
		if habit.Total() <= 0 {
			return math.NaN()
		}
		return value / max(1, habit.Quantile(0.5))
	}
}

// RouteHabit is the share of the subject's clean sessions, in [0, 1], that used
// the event's path template; NaN where the subject has no history.
func RouteHabit(x *evidence.Context) float64 {
	if x.Subject == nil || x.Subject.N <= 0 {
		return math.NaN()
	}
	return min(1, x.Subject.Kinds[entity.Routes].N(evidence.RouteOf(x.Event))/x.Subject.N)
}

func walk(x *evidence.Context) float64 {
	best := 0
	for i := range x.Session.Walks {
		best = max(best, int(x.Session.Walks[i].Run), int(x.Session.Walks[i].Climb))
	}
	return float64(best)
}

func fresh(x *evidence.Context, kind entity.Kind, value string) float64 {
	switch {
	case x.Subject == nil || value == "" || x.Subject.Kinds[kind].Total() <= 0:
		return math.NaN()
	case x.Subject.Kinds[kind].Has(value):
		return 0
	}
	return 1
}

// Entropy is Shannon's entropy of the bytes of a text in bits a byte, of its
// first 64 bytes: 0 to 6. NaN for an empty text.
func Entropy(s string) float64 {
	if s == "" {
		return math.NaN()
	}
	s = s[:min(len(s), entropyBytes)]
	var counts [256]uint8
	for i := range len(s) {
		counts[s[i]]++
	}
	sum := 0.0
	for i := range len(s) {
		n := counts[s[i]]
		counts[s[i]] = 0 // Each byte once, by its first place.
		sum += logarithms[n]
	}
	n := float64(len(s))
	return max(0, exact.Ln(n)/math.Ln2-sum/n)
}

// logarithms are n·log2(n).
//
//nolint:gochecknoglobals // A constant: Go has no constant tables.
var logarithms = func() (t [entropyBytes + 1]float64) {
	for n := 2; n < len(t); n++ {
		t[n] = float64(n) * exact.Ln(float64(n)) / math.Ln2
	}
	return t
}()
