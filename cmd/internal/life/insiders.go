package life

import "time"

// takeover is a colleague at the unlocked desk: the same network and device,
// another person's habits, from three minutes after the owner has left.
func (w *World) takeover(s *scene) {
	at := s.until + int64(3*time.Minute)
	g := w.inside(s, at)
	other := newTaste(s.d, &w.roles[s.d.IntN(len(w.roles))], g.v.tenant.app)
	g.taste = &other
	g.clicks(100, &at)
	w.begin(g.v)
}

// inside is a raid from where the victim himself is, with what he has.
func (w *World) inside(s *scene, at int64) *stroll {
	g := w.raid(s, s.errand.line, s.visit.looks[0], at)
	g.v.hops[0] = s.visit.hops[len(s.visit.hops)-1]
	return g
}

// idWalk counts through the ids of a resource. The fifth in a row is suspicious.
func (w *World) idWalk(s *scene, pause time.Duration, n int) {
	at := s.mid()
	g := w.inside(s, at)
	g.after(5)
	r := s.d.IntN(len(g.v.tenant.app.resources))
	for g.v.tenant.app.resources[r].style == random {
		r = (r + 1) % len(g.v.tenant.app.resources)
	}
	g.resource = r
	g.id = 1 + int64(s.d.IntN(int(max(1, g.v.tenant.app.resources[r].base))))
	page := g.v.tenant.app.page(g.d, r, detail, 0)
	for range n {
		g.id++
		g.send(page, at)
		last := &g.v.records[len(g.v.records)-1]
		if s.d.chance(0.1) { // Some are gone, some are not his.
			last.status, last.out = []uint16{403, 404}[s.d.IntN(2)], 120
		}
		at += int64(s.d.between(0.7, 1.3) * float64(pause))
	}
	w.begin(g.v)
}

// exfiltrate downloads fifty megabytes at a time. The third is suspicious.
func (w *World) exfiltrate(s *scene) {
	at := s.mid()
	g := w.inside(s, at)
	g.after(3)
	page := w.biggest(s)
	for range 40 {
		g.take(page, at, 50<<20)
		at += int64(s.d.span(3*time.Second, 20*time.Second))
	}
	w.begin(g.v)
}

// seep takes eight megabytes every ten minutes, six hours a day, for three days,
// as long as the owner's session lives or he comes back.
func (w *World) seep(s *scene) {
	page, first := w.biggest(s), true
	for d := range 3 {
		for k := range 36 {
			w.later(s.from+int64(d)*int64(day)+int64(k)*int64(10*time.Minute), func(at int64) {
				l := &s.errand.device.login
				if !l.valid(at) {
					return
				}
				l.used = at
				g := w.inside(s, at)
				session := l.session
				if !g.v.tenant.sids {
					session = l.token
				}
				g.v.passes[0] = pass{session: session, token: l.token, authTime: l.since}
				if first {
					g.after(2)
					first = false
				}
				g.take(page, at, 8<<20)
				w.begin(g.v)
			})
		}
	}
}

// take records one download of a size.
func (g *stroll) take(page int, at int64, bytes uint64) {
	g.send(page, at)
	r := &g.v.records[len(g.v.records)-1]
	r.status, r.out = 200, uint64(float64(bytes)*g.d.between(0.8, 1.2))
}

// shareSession is a colleague in another city who was given the session: his
// own browser, his own habits, for hours.
func (w *World) shareSession(s *scene) {
	at := s.from + int64(time.Minute)
	friend := s.person.tenant.people[s.d.IntN(len(s.person.tenant.people))]
	agent, ja4 := w.fleet.userAgent(friend.desktop, at)
	g := w.raid(s, friend.home, look{agent: agent, ja4: ja4, client: "web", cookie: friend.desktop.cookie}, at)
	habit := friend.taste
	g.taste = &habit
	for range 6 {
		g.clicks(15, &at)
		at += int64(25 * time.Minute)
	}
	w.begin(g.v)
}
