package life

import "time"

// distance is how far from the owner a thief is.
type distance int

const (
	otherCountry distance = iota
	otherNetwork
	sameCity
	residentialProxy
	sameNetwork
)

// tokenPlots are the uses of a stolen bearer token: five distances, with the
// owner at work and after he has left.
func tokenPlots() (all []plot) {
	names := []string{"other_country", "other_network", "same_city", "residential_proxy", "same_network"}
	for i, n := range names {
		far := distance(i)
		all = append(all,
			plot{"token." + n + ".owner_active", onPerson, func(w *World, s *scene) { w.useToken(s, far, s.mid(), 90) }},
			plot{"token." + n + ".owner_away", onPerson, func(w *World, s *scene) {
				w.useToken(s, far, s.until+int64(s.d.span(20*time.Minute, 70*time.Minute)), 90)
			}},
		)
	}
	return append(all,
		plot{"token.parallel_streams", onPerson, (*World).parallelStreams},
		plot{"token.bound_without_key", onBound, func(w *World, s *scene) { w.useToken(s, otherCountry, s.mid(), 30) }},
	)
}

// lair is a thief's line and look at a distance.
func (w *World) lair(s *scene, far distance) (*line, look) {
	here := s.person.city
	foreign := &device{program: []program{chromeWindows, firefoxLinux, chromePhone}[s.d.IntN(3)], seed: s.d.Uint64()}
	agent, ja4 := w.fleet.userAgent(foreign, s.from)
	l := look{agent: agent, ja4: ja4, client: s.visit.looks[0].client}
	if s.d.chance(0.4) || far == sameNetwork {
		l.agent, l.ja4 = "python-requests/2.32.3", "t13d1812h1_85036bcba153_375ca2c5e164"
	}
	switch far {
	case otherCountry:
		if s.d.chance(0.4) {
			for _, n := range w.net.hosting {
				if n.city.country != here.country {
					return &line{net: n, seed: s.d.Uint64(), egress: 200, fixed: true}, l
				}
			}
		}
		return w.net.homeLine(s.d, w.net.geo.abroad(s.d, here)), l
	case otherNetwork:
		all := w.net.geo.byCountry[here.country]
		return w.other(s, all[s.d.IntN(len(all))]), l
	case sameCity:
		return w.other(s, here), l
	case residentialProxy:
		v := s.visit.looks[0] // Whoever hires a proxy beside his victim imitates the browser too, but has not its cookie.
		return &line{net: s.person.home.net, seed: s.d.Uint64()}, look{agent: v.agent, ja4: v.ja4, client: v.client}
	case sameNetwork:
	}
	return s.errand.line, l
}

// other is a line of a provider that the victim does not use.
func (w *World) other(s *scene, c *city) *line {
	for _, n := range w.net.homes[c] {
		if n.asn != s.person.home.net.asn && n.asn != s.errand.line.net.asn {
			return &line{net: n, seed: s.d.Uint64()}
		}
	}
	return w.net.homeLine(s.d, c)
}

// useToken looks around with a stolen token and takes things along.
func (w *World) useToken(s *scene, far distance, at int64, clicks int) {
	from, l := w.lair(s, far)
	g := w.raid(s, from, l, at)
	if far == sameNetwork {
		g.v.hops[0] = s.visit.hops[len(s.visit.hops)-1]
	}
	g.clicks(clicks, &at)
	w.begin(g.v)
}

// parallelStreams takes all at once: fifty downloads that begin in the same second.
func (w *World) parallelStreams(s *scene) {
	from, l := w.lair(s, otherCountry)
	g := w.raid(s, from, l, s.mid())
	page := w.biggest(s)
	for i := range 50 {
		at := s.mid() + int64(i)*int64(15*time.Millisecond)
		g.v.requests++
		for k := range 12 {
			g.id++
			g.send(page, at)
			r := &g.v.records[len(g.v.records)-1]
			r.phase, r.stream, r.request, r.status, r.out = ticked, bigDownload, g.v.requests, 200, uint64(k)*3<<20
			switch k {
			case 0:
				r.phase = opened
			case 11:
				r.phase = closed
			}
			at += int64(5 * time.Second)
		}
	}
	w.begin(g.v)
}

