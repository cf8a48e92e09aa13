package life

import "time"

// Attack is one attacker and whom he is after.
type Attack struct {
	// Kind is its name in the detection table, such as token.other_country.
	Kind string
	// Subject is the victim's, empty for attacks on accounts or on the gateway.
	Subject string
	// Due is the earliest time; an attack on a person begins with one of his
	// visits after it, so some of a short history never do.
	Due time.Time

	number int
	plot   *plot
}

// prey is what an attack is on.
type prey int

const (
	onPerson prey = iota
	onBound       // A person whose tokens are bound to a key; all others have bearer tokens.
	onRobot
	onNobody
)

// plot is a kind of attack.
type plot struct {
	kind string
	prey prey
	run  func(*World, *scene)
}

// scene is the occasion: the visit of the victim in which an attack begins.
type scene struct {
	attack      *Attack
	d           dice
	person      *person
	robot       *robot
	visit       *visit
	errand      *errand
	from, until int64
}

// plots are the kinds of attack.
func plots() []plot {
	all := tokenPlots()
	return append(all,
		plot{"insider.takeover", onPerson, (*World).takeover},
		plot{"walk.fast", onPerson, func(w *World, s *scene) { w.idWalk(s, 300*time.Millisecond, 80) }},
		plot{"walk.slow", onPerson, func(w *World, s *scene) { w.idWalk(s, 35*time.Second, 80) }},
		plot{"exfiltration.fast", onPerson, (*World).exfiltrate},
		plot{"exfiltration.slow", onPerson, (*World).seep},
		plot{"session.shared", onPerson, (*World).shareSession},
		plot{"session.after_sign_out", onPerson, (*World).afterSignOut},
		plot{"session.refresh_stolen", onPerson, (*World).refreshStolen},
		plot{"thief.camouflage", onPerson, (*World).camouflage},
		plot{"thief.quiet", onPerson, (*World).quiet},
		plot{"gateway.compromised", onPerson, (*World).lyingGateway},
		plot{"robot.key_stolen", onRobot, (*World).keyStolen},
		plot{"credential.stuffing", onNobody, (*World).stuff},
		plot{"credential.botnet", onNobody, (*World).botnet},
		plot{"credential.spraying", onNobody, (*World).spray},
		plot{"credential.factor_fatigue", onNobody, (*World).fatigue},
		plot{"scanner", onNobody, (*World).scan},
	)
}

// AttackKinds lists the kinds of attack in the order of the detection table.
func AttackKinds() []string {
	all := append(plots(), passwordPlots()...)
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].kind
	}
	return names
}

// plotAttacks chooses victims and times. No two attackers are after the same.
func (w *World) plotAttacks() {
	o := w.options
	if o.Attacks == 0 {
		return
	}
	d := newDice(o.Seed, forAttack)
	free := w.victims(d)
	span := int64(o.Days-o.AttackDay) * int64(day)
	kinds := plots()
	for range o.Attacks {
		for k := range kinds {
			a := &Attack{Kind: kinds[k].kind, number: len(w.attacks), plot: &kinds[k]}
			due := w.start + int64(o.AttackDay)*int64(day) + int64(d.Float64()*0.7*float64(span))
			a.Due = time.Unix(0, due).UTC()
			if kinds[k].prey == onNobody {
				w.later(due, func(at int64) {
					a.plot.run(w, &scene{attack: a, d: newDice(w.options.Seed, forAttack, uint64(a.number)), from: at})
				})
			} else if !free.next(kinds[k].prey, a) {
				continue // Everybody has his attacker.
			}
			w.attacks = append(w.attacks, a)
		}
	}
	w.plotPasswords(d, free)
}

// victims are those whom nobody is after yet, in a random order.
type victims struct {
	people, bound []*person
	robots        []*robot
}

