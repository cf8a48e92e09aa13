package entity

import (
	"math"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

const (
	lostHalfLife = int64(10 * time.Minute)
	// lostMax bounds the missing records of one gap that count.
	lostMax = 1e4
	// silentFrom is how long a gateway that ticks must be silent, by the stream
	// clock, and silentFor how long that is held against it.
	silentFrom, silentFor = int64(time.Minute), int64(5 * time.Minute)
)

// bornWithin is how old a life may be of which all is expected to be seen.
const bornWithin = int64(time.Minute)

// Gateway is what the records of one gateway lack.
type Gateway struct {
	Name profile.Name
	// Lost is the decayed number of missing records.
	Lost Fading
	// Last is the stream time of its latest record, Ticks whether it ticks.
	Last  int64
	Ticks bool
	// Silence is how long it last was silent, and Until how long that counts.
	Silence, Until int64
	// Taught is how many deltas it has taught on TaughtDay.
	TaughtDay int32
	Taught    uint32
}

// Silent is the gateway's latest silence while it counts, else 0.
func (g *Gateway) Silent(now int64) int64 {
	if now >= g.Until {
		return 0
	}
	return g.Silence
}

// Missing is the decayed number of records that the gateway lacks.
func (g *Gateway) Missing(now int64) float64 { return g.Lost.To(now, lostHalfLife) }

// Gateways follow the gateways of a partition, at most [GatewaysMax]. The zero
// value is empty.
type Gateways struct{ list []Gateway }

// Seen notes a record of a gateway and how many were missing in front of it.
// What is missing before the first record of a gateway was before our time, unless its
// epoch, the Unix nanosecond in which its life began, is from just now.
func (g *Gateways) Seen(name string, epoch uint64, tick bool, missing uint64, now int64) *Gateway {
	i := slices.IndexFunc(g.list, func(w Gateway) bool { return w.Name.String() == name })
	if i < 0 {
		i = g.add(name)
		if epoch > math.MaxInt64 || now-int64(epoch) > bornWithin {
			missing = 0
		}
	}
	w := &g.list[i]
	if w.Ticks && now-w.Last >= silentFrom {
		w.Silence, w.Until = now-w.Last, now+silentFor
	}
	w.Last, w.Ticks = max(w.Last, now), w.Ticks || tick
	if missing > 0 {
		w.Lost.Value = min(lostMax, w.Missing(now)+float64(min(missing, lostMax)))
	}
	return w
}

// teachLeast is how many deltas of a gateway count in full on any day: where
// there is little traffic the others' mean says little.
const teachLeast = 64

// Weight is how much the next delta counts that came through a gateway: one
// that reports far more than the others, as a forging one does, teaches no more
// than a multiple of their mean. A gateway that is alone teaches freely.
func (g *Gateways) Weight(name string, now int64, l *Learning) float64 {
	day := Day(now)
	var own *Gateway
	others, sum := 0.0, 0.0
	for i := range g.list {
		w := &g.list[i]
		switch {
		case w.Name.String() == name:
			own = w
		case w.TaughtDay == day && w.Taught > 0:
			others++
			sum += float64(w.Taught)
		}
	}
	if own == nil {
		return 1 // Pushed out since, or events that name none.
	}
	if own.TaughtDay != day {
		own.TaughtDay, own.Taught = day, 0
	}
	own.Taught = min(own.Taught+1, 1<<30)
	if others == 0 {
		return 1
	}
	return min(1, max(teachLeast, l.GatewayExcess*sum/others)/float64(own.Taught))
}

func (g *Gateways) add(name string) int {
	if len(g.list) < GatewaysMax {
		g.list = append(g.list, Gateway{Name: profile.NameOf(name)})
		return len(g.list) - 1
	}
	oldest := 0
	for i := range g.list {
		if g.list[i].Last < g.list[oldest].Last {
			oldest = i
		}
	}
	g.list[oldest] = Gateway{Name: profile.NameOf(name)}
	return oldest
}

// Code writes or reads the gateways.
func (g *Gateways) Code(k *snapshot.Codec) {
	snapshot.List(k, &g.list, func(w *Gateway) {
		w.Name.Code(k)
		w.Lost.code(k)
		k.I64(&w.Last)
		k.Bool(&w.Ticks)
		k.I64(&w.Silence)
		k.I64(&w.Until)
		codeDay(k, &w.TaughtDay)
		taught := uint64(w.Taught)
		k.U64(&taught)
		w.Taught = uint32(taught)
	})
}