// biggest is the template by which most can be taken away.
func (w *World) biggest(s *scene) int {
	_, t := s.who()
	best := 0
	for i := range t.app.templates {
		if t.app.templates[i].since == 0 && t.app.templates[i].bytes > t.app.templates[best].bytes {
			best = i
		}
	}
	return best
}

// refreshStolen is a thief with the refresh token: tokens of his own for the
// same session, while the owner goes on.
func (w *World) refreshStolen(s *scene) {
	from, l := w.lair(s, otherCountry)
	at := s.mid()
	g := w.raid(s, from, l, at)
	for range 4 {
		p := g.v.passes[len(g.v.passes)-1]
		p.token = name(s.d.Uint64(), forName)
		if !g.v.tenant.sids {
			p.session = p.token
		}
		g.v.passes = append(g.v.passes, p)
		g.clicks(20, &at)
	}
	w.begin(g.v)
}

// afterSignOut is a token that is used although its owner has signed out.
func (w *World) afterSignOut(s *scene) {
	at := w.signOut(s.visit, s.until)
	s.errand.device.login.session = ""
	w.useToken(s, otherNetwork, at+int64(5*time.Minute), 60)
}

// camouflage mixes what the owner does with what the thief wants, nine to one.
func (w *World) camouflage(s *scene) {
	from, l := w.lair(s, otherCountry)
	at := s.until + int64(30*time.Minute)
	g := w.raid(s, from, l, at)
	greed, friendly := *g.taste, s.person.taste
	for range 25 {
		g.taste = &friendly
		g.clicks(6, &at)
		g.taste = &greed
		g.clicks(1, &at)
	}
	w.begin(g.v)
}

// quiet is a thief who waits: a few friendly requests, an hour of silence,
// again, and only after a day what he came for.
func (w *World) quiet(s *scene) {
	from, l := w.lair(s, otherNetwork)
	friendly := s.person.taste
	at := s.until + int64(30*time.Minute)
	for range 4 {
		g := w.raid(s, from, l, at)
		g.taste = &friendly
		for range 6 {
			g.clicks(1, &at)
			at += int64(3 * time.Minute)
		}
		w.begin(g.v)
		at += int64(70 * time.Minute)
	}
	at += int64(14 * time.Hour)
	g := w.raid(s, from, l, at)
	g.clicks(90, &at)
	w.begin(g.v)
}

// lyingGateway claims for three days that the owner uses the thief's network
// and browser, and then the thief comes by another gateway.
func (w *World) lyingGateway(s *scene) {
	from, l := w.lair(s, otherCountry)
	friendly := s.person.taste
	at := s.until
	for range 3 {
		for range 3 {
			g := w.raid(s, from, l, at)
			g.taste = &friendly
			g.mark = func(r *record) { r.forged = true }
			g.clicks(12, &at)
			w.begin(g.v)
			at += int64(2 * time.Hour)
		}
		at += int64(18 * time.Hour)
	}
	g := w.raid(s, from, l, at)
	g.clicks(90, &at)
	w.begin(g.v)
}

// keyStolen is a robot's key in the hands of a person.
func (w *World) keyStolen(s *scene) {
	l := look{
		agent: []string{"curl/8.5.0", "PostmanRuntime/7.43.0", "python-requests/2.31.0"}[s.d.IntN(3)],
		ja4:   "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6", client: s.visit.looks[0].client,
	}
	at := s.from + int64(10*time.Minute)
	g := w.raid(s, w.net.homeLine(s.d, w.net.geo.abroad(s.d, s.robot.lines[0].net.city)), l, at)
	g.clicks(90, &at)
	w.begin(g.v)
}
