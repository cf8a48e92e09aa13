package epochs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/analyzer/epochs"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/sequence"
)

// ordered is an operator's signed order.
func ordered(t *testing.T, o epochs.Order) []byte {
	t.Helper()
	payload, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := verdict.NewSigner("o", operatorKey()).Order(payload)
	if err != nil {
		t.Fatal(err)
	}
	return envelope
}

func manual(o *epochs.Options) { o.Config.Promotion = epochs.Manual }

// leading is an exchange that leads and has caught up.
func leading(t *testing.T, addr string, change ...func(*epochs.Options)) *epochs.Exchange {
	t.Helper()
	x := start(t, addr, change...)
	x.Lead(true)
	tend(t, x)
	return x
}

func tend(t *testing.T, x *epochs.Exchange) {
	t.Helper()
	err := x.Tend(t.Context())
	if err != nil {
		t.Fatal(err)
	}
}

// built lets a partition say what it has learned until the epoch after it is there.
func built(t *testing.T, x *epochs.Exchange, s *epoch.Summary) epochs.Listed {
	t.Helper()
	before := len(x.List("t", 0))
	for range 500 {
		x.Publish(s)
		tend(t, x)
		if list := x.List("t", 0); len(list) > before {
			return list[0]
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("no epoch is built")
	return epochs.Listed{}
}

// figures are numbers and states of a list.
func figures(list []epochs.Listed) (out []string) {
	for _, l := range list {
		held := ""
		if l.Held {
			held = ", held"
		}
		out = append(out, fmt.Sprintf("%d of %d %s%s", l.Number, l.Origin, l.State, held))
	}
	return out
}

// TestDriftMovesNothingUntilPromoted lets the people of a tenant do other things
// day by day, under manual promotion. What they are measured by stays as it is until
// somebody promotes a candidate, and comes back when he goes back.
func TestDriftMovesNothingUntilPromoted(t *testing.T) {
	b, err := broker.Start(broker.Options{Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	x := leading(t, b.Addr(), manual)
	engine, err := scorer.New(scorer.Options{Model: model.Default()})
	if err != nil {
		t.Fatal(err)
	}
	// told lets the engine read what the partitions are told, and says what scores.
	told := func(wantControls int) uint64 {
		for p := range 2 {
			refs := controls(t, b.Addr(), p)
			if len(refs) != wantControls {
				t.Fatalf("partition %d has %d control records, want %d", p, len(refs), wantControls)
			}
			if p > 0 {
				continue
			}
			for _, ref := range refs {
				e, err := x.Find(t.Context(), ref)
				if err != nil {
					t.Fatal(err)
				}
				engine.Offer(e)
				control := ref.Control()
				control.Time = timestamppb.New(time.Unix(1, 0))
				engine.Assess(scorer.Record{Event: control})
			}
		}
		r := engine.Assess(scorer.Record{Event: &event.RequestEvent{Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "t", Subject: "s", Time: timestamppb.New(time.Unix(2, 0))}})
		return r.Assessment.GetSharedEpoch()
	}
	first := built(t, x, drifted(1))
	if n := told(0); n != 0 {
		t.Fatalf("epoch %d scores that nobody has promoted", n)
	}
	promote := func(l epochs.Listed, over uint64) epoch.Reference {
		ref, err := x.Promote(t.Context(), ordered(t, epochs.Order{Tenant: "t", Number: l.Number, Digest: l.Digest, Over: over}))
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	promote(first, 0)
	if n := told(1); n != 1 {
		t.Fatalf("epoch %d scores, want the one that was promoted", n)
	}
	var latest epochs.Listed
	for day := 2; day < 8; day++ {
		latest = built(t, x, drifted(day))
	}
	if n := told(1); n != 1 || latest.Number != 7 {
		t.Fatalf("epoch %d scores after candidates up to %d, want still 1 of 7", n, latest.Number)
	}
	if latest.Shift < epoch.ShiftAlarm || latest.Against != 1 {
		t.Errorf("candidate %d is %.2f from epoch %d, want an alarm against 1", latest.Number, latest.Shift, latest.Against)
	}
	promote(latest, 1)
	if n := told(2); n != 7 {
		t.Fatalf("epoch %d scores, want the candidate that was promoted", n)
	}
	back := promote(first, 7)
	if n := told(3); n != 8 || back.Number != 8 {
		t.Fatalf("epoch %d scores, want 8, which is 1 again", n)
	}
	want := []string{"8 of 1 in force, held", "7 of 7 earlier", "6 of 6 earlier", "5 of 5 earlier", "4 of 4 earlier", "3 of 3 earlier", "2 of 2 earlier", "1 of 1 earlier"}
	if diff := cmp.Diff(want, figures(x.List("t", 0))); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	again, err := x.Find(t.Context(), back)
	if err != nil {
		t.Fatal(err)
	}
	original, err := x.Find(t.Context(), epoch.Reference{Tenant: "t", Number: 1, Digest: first.Digest})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Again(1).Encode(), original.Encode()) {
		t.Error("the epoch that was gone back to has another content")
	}
}

// drifted is what a partition has learned whose people do more and more of other
// things from the second day on.
func drifted(day int) *epoch.Summary {
	s := learned(0, day)
	s.Sequence.Merge(learned(0, day).Sequence) // Enough to tell a shift from chance.
	for i := range 1500 * (day - 1) {
		s.Sequence.Add(sequence.Symbol(100+(i+1)%17), sequence.Symbol(100+i%17))
	}
	return s
}

// TestGoingBackHoldsAutomaticPromotion goes back under automatic promotion: what is
// built then waits, until a later epoch is promoted; a successor knows it.
func TestGoingBackHoldsAutomaticPromotion(t *testing.T) {
	b, err := broker.Start(broker.Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	x := leading(t, b.Addr())
	first := built(t, x, learned(0, 1))
	built(t, x, learned(0, 2))
	_, err = x.Promote(t.Context(), ordered(t, epochs.Order{Tenant: "t", Number: 1, Digest: first.Digest, Over: 2}))
	if err != nil {
		t.Fatal(err)
	}
	candidate := built(t, x, learned(0, 3))
	want := []string{"4 of 4 candidate", "3 of 1 in force, held", "2 of 2 earlier", "1 of 1 earlier"}
	if diff := cmp.Diff(want, figures(x.List("t", 0))); diff != "" {
		t.Errorf("after going back (-want +got):\n%s", diff)
	}
	x.Lead(false)
	y := leading(t, b.Addr())
	if diff := cmp.Diff(want, figures(y.List("t", 0))); diff != "" {
		t.Errorf("at the successor (-want +got):\n%s", diff)
	}
	_, err = y.Promote(t.Context(), ordered(t, epochs.Order{Tenant: "t", Number: 4, Digest: candidate.Digest, Over: 3}))
	if err != nil {
		t.Fatal(err)
	}
	built(t, y, learned(0, 4))
	if got := figures(y.List("t", 0))[0]; got != "5 of 5 in force" {
		t.Errorf("after a later one was promoted: %s, want 5 in force by itself", got)
	}
}

func TestOrdersThatAreNotCarriedOut(t *testing.T) {
	b, err := broker.Start(broker.Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	x := leading(t, b.Addr(), manual)
	first := built(t, x, learned(0, 1))
	good := epochs.Order{Tenant: "t", Number: 1, Digest: first.Digest}
	forged, err := verdict.NewSigner("a", operatorKey()).Order([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	follower := start(t, b.Addr(), manual)
	tests := map[string]struct {
		at       *epochs.Exchange
		envelope []byte
		want     error
	}{
		"nobody has signed it":            {x, []byte("{}"), verdict.ErrUnsigned},
		"signed by another's key":         {x, forged, verdict.ErrSignature},
		"it names nothing":                {x, ordered(t, epochs.Order{Tenant: "t"}), epochs.ErrOrder},
		"there is no such epoch":          {x, ordered(t, epochs.Order{Tenant: "t", Number: 1, Digest: "no"}), epochs.ErrUnknown},
		"another epoch is in force":       {x, ordered(t, epochs.Order{Tenant: "t", Number: 1, Digest: first.Digest, Over: 3}), epochs.ErrOvertaken},
		"another analyzer builds":         {follower, ordered(t, good), epochs.ErrElsewhere},
		"another tenant has not that one": {x, ordered(t, epochs.Order{Tenant: "u", Number: 1, Digest: first.Digest}), epochs.ErrUnknown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tt.at.Promote(t.Context(), tt.envelope)
			if !errors.Is(err, tt.want) {
				t.Errorf("Promote = %v, want %v", err, tt.want)
			}
		})
	}
	if refs := controls(t, b.Addr(), 0); len(refs) > 0 {
		t.Errorf("control records %+v, want none", refs)
	}
	_, err = x.Promote(t.Context(), ordered(t, good))
	if err != nil {
		t.Fatal(err)
	}
	_, err = x.Promote(t.Context(), ordered(t, good))
	if !errors.Is(err, epochs.ErrOvertaken) {
		t.Errorf("the same order again: %v, want %v", err, epochs.ErrOvertaken)
	}
}

// TestOfTwoEpochsOfOneNumberOneIsInForce promotes the other of two that were built
// while two processes led: partitions have the first, so it needs a number of its own.
func TestOfTwoEpochsOfOneNumberOneIsInForce(t *testing.T) {
	b, err := broker.Start(broker.Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	x := leading(t, b.Addr(), manual)
	first := built(t, x, learned(0, 1))
	other := epoch.Build(nil, learned(0, 2))
	if other.Number != first.Number || other.Digest() == first.Digest {
		t.Fatalf("built %d and %d, want two of one number", first.Number, other.Number)
	}
	w, err := announce.NewWriter(nil, []string{b.Addr()}, slog.New(slog.DiscardHandler), noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	err = w.Write(t.Context(), topic.Control, 0, announce.Record{Key: topic.ControlKey("t", "epoch", "1-"+other.Digest()), Value: other.Encode()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = x.Promote(t.Context(), ordered(t, epochs.Order{Tenant: "t", Number: 1, Digest: first.Digest}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = x.Find(t.Context(), other.Reference())
	if err != nil {
		t.Fatal(err)
	}
	ref, err := x.Promote(t.Context(), ordered(t, epochs.Order{Tenant: "t", Number: 1, Digest: other.Digest(), Over: 1}))
	if err != nil {
		t.Fatal(err)
	}
	if ref.Number != 2 {
		t.Errorf("in force is said to be epoch %d, digest %s, want the content of the other as number 2", ref.Number, ref.Digest)
	}
}

// TestWhatPartitionsHaveAlreadyNeedsAnotherNumber promotes the first epoch, where
// partitions say that they have one of its number: of an analyzer before this one.
func TestWhatPartitionsHaveAlreadyNeedsAnotherNumber(t *testing.T) {
	b, err := broker.Start(broker.Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	x := leading(t, b.Addr(), manual)
	first := built(t, x, learned(0, 1))
	told := learned(0, 2)
	told.Epoch = first.Number
	second := built(t, x, told)
	for _, tt := range []struct {
		promoted   epochs.Listed
		over, want uint64
	}{{first, 0, 3}, {second, 3, 4}} {
		ref, err := x.Promote(t.Context(), ordered(t, epochs.Order{Tenant: "t", Number: tt.promoted.Number, Digest: tt.promoted.Digest, Over: tt.over}))
		if err != nil || ref.Number != tt.want {
			t.Errorf("epoch %d promoted over %d is %d, %v, want %d", tt.promoted.Number, tt.over, ref.Number, err, tt.want)
		}
	}
}
