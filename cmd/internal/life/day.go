package life

import (
	"math"
	"time"
)

// errand is a visit that is planned: when, how long, with what, over which lines.
type errand struct {
	from    int64
	length  time.Duration
	device  *device
	line    *line
	other   *line // A second line that the visit changes to, or flips between.
	flips   bool
	vpn     *line // The tunnel, and whether it is switched on on the way.
	midway  bool
	traits  Trait
	minutes float64
}

const day = 24 * time.Hour

// wakeHour is when a day is planned, local time: hardly anybody works then.
const wakeHour = 4

// live plans a person's day and the next time that he wakes.
func (w *World) live(p *person, at int64) {
	n := int((at - w.start) / int64(day))
	w.later(at+int64(day), func(at int64) { w.live(p, at) })
	d := newDice(w.options.Seed, forDay, p.number, uint64(n))
	p.change(w, n, d)
	if n < p.joins || n >= p.awayFrom && n < p.awayUntil && !d.chance(0.05) {
		return
	}
	traits := p.dayTraits(n)
	w.journey(p, at, d)
	midnight := at - int64(wakeHour*time.Hour)
	weekday := time.Unix(0, at+int64(p.city.zone)*int64(time.Hour)).UTC().Weekday()
	weekend := weekday == time.Saturday || weekday == time.Sunday
	if weekend {
		traits |= Weekend
	}
	w.background(p, midnight, d, traits)
	nights := p.role.nights > 0 && share(mix(p.number, uint64(n/7), forDay)) < p.role.nights
	if p.role.calls > 0 && share(mix(p.number, uint64(n/7), forDay)) < p.role.calls && d.chance(0.2) {
		w.called(p, midnight, d, traits)
	}
	if !nights && weekend && !d.chance(0.12) || !d.chance(p.diligence) {
		return
	}
	opens, hours := p.opens, p.hours
	switch {
	case nights:
		opens, traits = opens+14, traits|NightShift
	case weekend:
		opens, hours = opens+d.between(1, 8), 3
	}
	minutes := p.role.minutes * p.busy * d.logNormal(1, 0.5)
	if traits&MonthEnd != 0 && p.role.trait&(Accountant|Analyst|Manager) != 0 {
		minutes *= 2.5
	}
	if weekend {
		minutes *= 0.4
	}
	w.workday(p, midnight+int64((opens+d.NormFloat64()*0.5)*float64(time.Hour)), hours, minutes, d, traits)
}

// dayTraits are those that hold for the whole of a day.
func (p *person) dayTraits(n int) (t Trait) {
	within := func(from, days int, trait Trait) {
		if from >= 0 && n >= from && n < from+days {
			t |= trait
		}
	}
	if p.joins > 0 {
		within(p.joins, 10, NewEmployee)
	}
	within(p.changesRole, 7, RoleChange)
	within(p.phoneDay, 3, NewPhone)
	within(p.browserDay, 3, NewBrowser)
	within(p.awayUntil, 2, BackFromVacation)
	if n%30 >= 27 || n%30 == 0 { // The history begins on the first of a month.
		t |= MonthEnd
	}
	return t
}

// workday spreads a day's minutes over visits.
func (w *World) workday(p *person, from int64, hours, minutes float64, d dice, traits Trait) {
	visits := 1 + d.IntN(4)
	inOffice := p.office != nil && d.chance(p.role.office) && p.stayAt(from) == nil
	for range visits {
		at := from + int64(d.Float64()*hours*float64(time.Hour))
		e := errand{from: at, minutes: minutes / float64(visits) * d.logNormal(1, 0.4), traits: traits, device: p.desktop}
		byPhone := d.chance(p.role.phone)
		if byPhone {
			e.device = p.phone
		} else if p.tablet != nil && d.chance(0.2) {
			e.device = p.tablet
		}
		w.connect(p, &e, inOffice, byPhone, d)
		w.plan(p, e)
	}
	// On the way, and on the sofa.
	for _, h := range []float64{-0.8, hours + 0.7, hours + 3} {
		if d.chance(0.5 * p.role.phone) {
			e := errand{from: from + int64(h*float64(time.Hour)), minutes: d.logNormal(2, 0.6), traits: traits, device: p.phone}
			w.connect(p, &e, false, true, d)
			if h < hours+2 && p.stayAt(e.from) == nil {
				e.line, e.other, e.flips, e.traits = p.carrier, nil, false, e.traits|MobileChurn
			}
			w.plan(p, e)
		}
	}
}

// background is the app on a phone that fetches what is new, at any hour and
// wherever the phone is.
func (w *World) background(p *person, midnight int64, d dice, traits Trait) {
	if p.phone.program != appApple && p.phone.program != appAndroid {
		return
	}
	for range d.IntN(4) {
		e := errand{from: midnight + int64(d.span(wakeHour*time.Hour, (wakeHour+24)*time.Hour)), minutes: 0.3, traits: traits | Background, device: p.phone}
		w.connect(p, &e, false, true, d)
		w.plan(p, e)
	}
}

