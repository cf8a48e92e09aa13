package profile

import "github.com/vigil-gateway/vigil/scorer/snapshot"

// WeekHours is the number of hours of a week, from Monday 00:00 UTC.
const WeekHours = 168

// Week counts active hours by hour of the week. The zero value is empty. When a
// count is full all of them are halved, so that old weeks fade.
type Week struct {
	// cells are the hours that have a count, in their order: few people are
	// active in more than a third of them.
	cells []cell
}

type cell struct{ hour, n uint8 }

// counts are all hours of a week.
type counts [WeekHours]uint8

// Smoothing: an hour is told from its neighbours and from the same hour of
// other days, summer time and all, only in part.
const (
	besideHour = 0.5
	otherDay   = 0.3
)

// WeekConcentration is the weight of the peers and of the uniform prior, in hours.
const WeekConcentration = 10

// Add counts an active hour, in [0, WeekHours).
func (w *Week) Add(hour int) {
	at := 0
	for at < len(w.cells) && int(w.cells[at].hour) < hour {
		at++
	}
	if at == len(w.cells) || int(w.cells[at].hour) != hour {
		w.cells = append(w.cells, cell{})
		copy(w.cells[at+1:], w.cells[at:])
		w.cells[at] = cell{hour: uint8(hour)}
	}
	if w.cells[at].n == 255 {
		for i := range w.cells {
			w.cells[i].n /= 2
		}
	}
	w.cells[at].n++
}

// Hours calls yield for each hour of the week that is counted, in order, with its
// count.
func (w *Week) Hours(yield func(hour, n int) bool) {
	for _, c := range w.cells {
		if !yield(int(c.hour), int(c.n)) {
			return
		}
	}
}

// Emptied is a week without hours in the memory of w.
func (w *Week) Emptied() Week { return Week{cells: w.cells[:0]} }

// Total is the number of hours that are counted.
func (w *Week) Total() float64 {
	sum := 0
	for _, c := range w.cells {
		sum += int(c.n)
	}
	return float64(sum)
}

// P is the probability that an active hour is this one, where it is peer among
// the peers.
func (w *Week) P(hour int, peer float64) float64 { return w.PAmong(hour, 1, peer) }

// PAmong is P where each hour that is counted weighs only as much as it is worth,
// see [Worth].
func (w *Week) PAmong(hour int, worth, peer float64) float64 {
	all := w.all() // 168 B on the stack.
	n := float64(worth * w.Total())
	around := 0.0
	for day := range 7 {
		share := otherDay
		if day == 0 {
			share = 1
		}
		at := (hour + 24*day) % WeekHours
		beside := float64(all[(at+1)%WeekHours]) + float64(all[(at+WeekHours-1)%WeekHours])
		around += float64(share * (float64(all[at]) + float64(besideHour*beside)))
	}
	around /= (1 + 6*otherDay) * (1 + 2*besideHour)
	return (float64(worth*around) + float64(WeekConcentration*peer)) / (n + WeekConcentration)
}

func (w *Week) all() counts {
	var all counts
	for _, c := range w.cells {
		all[c.hour] = c.n
	}
	return all
}

// Code writes or reads the week: the hours that have a count alone, in their order.
func (w *Week) Code(k *snapshot.Codec) {
	last := -1
	snapshot.List(k, &w.cells, func(c *cell) {
		hour, n := uint64(c.hour), uint64(c.n)
		k.U64(&hour)
		k.U64(&n)
		if !k.Reading() {
			return
		}
		if int(hour) <= last || hour >= WeekHours || n > 255 {
			k.Fail()
			return
		}
		last, c.hour, c.n = int(hour), uint8(hour), uint8(n)
	})
}
