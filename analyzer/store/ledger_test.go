package store_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// Two workers that both think that they hold a partition insert the identical
// block: the first declaration of a range is the cut for both.
func TestFirstDeclarationWins(t *testing.T) {
	r := newRig(t)
	holder, zombie := store.NewLedger(r.client), store.NewLedger(r.client)
	_, known, err := zombie.Last(t.Context(), topic.Requests, 1)
	if err != nil || known {
		t.Fatalf("an empty ledger knows a cut (%v)", err)
	}
	first := store.NewCut(topic.Requests, 1, 100, 150, event.Lane{Gateway: "g", Epoch: 1})
	got, err := holder.Declare(t.Context(), first)
	if diff := cmp.Diff(first, got); err != nil || diff != "" {
		t.Fatalf("the first declaration lost (%v):\n%s", err, diff)
	}
	got, err = zombie.Declare(t.Context(), store.NewCut(topic.Requests, 1, 100, 140))
	if diff := cmp.Diff(first, got); err != nil || diff != "" {
		t.Errorf("the second declaration of the range is another cut (%v):\n%s", err, diff)
	}
	_, err = holder.Declare(t.Context(), store.NewCut(topic.Requests, 1, 151, 200))
	if err != nil {
		t.Fatal(err)
	}
	_, err = zombie.Declare(t.Context(), store.NewCut(topic.Requests, 1, 141, 160))
	if !errors.Is(err, store.ErrFenced) {
		t.Errorf("a range across two cuts = %v, want %v", err, store.ErrFenced)
	}
	// Another partition is another order.
	_, err = zombie.Declare(t.Context(), store.NewCut(topic.Requests, 0, 5, 6))
	if err != nil {
		t.Error(err)
	}
	// Who comes after knows the newest cut; what is not a cut is passed over.
	r.produce(topic.Cuts, 0, []byte("{"), []byte(`{"id":"x","topic":"vigil.requests","partition":1,"first":900,"last":901}`))
	last, known, err := store.NewLedger(r.client).Last(t.Context(), topic.Requests, 1)
	if err != nil || !known || last.First != 151 || last.Last != 200 {
		t.Errorf("newest cut = %d to %d (%v, %v), want 151 to 200", last.First, last.Last, known, err)
	}
}

// A cut record stays below Kafka's limit, whatever names gateways give themselves.
func TestCutRecordIsBounded(t *testing.T) {
	lanes := make([]event.Lane, 3000)
	for i := range lanes {
		lanes[i] = event.Lane{Gateway: strings.Repeat("x", 2000) + strconv.Itoa(i), Epoch: uint64(i)}
	}
	b, err := store.Encode(store.NewCut(topic.Requests, 0, 1, 2, lanes...))
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > store.CutBytesMax || len(b) < store.CutBytesMax/4 {
		t.Errorf("record has %d B, want at most %d", len(b), store.CutBytesMax)
	}
	var c store.Cut
	err = json.Unmarshal(b, &c)
	if err != nil {
		t.Fatal(err)
	}
	if newest := c.Lanes[len(c.Lanes)-1]; newest.Epoch != 2999 {
		t.Errorf("the newest epoch kept is %d, want 2999", newest.Epoch)
	}
}

// The memory of sources is bounded.
func TestMarksAreBounded(t *testing.T) {
	if got := store.Marks(store.MarksMax + 10); got != store.MarksMax {
		t.Errorf("%d sources are remembered, want %d", got, store.MarksMax)
	}
}
