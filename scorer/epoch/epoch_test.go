package epoch_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/sequence"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// summary is what a partition has learned from n events and peaks.
func summary(partition int32, at int64, n int) *epoch.Summary {
	random := rand.New(rand.NewPCG(uint64(partition), 1))
	shared := sequence.NewShared()
	last := sequence.Symbol(0)
	for range n {
		x := sequence.Symbol(1 + random.IntN(40))
		shared.Add(last, x)
		shared.Tails[sequence.Human].Observe(random.ExpFloat64())
		last = x
	}
	return &epoch.Summary{Tenant: "t", Partition: partition, At: at, Sequence: shared}
}

func TestBuild(t *testing.T) {
	a, b, c := summary(0, 5, 3000), summary(1, 9, 3000), summary(2, 7, 50)
	want := epoch.Build(nil, a, b, c)
	if want.Number != 1 || want.Built != 9 || want.Tenant != "t" || want.Prior.Total() != 6050 {
		t.Fatalf("epoch %d of %q, built at %d of %g events", want.Number, want.Tenant, want.Built, want.Prior.Total())
	}
	if want.Curves[sequence.Human] == (sequence.Curve{}) || want.Curves[sequence.Service] != (sequence.Curve{}) {
		t.Errorf("curves %+v: want one of people alone", want.Curves)
	}
	old := summary(1, 2, 99)
	tests := map[string]struct {
		summaries []*epoch.Summary
		same      bool
	}{
		"in another order":                  {[]*epoch.Summary{c, b, a}, true},
		"one sent twice":                    {[]*epoch.Summary{a, b, b, c}, true},
		"an older one of a partition":       {[]*epoch.Summary{old, a, b, c}, true},
		"the older one after the later":     {[]*epoch.Summary{a, b, c, old}, true},
		"a partition is missing":            {[]*epoch.Summary{a, b}, false},
		"a partition has learned otherwise": {[]*epoch.Summary{a, old, c}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := epoch.Build(nil, tt.summaries...)
			if (got.Digest() == want.Digest()) != tt.same {
				t.Errorf("the same epoch: %t, want %t", !tt.same, tt.same)
			}
		})
	}
	if epoch.Build(want) != nil {
		t.Error("an epoch of nothing")
	}
}

func TestNextEpochKeepsWhatItCannotLearn(t *testing.T) {
	first := epoch.Build(nil, summary(0, 1, 3000))
	next := epoch.Build(first, summary(1, 2, 20))
	if next.Number != 2 || next.Curves != first.Curves {
		t.Errorf("epoch %d with curves %+v, want 2 with those before it, %+v", next.Number, next.Curves, first.Curves)
	}
}

func TestBytes(t *testing.T) {
	s := summary(3, 5, 500)
	s2, err := epoch.DecodeSummary(s.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Encode(), s2.Encode()) || s2.Partition != 3 || s2.Tenant != "t" {
		t.Errorf("a summary that was read is another: %q of partition %d", s2.Tenant, s2.Partition)
	}
	e := epoch.Build(nil, s)
	e2, err := epoch.Decode(e.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if e.Digest() != e2.Digest() || !bytes.Equal(e.Encode(), e2.Encode()) {
		t.Error("an epoch that was read is another")
	}
	whole := e.Encode()
	with := func(i int, b byte) []byte {
		c := bytes.Clone(whole)
		c[i] = b
		return c
	}
	tests := map[string]struct {
		b    []byte
		want error
	}{
		"nothing":          {nil, epoch.ErrFormat},
		"a summary":        {s.Encode(), epoch.ErrFormat},
		"another version":  {with(7, 99), epoch.ErrVersion},
		"a byte changed":   {with(len(whole)-1, whole[len(whole)-1]^1), epoch.ErrChecksum},
		"a byte missing":   {whole[:len(whole)-1], epoch.ErrChecksum},
		"more than may be": {make([]byte, epoch.BytesMax+1), epoch.ErrFormat},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := epoch.Decode(tt.b)
			if !errors.Is(err, tt.want) {
				t.Errorf("error = %v, want %v", err, tt.want)
			}
		})
	}
}

// TestLargestFits fills every slot with the largest count: the bytes must stay
// within what a reader takes.
func TestLargestFits(t *testing.T) {
	shared := sequence.NewShared()
	for i := range 500_000 {
		x := sequence.Symbol(uint32(i)*2654435761 | 1)
		shared.Add(x+1, x)
		for j := range shared.Tails {
			shared.Tails[j].Observe(float64(i%1024) / 16)
		}
	}
	s := largest(shared)
	n := len(s.Encode())
	if n > epoch.BytesMax {
		t.Errorf("a summary of %d B, at most %d are read", n, epoch.BytesMax)
	}
	e := epoch.Build(nil, s)
	if n := len(e.Encode()); n > epoch.BytesMax || len(e.Detectors) != epoch.DetectorsMax {
		t.Errorf("an epoch of %d B and %d detectors, at most %d B are read", n, len(e.Detectors), epoch.BytesMax)
	}
	t.Logf("a summary of %d B, an epoch of %d B", n, len(e.Encode()))
}

