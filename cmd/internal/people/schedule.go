package people

import (
	"math/rand/v2"
	"slices"
	"time"
)

// recent is the end of the history that stays empty, so that nobody's last
// visit runs into the live part.
const recent = 20 * time.Minute

// past returns every visit of the history, in the order of their starts.
func (p *Population) past() []Visit {
	var all []Visit
	for _, u := range p.People {
		all = append(all, p.Past(u)...)
	}
	slices.SortStableFunc(all, func(a, b Visit) int { return a.Start.Compare(b.Start) })
	return all
}

// Past returns the visits of one person's history, in the order of their starts.
func (p *Population) Past(u *Person) []Visit {
	var all []Visit
	r := Random(p.seed, "past", u.number)
	for day := range HistoryDays + 1 {
		all = append(all, p.day(r, u, day)...)
	}
	return all
}

// day is a person's visits of one day of the history; none on some days.
func (p *Population) day(r *rand.Rand, u *Person, day int) []Visit {
	if r.Float64() > u.diligence {
		return nil
	}
	midnight := p.start().Truncate(24 * time.Hour).Add(time.Duration(day) * 24 * time.Hour)
	opens := midnight.Add(time.Duration(u.opens) * time.Hour)
	var starts []time.Time
	for range 1 + r.IntN(3) {
		starts = append(starts, opens.Add(time.Duration(r.Float64()*float64(u.hours)*float64(time.Hour))))
	}
	if u.office != nil && r.Float64() < 0.6 {
		// Who shares an office comes in at the same time and signs in within
		// half a minute through one address.
		starts[0] = midnight.Add(time.Duration(p.now.Hour())*time.Hour + time.Duration(5+r.IntN(25))*time.Second)
	}
	slices.SortFunc(starts, time.Time.Compare)
	var visits []Visit
	free := p.start()
	for _, start := range starts {
		if start.Before(free) {
			continue // Still in the visit before.
		}
		v := p.Visit(r, u, start)
		free = start.Add(v.length() + time.Minute)
		if free.After(p.now.Add(-recent)) {
			break
		}
		visits = append(visits, v)
	}
	return visits
}
