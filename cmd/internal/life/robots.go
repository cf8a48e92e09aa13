package life

import (
	"math"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// robot is a service or an agent: a program with a key of its own.
type robot struct {
	actor

	number  uint64
	tenant  *tenant
	taste   taste
	agent   string
	lines   []*line
	mtls    bool
	apiKey  bool // Shows a key that never changes; others fetch tokens.
	period  time.Duration
	hour    float64
	day     int64 // How much it does each day.
	token   uint64
	tokenAt int64
	runs    uint64
	attack  *Attack
}

// newRobots makes the services and agents and lets them start. A robot never
// signs out; its key is years old.
func (w *World) newRobots(services, agents int) {
	plans := []struct {
		trait Trait
		share float64
		run   func(*robot, int64)
	}{
		{BeaconRobot, 0.45, w.beacon}, {BatchRobot, 0.2, w.batch}, {CIRobot, 0.25, w.build}, {ProbeRobot, 0.1, w.probe}, {AssistantAgent, 0, w.assist},
	}
	d := newDice(w.options.Seed, forRobot)
	weights := make([]float64, len(plans))
	for i := range plans {
		weights[i] = plans[i].share
	}
	const golden = 0.6180339887498949 // Deals out each kind in its share, in a small company too.
	for i := range services + agents {
		t := w.tenants[d.zipf(len(w.tenants))]
		k := slot(weights, math.Mod(float64(i)*golden, 1))
		r := &robot{number: uint64(i), tenant: t, period: time.Duration(30+d.IntN(600)) * time.Second, hour: d.between(0, 6), day: int64(d.logNormal(120, 0.8))}
		r.kind = event.SubjectService
		if i >= services {
			r.kind, k = event.SubjectAgent, len(plans)-1
		}
		r.subject, r.traits = name(w.options.Seed, forRobot, r.number), plans[k].trait
		r.taste = newTaste(d, &w.roles[d.IntN(len(w.roles))], t.app)
		r.taste.likes[admin] = 0
		r.agent = []string{"python-requests/2.32.3", "Go-http-client/2.0", "Apache-HttpClient/5.4 (Java/21)", "axios/1.8.4", "curl/8.12.1", "okhttp/4.12.0"}[d.IntN(6)]
		if r.kind == event.SubjectAgent {
			r.agent = []string{"desk-assistant/2.4", "python-httpx/0.28.1", "node-fetch/3.3"}[d.IntN(3)]
		}
		r.mtls = r.kind == event.SubjectService && d.chance(0.2)
		r.apiKey = r.kind == event.SubjectService && !r.mtls && d.chance(0.35)
		w.house(r, d)
		w.robots = append(w.robots, r)
		w.later(w.start+int64(d.span(0, 2*time.Hour)), func(at int64) { plans[k].run(r, at) })
	}
}

// house gives a robot its networks: its own server, the company's, or the fleet
// of a cloud from which each run gets another address.
func (w *World) house(r *robot, d dice) {
	cloud := w.net.hosting[d.IntN(len(w.net.hosting))]
	switch {
	case r.traits&CIRobot != 0: // Runners of one cloud in its four places.
		for _, n := range w.net.hosting {
			if n.asn == cloud.asn {
				r.lines = append(r.lines, &line{net: n, seed: d.Uint64(), egress: 200, fixed: true})
			}
		}
	case r.traits&ProbeRobot != 0: // One checkpoint in each of four clouds.
		for i := range 4 {
			r.lines = append(r.lines, &line{net: w.net.hosting[i*4+d.IntN(4)], seed: d.Uint64(), egress: 3, fixed: true})
		}
	case r.traits&AssistantAgent != 0:
		r.lines = append(r.lines, &line{net: cloud, seed: d.Uint64(), egress: 30, fixed: true})
	case d.chance(0.3):
		r.lines = append(r.lines, r.tenant.offices[0].line)
	default:
		r.lines = append(r.lines, &line{net: cloud, seed: d.Uint64(), egress: 1, fixed: true})
	}
}

// start opens a run of a robot on one of its lines.
func (w *World) startRun(r *robot, at int64, k int) *stroll {
	r.runs++
	d := newDice(w.options.Seed, forRobot, r.number, r.runs)
	v := w.open(&r.actor, r.tenant)
	v.hops = append(v.hops, r.lines[k].at(w.net, at, d.Uint64()))
	l := look{agent: r.agent, ja4: "t13d1516h1_" + r.subject[:12] + "_000000000000", client: "client-" + r.subject[:6]}
	if r.mtls {
		l.cookie, l.bound = name(r.number, forName, 3), true
	}
	v.looks = append(v.looks, l)
	// Tokens of client credentials name no session, so each is one: a build fetches
	// its own, a server that runs on has a new one each hour.
	if at >= r.tokenAt || r.traits&(CIRobot|AssistantAgent) != 0 {
		r.token++
		r.tokenAt = at + int64(time.Hour)
	}
	p := pass{session: name(r.number, forRobot, r.token)}
	if r.apiKey {
		p.session = name(r.number, forRobot, 0) // Never ends.
	}
	p.token = p.session
	v.passes = append(v.passes, p)
	return &stroll{w: w, v: v, d: d, taste: &r.taste, resource: -1}
}

// end queues the run, after what an attacker adds to it.
func (w *World) endRun(r *robot, g *stroll, at int64) {
	w.ambushRobot(r, g.v, at)
	w.begin(g.v)
}

// beacon asks for changes at a steady pace, for ever; one record of a busy hour.
func (w *World) beacon(r *robot, at int64) {
	w.later(at+int64(time.Hour), func(at int64) { w.beacon(r, at) })
	g := w.startRun(r, at, 0)
	app := r.tenant.app
	g.resource = r.taste.resources[0]
	for t := at; t < at+int64(time.Hour); t += int64(float64(r.period) * (1 + 0.02*g.d.NormFloat64())) {
		page := app.page(g.d, g.resource, list, g.today(t))
		if page >= 0 {
			g.send(page, t)
		}
		if g.d.chance(0.15) { // Something has changed: fetch it.
			g.id = app.resources[g.resource].newest(float64(g.today(t))) - int64(g.d.IntN(3))
			g.send(app.page(g.d, g.resource, detail, g.today(t)), t+int64(300*time.Millisecond))
		}
	}
	w.endRun(r, g, at)
}

// batch is the synchronisation of the night: every new thing, id after id.
func (w *World) batch(r *robot, at int64) {
	midnight := at - (at-w.start)%int64(day)
	w.later(midnight+int64(day)+int64(r.hour*float64(time.Hour)), func(at int64) { w.batch(r, at) })
	g := w.startRun(r, at, 0)
	app, t := r.tenant.app, at
	for _, k := range r.taste.resources[:min(2, len(r.taste.resources))] {
		g.resource = k
		newest := app.resources[k].newest(float64(g.today(at)))
		n := min(r.day, 1+int64(app.resources[k].perDay))
		if g.today(at)%30 == 29 {
			n *= 4
		}
		for id := newest - n; id < newest && len(g.v.records) < recordsMax; id++ {
			g.id = max(1, id)
			g.send(app.page(g.d, k, detail, g.today(at)), t)
			g.v.records[len(g.v.records)-1].traits |= IDWork
			t += int64(g.d.logNormal(180, 0.5) * float64(time.Millisecond))
		}
	}
	w.endRun(r, g, at)
}

// idle is how long a robot waits that works for people: busy on average from seven
// o'clock until an hour of the day, else calm.
func (w *World) idle(r *robot, at int64, until float64, busy, calm time.Duration) int64 {
	wait := calm
	hour := math.Mod(float64(at-w.start)/float64(time.Hour), 24)
	if hour > 7 && hour < until {
		wait = busy
	}
	return int64(newDice(w.options.Seed, forRobot, r.number, r.runs, 2).wait(wait))
}

// build is continuous integration: a burst for each push, sometimes several at
// once from different machines, and a deploy now and then.
func (w *World) build(r *robot, at int64) {
	w.later(at+w.idle(r, at, 19, 70*time.Minute, 5*time.Hour), func(at int64) { w.build(r, at) })
	jobs := 1 + int(mix(r.number, r.runs)%3)
	for range jobs {
		g := w.startRun(r, at, int(mix(r.number, r.runs)%uint64(len(r.lines))))
		calls := int(math.Min(g.d.logNormal(12, 0.8), 200))
		t := at + int64(g.d.span(0, 20*time.Second))
		for range calls {
			g.step(&t)
			t += int64(g.d.logNormal(350, 0.9) * float64(time.Millisecond))
		}
		w.endRun(r, g, at)
	}
}

// probe is a monitor that looks at the same page from several continents.
func (w *World) probe(r *robot, at int64) {
	w.later(at+int64(r.period)*4, func(at int64) { w.probe(r, at) })
	for k := range r.lines {
		t := at + int64(k)*int64(r.period)
		g := w.startRun(r, t, k)
		g.send(r.tenant.app.pages[dash][k%2], t)
		w.endRun(r, g, t)
	}
}

// assist is an agent that works for somebody: tasks by day, each a chain of
// quick calls through many things.
func (w *World) assist(r *robot, at int64) {
	w.later(at+w.idle(r, at, 18, 55*time.Minute, 6*time.Hour), func(at int64) { w.assist(r, at) })
	g := w.startRun(r, at, 0)
	g.resource = r.taste.resources[g.d.pick(r.taste.weights)]
	t := at
	for range 4 + int(math.Min(g.d.logNormal(14, 0.8), 150)) {
		g.step(&t)
		t += int64(g.d.logNormal(1500, 0.8) * float64(time.Millisecond))
	}
	w.endRun(r, g, at)
}
