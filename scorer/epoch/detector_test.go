package epoch_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/vigil-gateway/vigil/scorer/anomaly"
	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/reservoir"
	"github.com/vigil-gateway/vigil/scorer/sequence"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// taught is what a partition knows whose detectors have learned n rows around a middle.
func taught(seed uint64, n int, middle float64, names ...string) *epoch.Knowledge {
	k, rng := new(epoch.Knowledge), rand.New(rand.NewPCG(seed, 1))
	k.Grow().Merge(summary(0, 1, 3000).Sequence)
	for _, name := range names {
		teach(k, rng, n, middle, name)
	}
	return k
}

func teach(k *epoch.Knowledge, rng *rand.Rand, n int, middle float64, name string) {
	row := make([]float64, anomaly.Columns)
	for range n {
		for j := range row {
			row[j] = reservoir.Round(middle + rng.NormFloat64())
		}
		k.Learn(k.Learner("t", name, anomaly.Columns), row, true)
	}
}

func names(e *epoch.Epoch) (out []string) {
	for i := range e.Detectors {
		out = append(out, fmt.Sprintf("%s %d", e.Detectors[i].Name, e.Detectors[i].Rows.Len()))
	}
	return out
}

func TestDetectorsOfAllPartitions(t *testing.T) {
	a, b := taught(1, 3000, 10, "human/normal", "human/high"), taught(2, 1500, 10, "human/normal", "agent/low")
	one := epoch.Build(nil, a.Summary("t", 0, 1), b.Summary("t", 1, 1))
	want := []string{"agent/low 1500", "human/high 2048", "human/normal 2048"}
	if got := names(one); !slices.Equal(got, want) {
		t.Fatalf("detectors %q, want %q", got, want)
	}
	if other := epoch.Build(nil, b.Summary("t", 1, 1), a.Summary("t", 0, 1)); other.Digest() != one.Digest() {
		t.Error("the same summaries in another order give another epoch")
	}
	if w := one.Detector("human/normal").Rows.Weight(); w != 4500 {
		t.Errorf("stands for %v rows, want those of both partitions", w)
	}
	few := taught(3, epoch.RowsMin-1, 10, "human/normal", "service/low")
	next := epoch.Build(one, few.Summary("t", 0, 2))
	if got := names(next); !slices.Equal(got, want) {
		t.Errorf("detectors %q after an epoch of few rows, want those before it, %q", got, want)
	}
	if one.Detector("service/low") != nil || (*epoch.Epoch)(nil).Detector("human/normal") != nil {
		t.Error("a detector that nobody has taught")
	}
	again, err := epoch.Decode(one.Again(9).Encode())
	if err != nil || again.Number != 9 || again.Origin != 1 || again.Detector("human/high") == nil {
		t.Errorf("the same content again is %+v, %v", again, err)
	}
}

// TestDetectorsAreBounded teaches one more than are shared.
func TestDetectorsAreBounded(t *testing.T) {
	k := new(epoch.Knowledge)
	for i := range epoch.DetectorsMax {
		if k.Learner("t", fmt.Sprint("class", i), 3) == nil {
			t.Fatalf("no room for detector %d", i)
		}
	}
	if k.Learner("t", "one more", 3) != nil || k.Learner("t", "class3", 3) == nil {
		t.Error("one more than may be, or one of those that are is gone")
	}
}

// TestShiftOfADetector lets what is clean move away from the epoch in force: the
// shift says so, and changes nothing.
func TestShiftOfADetector(t *testing.T) {
	k := taught(1, 3000, 10, "human/normal")
	k.Activate(epoch.Build(nil, k.Summary("t", 0, int64(time.Hour))))
	frozen, rng := k.Active.Encode(), rand.New(rand.NewPCG(5, 5))
	teach(k, rng, 1500, 10, "human/normal")
	if s := k.Shift(); s > 0.1 {
		t.Errorf("shift %.3f although nothing has changed", s)
	}
	teach(k, rng, 1500, 11, "human/normal")
	if s := k.Shift(); s < epoch.ShiftAlarm {
		t.Errorf("shift %.3f, want an alarm from %.2f on", s, epoch.ShiftAlarm)
	}
	if !bytes.Equal(frozen, k.Active.Encode()) {
		t.Error("what is learned has changed what is in force")
	}
	out := snapshot.Writer()
	k.Code(out)
	in, k2 := snapshot.Reader(out.Bytes()), new(epoch.Knowledge)
	k2.Code(in)
	if in.Err() != nil || k2.Shift() != k.Shift() {
		t.Errorf("restored, the shift is %v, %v; want %v", k2.Shift(), in.Err(), k.Shift())
	}
	k.Activate(epoch.Build(k.Active, k.Summary("t", 0, int64(2*time.Hour))))
	if s := k.Shift(); s != 0 {
		t.Errorf("shift %.3f from an epoch that has just come in force", s)
	}
	k.Forget()
	if k.Active == nil || k.Summary("t", 0, 1) != nil {
		t.Error("who forgets what he has taught keeps what is in force, and nothing else")
	}
}

