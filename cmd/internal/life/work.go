package life

import (
	"math"
	"time"
)

// stroll is a walk through the application: the chain's state and what it needs.
type stroll struct {
	w      *World
	v      *visit
	d      dice
	taste  *taste
	device *device // Whose tokens are renewed; nil keeps the pass.
	route  *route  // Nil stays on the first access.

	resource int
	kind     pageKind
	id       int64
	queue    int64 // Where a queue worker is.
	mark     func(*record)
	helper   float64 // How often the second program is at work.
	look     uint8
}

// recordsMax bounds a visit; nobody clicks that often in three hours.
const recordsMax = 3000

// walk clicks from one page to the next until the visit is over.
func (g *stroll) walk(at, until int64) {
	for at < until && len(g.v.records) < recordsMax {
		g.step(&at)
		pause := g.d.logNormal(g.taste.think, 1.0)
		at += int64(math.Min(pause, 900) * float64(time.Second))
	}
}

// step goes to the next page and sends what its script sends.
func (g *stroll) step(at *int64) {
	app := g.v.tenant.app
	if g.helper > 0 {
		g.look = 0
		if g.d.chance(g.helper) {
			g.look = 1
		}
	}
	to := moves(g.kind)
	for k := range to {
		to[k] *= g.taste.likes[k]
	}
	next := pageKind(g.d.pick(to[:]))
	if next == dash || next == plain || next == admin {
		g.resource = -1
	} else if g.resource < 0 || (next == list || next == search || next == suggest || next == create) && g.d.chance(0.25) {
		g.resource = g.taste.resources[g.d.pick(g.taste.weights)]
	}
	day := g.today(*at)
	page := app.page(g.d, g.resource, next, day)
	if page < 0 {
		next = list
		page = app.page(g.d, g.resource, next, day)
		if page < 0 {
			g.resource, next, page = -1, dash, app.pages[dash][0]
		}
	}
	from := g.kind
	g.kind = next
	g.choose(from, next, day)
	switch next {
	case suggest, search:
		g.typing(page, at)
		return
	case export, download, upload:
		g.transfer(page, at)
		return
	case dash, list, detail, sub, edit, create, plain, admin, live, signIn, pageKinds:
	}
	g.send(page, *at)
	g.script(next, *at, day)
	if next == list && g.d.chance(0.02*g.taste.likes[detail]) {
		g.down(at)
	}
}

func (g *stroll) today(at int64) int { return int((at - g.w.start) / int64(day)) }

// choose decides which thing is looked at next: one's own, the next in a
// queue, or the next in a list.
func (g *stroll) choose(from, to pageKind, day int) {
	if g.resource < 0 || to != detail {
		return
	}
	r := &g.v.tenant.app.resources[g.resource]
	newest := r.newest(float64(day))
	switch {
	case g.taste.queue && g.d.chance(0.5):
		// Colleagues take the ones in between.
		if g.queue == 0 || g.queue > newest+50 {
			g.queue = newest - int64(g.d.IntN(40))
		}
		g.queue += 1 + int64(g.d.ExpFloat64()*3)
		g.id = g.queue
	case from == detail && g.id > 0 && g.d.chance(0.3):
		g.id += int64(1+g.d.zipf(8)) * int64(1-2*g.d.IntN(2)) // The neighbour in the list.
	case g.d.chance(0.25):
		g.id = newest - int64(g.d.ExpFloat64()*r.perDay*3) // Something recent.
	default:
		g.id = 1 + int64(mix(g.taste.seed, uint64(g.resource), uint64(g.d.zipf(25)))%uint64(max(r.base, 1)))
	}
	g.id = max(g.id, 1)
}

// script is what a page fetches by itself: counts, parts, a poll.
func (g *stroll) script(kind pageKind, at int64, day int) {
	app := g.v.tenant.app
	more := 0
	switch {
	case kind == dash:
		more = 2
	case kind == detail && g.d.chance(0.45):
		more = 1
	case g.d.chance(0.12):
		more = 1
	}
	for range more {
		page := app.pages[dash][1+g.d.IntN(len(app.pages[dash])-1)]
		if kind == detail {
			page = app.page(g.d, g.resource, sub, day)
		}
		if page >= 0 {
			g.send(page, at+int64(g.d.span(40*time.Millisecond, 400*time.Millisecond)))
		}
	}
}

// typing is a search box that asks at each pause between two keys, and then the
// search itself.
func (g *stroll) typing(page int, at *int64) {
	hints := g.v.tenant.app.resources[g.resource].pages[suggest]
	for range 1 + g.d.zipf(7) {
		if len(hints) > 0 {
			g.send(hints[0], *at)
		}
		*at += int64(g.d.logNormal(260, 0.5) * float64(time.Millisecond))
	}
	g.send(page, *at)
}

// down works through a list from above: opens one after the other.
func (g *stroll) down(at *int64) {
	page := g.v.tenant.app.page(g.d, g.resource, detail, g.today(*at))
	if page < 0 {
		return
	}
	r := &g.v.tenant.app.resources[g.resource]
	g.id = max(1, r.newest(float64(g.today(*at)))-int64(g.d.ExpFloat64()*r.perDay))
	gap := 1 + g.d.IntN(6) // Lists are filtered: one's own region, what is open.
	for range 4 + g.d.IntN(18) {
		*at += int64(math.Min(g.d.logNormal(g.taste.think*0.7, 0.7), 300) * float64(time.Second))
		g.id = max(1, g.id-int64(1+g.d.IntN(2*gap)))
		g.send(page, *at)
		g.v.records[len(g.v.records)-1].traits |= IDWork
	}
}

