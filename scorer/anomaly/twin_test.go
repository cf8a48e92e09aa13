package anomaly_test

import (
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/anomaly"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// frozen is a set that has seen a number of ordinary requests, of which an epoch was
// put in force.
func frozen(tb testing.TB, n int) (*anomaly.Set, *stream) {
	tb.Helper()
	set, s := taught(n)
	e := epoch.Build(nil, s.tenant.Shared.Summary("default", 0, s.now))
	if e.Detector("human/normal") == nil || !s.tenant.Shared.Activate(e) {
		tb.Fatalf("no epoch with a detector of %d requests", n)
	}
	return set, s
}

// slower are requests whose answers take longer and longer, up to 40 times.
func slower(s *stream, i, n int) *evidence.Context {
	x := s.next()
	x.Event.DurationUs = uint64(float64(x.Event.GetDurationUs()) * (1 + 39*float64(i)/float64(n)))
	return x
}

// TestFrozenTwinScoresWhileTheLiveOneLearns lets a service become slow so gradually
// that each request is ordinary among those before it. The live twin follows; what
// the epoch in force says stays as it is, and the shift raises an alarm.
func TestFrozenTwinScoresWhileTheLiveOneLearns(t *testing.T) {
	const n = 12_000
	end := func(set *anomaly.Set, s *stream) (loud int, text string) {
		for i := range n {
			see(set, slower(s, i, n), clean)
		}
		for range 20 {
			if f, found := see(set, slower(s, n, n), clean); found {
				loud, text = loud+1, f.Text
			}
		}
		return loud, text
	}
	live, s := taught(6000)
	if loud, _ := end(live, s); loud > 3 {
		t.Errorf("%d of 20 slow answers are strange to a live twin that has followed", loud)
	}
	set, s := frozen(t, 6000)
	loud, text := end(set, s)
	if loud < 10 || !strings.Contains(text, "answering took") {
		t.Errorf("%d of 20 slow answers are strange to the frozen twin, the last: %q", loud, text)
	}
	if shift := s.tenant.Shared.Shift(); shift < epoch.ShiftAlarm {
		t.Errorf("shift %.2f, want an alarm from %.2f on", shift, epoch.ShiftAlarm)
	}
	// Promoted, the next epoch takes slow answers for what they are now.
	s.tenant.Shared.Activate(epoch.Build(s.tenant.Shared.Active, s.tenant.Shared.Summary("default", 0, s.now)))
	loud = 0
	for range 20 {
		if _, found := see(set, slower(s, n, n), clean); found {
			loud++
		}
	}
	if loud > 3 {
		t.Errorf("%d of 20 slow answers are strange to the epoch that has learned them", loud)
	}
}

// TestAnEpochScoresAlikeEverywhere puts one epoch in force in a set that has never
// seen anything.
func TestAnEpochScoresAlikeEverywhere(t *testing.T) {
	set, s := frozen(t, 6000)
	other := anomaly.NewSet(4)
	other.Use(params)
	e, err := epoch.Decode(s.tenant.Shared.Active.Encode())
	if err != nil {
		t.Fatal(err)
	}
	there := &entity.Tenant{Key: s.tenant.Key}
	there.Shared.Activate(e)
	found := 0
	for i := range 2000 {
		x := s.next()
		if i%10 == 0 {
			x.Event.DurationUs *= 1000
		}
		draw(x)
		copied, session := *x, *x.Session
		copied.Session, copied.Tenant = &session, there
		a, foundA := set.Look(x, "")
		b, foundB := other.Look(&copied, "")
		if a != b || foundA != foundB {
			t.Fatalf("after %d requests %+v, in another partition %+v", i, a, b)
		}
		if foundA {
			found++
		}
		set.Learn(x, false, clean) // The other one learns nothing.
	}
	if found < 100 {
		t.Errorf("%d of 200 strange requests found", found)
	}
}

// TestWhatAnEpochLacksScoresLive asks about another sensitivity than the epoch knows.
func TestWhatAnEpochLacksScoresLive(t *testing.T) {
	set, s := frozen(t, 6000)
	high := func() *evidence.Context { x := s.next(); x.Event.Sensitivity = "high"; return x }
	for range 6000 {
		see(set, high(), clean)
	}
	loud := 0
	for range 20 {
		x := high()
		x.Event.DurationUs = 14_000_000
		if _, found := see(set, x, clean); found {
			loud++
		}
	}
	if loud < 15 {
		t.Errorf("%d of 20 slow answers are strange to the live twin of a class that no epoch has", loud)
	}
}

// TestRestartWithAnEpochGoesOnAlike restores a set and its tenant under an epoch.
func TestRestartWithAnEpochGoesOnAlike(t *testing.T) {
	set, s := frozen(t, 3000)
	for range 500 {
		see(set, s.next(), clean)
	}
	w := snapshot.Writer()
	set.Code(w)
	s.tenant.Code(w)
	again, tenant := anomaly.NewSet(4), new(entity.Tenant)
	again.Use(params)
	r := snapshot.Reader(w.Bytes())
	again.Code(r)
	tenant.Code(r)
	if r.Err() != nil || again.Err() != nil {
		t.Fatal(r.Err(), again.Err())
	}
	for i := range 2000 {
		x := s.next()
		if i%10 == 0 {
			x.Event.DurationUs *= 1000
		}
		copied, session := *x, *x.Session
		copied.Session, copied.Tenant = &session, tenant
		a, foundA := see(set, x, clean)
		b, foundB := see(again, &copied, clean)
		if a != b || foundA != foundB {
			t.Fatalf("after %d requests %+v, restored %+v", i, a, b)
		}
	}
	before, after := snapshot.Writer(), snapshot.Writer()
	set.Code(before)
	s.tenant.Code(before)
	again.Code(after)
	tenant.Code(after)
	if string(before.Bytes()) != string(after.Bytes()) {
		t.Error("the states have come apart")
	}
}

// BenchmarkFreeze is what the first request after an epoch pays, once for each
// detector.
func BenchmarkFreeze(b *testing.B) {
	_, s := frozen(b, 6000)
	x := s.next()
	for b.Loop() {
		fresh := anomaly.NewSet(1)
		fresh.Use(params)
		fresh.Look(x, "")
	}
}
