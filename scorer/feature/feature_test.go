package feature_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/feature"
)

var at = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC) // A Monday.

func empty() *evidence.Context {
	return &evidence.Context{Event: &event.RequestEvent{}, Session: &entity.Session{}, Tenant: &entity.Tenant{}}
}

// full is an event that has every field, of an actor about whom all is known.
func full() *evidence.Context {
	lat, lon := 52.5, 13.4
	x := &evidence.Context{
		Event: &event.RequestEvent{
			BytesIn: 100, BytesOut: 2000, DurationUs: 30, Status: 404, Asn: 64500, Latitude: &lat, Longitude: &lon, WafScore: 3,
			AuthTime: timestamppb.New(at.Add(-90 * time.Minute)), Path: "/accounts/abcd/x", Resource: "abcd", Country: "BR", Device: "d2",
			Attributes: map[string]string{event.AttributeQuery: "a=1"},
		},
		Now: at.UnixNano(), At: at.UnixNano(), Before: at.Add(-1500 * time.Millisecond).UnixNano(),
		Network: "AS64500", Agent: evidence.Agent{Family: "Firefox"},
		Session: &entity.Session{
			Start: at.Add(-time.Hour).UnixNano(), Requests: 12, Places: make([]entity.Place, 2), Login: &entity.Login{Failures: 3},
			Minute: entity.Window{Requests: 4, Bytes: 5000}, Hour: entity.Window{Requests: 9, Errors: 2, Bytes: 70000},
			Spread: entity.Spread{Weight: 6}, Walks: []entity.Walk{{Run: 3}, {Climb: 5}},
		},
		Subject: &entity.Subject{Total: 500}, Tenant: &entity.Tenant{},
	}
	x.Subject.N = 7
	x.Subject.Kinds[entity.Countries].Add("DE", 1, 4)
	x.Subject.Kinds[entity.Networks].Add("AS64500", 1, 4)
	x.Subject.Kinds[entity.Families].Add("Firefox", 1, 4)
	x.Subject.Kinds[entity.Devices].Add("d1", 1, 4)
	x.Subject.MinuteBytes.Add(11, 1)
	x.Subject.Rate.Add(1, 1)
	x.Subject.HourBytes.Add(16, 1)
	x.Subject.Breadth.Add(3, 1)
	x.Event.Template = "/accounts/{id}/x"
	x.Subject.Kinds[entity.Routes].Add("/accounts/{id}/x", 3.5, 4)
	return x
}

// TestEveryFeature names each number of a full event and of an empty one. A
// name keeps its meaning for ever: models were trained on it.
func TestEveryFeature(t *testing.T) {
	missing := math.NaN()
	want := map[string][2]float64{
		"event.bytes_in": {100, 0}, "event.bytes_out": {2000, 0}, "event.duration_us": {30, 0}, "event.status": {404, missing}, "event.asn": {64500, missing},
		"event.latitude": {52.5, missing}, "event.longitude": {13.4, missing}, "event.waf_score": {3, 0}, "event.auth_age": {5400, missing},
		"event.path_depth": {3, 0}, "event.path_bytes": {16, 0}, "event.query_bytes": {3, 0}, "event.resource_entropy": {2, missing},
		"state.hour": {8, 0}, "state.weekday": {1, 4}, "state.session_age": {3600, 0}, "state.session_requests": {12, 0}, "state.gap": {1.5, missing},
		"state.minute_requests": {4, 0}, "state.minute_bytes": {5000, 0}, "state.hour_answers": {9, 0}, "state.hour_errors": {2, 0}, "state.hour_bytes": {70000, 0},
		"state.hour_resources": {6, 0}, "state.places": {2, 0}, "state.walk": {5, 0}, "state.failures": {3, 0},
		"state.subject_requests": {500, missing}, "state.history": {7, missing},
		"state.new_country": {1, missing}, "state.new_network": {0, missing}, "state.new_client": {0, missing}, "state.new_device": {1, missing},
		"state.minute_bytes_ratio": {5000.0 / 2048, missing}, "state.minute_requests_ratio": {4.0 / 2, missing}, "state.hour_bytes_ratio": {70000.0 / 65536, missing},
		"state.hour_resources_ratio": {6.0 / 8, missing}, "state.route_habit": {3.5 / 7, missing},
	}
	for _, f := range feature.All() {
		w, known := want[f.Name]
		if !known || f.Doc == "" {
			t.Errorf("%s: is not in the table of this test, or has no text", f.Name)
		}
		for i, x := range []*evidence.Context{full(), empty()} {
			got := f.Of(x)
			if !(math.Abs(got-w[i]) <= 1e-9*math.Abs(w[i])) && !(math.IsNaN(got) && math.IsNaN(w[i])) {
				t.Errorf("%s = %v, want %v", f.Name, got, w[i])
			}
		}
		same, ok := feature.Find(f.Name)
		if !ok || same.Name != f.Name {
			t.Errorf("Find(%q) = %v, %v", f.Name, same.Name, ok)
		}
	}
	if len(want) != len(feature.Names()) {
		t.Errorf("%d features, the test knows %d", len(feature.Names()), len(want))
	}
	if _, ok := feature.Find("event.nothing"); ok {
		t.Error("found a feature that does not exist")
	}
}

func TestFeaturesAllocateNothing(t *testing.T) {
	x, all := full(), feature.All()
	if n := testing.AllocsPerRun(100, func() {
		for i := range all {
			all[i].Of(x)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a row", n)
	}
}

func TestEntropy(t *testing.T) {
	tests := map[string]struct {
		text string
		want float64
	}{
		"one byte over and over tells nothing":       {"aaaaaaaa", 0},
		"two bytes in turn are a bit each":           {"abababab", 1},
		"sixteen digits once each are four":          {"0123456789abcdef", 4},
		"what comes after 64 bytes is not looked at": {strings.Repeat("ab", 32) + "cdefgh", 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := feature.Entropy(tt.text); math.Abs(got-tt.want) > 1e-12 {
				t.Errorf("Entropy(%q) = %v, want %v", tt.text, got, tt.want)
			}
		})
	}
}