// transfer is a file that takes a while: open, a tick each five seconds, close.
func (g *stroll) transfer(page int, at *int64) {
	t := &g.v.tenant.app.templates[page]
	size := g.d.logNormal(t.bytes, t.spread)
	if t.kind == export && g.d.chance(0.08) {
		size = g.d.pareto(8<<20, 1.3) // The whole table.
	}
	size = math.Min(size, 2<<30)
	speed := g.d.logNormal(2<<20, 0.7) // Bytes a second.
	seconds := size / speed
	if seconds < 5 {
		g.send(page, *at)
		r := &g.v.records[len(g.v.records)-1]
		if t.kind == upload {
			r.in = uint64(size * 40)
		} else {
			r.out = uint64(size)
		}
		return
	}
	stream := uint8(bigDownload)
	if t.kind == upload {
		stream = bigUpload
	}
	g.v.requests++
	number := g.v.requests
	ticks := int(math.Min(seconds/5, 60))
	for i := range ticks + 2 {
		phase := uint8(ticked)
		switch i {
		case 0:
			phase = opened
		case ticks + 1:
			phase = closed
		}
		g.send(page, *at)
		r := &g.v.records[len(g.v.records)-1]
		r.phase, r.stream, r.request, r.traits = phase, stream, number, r.traits|BulkExport
		r.out = uint64(size * float64(i) / float64(ticks+1))
		*at += int64(5 * time.Second)
	}
}

// tickEvery is how often a gateway reports a stream's progress.
const tickEvery = int64(5 * time.Second)

// streams opens what stays open while a page is: a WebSocket or a feed, and on a
// few screens the whole afternoon. It keeps the token and the line that it
// began with; when the line is gone, it lingers without a sign of life, and the
// page opens another one.
func (g *stroll) streams(at, until int64) {
	if !g.d.chance(0.12) || until-at < int64(2*time.Minute) {
		return
	}
	if g.taste.queue && g.d.chance(0.1) {
		until = at + int64(g.d.span(30*time.Minute, 150*time.Minute))
	}
	at += int64(time.Second)
	if change := g.route.changeAt; change > at && change < until {
		g.stream(0, at, change, int64(g.d.span(0, 100*time.Second)))
		g.stream(1, change+int64(g.d.span(time.Second, 6*time.Second)), until, 0)
		return
	}
	g.stream(0, at, until, 0)
}

// stream is one of them; it is closed some time after its last tick.
func (g *stroll) stream(k int, at, until, linger int64) {
	pages := g.v.tenant.app.pages[live]
	page := pages[g.d.IntN(len(pages))]
	kind := uint8(webSocket)
	if page == pages[1] {
		kind = serverSent
	}
	g.v.requests++
	r := record{template: int16(page), status: 200, request: g.v.requests, stream: kind, phase: opened, micros: 20000, pass: uint8(max(0, len(g.v.passes)-1))}
	for ; at < until; at += tickEvery {
		r.at, r.hop = at, g.route.on(k, at)
		g.v.records = append(g.v.records, r)
		r.phase = ticked
		r.out += uint64(g.d.logNormal(300, 1))
	}
	r.at, r.phase = until+linger, closed
	g.v.records = append(g.v.records, r)
}

// send records one request.
func (g *stroll) send(page int, at int64) {
	v, t := g.v, &g.v.tenant.app.templates[page]
	r := record{at: at, template: int16(page), id: g.id, status: 200, out: uint64(g.d.logNormal(t.bytes, t.spread)), micros: uint32(g.d.logNormal(t.micros, 0.5))}
	if t.resource < 0 && t.hasID {
		r.id = int64(1 + g.d.zipf(60))
	}
	if t.method != "GET" {
		r.in = uint64(g.d.logNormal(700, 0.8))
	}
	switch x := g.d.Float64(); {
	case x < 0.004 && t.hasID:
		r.status, r.out = 404, 120 // A colleague has deleted it.
	case x < 0.006:
		r.status, r.out = 403, 120
	case x < 0.007:
		r.status, r.out = 500, 300
	case x < 0.06 && t.kind == list:
		r.status, r.out = 304, 0
	case t.method == "POST" && t.kind == create:
		r.status = 201
	}
	if g.device != nil {
		g.tokens(at)
	}
	r.pass, r.look = uint8(max(0, len(v.passes)-1)), g.look
	if g.route != nil {
		r.hop = g.route.hop(at)
	}
	g.w.blow(v, g.d, &r)
	if g.mark != nil {
		g.mark(&r)
	}
	v.records = append(v.records, r)
}

// tokens renews the token when it has run out, and when all of them are refused.
func (g *stroll) tokens(at int64) {
	s := g.v.tenant.storming(keyRotation, at)
	l := &g.device.login
	if s != nil && l.tokenUntil > s.from+int64(g.v.tenant.tokenLife) {
		s = nil // Already has a token of the new key.
	}
	if s != nil {
		for range 1 + g.d.IntN(5) {
			g.v.records = append(g.v.records, record{
				at: at, template: int16(g.v.tenant.app.pages[dash][0]), status: 401, anonymous: true, out: 160, micros: 700,
				hop: g.hopNow(at), reason: "key_unknown", traits: ExpiredStorm,
			})
		}
		l.tokenUntil = at
	}
	g.w.renew(g.v, g.device, at)
}

func (g *stroll) hopNow(at int64) uint8 {
	if g.route == nil {
		return 0
	}
	return g.route.hop(at)
}