// victims leaves out who shares a machine, and robots with a certificate, which
// a thief of tokens cannot show.
func (w *World) victims(d dice) *victims {
	var v victims
	for _, i := range d.Perm(len(w.people)) {
		p := w.people[i]
		switch {
		case p.kiosk:
		case p.tenant.bound:
			v.bound = append(v.bound, p)
		default:
			v.people = append(v.people, p)
		}
	}
	for _, i := range d.Perm(len(w.robots)) {
		if !w.robots[i].mtls {
			v.robots = append(v.robots, w.robots[i])
		}
	}
	return &v
}

// next gives an attack its victim, and is false where there is none left.
func (v *victims) next(of prey, a *Attack) bool {
	if of == onRobot {
		if len(v.robots) == 0 {
			return false
		}
		v.robots[0].attack, a.Subject = a, v.robots[0].subject
		v.robots = v.robots[1:]
		return true
	}
	list := &v.people
	if of == onBound {
		list = &v.bound
	}
	if len(*list) == 0 {
		return false
	}
	(*list)[0].attack, (*list)[0].hunted, a.Subject = a, true, (*list)[0].subject
	*list = (*list)[1:]
	return true
}

// ambush begins the attack that waits for a person, in an ordinary visit: not
// while he travels, when nobody could say who is where.
func (w *World) ambush(p *person, v *visit, e *errand, at, until int64) {
	a := p.attack
	if a == nil || at < a.Due.UnixNano() || e.traits&(Travelling|ConsumerVPN|CompanyVPN|MobileChurn) != 0 || len(v.passes) == 0 || len(v.records) < 5 {
		return
	}
	p.attack = nil
	a.plot.run(w, &scene{attack: a, d: newDice(w.options.Seed, forAttack, uint64(a.number)), person: p, visit: v, errand: e, from: at, until: until})
}

func (w *World) ambushRobot(r *robot, v *visit, at int64) {
	a := r.attack
	if a == nil || at < a.Due.UnixNano() {
		return
	}
	r.attack = nil
	a.plot.run(w, &scene{attack: a, d: newDice(w.options.Seed, forAttack, uint64(a.number)), robot: r, visit: v, from: at, until: at})
}

// raid opens the attacker's own visit with the victim's token, from a line and
// with a look of his own. Every record is suspicious unless mark says otherwise.
func (w *World) raid(s *scene, from *line, l look, at int64) *stroll {
	who, t := s.who()
	v := w.open(who, t)
	v.attack = s.attack.number + 1
	v.hops = append(v.hops, from.at(w.net, at, s.d.Uint64()))
	v.looks = append(v.looks, l)
	v.passes = append(v.passes, s.visit.passes[len(s.visit.passes)-1])
	greed := s.greed(t)
	return &stroll{w: w, v: v, d: s.d, taste: &greed, resource: -1, mark: func(r *record) { r.suspicious = true }}
}

func (s *scene) who() (*actor, *tenant) {
	if s.robot != nil {
		return &s.robot.actor, s.robot.tenant
	}
	return &s.person.actor, s.person.tenant
}

// greed is what a thief likes: everything, quickly, and to take it with him.
func (s *scene) greed(t *tenant) taste {
	g := taste{seed: s.d.Uint64(), think: 2.5}
	for i := range t.app.resources {
		g.resources, g.weights = append(g.resources, i), append(g.weights, 1)
	}
	for k := range g.likes {
		g.likes[k] = 1
	}
	g.likes[edit], g.likes[create], g.likes[upload] = 0.1, 0.1, 0
	g.likes[export], g.likes[download], g.likes[suggest], g.likes[search] = 4, 4, 0.2, 0.5
	return g
}

// clicks takes so many steps.
func (g *stroll) clicks(n int, at *int64) {
	for range n {
		g.step(at)
		*at += int64(g.d.logNormal(g.taste.think, 0.8) * float64(time.Second))
	}
}

// after marks records as suspicious only from the n-th on: one thing alone
// would not strike anybody.
func (g *stroll) after(n int) {
	seen := 0
	g.mark = func(r *record) {
		seen++
		r.suspicious = seen >= n
	}
}

// mid is a time within the victim's visit.
func (s *scene) mid() int64 { return s.from + (s.until-s.from)*2/5 }
