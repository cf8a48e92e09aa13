package life

import "time"

// passwordPlots are the uses of a stolen password: the thief signs in himself, so the
// session, its token and its device are his own, and only what is known of the owner
// tells him. They are plotted after all others, whom they change nothing about.
func passwordPlots() []plot {
	return []plot{
		{"password.beside_owner", onPerson, (*World).besideOwner},
		{"password.campaign", onPerson, (*World).campaign},
	}
}

// plotPasswords chooses victims and times. A campaign is after the people of one
// company, one after the other within three days.
func (w *World) plotPasswords(d dice, free *victims) {
	o := w.options
	from, span := w.start+int64(o.AttackDay)*int64(day), int64(o.Days-o.AttackDay)*int64(day)
	kinds := passwordPlots()
	for range o.Attacks {
		due := from + int64(d.Float64()*0.7*float64(span))
		w.plotPassword(&kinds[0], free, due, nil)
	}
	left := make(map[*tenant]int)
	company := w.tenants[0]
	for _, p := range free.people {
		left[p.tenant]++
		if left[p.tenant] > left[company] {
			company = p.tenant
		}
	}
	for i := range o.Attacks {
		due := from + int64(float64(i)/float64(o.Attacks)*float64(min(span/2, 3*int64(day))))
		w.plotPassword(&kinds[1], free, due, company)
	}
}

// plotPassword gives an attack the next victim of a company, nil for any.
func (w *World) plotPassword(p *plot, free *victims, due int64, company *tenant) {
	for i, who := range free.people {
		if company != nil && who.tenant != company {
			continue
		}
		a := &Attack{Kind: p.kind, Subject: who.subject, Due: time.Unix(0, due).UTC(), number: len(w.attacks), plot: p}
		who.attack = a
		free.people = append(free.people[:i:i], free.people[i+1:]...)
		w.attacks = append(w.attacks, a)
		return
	}
}

// intrude is a raid in a session of the thief's own, for which he signs in. He has the
// owner's password and a browser that says it is the owner's, and does at first what
// the owner does.
func (w *World) intrude(s *scene, from *line, at int64) *stroll {
	v := s.visit.looks[0]
	g := w.raid(s, from, look{agent: v.agent, ja4: v.ja4, client: v.client}, at)
	friendly := s.person.taste
	g.taste = &friendly
	token := name(w.options.Seed, uint64(s.attack.number), forName)
	g.v.passes[0] = pass{session: token, token: token, authTime: at}
	if g.v.tenant.signIn {
		s.tries(g.v, at, s.person.account, 1, true)
	}
	return g
}

// besideOwner signs in hours after the owner was last there, when he could be
// anywhere, reads something every other minute for two days, and is there when the
// owner comes back: two sessions of one person in two places at once.
func (w *World) besideOwner(s *scene) {
	far := otherNetwork
	if s.attack.number%2 == 0 {
		far = otherCountry
	}
	from, _ := w.lair(s, far)
	at := s.until + int64(5*time.Hour)
	g := w.intrude(s, from, at)
	for end := at + int64(48*time.Hour); at < end; {
		g.clicks(1, &at)
		at += int64(s.d.span(time.Minute, 3*time.Minute))
	}
	w.begin(g.v)
}

// campaign uses the password of one of many, after he has left, from a host that the
// whole campaign comes from and that no list knows. Of his list six other passwords
// were changed since; he tries each once, from another address of the host.
func (w *World) campaign(s *scene) {
	den := w.net.dens[s.person.city.country]
	at := s.until + int64(s.d.span(90*time.Minute, 3*time.Hour))
	if s.person.tenant.signIn {
		for i := range 6 {
			before := at - int64(i+1)*int64(12*time.Minute)
			v := w.attempt(s, s.person.tenant, &line{net: den, seed: s.d.Uint64()}, s.visit.looks[0].agent, before)
			s.tries(v, before, s.stolen(s.person.tenant), 0, false) // One wrong password strikes nobody.
			w.begin(v)
		}
	}
	g := w.intrude(s, &line{net: den, seed: s.d.Uint64()}, at)
	g.clicks(25, &at)
	greed := s.greed(g.v.tenant)
	g.taste = &greed
	g.clicks(40, &at)
	w.begin(g.v)
}
