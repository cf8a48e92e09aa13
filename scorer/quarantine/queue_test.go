package quarantine_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/quarantine"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

const span = time.Minute

func sample(actor string, subject uint64, at int64) *quarantine.Sample {
	return &quarantine.Sample{Actor: entity.Key{ID: actor}, Subject: subject, At: at, Score: float64(at), Row: []float64{float64(at), math.NaN()}}
}

func all(entity.Key) bool { return true }

// drain returns the times of the samples that are handed out at a time.
func drain(q *quarantine.Queue, now int64, clean func(entity.Key) bool) []int64 {
	var times []int64
	for s := q.Next(now, span, clean); s != nil; s = q.Next(now, span, clean) {
		times = append(times, s.At)
	}
	return times
}

func TestQueue(t *testing.T) {
	minute := int64(span)
	t.Run("a sample waits for the quarantine and comes once", func(t *testing.T) {
		var q quarantine.Queue
		q.Offer(sample("a", 1, 5), 0)
		q.Offer(sample("b", 2, 9), 0)
		for _, step := range []struct {
			now  int64
			want []int64
		}{{minute + 4, nil}, {minute + 5, []int64{5}}, {minute + 100, []int64{9}}, {9 * minute, nil}} {
			if diff := cmp.Diff(step.want, drain(&q, step.now, all)); diff != "" {
				t.Errorf("at %d (-want +got):\n%s", step.now, diff)
			}
		}
	})
	t.Run("who is not clean by then teaches nothing", func(t *testing.T) {
		var q quarantine.Queue
		for i := range int64(6) {
			q.Offer(sample([]string{"thief", "owner"}[i%2], uint64(i), i), 0)
		}
		got := drain(&q, 2*minute, func(k entity.Key) bool { return k.ID == "owner" })
		if diff := cmp.Diff([]int64{1, 3, 5}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("the sample is a copy", func(t *testing.T) {
		var q quarantine.Queue
		s := sample("a", 1, 0)
		q.Offer(s, 0)
		s.Row[0] = 99
		if got := q.Next(minute, span, all).Row[0]; got != 0 {
			t.Errorf("row changed to %v behind the queue's back", got)
		}
	})
	t.Run("nobody fills it alone", func(t *testing.T) {
		var q quarantine.Queue
		for i := range int64(1000) {
			q.Offer(sample(fmt.Sprint("s", i), 1, i), 0)
		}
		if q.Len() != quarantine.ActorMax {
			t.Errorf("%d samples of one subject wait, want %d", q.Len(), quarantine.ActorMax)
		}
	})
	t.Run("a full queue takes fewer, an empty one all again", func(t *testing.T) {
		var q quarantine.Queue
		fill := func(at int64) (taken int) {
			for i := range uint64(4096) {
				if q.Offer(sample("a", i, at), i) {
					taken++
				}
			}
			return taken
		}
		if got := fill(0); got != quarantine.SamplesMax || q.Len() != got {
			t.Fatalf("took %d, holds %d", got, q.Len())
		}
		drain(&q, minute, all)
		if got := fill(minute); got == 0 || got >= quarantine.SamplesMax {
			t.Errorf("took %d just after it was full, want fewer than it holds", got)
		}
		for i := range int64(64) {
			drain(&q, (3+2*i)*minute, all)
			q.Offer(sample("a", 1, (3+2*i)*minute), 0)
		}
		drain(&q, 1000*minute, all)
		if got := fill(1000 * minute); got != quarantine.SamplesMax {
			t.Errorf("took %d after a quiet time, want %d", got, quarantine.SamplesMax)
		}
	})
}

// TestQueueGoesOnAfterARestart writes and reads queues of every age of the ring.
func TestQueueGoesOnAfterARestart(t *testing.T) {
	var q quarantine.Queue
	for i := range int64(1500) {
		at := i * int64(time.Second)
		q.Offer(sample(fmt.Sprint("s", i), uint64(i%97), at), uint64(i)*0x9E3779B97F4A7C15)
		if i%3 == 0 {
			q.Next(at, span, all)
		}
		if i%100 != 99 {
			continue
		}
		w := snapshot.Writer()
		q.Code(w, 2)
		var again quarantine.Queue
		r := snapshot.Reader(w.Bytes())
		again.Code(r, 2)
		if r.Err() != nil {
			t.Fatal(r.Err())
		}
		second := snapshot.Writer()
		again.Code(second, 2)
		if string(second.Bytes()) != string(w.Bytes()) {
			t.Fatal("what was read is written otherwise")
		}
		for q.Len() > 40 {
			a, b := q.Next(at+int64(span), span, all), again.Next(at+int64(span), span, all)
			if diff := cmp.Diff(a, b, cmpopts.EquateNaNs()); diff != "" {
				t.Fatalf("after %d samples (-first +again):\n%s", i, diff)
			}
			if a == nil {
				break
			}
		}
		q = again
	}
}

func TestQueueAllocatesNothingOnceFull(t *testing.T) {
	var q quarantine.Queue
	s := sample("a", 0, 0)
	n := int64(0)
	step := func() {
		n++
		s.At, s.Subject = n*int64(time.Second), uint64(n)
		q.Offer(s, 0)
		q.Next(s.At, 5*span, all)
	}
	for range 5000 {
		step()
	}
	if got := testing.AllocsPerRun(1000, step); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
