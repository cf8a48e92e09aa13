package profile

import "github.com/vigil-gateway/vigil/scorer/snapshot"

// WeekHours is the number of hours of a week, from Monday 00:00 UTC.
const WeekHours = 168

// Week counts active hours by hour of the week. The zero value is empty. When a
// count is full all of them are halved, so that old weeks fade.
type Week struct{ cells [WeekHours]uint8 }

// Smoothing: an hour is told from its neighbours and from the same hour of
// other days, summer time and all, only in part.
const (
	besideHour = 0.5
	otherDay   = 0.3
	// weekConcentration is the weight of the peers and of the uniform prior, in
	// hours.
	weekConcentration = 10
)

// Add counts an active hour.
func (w *Week) Add(hour int) {
	if w.cells[hour] == 255 {
		for i := range w.cells {
			w.cells[i] /= 2
		}
	}
	w.cells[hour]++
}

// Total is the number of hours that are counted.
func (w *Week) Total() float64 {
	sum := 0
	for _, n := range w.cells {
		sum += int(n)
	}
	return float64(sum)
}

// P is the probability that an active hour is this one, backed off to the
// peers and there to any hour alike.
func (w *Week) P(hour int, peers *Week) float64 {
	peer := peers.posterior(hour, 1.0/WeekHours)
	return w.posterior(hour, peer)
}

func (w *Week) posterior(hour int, prior float64) float64 {
	n := w.Total()
	around := 0.0
	for day := range 7 {
		share := otherDay
		if day == 0 {
			share = 1
		}
		at := (hour + 24*day) % WeekHours
		beside := float64(w.cells[(at+1)%WeekHours]) + float64(w.cells[(at+WeekHours-1)%WeekHours])
		around += float64(share * (float64(w.cells[at]) + float64(besideHour*beside)))
	}
	around /= (1 + 6*otherDay) * (1 + 2*besideHour)
	return (around + float64(weekConcentration*prior)) / (n + weekConcentration)
}

// Code writes or reads the week.
func (w *Week) Code(k *snapshot.Codec) {
	for i := range w.cells {
		n := uint64(w.cells[i])
		k.U64(&n)
		w.cells[i] = uint8(n)
	}
}
