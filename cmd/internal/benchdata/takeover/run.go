package takeover

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"path/filepath"
)

// Splices of each pair: the sets give about as many.
const (
	masqueradeEach = 2
	purdueEach     = 20
)

// Run measures both sets below dir. The error wraps that of reading them.
func Run(dir string) (Report, error) {
	masquerade, err := readMasquerade(filepath.Join(dir, "masquerade-schonlau"))
	if err != nil {
		return Report{}, fmt.Errorf("masquerade: %w", err)
	}
	purdue, err := readPurdue(filepath.Join(dir, "unix-user-data-purdue"))
	if err != nil {
		return Report{}, fmt.Errorf("purdue: %w", err)
	}
	sum := sha256.New()
	var r Report
	own := clean(masquerade)
	r.Masquerade = labelled(masquerade, own, sum)
	for _, colleague := range []bool{false, true} {
		r.Splices = append(r.Splices, spliced("masquerade", masquerade, own, spliceAll(masquerade, masqueradeEach, colleague), sum))
	}
	own = clean(purdue)
	for _, colleague := range []bool{false, true} {
		r.Splices = append(r.Splices, spliced("purdue", purdue, own, spliceAll(purdue, purdueEach, colleague), sum))
	}
	for i := range r.Splices {
		r.Splices[i].Colleague = i%2 == 1
	}
	r.Hash = hex.EncodeToString(sum.Sum(nil))
	return r, nil
}

// clean replays everybody's own commands, and returns what those add that are
// judged.
func clean(people []person) []trace {
	own := make([]trace, len(people))
	for i := range people {
		p := &people[i]
		t := replay(p, priorWithout(people, i), p.clean)
		own[i] = t.from(prefix, p.clean)
	}
	return own
}

// labelled measures the people with labels, after their clean start.
func labelled(people []person, own []trace, sum hash.Hash) Labelled {
	var r Labelled
	var streams []stream
	var blocks contrast
	for i := range people {
		p := &people[i]
		if p.stranger == nil {
			continue
		}
		n := len(p.stranger) * day
		t := replay(p, priorWithout(people, i), n)
		s := stream{person: i, trace: t.from(cleanStart, n), stranger: p.stranger[cleanStart/day:]}
		write(sum, s.trace)
		for d, stranger := range s.stranger {
			blocks.add(s.gains[d*day:(d+1)*day], stranger)
			if !stranger {
				r.Commands += day
			}
		}
		streams = append(streams, s)
	}
	r.Blocks = blocks.measure()
	r.Held = heldLabelled(own, streams)
	for _, budget := range budgets {
		r.Hindsight = append(r.Hindsight, measureLabelled(streams, budget, same(hindsight(streams, budget))))
	}
	again := newAnswering(people)
	for _, budget := range budgets[:answeredBudgets] {
		r.Answered = append(r.Answered, again.hindsight(budget))
		r.AnsweredFitted = append(r.AnsweredFitted, again.fitted(own, budget))
	}
	return r
}

// spliced measures all pairs of a set.
func spliced(name string, people []person, own []trace, splices []splice, sum hash.Hash) Set {
	r := Set{Name: name, People: len(people), Splices: len(splices)}
	var blocks contrast
	streams := make([]stream, len(own))
	for i, t := range own {
		write(sum, t)
		r.Commands += len(t.gains)
		streams[i] = stream{person: i, trace: t}
		for d := 0; d+day <= len(t.gains); d += day {
			blocks.add(t.gains[d:d+day], false)
		}
	}
	for _, s := range splices {
		write(sum, s.trace)
		blocks.add(s.gains[:day], true)
	}
	r.Blocks = blocks.measure()
	r.Held = held(own, splices)
	for _, budget := range budgets {
		r.Hindsight = append(r.Hindsight, measureSplices(streams, splices, budget, same(hindsight(streams, budget))))
	}
	return r
}

// write adds scores to the hash.
func write(sum hash.Hash, t trace) {
	var b [8]byte
	for _, gains := range [...][]float64{t.gains, t.adaptive} {
		for _, g := range gains {
			binary.LittleEndian.PutUint64(b[:], math.Float64bits(g))
			_, _ = sum.Write(b[:]) // A hash does not fail.
		}
	}
}
