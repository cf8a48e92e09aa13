package scorer_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// stump is a LightGBM model of one split: margin 2 above 1 MB sent, -2 below.
const stump = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=0\nobjective=binary sigmoid:1\nfeature_names=event.bytes_out\ntree_sizes=169\n\n" +
	"Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nthreshold=1000000\ndecision_type=2\nleft_child=-1\nright_child=-2\nleaf_value=-2 2\nleaf_count=10 10\n\nend of trees\n"

// withTrees parses a model file whose trees are the stump, in any file.
func withTrees(tb testing.TB, yaml string) *model.Model {
	tb.Helper()
	m, err := model.ParseWith("m.yaml", []byte(yaml), func(string) ([]byte, error) {
		size := len(stump) - strings.Index(stump, "Tree=0") - len("end of trees\n")
		return []byte(strings.Replace(stump, "169", fmt.Sprint(size), 1)), nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

const byPoints = "models: [{id: trees.a, kind: trees, file: a.txt, text: much was sent, owner: o, calibration: {points: [{margin: -2, nats: 0}, {margin: 2, nats: 3}]}"

// download is a request of one of forty people.
func download(i int, sent uint64) *event.RequestEvent {
	ev := probe(i, "/files/1")
	who := fmt.Sprint("u", i%40)
	ev.Subject, ev.Session, ev.Address = who, "s-"+who, fmt.Sprintf("192.0.2.%d", i%40)
	ev.Status, ev.BytesOut, ev.DurationUs = 200, sent, 20_000
	return ev
}

// natsOf is the evidence of a record by signal, in nats.
func natsOf(r scorer.Result) map[string]float64 {
	m := make(map[string]float64)
	for _, e := range r.Assessment.GetEvidence() {
		m[e.GetSignal()] = e.GetNats()
	}
	return m
}

// TestEnsembleIsASignal scores one large answer under models that say more
// about the ensemble.
func TestEnsembleIsASignal(t *testing.T) {
	tests := map[string]struct {
		model string
		sent  uint64
		want  float64
		is    bool
	}{
		"it adds its nats":                      {byPoints + "}]", 2e6, 3, true},
		"it says nothing of an ordinary answer": {byPoints + "}]", 2e3, 0, false},
		"its weight counts":                     {byPoints + ", weight: 0.5}]", 2e6, 1.5, true},
		"its max counts before the weight":      {byPoints + ", weight: 0.5, max: 2}]", 2e6, 1, true},
		"its group's clip counts":               {byPoints + "}]\ngroups: [{id: model, clip: 1.2}]", 2e6, 1.2, true},
		"other kinds are not asked":             {byPoints + ", kinds: [service]}]", 2e6, 0, false},
		"an exception takes it out":             {byPoints + "}]\nexceptions: [{id: EX-1, owner: a, reason: r, from: 2026-03-01, until: 2026-03-03, route: files, signals: [trees.a]}]", 2e6, 0, true},
		"without history its rank says nothing": {"models: [{id: trees.a, kind: trees, file: a.txt, text: x, owner: o}]", 2e6, 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e, err := scorer.New(scorer.Options{Model: withTrees(t, tt.model), OfflineClock: true})
			if err != nil {
				t.Fatal(err)
			}
			r := e.Assess(scorer.Record{Event: download(0, tt.sent)})
			got, is := natsOf(r)["trees.a"]
			if got != tt.want || is != tt.is {
				t.Errorf("trees.a says %v (%v), want %v (%v)", got, is, tt.want, tt.is)
			}
			sum := 0.0
			for _, n := range natsOf(r) {
				sum += n
			}
			if sum != r.Assessment.GetScore() {
				t.Errorf("evidence sums to %v, score is %v", sum, r.Assessment.GetScore())
			}
		})
	}
}

// TestEnsembleReachesAVerdict lets an ensemble alone ask for a step-up, where its
// author lets it, and names it.
func TestEnsembleReachesAVerdict(t *testing.T) {
	m := withTrees(t, "groups: [{id: model, clip: 20}]\n"+strings.Replace(byPoints, "nats: 3", "nats: 12", 1)+", max: 20}]")
	e, err := scorer.New(scorer.Options{Model: m, OfflineClock: true})
	if err != nil {
		t.Fatal(err)
	}
	r := e.Assess(scorer.Record{Event: download(0, 2e6)})
	if len(r.Proposals) != 1 || r.Proposals[0].Action != verdict.ActionStepUp || !strings.Contains(r.Proposals[0].OperatorText, "much was sent: event.bytes_out = 2e+06 adds 2 (trees.a +12.0)") {
		t.Errorf("proposals = %+v, want a step-up that names the ensemble", r.Proposals)
	}
}

// TestModelsGoOn feeds a history and then asks about the same strange requests:
// the engine itself, one that was restored, and one whose model file was changed
// elsewhere all say the same; a changed file of trees begins anew.
func TestModelsGoOn(t *testing.T) {
	const byRank = "models: [{id: trees.a, kind: trees, file: a.txt, text: much was sent, owner: o}]\nlearning: {quarantine: 1m}\nsignals: [{id: model.anomaly, on: true}]\n"
	newEngine := func() *scorer.Engine {
		e, err := scorer.New(scorer.Options{Model: withTrees(t, byRank), OfflineClock: true})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := newEngine()
	rng := rand.New(rand.NewPCG(1, 1))
	const history = 20000
	for i := range history {
		sent := uint64(1000 + rng.IntN(1000))
		if rng.IntN(400) == 0 {
			sent = 2e6
		}
		ev := download(i, sent)
		ev.DurationUs += uint64(rng.IntN(5000))
		e.Assess(scorer.Record{Event: ev, Offset: int64(i)})
	}
	var state bytes.Buffer
	err := e.Snapshot(&state)
	if err != nil {
		t.Fatal(err)
	}
	restored := newEngine()
	err = restored.Restore(bytes.NewReader(state.Bytes()), nil)
	if err != nil {
		t.Fatal(err)
	}
	reloaded := newEngine()
	err = reloaded.Restore(bytes.NewReader(state.Bytes()), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = model.ParseWith("m.yaml", []byte(byRank), func(string) ([]byte, error) { return nil, errors.New("a.txt is gone") })
	if err == nil || !strings.Contains(err.Error(), "m.yaml:1:43: models[0].file: a.txt is gone") {
		t.Errorf("a model whose file is gone: %v", err)
	}
	reloaded.SwapModel(withTrees(t, byRank+"session: {hysteresis: 0.5}\n"))
	strange := func(i int) *event.RequestEvent {
		ev := download(history+i, 3e6)
		ev.DurationUs = 30_000_000
		return ev
	}
	found := make(map[string]int)
	for i := range 20 {
		want := natsOf(e.Assess(scorer.Record{Event: strange(i), Offset: int64(history + i)}))
		for name, other := range map[string]*scorer.Engine{"restored": restored, "reloaded": reloaded} {
			got := natsOf(other.Assess(scorer.Record{Event: strange(i), Offset: int64(history + i)}))
			for _, id := range []string{"trees.a", "model.anomaly"} {
				if got[id] != want[id] {
					t.Errorf("%s: %s says %v, want %v", name, id, got[id], want[id])
				}
			}
		}
		for id := range want {
			found[id]++
		}
	}
	if found["trees.a"] != 20 || found["model.anomaly"] < 10 {
		t.Errorf("of 20 strange requests were found: %v", found)
	}
}

// TestModelsLearnFromTheCleanAlone feeds two histories that are alike but for what
// each session does first: who probes for exploits teaches no model.
func TestModelsLearnFromTheCleanAlone(t *testing.T) {
	const byRank = "models: [{id: trees.a, kind: trees, file: a.txt, text: much was sent, owner: o}]\nlearning: {quarantine: 1m}\nsession: {half_life: 365d}\n"
	for first, want := range map[string]bool{"/files/1": true, "/files/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php": false} {
		e, err := scorer.New(scorer.Options{Model: withTrees(t, byRank), OfflineClock: true})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5000 {
			ev := download(i, 1000)
			if i < 40 {
				ev.Path = first
			}
			e.Assess(scorer.Record{Event: ev, Offset: int64(i)})
		}
		_, found := natsOf(e.Assess(scorer.Record{Event: download(5000, 3e6), Offset: 5000}))["trees.a"]
		if found != want {
			t.Errorf("after sessions that began with %s: found %v, want %v", first, found, want)
		}
	}
}

// BenchmarkAssessWithModels scores ordinary requests with the anomaly core on and
// off, and with an ensemble of 100 trees beside.
func BenchmarkAssessWithModels(b *testing.B) {
	const off = "signals: [{id: model.anomaly, on: false}]\n"
	const on = "signals: [{id: model.anomaly, on: true}]\n"
	const trees = "models: [{id: trees.a, kind: trees, file: a.txt, text: x, owner: o}]\n"
	hundred, err := model.ParseWith("m.yaml", []byte(off+trees), func(string) ([]byte, error) { return hundredTrees(), nil })
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		model *model.Model
	}{{"plain", withTrees(b, off)}, {"anomaly", withTrees(b, on)}, {"trees", hundred}} {
		b.Run(c.name, func(b *testing.B) {
			e, err := scorer.New(scorer.Options{Model: c.model, OfflineClock: true})
			if err != nil {
				b.Fatal(err)
			}
			events := make([]*event.RequestEvent, 4000)
			rng := rand.New(rand.NewPCG(1, 1))
			for i := range events {
				events[i] = download(i, uint64(1000+rng.IntN(1000)))
				events[i].DurationUs += uint64(rng.IntN(5000))
			}
			one := func(i int) {
				ev := events[i%len(events)]
				ev.Time = at(time.Duration(i) * time.Second)
				e.Assess(scorer.Record{Event: ev, Offset: int64(i)})
			}
			for i := range 50_000 {
				one(i)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				one(50_000 + i)
			}
		})
	}
}

// hundredTrees is a LightGBM model of 100 balanced trees of 31 splits.
func hundredTrees() []byte {
	var body strings.Builder
	rng := rand.New(rand.NewPCG(1, 1))
	var sizes []string
	for i := range 100 {
		words := func(n int, f func(i int) any) string {
			list := make([]string, n)
			for i := range list {
				list[i] = fmt.Sprint(f(i))
			}
			return strings.Join(list, " ")
		}
		child := func(side int) func(int) any {
			return func(i int) any {
				c := 2*i + side
				if c >= 31 {
					return -(c - 31) - 1
				}
				return c
			}
		}
		one := fmt.Sprintf("Tree=%d\nnum_leaves=32\nnum_cat=0\nsplit_feature=%s\nthreshold=%s\ndecision_type=%s\nleft_child=%s\nright_child=%s\nleaf_value=%s\nleaf_count=%s\n\n", i,
			words(31, func(int) any { return rng.IntN(4) }), words(31, func(int) any { return 1000 + rng.IntN(20000) }), words(31, func(int) any { return 10 }),
			words(31, child(1)), words(31, child(2)), words(32, func(int) any { return rng.NormFloat64() / 10 }), words(32, func(int) any { return 10 }))
		sizes = append(sizes, fmt.Sprint(len(one)))
		body.WriteString(one)
	}
	return []byte("tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=3\nobjective=binary sigmoid:1\n" +
		"feature_names=event.bytes_out event.duration_us state.hour_bytes state.session_requests\ntree_sizes=" + strings.Join(sizes, " ") + "\n\n" + body.String() + "end of trees\n")
}