// called is the night of who is on call: woken at any hour, home, in a hurry.
func (w *World) called(p *person, midnight int64, d dice, traits Trait) {
	for range 1 + d.IntN(2) {
		e := errand{
			from: midnight + int64(day) + int64(d.span(-2*time.Hour, 5*time.Hour)), minutes: d.logNormal(9, 0.6),
			traits: traits | OnCall, device: p.desktop,
		}
		byPhone := d.chance(0.3)
		if byPhone {
			e.device = p.phone
		}
		w.connect(p, &e, false, byPhone, d)
		w.plan(p, e)
	}
}

// connect chooses the lines of a visit by where the person is.
func (w *World) connect(p *person, e *errand, inOffice, byPhone bool, d dice) {
	s := p.stayAt(e.from)
	switch {
	case s != nil:
		w.away(p, s, e, byPhone, d)
	case inOffice:
		e.line, e.traits = p.office.line, e.traits|OfficeNAT
		n := w.officeOf(p)
		if f := p.tenant.storming(failover, e.from); f != nil && f.office == n {
			e.line, e.traits = p.office.backup, e.traits|OfficeFailover
		}
		if p.kiosk && !byPhone {
			e.device = p.office.kiosks[d.IntN(len(p.office.kiosks))]
		}
		if byPhone && d.chance(0.5) {
			e.line, e.traits = p.carrier, e.traits|MobileChurn
		}
	case byPhone && !d.chance(p.wifi):
		e.line, e.traits = p.carrier, e.traits|MobileChurn
	case !byPhone && d.chance(0.03):
		c := w.net.cafes[p.city]
		k := d.IntN(len(c))
		e.line, e.traits = guestLine(c[k], mix(p.number, uint64(k))), e.traits|HotelOrCafe
	default:
		e.line = p.home
	}
	if byPhone && e.line == p.home {
		if p.traits&DualHomed != 0 {
			e.other, e.flips = p.carrier, true
		} else if d.chance(0.12) { // Leaves the house, or comes home.
			e.other = p.carrier
			if d.chance(0.5) {
				e.line, e.other = e.other, e.line
			}
			e.traits |= MobileChurn
		}
	}
	w.tunnel(p, e, inOffice, byPhone, d)
}

func (w *World) officeOf(p *person) int {
	for i, o := range p.tenant.offices {
		if o == p.office {
			return i
		}
	}
	return -1
}

// tunnel puts a VPN in front: the company's on the machine of who works
// outside, or one that the person pays for himself.
func (w *World) tunnel(p *person, e *errand, inOffice, byPhone bool, d dice) {
	if p.vpn >= 0 && !inOffice && (p.vpnAlways || d.chance(0.25)) {
		exits := w.net.vpns[p.vpn]
		k := int(mix(p.number) % uint64(len(exits))) // The favourite exit.
		if d.chance(0.2) {
			k = d.IntN(len(exits))
		}
		e.vpn, e.midway = &line{net: exits[k], seed: uint64(k), egress: 20, fixed: true}, !p.vpnAlways && d.chance(0.4)
		e.traits |= ConsumerVPN
		return
	}
	if !inOffice && !byPhone && p.tenant.vpnShare > 0 && share(mix(p.number, forLine)) < p.tenant.vpnShare && d.chance(0.6) {
		e.vpn, e.midway, e.traits = p.tenant.vpn, d.chance(0.12), e.traits|CompanyVPN
	}
}

// away chooses the lines of who travels.
func (w *World) away(p *person, s *stay, e *errand, byPhone bool, d dice) {
	e.traits |= Travelling
	e.line = s.wifi
	switch s.kind {
	case flying, riding:
		if s.kind == riding {
			e.device, e.line, e.traits = p.phone, p.carrier, e.traits|MobileChurn
		}
		e.minutes = math.Min(e.minutes, float64(s.until-e.from)/float64(time.Minute)*0.8)
	case inHotel:
		e.traits |= HotelOrCafe
		if byPhone && d.chance(0.6) {
			e.line, e.traits = w.roaming(p, s, d), e.traits|Roaming|MobileChurn
			if d.chance(0.3) { // The captive portal lets the phone in at last.
				e.other = s.wifi
			}
		}
	case atSecondHome:
		if byPhone && !d.chance(p.wifi) {
			e.line, e.traits = p.carrier, e.traits|MobileChurn
		}
	}
}

// roaming is a phone abroad: most carriers send its packets home first, so it
// keeps an address of its own country (Mandalari et al., MobiCom 2018).
func (w *World) roaming(p *person, s *stay, d dice) *line {
	if s.city.country == p.city.country || d.chance(0.75) {
		return p.carrier
	}
	return w.net.carrierLine(newDice(p.number, uint64(s.from)), s.city) // One network for the whole stay.
}

// plan queues a visit, unless it lies outside the history or in a time in
// which nobody can work.
func (w *World) plan(p *person, e errand) {
	if e.line == nil || e.minutes < 0.2 {
		return
	}
	e.length = time.Duration(math.Min(e.minutes, 180) * float64(time.Minute))
	if e.from < w.now || e.from >= w.end {
		return
	}
	w.later(e.from, func(int64) { w.visit(p, e) })
}
