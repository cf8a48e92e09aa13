package life

import (
	"slices"
	"time"
)

// visit lets a person use the application, as planned, and queues the events.
func (w *World) visit(p *person, e errand) {
	d := newDice(w.options.Seed, forVisit, p.number, p.visits)
	p.visits++
	w.use(p, e, d)
}

// use is a visit with dice of its own.
func (w *World) use(p *person, e errand, d dice) {
	v := w.open(&p.actor, p.tenant)
	v.traits = e.traits | p.tenant.mood(e.from)
	agent, ja4 := w.fleet.userAgent(e.device, e.from)
	v.looks = append(v.looks, look{agent: agent, ja4: ja4, client: w.fleet.clients[e.device.program], cookie: e.device.cookie, bound: e.device.bound && e.device.cookie != ""})
	path := w.newRoute(v, &e, d)
	at := w.enter(v, p, e.device, e.from, d)
	if at == 0 {
		w.begin(v)
		return
	}
	g := &stroll{w: w, v: v, d: d, taste: &p.taste, device: e.device, route: path, resource: -1}
	if p.helps(e.device) && d.chance(0.2) {
		agent, ja4 := w.fleet.userAgent(p.helper, e.from)
		v.looks = append(v.looks, look{agent: agent, ja4: ja4, client: w.fleet.clients[p.helper.program]})
		v.traits |= TwoClients
		g.helper = 0.2
	}
	until := at + int64(e.length)
	g.streams(at, until)
	g.walk(at, until)
	l := &e.device.login
	end := v.end(until) // Of its last request, which may come after the last page.
	if p.tenant.events {
		w.leave(p, v, &e, end, until, d.chance(0.1))
	}
	l.busy, l.windows = max(l.busy, end), append(l.atWork(), v)
	w.ambush(p, v, &e, at, until)
	w.begin(v)
}

// helps reports whether the person's second program goes with a device.
func (p *person) helps(dev *device) bool {
	switch {
	case p.helper == nil:
		return false
	case p.helper.program == commandLine:
		return dev == p.desktop
	}
	return dev == p.phone && (dev.program == appApple || dev.program == appAndroid)
}

// route is which line a visit uses when.
type route struct {
	w     *World
	v     *visit
	d     dice
	lines []*line // One, or two that the visit changes or flips between.
	now   int     // Index of the line that a phone with two of them is on.
	// changeAt is when the visit changes lines for good, 0 for never; flip is the
	// probability of each request to go the other way, for a phone that uses both.
	changeAt int64
	flip     float64
	conn     uint64
	minute   [2]int64 // Of the latest look at a line, and what was found.
	found    [2]uint8
}

func (w *World) newRoute(v *visit, e *errand, d dice) *route {
	r := &route{w: w, v: v, d: d, lines: []*line{e.line}, conn: d.Uint64()}
	middle := e.from + int64(d.Float64()*float64(e.length))
	switch {
	case e.vpn != nil && e.midway:
		r.lines, r.changeAt = append(r.lines, e.vpn), middle
	case e.vpn != nil:
		r.lines[0] = e.vpn
	case e.other != nil && e.flips:
		r.lines, r.flip = append(r.lines, e.other), 0.04
	case e.other != nil:
		r.lines, r.changeAt = append(r.lines, e.other), middle
	}
	r.on(0, e.from)
	return r
}

// hop returns the index of the access that a request at a time goes through.
func (r *route) hop(at int64) uint8 {
	k := r.now
	if r.changeAt != 0 && at >= r.changeAt {
		k = 1
	}
	if r.flip > 0 && r.d.chance(r.flip) {
		k = 1 - r.now
		if r.d.chance(0.3) {
			r.now = k
		}
	}
	return r.on(k, at)
}

// on is the access of a line. It is looked at anew each minute: leases end, and
// carriers change addresses, in the middle of work.
func (r *route) on(k int, at int64) uint8 {
	minute := at / int64(time.Minute)
	if r.minute[k] == minute {
		return r.found[k]
	}
	a := r.lines[k].at(r.w.net, at, r.conn)
	i := slices.IndexFunc(r.v.hops, func(h access) bool { return h.address == a.address })
	if i < 0 {
		if len(r.v.hops) < 250 {
			r.v.hops = append(r.v.hops, a)
		}
		i = len(r.v.hops) - 1
	}
	r.minute[k], r.found[k] = minute, uint8(i)
	return uint8(i)
}
