package life

import "time"

// tenant is one company: its application, its offices and how it signs in.
type tenant struct {
	name, issuer string
	number       uint64
	app          *application
	offices      []*office
	vpn          *line // Where the company's own VPN leaves.
	vpnShare     float64
	weight       float64
	storms       []storm

	// signIn says that sign-ins pass the gateway, events that it reports
	// sessions, sids that tokens name their session; without them each token is a
	// session of its own.
	signIn, events, sids     bool
	cookies, bound           bool
	tokenLife                time.Duration
	sessionLife, sessionIdle time.Duration
	appLife                  time.Duration // Of a session in the app of a phone.
	acr                      string
	amr                      []string
	people                   []*person
}

// office is a site behind few addresses.
type office struct {
	city   *city
	line   *line
	backup *line // The second provider, for the days when the first fails.
	kiosks []*device
}

// policies of the tenants: what installations of a gateway have in common is
// little, so each of the six differs.
func policies() []tenant {
	return []tenant{
		{name: "alder", weight: 40, signIn: true, sids: true, events: true, cookies: true, tokenLife: 15 * time.Minute, sessionLife: 10 * time.Hour, sessionIdle: 2 * time.Hour, vpnShare: 0.3},
		{name: "birch", weight: 20, signIn: true, sids: true, events: true, tokenLife: time.Hour, sessionLife: 12 * time.Hour, sessionIdle: 4 * time.Hour, vpnShare: 0.8},
		{name: "cedar", weight: 15, sids: true, cookies: true, tokenLife: 30 * time.Minute, sessionLife: 7 * 24 * time.Hour, sessionIdle: 24 * time.Hour, vpnShare: 0.1},
		{name: "dogwood", weight: 12, sids: false, tokenLife: time.Hour, sessionLife: 24 * time.Hour, sessionIdle: 8 * time.Hour, vpnShare: 0},
		{name: "elm", weight: 8, signIn: true, sids: true, bound: true, cookies: true, tokenLife: 5 * time.Minute, sessionLife: 8 * time.Hour, sessionIdle: time.Hour, vpnShare: 0.5},
		{name: "fir", weight: 5, signIn: true, sids: true, tokenLife: 8 * time.Hour, sessionLife: 8 * time.Hour, sessionIdle: 8 * time.Hour, vpnShare: 0},
	}
}

func (w *World) newTenants(subjects int) {
	for i, t := range policies() {
		d := newDice(w.options.Seed, forTenant, uint64(i))
		t.number, t.issuer = uint64(i), "https://id."+t.name+".example.com"
		t.app = newApplication(d, t.name)
		t.acr, t.amr, t.appLife = "1", []string{"pwd"}, 30*24*time.Hour
		if i%2 == 1 {
			t.acr, t.amr = "2", []string{"pwd", "otp"}
		}
		staff := float64(subjects) * t.weight / 100
		for range max(1, int(staff/150)) {
			t.offices = append(t.offices, w.newOffice(d, &t))
		}
		t.vpn = &line{net: t.offices[0].line.net, seed: d.Uint64(), egress: 2, fixed: true}
		w.tenants = append(w.tenants, &t)
		w.weather(&t)
	}
}

func (w *World) newOffice(d dice, t *tenant) *office {
	c := w.net.geo.anyCity(d)
	if len(t.offices) > 0 && d.chance(0.6) {
		if near := w.net.geo.near(d, t.offices[0].city, 100, 1500); near != nil {
			c = near
		}
	}
	home, second := w.net.homes[c][d.IntN(2)], w.net.homes[c][2]
	net := &network{kind: business, asn: home.asn, org: home.org, city: c}
	if d.chance(0.4) {
		net.asn, net.org = w.net.newASN(), t.name
	}
	w.net.add(net, 1)
	spare := w.net.add(&network{kind: business, asn: second.asn, org: second.org, city: c}, 1)
	o := &office{
		city:   c,
		line:   &line{net: net, seed: d.Uint64(), egress: []int{1, 1, 2, 4}[d.IntN(4)], fixed: true},
		backup: &line{net: spare, seed: d.Uint64(), egress: 1, fixed: true},
	}
	for range 3 {
		k := &device{program: chromeWindows, seed: d.Uint64(), held: true}
		if t.cookies {
			k.cookie = name(k.seed, forName)
		}
		o.kiosks = append(o.kiosks, k)
	}
	return o
}
