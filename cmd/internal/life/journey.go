package life

import "time"

// journey lets a person set out: by plane or train, to one city or on to the
// next, at the speed of an airliner.
func (w *World) journey(p *person, morning int64, d dice) {
	kept := p.stays[:0]
	for _, s := range p.stays {
		if s.until > morning {
			kept = append(kept, s)
		}
	}
	p.stays = kept
	if len(p.stays) > 0 {
		return
	}
	if p.twin != nil {
		w.commute(p, morning, d)
		return
	}
	if !d.chance(p.role.trips / 5) {
		return
	}
	legs := 1
	if p.marathon {
		legs = 3 + d.IntN(4)
	}
	at, here := morning+int64(d.span(2*time.Hour, 12*time.Hour)), p.city
	for range legs {
		to := w.net.geo.near(d, here, 150, 2500)
		if to == nil || d.chance(0.25) || p.marathon && d.chance(0.5) {
			to = w.net.geo.abroad(d, here)
		}
		at = p.leg(w, here, to, at, d)
		until := at + int64(d.span(14*time.Hour, 80*time.Hour))
		if p.marathon {
			until = at + int64(d.span(8*time.Hour, 30*time.Hour))
		}
		p.stays = append(p.stays, stay{kind: inHotel, city: to, wifi: guestLine(w.net.hotels[to], mix(p.number, uint64(at))), from: at, until: until})
		at, here = until, to
	}
	p.leg(w, here, p.city, at, d)
}

// leg takes a person from one city to the next and returns when he is there.
func (p *person) leg(w *World, from, to *city, at int64, d dice) int64 {
	km := kilometres(from, to)
	if km < 500 {
		until := at + int64((km*1.25/trainKMH+0.7)*float64(time.Hour))
		p.stays = append(p.stays, stay{kind: riding, city: from, from: at, until: until})
		return until
	}
	hours := km/jetKMH + climbHours + 2*airportHours
	until := at + int64(hours*float64(time.Hour))
	s := stay{kind: flying, city: from, from: at, until: until}
	if km > 1500 && d.chance(0.3) { // Some pay for the Wi-Fi of the aeroplane.
		s.wifi = guestLine(w.net.flight[d.IntN(len(w.net.flight))], mix(p.number, uint64(at)))
	}
	p.stays = append(p.stays, s)
	return until
}

// commute is the week of who lives in two cities: there on Monday, back on
// Thursday night.
func (w *World) commute(p *person, morning int64, d dice) {
	if time.Unix(0, morning+int64(p.city.zone)*int64(time.Hour)).UTC().Weekday() != time.Monday {
		return
	}
	at := p.leg(w, p.city, p.twin, morning+int64(d.span(time.Hour, 3*time.Hour)), d)
	until := morning + int64(3*day+d.span(12*time.Hour, 15*time.Hour))
	p.stays = append(p.stays, stay{kind: atSecondHome, city: p.twin, wifi: p.second, from: at, until: until})
	p.leg(w, p.twin, p.city, until, d)
}
