package ensemble_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/ensemble"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC).UnixNano()

// stump is a model of one split: margin 2 above 1 MB sent, -2 below.
const stump = `tree
version=v4
num_class=1
num_tree_per_iteration=1
max_feature_idx=1
objective=binary sigmoid:1
feature_names=event.bytes_out spare
tree_sizes=%d

%send of trees
`

const tree = `Tree=0
num_leaves=2
num_cat=0
split_feature=0
threshold=1000000
decision_type=2
left_child=-1
right_child=-2
leaf_value=-2 2
leaf_count=10 10

`

func stumpFile() []byte { return fmt.Appendf(nil, stump, len(tree), tree) }

func stumpSpec() ensemble.Spec {
	return ensemble.Spec{
		ID: "trees.stump", Group: evidence.Model, File: "stump.txt", Max: 4, Weight: 1, Text: "much was sent",
		Features: []ensemble.Feature{{Name: "event.bytes_out", From: "event.bytes_out"}, {Name: "spare", From: "state.gap"}},
	}
}

func compiled(tb testing.TB, s ensemble.Spec, file []byte) *ensemble.Model {
	tb.Helper()
	m, faults := ensemble.Compile(s, file)
	if len(faults) > 0 {
		tb.Fatal(faults)
	}
	return m
}

func TestCompileSaysWhatIsWrong(t *testing.T) {
	tests := map[string]struct {
		change func(*ensemble.Spec)
		file   string
		want   []string // Field, item and beginning of the text.
	}{
		"a model that fits":                   {func(*ensemble.Spec) {}, "", nil},
		"a file that is no model":             {func(*ensemble.Spec) {}, "#!/bin/sh", []string{"file -1 stump.txt: begins with"}},
		"a file that is cut off":              {func(*ensemble.Spec) {}, string(stumpFile()[:200]), []string{"file -1 stump.txt: "}},
		"a file of the other library":         {func(s *ensemble.Spec) { s.Format = "xgboost" }, "", []string{"format -1 stump.txt is a model of LightGBM, not of xgboost"}},
		"a feature that the file has not":     {func(s *ensemble.Spec) { s.Features[1].Name = "spore" }, "", []string{`features 1 stump.txt has no feature "spore"`, `features -1 lacks "spare", which stump.txt asks for`}},
		"a feature that Vigil has not":        {func(s *ensemble.Spec) { s.Features[1].From = "state.gasp" }, "", []string{`features 1 "state.gasp" is unknown`}},
		"a feature that is given twice":       {func(s *ensemble.Spec) { s.Features = append(s.Features, s.Features[0]) }, "", []string{`features 2 "event.bytes_out" is given twice`}},
		"names of the file that are not ours": {func(s *ensemble.Spec) { s.Features = nil }, "", []string{`features -1 stump.txt asks for "spare", which is not known`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := stumpSpec()
			tt.change(&s)
			file := stumpFile()
			if tt.file != "" {
				file = []byte(tt.file)
			}
			m, faults := ensemble.Compile(s, file)
			if (m == nil) != (len(tt.want) > 0) || len(faults) != len(tt.want) {
				t.Fatalf("model %v, faults %v", m, faults)
			}
			for i, f := range faults {
				if got := fmt.Sprint(f.Field, " ", f.Item, " ", f.Text); !strings.HasPrefix(got, tt.want[i]) {
					t.Errorf("fault %q, want %q", got, tt.want[i])
				}
			}
		})
	}
}

func TestDigestNamesFileAndFeatures(t *testing.T) {
	base := compiled(t, stumpSpec(), stumpFile()).Digest()
	s := stumpSpec()
	s.Max, s.Text, s.Owner = 1, "x", "y"
	if compiled(t, s, stumpFile()).Digest() != base {
		t.Error("what does not change the margin changes the digest")
	}
	s.Features[1].From = "state.hour"
	if compiled(t, s, stumpFile()).Digest() == base {
		t.Error("another feature has the same digest")
	}
	other := strings.Replace(string(stumpFile()), "=-2 2", "=-2 3", 1)
	if compiled(t, stumpSpec(), []byte(other)).Digest() == base {
		t.Error("another file has the same digest")
	}
}

