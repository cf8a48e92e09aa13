package entity

import (
	"time"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// refusalsFor is how long an answer to one subject says something about the
// answer that another may expect.
const refusalsFor = int64(10 * time.Minute)

// refusalsPrior is the weight, in subjects that were answered, of there being
// nothing wrong: one subject alone excuses hardly anybody.
const refusalsPrior = 2

// Refusals are the latest answers that different subjects of a tenant got to
// what somebody was refused: what nearly everybody is refused, as after a
// broken deploy, tells nothing about one of them. Each subject has one voice,
// so that nobody excuses himself by many requests. The zero value is empty; at
// most [RefusalsMax] things are followed, and the one that was asked for
// longest ago gives way.
type Refusals struct {
	list  []refusal
	index map[uint64]int
}

// refusal is one thing that is asked for, with the answers to the subjects who
// asked for it last, at most [RefusalSubjectsMax].
type refusal struct {
	Key     uint64
	Last    int64
	Answers []answer
}

type answer struct {
	Subject uint64
	At      int64
	Refused bool
}

// Share is how probable it is now that a subject is refused what has the key,
// 0 to 1, by the answers to the others.
func (r *Refusals) Share(key, subject uint64, now int64) float64 {
	i, ok := r.index[key]
	if !ok {
		return 0
	}
	refused, asked := 0.0, 0.0
	for _, a := range r.list[i].Answers {
		if a.Subject == subject || now-a.At >= refusalsFor {
			continue
		}
		asked++
		if a.Refused {
			refused++
		}
	}
	return refused / (asked + refusalsPrior)
}

// Note takes down an answer. A thing is followed from its first refusal on.
func (r *Refusals) Note(key, subject uint64, refused bool, now int64) {
	i, ok := r.index[key]
	switch {
	case ok:
	case !refused:
		return
	default:
		i = r.follow(key)
	}
	f := &r.list[i]
	f.Last = max(f.Last, now)
	at, oldest := -1, 0
	for j := range f.Answers {
		if f.Answers[j].Subject == subject {
			at = j
			break
		}
		if f.Answers[j].At < f.Answers[oldest].At {
			oldest = j
		}
	}
	if at < 0 {
		if at = oldest; len(f.Answers) < RefusalSubjectsMax {
			f.Answers = append(f.Answers, answer{})
			at = len(f.Answers) - 1
		}
	}
	f.Answers[at] = answer{Subject: subject, At: now, Refused: refused}
}

// follow begins with a thing, in the place of the one that is asked for least.
func (r *Refusals) follow(key uint64) int {
	if r.index == nil {
		r.index = make(map[uint64]int)
	}
	i := 0
	if len(r.list) < RefusalsMax {
		i = len(r.list)
		r.list = append(r.list, refusal{})
	} else {
		for j := range r.list {
			if r.list[j].Last < r.list[i].Last {
				i = j
			}
		}
		delete(r.index, r.list[i].Key)
	}
	r.list[i] = refusal{Key: key, Answers: r.list[i].Answers[:0]}
	r.index[key] = i
	return i
}

func (r *Refusals) code(k *snapshot.Codec) {
	snapshot.List(k, &r.list, func(f *refusal) {
		k.U64(&f.Key)
		k.I64(&f.Last)
		snapshot.List(k, &f.Answers, func(a *answer) {
			k.U64(&a.Subject)
			k.I64(&a.At)
			k.Bool(&a.Refused)
		})
	})
	if !k.Reading() {
		return
	}
	r.index = make(map[uint64]int, len(r.list))
	for i := range r.list {
		r.index[r.list[i].Key] = i
	}
}