// TestBytesOfTheFirstLayout reads an epoch and a summary as they were before there
// were detectors: a control record names the epoch by the digest of those bytes.
func TestBytesOfTheFirstLayout(t *testing.T) {
	bare := func(b []byte, cut int) []byte {
		payload := b[24 : len(b)-cut]
		sum := xxh3.Hash128(payload).Bytes()
		return slices.Concat(b[:7], []byte{1}, sum[:], payload)
	}
	e := epoch.Build(nil, summary(0, 1, 3000))
	// Without origin, the length of an empty list, groups, and the curves and tails of
	// the adaptive test, of which nobody was taught.
	const curves, tails = sequence.KindCount * 5 * 8, sequence.KindCount * (1 + 1024)
	old := bare(e.Encode(), 2+2*epoch.Habits*8+curves)
	got, err := epoch.Decode(old)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Encode(), old) || got.Number != 1 || got.Origin != 1 || got.Digest() == e.Digest() {
		t.Errorf("an epoch of the first layout is written otherwise, or has the digest of another")
	}
	back, err := epoch.Decode(got.Again(7).Encode())
	if err != nil || back.Number != 7 || back.Origin != 1 {
		t.Errorf("gone back to, it is %+v, %v; want 7 with the content of 1", back, err)
	}
	next := epoch.Build(got, summary(0, 2, 3000))
	again, err := epoch.Decode(next.Encode())
	if err != nil || again.Digest() != next.Digest() || again.Number != 2 {
		t.Errorf("the epoch after it: %v", err)
	}
	k := epoch.Knowledge{Active: got}
	out := snapshot.Writer()
	k.Code(out)
	var restored epoch.Knowledge
	restored.Code(snapshot.Reader(out.Bytes()))
	if restored.Active.Digest() != got.Digest() {
		t.Error("restored, it has another digest")
	}
	s, err := epoch.DecodeSummary(bare(summary(0, 1, 300).Encode(), 1+2*epoch.Habits*15*8+tails))
	if err != nil || s.Sequence.Prior.Total() != 300 || len(s.Detectors) != 0 {
		t.Errorf("a summary of the first layout: %v", err)
	}
}

// largest has as many rows of as many detectors as may be.
func largest(shared *sequence.Shared) *epoch.Summary {
	s := &epoch.Summary{Tenant: "t", Sequence: shared}
	k := new(epoch.Knowledge)
	for i := range epoch.DetectorsMax {
		teach(k, rand.New(rand.NewPCG(1, 1)), reservoir.RowsMax, 20, fmt.Sprintf("%0*d", epoch.NameBytesMax, i))
	}
	s.Detectors = k.Summary("t", 0, 1).Detectors
	return s
}

// What is in force is read elsewhere while its content is put in force again, so
// that touches nothing of it.
func TestAgainLeavesTheFirstAlone(t *testing.T) {
	one := epoch.Build(nil, taught(1, epoch.RowsMin, 10, "human/normal").Summary("t", 0, 1))
	before := one.Detector("human/normal").Reference
	again := one.Again(9)
	if one.Detector("human/normal").Reference != before {
		t.Error("the detectors of the first epoch were written to")
	}
	if again.Detector("human/normal") == nil || again.Detector("human/normal") == one.Detector("human/normal") {
		t.Error("the two share detectors")
	}
}

// A part of another width, of a build with other columns, begins anew.
func TestLearnersOfAnotherWidthBeginAnew(t *testing.T) {
	k := new(epoch.Knowledge)
	k.Learn(k.Learner("t", "human/normal", 2), []float64{1, 2}, true)
	for range 3 {
		k.Learn(k.Learner("t", "human/normal", 3), []float64{1, 2, 3}, true)
	}
	if rows := &k.Learner("t", "human/normal", 3).Rows; rows.Len() != 3 || rows.Columns() != 3 {
		t.Errorf("%d rows of %d columns, want the 3 of 3", rows.Len(), rows.Columns())
	}
}

// When a partition is asked what it has learned depends on the clock on the wall, so
// that changes nothing of what it knows.
func TestSummaryChangesNothing(t *testing.T) {
	k := new(epoch.Knowledge)
	teach(k, rand.New(rand.NewPCG(1, 1)), 3, 10, "human/normal")
	state := func() []byte {
		w := snapshot.Writer()
		k.Code(w)
		return w.Bytes()
	}
	before := state()
	s := k.Summary("t", 0, 1)
	if s == nil || len(s.Detectors) != 1 || s.Sequence == nil {
		t.Fatalf("summary %+v, want the detector", s)
	}
	if !bytes.Equal(before, state()) {
		t.Error("the knowledge has changed")
	}
}