// request is one that sent bytes to one of many sessions.
func request(i int, bytes uint64) *evidence.Context {
	who := fmt.Sprint("u", i%50)
	return &evidence.Context{
		Event: &event.RequestEvent{Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "default", Subject: who, Session: who, BytesOut: bytes},
		Now:   start + int64(i)*int64(time.Second), At: start + int64(i)*int64(time.Second),
		Session: &entity.Session{Key: entity.Key{ID: who}, Requests: uint64(i)}, Subject: &entity.Subject{}, Tenant: &entity.Tenant{},
	}
}

func clean(entity.Key) bool { return true }

func newSet(models ...*ensemble.Model) *ensemble.Set {
	s := ensemble.NewSet()
	s.Use(models, ensemble.Params{Look: 1.5, Quarantine: time.Minute})
	return s
}

func nats(findings []ensemble.Finding) float64 {
	sum := 0.0
	for _, f := range findings {
		sum += f.Nats
	}
	return sum
}

func TestPointsMapMargins(t *testing.T) {
	tests := map[string]struct {
		points []ensemble.Point
		bytes  uint64
		want   float64
	}{
		"the outermost point holds beyond it":     {[]ensemble.Point{{-1, 0}, {1, 3}}, 2e6, 3},
		"below the first point nothing is said":   {[]ensemble.Point{{-1, 0}, {1, 3}}, 5, 0},
		"in between it is on the line":            {[]ensemble.Point{{0, 1}, {4, 3}}, 2e6, 2},
		"on a point it is what the point says":    {[]ensemble.Point{{0, 1}, {2, 1.5}, {4, 3}}, 2e6, 1.5},
		"max bounds it":                           {[]ensemble.Point{{-1, 0}, {1, 9}}, 2e6, 4},
		"a first point above 0 is said of anyone": {[]ensemble.Point{{-1, 0.5}, {1, 3}}, 5, 0.5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := stumpSpec()
			s.Points = tt.points
			got := newSet(compiled(t, s, stumpFile())).Find(request(1, tt.bytes), event.SubjectHuman)
			if nats(got) != tt.want {
				t.Errorf("%v nats, want %v", nats(got), tt.want)
			}
			if tt.bytes > 1e6 && got[0].Text != "much was sent: event.bytes_out = 2e+06 adds 2" {
				t.Errorf("says %q", got[0].Text)
			}
		})
	}
}

// feed shows a set ordinary requests, of which few are large.
func feed(s *ensemble.Set, from, to int, clean func(entity.Key) bool) {
	rng := rand.New(rand.NewPCG(1, 1))
	for i := from; i < to; i++ {
		bytes := uint64(1000)
		if rng.IntN(200) == 0 {
			bytes = 2e6
		}
		x := request(i, bytes)
		s.Find(x, event.SubjectHuman)
		s.Learn(x.Now, false, clean)
	}
}