func TestControl(t *testing.T) {
	ref := epoch.Build(nil, summary(0, 1, 10)).Reference()
	got, ok := epoch.Named(ref.Control())
	if !ok || got != ref {
		t.Errorf("named %+v, %t; want %+v", got, ok, ref)
	}
	bad := map[string]func(*event.RequestEvent){
		"another reason": func(e *event.RequestEvent) { e.Reason = event.ReasonClear },
		"another kind":   func(e *event.RequestEvent) { e.Kind = event.KindRequest },
		"no attributes":  func(e *event.RequestEvent) { e.Attributes = nil },
		"number 0":       func(e *event.RequestEvent) { e.Attributes["epoch.number"] = "0" },
		"no number":      func(e *event.RequestEvent) { e.Attributes["epoch.number"] = "x" },
		"no digest":      func(e *event.RequestEvent) { delete(e.Attributes, "epoch.digest") },
	}
	for name, change := range bad {
		t.Run(name, func(t *testing.T) {
			ev := ref.Control()
			change(ev)
			if _, ok := epoch.Named(ev); ok {
				t.Error("names an epoch")
			}
		})
	}
}

// TestFrozenScoresWhileLiveLearns lets a tenant change what it does: the epoch in
// force stays as it is, the shift rises, and only an activation ends it.
func TestFrozenScoresWhileLiveLearns(t *testing.T) {
	var k epoch.Knowledge
	do := func(n, from int) {
		for i := range n {
			k.Grow().Add(sequence.Symbol(from+(i+1)%20), sequence.Symbol(from+i%20))
		}
	}
	do(6000, 1)
	if !k.Due(int64(time.Hour), epoch.Every) {
		t.Fatal("the first epoch is not due although there is a prior")
	}
	first := epoch.Build(nil, k.Summary("t", 0, int64(time.Hour)))
	if !k.Activate(first) || k.Activate(first) || k.Number() != 1 {
		t.Fatalf("epoch %d in force, want 1, once", k.Number())
	}
	frozen := first.Encode()
	do(6000, 1)
	if k.Shift() > 0.05 {
		t.Errorf("shift %.3f although nothing has changed", k.Shift())
	}
	do(6000, 500)
	if k.Shift() < epoch.ShiftAlarm {
		t.Errorf("shift %.3f although half of what is done is new, want an alarm from %.2f on", k.Shift(), epoch.ShiftAlarm)
	}
	if k.Number() != 1 || !bytes.Equal(frozen, k.Active.Encode()) {
		t.Error("a shift has changed what is in force")
	}
	k.Activate(epoch.Build(k.Active, k.Summary("t", 0, int64(2*time.Hour))))
	if k.Number() != 2 || k.Shift() != 0 {
		t.Errorf("epoch %d with shift %.3f, want 2 without one", k.Number(), k.Shift())
	}
}

func TestKnowledgeOutlastsARestart(t *testing.T) {
	var k epoch.Knowledge
	k.Grow().Merge(summary(0, 1, 3000).Sequence)
	k.Activate(epoch.Build(nil, k.Summary("t", 0, 1)))
	out := snapshot.Writer()
	k.Code(out)
	in := snapshot.Reader(out.Bytes())
	var k2 epoch.Knowledge
	k2.Code(in)
	err := in.Err()
	if err != nil {
		t.Fatal(err)
	}
	again := snapshot.Writer()
	k2.Code(again)
	if !bytes.Equal(out.Bytes(), again.Bytes()) || k2.Active.Digest() != k.Active.Digest() {
		t.Error("knowledge that was read is another")
	}
}

// TestPartitionsWriteOneEpochAtOnce is for the race detector: partitions of one
// process share an epoch, and each writes it into its snapshot when it likes.
func TestPartitionsWriteOneEpochAtOnce(t *testing.T) {
	shared := sequence.NewShared()
	for i := range 3000 {
		shared.Add(sequence.Symbol(1+(i+1)%9), sequence.Symbol(1+i%9))
	}
	e := epoch.Build(nil, &epoch.Summary{Tenant: "t", At: 1, Sequence: shared})
	want := e.Encode()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			k := epoch.Knowledge{Active: e}
			c := snapshot.Writer()
			k.Code(c)
			if !bytes.Equal(e.Encode(), want) {
				t.Error("the epoch's bytes have changed")
			}
		})
	}
	all.Wait()
}
