package quarantine

import (
	"math"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

const (
	// SamplesMax bounds the samples of a queue.
	SamplesMax = 256
	// ActorMax bounds those of one subject: its influence on what is normal.
	ActorMax = 8
	// low is how many samples a queue may run down to before it takes more.
	low = SamplesMax / 4
	// rejectsMax bounds the samples of unclean actors that one call gives up, so
	// that no event pays for a long backlog.
	rejectsMax = 8
	// thinMax bounds how often the share of taken samples is halved.
	thinMax = 24
)

// Sample is what one event would teach.
type Sample struct {
	// Actor is the session that it came from, Subject a hash of who acted.
	Actor   entity.Key
	Subject uint64
	// At is when it was offered, on the stream clock.
	At int64
	// Score is what the model said about it, at least 0; less where it could not say.
	Score float64
	// Row is what the model was shown; a model that learns from scores has none.
	Row []float64
}

// Queue holds samples back. The zero value is empty and ready to use.
type Queue struct {
	ring []Sample
	head int // The oldest.
	n    int
	// One of 2^thin samples that are offered is taken; eased is when that last
	// became more.
	thin  int
	eased int64
}

// Len is the number of samples that wait.
func (q *Queue) Len() int { return q.n }

// Offer puts a sample into quarantine, of which it keeps a copy. draw is a
// uniform random number that decides whether this one is taken. It reports
// whether it was.
func (q *Queue) Offer(s *Sample, draw uint64) bool {
	if draw&(1<<q.thin-1) != 0 {
		return false
	}
	of := 0
	for i := range q.n {
		if q.at(i).Subject == s.Subject {
			of++
		}
	}
	if of >= ActorMax {
		return false
	}
	if q.n == SamplesMax {
		q.thin = min(q.thin+1, thinMax)
		return false
	}
	if q.n == len(q.ring) { // As many as ever waited; the ring is whole at head 0.
		q.unroll()
		q.ring = append(q.ring, Sample{})
	}
	slot := q.at(q.n)
	row := append(slot.Row[:0], s.Row...)
	*slot = *s
	slot.Row = row
	q.n++
	return true
}

func (q *Queue) at(i int) *Sample { return &q.ring[(q.head+i)%len(q.ring)] }

// unroll moves the oldest sample to the front.
func (q *Queue) unroll() {
	if q.head == 0 {
		return
	}
	slices.Reverse(q.ring[:q.head])
	slices.Reverse(q.ring[q.head:])
	slices.Reverse(q.ring)
	q.head = 0
}

// Next returns the oldest sample that has waited for the quarantine and whose
// actor is clean, nil where there is none now. It is valid until the next call.
func (q *Queue) Next(now int64, quarantine time.Duration, clean func(entity.Key) bool) *Sample {
	for range rejectsMax {
		if q.n == 0 || now-q.at(0).At < int64(quarantine) {
			return nil
		}
		s := q.at(0)
		q.head = (q.head + 1) % len(q.ring)
		q.n--
		if q.thin > 0 && q.n < low && now-q.eased >= int64(quarantine) {
			q.thin--
			q.eased = now
		}
		if clean(s.Actor) {
			return s
		}
	}
	return nil
}

// Code writes or reads the queue; columns is the width of every row.
func (q *Queue) Code(k *snapshot.Codec, columns int) {
	n := k.Len(q.n)
	if k.Reading() {
		*q = Queue{}
		n = min(n, SamplesMax)
		for range n {
			q.ring = append(q.ring, Sample{Row: make([]float64, columns)})
		}
		q.n = n
	}
	for i := range n {
		s := q.at(i)
		entity.CodeKey(k, &s.Actor)
		k.U64(&s.Subject)
		k.I64(&s.At)
		k.F64(&s.Score)
		for j := range columns {
			codeValue(k, &s.Row[j])
		}
	}
	k.Int(&q.thin)
	k.I64(&q.eased)
	if k.Reading() {
		q.thin = max(0, min(q.thin, thinMax))
	}
}

// codeValue writes or reads a value of a row, which may be missing.
func codeValue(k *snapshot.Codec, v *float64) {
	missing := math.IsNaN(*v)
	k.Bool(&missing)
	if missing {
		*v = math.NaN()
		return
	}
	k.F64(v)
}
