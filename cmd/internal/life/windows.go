package life

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// What other windows are like when a person signs out.
const (
	signsOutShare  = 0.3  // Of the visits that end while another window of the session is at work.
	leftOpenShare  = 0.35 // Of those who sign out in the only window at work, who have left another open.
	signsInShare   = 0.6  // Of those who ask again in it.
	pollsOnShare   = 0.2  // Of the windows that ask again, by themselves, whatever the answer.
	pollsMax       = 90
	refusedClicks  = 3
	staysPut       = 20 * time.Minute
	leftOpenMedian = 10 * 60 // Seconds until it asks again; from seconds to hours.
)

// leave is the end of a visit, whose last request is at end, with a sign-out or
// without. Numbers come from a stream of its own: whoever has one window only lives as
// he would if there were no others.
func (w *World) leave(p *person, v *visit, e *errand, end, until int64, signsOut bool) {
	l := &e.device.login
	several := !p.hunted && p.kiosk1(e.device) == nil // Of a victim nobody could say who asks; a kiosk is the next one's.
	d := newDice(w.options.Seed, forWindow, p.number, uint64(e.from))
	switch {
	case end < l.busy:
		if several && d.chance(signsOutShare) && len(l.atWork()) > 0 {
			w.shutOut(p, e.device, w.signOut(v, until), d)
		}
	case signsOut:
		at := w.signOut(v, until)
		l.session = ""
		if several && d.chance(leftOpenShare) {
			w.leftOpen(p, v, *e, at, d)
		}
	}
}

// atWork are the windows of a device's session that are still at work.
func (l *login) atWork() []*visit {
	l.windows = slices.DeleteFunc(l.windows, func(v *visit) bool { return len(v.records) == 0 })
	return l.windows
}

// refuse makes a request one that a gateway refuses because its session was signed
// out: a browser's cookie is gone for all of its windows, so that it shows none; a
// token that a program holds itself is shown once more.
func (v *visit) refuse(r *record) {
	r.status, r.in, r.out, r.micros, r.phase, r.stream, r.session = 401, 0, 160, 800, complete, plainRequest, false
	r.traits |= SecondWindow
	r.reason = "session_revoked"
	if l := &v.looks[r.look]; l.cookie != "" && l.client == "web" {
		r.reason, r.anonymous = "token_missing", true
	}
}

// leftOpen is a window that was forgotten: a page that polls, or a person who clicks
// in it. By then he may be elsewhere with his machine.
func (w *World) leftOpen(p *person, gone *visit, e errand, at int64, d dice) {
	dead, shown := gone.passes[len(gone.passes)-1], gone.looks[d.IntN(len(gone.looks))]
	after := int64((3 + math.Min(d.logNormal(leftOpenMedian, 1.7), 10*3600)) * float64(time.Second))
	e.from = at + after
	w.later(e.from, func(int64) {
		dev := e.device
		if after > int64(staysPut) {
			e = errand{from: e.from, length: e.length, device: dev, traits: p.dayTraits(int((e.from - w.start) / int64(day)))}
			w.connect(p, &e, false, dev == p.phone, d)
			if e.device != dev || e.line == nil {
				return // He has not got it with him.
			}
		}
		w.askAgain(p, e, dead, shown, d)
	})
}

// askAgain is what a forgotten window sends. Who comes back to it signs in.
func (w *World) askAgain(p *person, e errand, dead pass, shown look, d dice) {
	e.traits |= SecondWindow
	v := w.open(&p.actor, p.tenant)
	v.traits, v.looks, v.passes = e.traits, append(v.looks, shown), append(v.passes, dead)
	route := w.newRoute(v, &e, d)
	pages := p.tenant.app.pages[dash]
	polls := 1
	if d.chance(pollsOnShare) {
		polls = min(2+int(d.wait(20)), pollsMax)
	}
	at, gap := e.from, int64(d.span(20*time.Second, 2*time.Minute))
	for range polls {
		r := record{at: at, template: int16(pages[d.IntN(3)]), hop: route.hop(at)}
		v.refuse(&r)
		v.records = append(v.records, r)
		at += gap
	}
	w.begin(v)
	if d.chance(signsInShare) {
		e.from += int64(d.span(5*time.Second, time.Minute))
		e.length = time.Duration(math.Min(d.logNormal(6, 0.8), 60) * float64(time.Minute))
		w.later(e.from, func(int64) { w.use(p, e, d) })
	}
}