func TestCalibrationByHistory(t *testing.T) {
	large := func(i int) *evidence.Context { return request(i, 2e6) }
	m := compiled(t, stumpSpec(), stumpFile())
	t.Run("before there is any, nothing is said", func(t *testing.T) {
		s := newSet(m)
		feed(s, 0, 150, clean)
		if got := s.Find(large(150), event.SubjectHuman); len(got) > 0 {
			t.Errorf("found %+v", got)
		}
	})
	t.Run("what few clean requests have is evidence", func(t *testing.T) {
		s := newSet(m)
		feed(s, 0, 5000, clean)
		// One in two hundred: ln(0.3·0.005^-0.7) - 1.5 is 1.0.
		if got := nats(s.Find(large(5000), event.SubjectHuman)); got < 0.6 || got > 1.6 {
			t.Errorf("%v nats", got)
		}
		if got := s.Find(request(5001, 10), event.SubjectHuman); len(got) > 0 {
			t.Errorf("an ordinary request: %+v", got)
		}
	})
	t.Run("who was not clean taught nothing", func(t *testing.T) {
		s := newSet(m)
		feed(s, 0, 5000, func(entity.Key) bool { return false })
		if got := s.Find(large(5000), event.SubjectHuman); len(got) > 0 {
			t.Errorf("found %+v", got)
		}
	})
	t.Run("other kinds are not asked", func(t *testing.T) {
		spec := stumpSpec()
		spec.Kinds, spec.Points = []string{event.SubjectService}, []ensemble.Point{{-9, 1}, {9, 1}}
		s := newSet(compiled(t, spec, stumpFile()))
		if got := s.Find(large(1), event.SubjectHuman); len(got) > 0 {
			t.Errorf("found %+v", got)
		}
		if got := s.Find(large(1), event.SubjectService); len(got) != 1 {
			t.Errorf("found %+v of a service", got)
		}
	})
	t.Run("a reload keeps the calibration of what has not changed", func(t *testing.T) {
		s := newSet(m)
		feed(s, 0, 5000, clean)
		before := nats(s.Find(large(5000), event.SubjectHuman))
		spec := stumpSpec()
		spec.Text = "said otherwise"
		other := stumpSpec()
		other.ID = "trees.other"
		s.Use([]*ensemble.Model{compiled(t, other, stumpFile()), compiled(t, spec, stumpFile())}, ensemble.Params{Look: 1.5, Quarantine: time.Minute})
		got := s.Find(large(5000), event.SubjectHuman)
		if len(got) != 1 || got[0].Nats != before || got[0].Model.ID != "trees.stump" {
			t.Errorf("after the reload %+v, before %v nats", got, before)
		}
		changed := strings.Replace(string(stumpFile()), "=-2 2", "=-2 3", 1)
		s.Use([]*ensemble.Model{compiled(t, stumpSpec(), []byte(changed))}, ensemble.Params{Look: 1.5, Quarantine: time.Minute})
		if got := s.Find(large(5000), event.SubjectHuman); len(got) > 0 {
			t.Errorf("another file was ranked among margins that it never gave: %+v", got)
		}
	})
	t.Run("a restart goes on alike", func(t *testing.T) {
		s, again := newSet(m), newSet(m)
		feed(s, 0, 3000, clean)
		w := snapshot.Writer()
		s.Code(w)
		r := snapshot.Reader(w.Bytes())
		again.Code(r)
		if r.Err() != nil {
			t.Fatal(r.Err())
		}
		feed(s, 3000, 4000, clean)
		feed(again, 3000, 4000, clean)
		if diff := cmp.Diff(nats(s.Find(large(4000), event.SubjectHuman)), nats(again.Find(large(4000), event.SubjectHuman))); diff != "" {
			t.Error(diff)
		}
	})
}

// TestStatesAreBounded shows more tenants than calibrations are kept.
func TestStatesAreBounded(t *testing.T) {
	s := newSet(compiled(t, stumpSpec(), stumpFile()))
	for i := range ensemble.StatesMax + 100 {
		x := request(i, 10)
		x.Event.Tenant = fmt.Sprint("t", i)
		s.Find(x, event.SubjectHuman)
		s.Learn(x.Now, false, clean)
	}
	if got := s.Len(); got != ensemble.StatesMax {
		t.Errorf("%d calibrations are kept, want %d", got, ensemble.StatesMax)
	}
}

func TestNothingIsAllocatedForOrdinaryRequests(t *testing.T) {
	s := newSet(compiled(t, stumpSpec(), stumpFile()))
	feed(s, 0, 6000, clean)
	x := request(6000, 1000)
	got := testing.AllocsPerRun(1000, func() {
		x.Now += int64(time.Second)
		x.Session.Requests++
		s.Find(x, event.SubjectHuman)
		s.Learn(x.Now, false, clean)
	})
	if got != 0 {
		t.Errorf("%v allocations a request", got)
	}
}

// BenchmarkFind asks one model of the test data about ordinary requests.
func BenchmarkFind(b *testing.B) {
	file, err := os.ReadFile("../../testdata/trees/lightgbm-numeric.txt")
	if err != nil {
		b.Fatal(err)
	}
	spec := stumpSpec()
	spec.Features = nil
	for name, from := range map[string]string{
		"bytes_out": "event.bytes_out", "requests_per_minute": "state.minute_requests", "distinct_paths": "state.hour_resources",
		"country_code": "event.asn", "failures": "state.failures",
	} {
		spec.Features = append(spec.Features, ensemble.Feature{Name: name, From: from})
	}
	s := newSet(compiled(b, spec, file))
	feed(s, 0, 5000, clean)
	b.ReportAllocs()
	x := request(5000, 1000)
	for b.Loop() {
		x.Session.Requests++
		s.Find(x, event.SubjectHuman)
		s.Learn(x.Now, false, clean)
	}
}