// shutOut is what a sign-out at a time does to the other windows: what they ask is
// refused, until he has signed in again in the first that asks, and all go on.
func (w *World) shutOut(p *person, dev *device, at int64, d dice) {
	l := &dev.login
	dead, windows := l.session, l.atWork()
	l.session = ""
	asks := func(r *record, v *visit) bool { return r.at > at && !r.anonymous && v.passes[r.pass].session == dead }
	var first *visit
	var when record
	for _, v := range windows {
		for _, r := range v.records[v.next:] {
			if asks(&r, v) && (first == nil || r.at < when.at) {
				first, when = v, r
			}
		}
	}
	if first == nil {
		return
	}
	in := &visit{who: &p.actor, tenant: p.tenant}
	l.number++
	next := login{number: l.number, since: w.signIn(in, p, when.at+int64(d.span(10*time.Second, 2*time.Minute)), d)}
	next.session = name(dev.seed, p.number, next.number, forVisit)
	next.until, next.idle, next.used = next.since+(l.until-l.since), l.idle, next.since
	if next.since == 0 {
		next.since = math.MaxInt64 // He gives up for today.
	}
	for _, v := range windows {
		v.turnAway(dev, &next, asks)
	}
	for _, r := range in.records {
		r.hop, r.look, r.traits = when.hop, when.look, r.traits|SecondWindow
		if r.session {
			r.pass = first.passFor(&next, dev, when.pass)
		}
		first.records = append(first.records, r)
	}
	first.traits |= in.traits
	slices.SortStableFunc(first.records[first.next:], func(a, b record) int { return cmp.Compare(a.at, b.at) })
	if next.since == math.MaxInt64 {
		return
	}
	w.later(next.since, func(int64) {
		if l.session == "" { // Else he has signed in in a third window meanwhile.
			next.busy, next.windows, next.number = l.busy, l.windows, l.number
			*l = next
		}
	})
}

// passFor is the index of the pass of a new session that takes an old one's place in
// a visit.
func (v *visit) passFor(l *login, dev *device, old uint8) uint8 {
	token := name(dev.seed, l.number, uint64(old), forWindow)
	i := slices.IndexFunc(v.passes, func(p pass) bool { return p.token == token })
	if i < 0 {
		v.passes = append(v.passes, pass{session: l.session, token: token, authTime: l.since})
		i = len(v.passes) - 1
	}
	return uint8(min(i, math.MaxUint8))
}

// turnAway refuses what a window asks before its person has signed in again, and
// leaves out what he could not do meanwhile. The first of its records that is still to
// come stays where it is: the agenda has it.
func (v *visit) turnAway(dev *device, next *login, asks func(*record, *visit) bool) {
	kept := v.records[:v.next]
	over, goesOn := make(map[uint32]bool), make(map[uint32]bool) // Streams.
	clicks := 0
	for _, r := range v.records[v.next:] {
		late := r.phase == ticked || r.phase == closed
		switch {
		case !asks(&r, v):
		case late && !goesOn[r.request]:
			if over[r.request] {
				continue
			}
			over[r.request] = true
			r.phase, r.reason = closed, "session_revoked" // The gateway cuts it.
		case late || r.at >= next.since:
			goesOn[r.request] = goesOn[r.request] || r.phase == opened
			r.pass = v.passFor(next, dev, r.pass)
		default:
			clicks++
			if r.phase == opened {
				over[r.request] = true
			}
			if clicks > refusedClicks {
				continue
			}
			v.refuse(&r)
		}
		kept = append(kept, r)
	}
	v.records = kept
}
