package life

import (
	"strconv"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// person is one employee: where, when, with what and how he works.
type person struct {
	actor

	number  uint64
	tenant  *tenant
	role    *role
	taste   taste
	city    *city
	home    *line
	second  *line // The home of his other city, for who commutes between two.
	twin    *city
	office  *office
	carrier *line
	desktop *device
	phone   *device
	tablet  *device // Or a second machine, nil for most.
	kiosk   bool
	// helper is a second program that shows the tokens of the first, nil for most:
	// the browser to which an app hands over, or the command line into which a
	// developer pastes a token.
	helper *device

	opens     float64 // Local hour at which he begins.
	hours     float64
	diligence float64
	busy      float64 // Multiplies the minutes of the role.
	typo      float64
	wifi      float64 // How often the phone is in the Wi-Fi at home.
	vpn       int     // The consumer VPN, -1 for none.
	vpnAlways bool
	marathon  bool

	joins       int // Day of the first event.
	awayFrom    int // Vacation.
	awayUntil   int
	changesRole int // Day on which he gets another role, -1 for never.
	nextRole    *role
	phoneDay    int // Day of the new phone, -1 for never.
	browserDay  int // Day on which he tries another browser.
	swapped     bool
	stays       []stay
	visits      uint64
	attack      *Attack // That waits for his next visit.
	hunted      bool    // Somebody is, or was, after him.
}

// stayKind is how a person is away from home.
type stayKind int

const (
	inHotel stayKind = iota
	atSecondHome
	flying
	riding
)

// stay is where a person is for a while, other than at home.
type stay struct {
	kind        stayKind
	city        *city
	wifi        *line
	from, until int64
}

// name is an opaque identifier, as long as the pseudonyms of a gateway.
func name(parts ...uint64) string {
	h := mix(parts...)
	return strconv.FormatUint(h, 36) + strconv.FormatUint(mix(h), 36)
}

func (w *World) newPerson(i int, t *tenant) *person {
	d := newDice(w.options.Seed, forPerson, uint64(i))
	p := &person{number: uint64(i), tenant: t, office: t.offices[d.zipf(len(t.offices))]}
	p.kind = event.SubjectHuman
	p.subject, p.account = name(w.options.Seed, forPerson, p.number), name(w.options.Seed, forName, p.number)
	weights := make([]float64, len(w.roles))
	for j := range w.roles {
		weights[j] = w.roles[j].weight
	}
	p.role = &w.roles[d.pick(weights)]
	p.traits |= p.role.trait
	p.taste = newTaste(d, p.role, t.app)
	p.city = p.office.city
	if p.role.office < 0.7 && d.chance(0.3) {
		p.traits |= RemoteWorker
		p.office = nil
		if d.chance(0.15) {
			p.city = w.net.geo.anyCity(d)
		} else if c := w.net.geo.near(d, p.city, 30, 1200); c != nil {
			p.city = c
		}
	}
	p.settle(w, d)
	p.equip(d)
	p.habits(w, d)
	return p
}

// settle gives a person his networks.
func (p *person) settle(w *World, d dice) {
	p.home = w.net.homeLine(d, p.city)
	p.carrier = w.net.carrierLine(d, p.city)
	if p.home.egress > 0 {
		p.traits |= CarrierNAT
	}
	if p.home.six {
		p.traits |= IPv6Home
	}
	if p.office != nil && d.chance(0.04) {
		c := w.net.geo.near(d, p.city, 120, 900)
		if c != nil {
			p.twin, p.second = c, w.net.homeLine(d, c)
			p.traits |= CityCommuter
		}
	}
	p.vpn = -1
	if d.chance(0.05) {
		p.vpn, p.vpnAlways = d.IntN(len(w.net.vpns)), d.chance(0.3)
		p.traits |= ConsumerVPN
	}
	if p.role.trips > 0.3 && d.chance(0.12) {
		p.marathon = true
		p.traits |= MarathonTraveller
	}
}

// equip gives a person his devices.
func (p *person) equip(d dice) {
	make1 := func(kind program) *device {
		dev := &device{program: kind, seed: d.Uint64(), held: d.chance(0.08), bound: p.tenant.bound}
		if p.tenant.cookies {
			dev.cookie = name(dev.seed, forName)
		}
		return dev
	}
	p.desktop = make1([]program{chromeWindows, edgeWindows, chromeMac, safariMac, firefoxWindows, firefoxLinux}[d.pick([]float64{38, 22, 14, 8, 11, 4})])
	p.phone = make1([]program{safariPhone, chromePhone, samsungPhone, appApple, appAndroid}[d.pick([]float64{25, 20, 5, 25, 22})])
	if d.chance(0.12) {
		p.tablet = make1([]program{safariPhone, chromeMac, chromeWindows, firefoxWindows, commandLine}[d.IntN(5)])
	}
	p.kiosk = p.role.trait == Warehouse && p.office != nil
	if d.chance(0.15) {
		p.traits |= DualHomed
	}
	switch {
	case p.tenant.bound: // Nobody else can show the tokens.
	case p.role.trait == Developer && d.chance(0.4):
		p.helper = &device{program: commandLine, seed: d.Uint64()}
	case p.phone.program == appApple && d.chance(0.4):
		p.helper = &device{program: safariPhone, seed: d.Uint64()}
	case p.phone.program == appAndroid && d.chance(0.4):
		p.helper = &device{program: chromePhone, seed: d.Uint64()}
	}
}

// habits gives a person his rhythm and what changes in his life.
func (p *person) habits(w *World, d dice) {
	p.opens, p.hours = 7.2+d.NormFloat64()*0.8+d.Float64()*1.5, 7.5+d.Float64()*2
	p.diligence, p.busy = d.between(0.82, 0.99), d.logNormal(1, 0.5)
	p.typo, p.wifi = d.between(0.01, 0.15), d.between(0.4, 0.95)
	days := w.options.Days
	p.awayFrom, p.awayUntil, p.changesRole, p.phoneDay, p.browserDay = -1, -1, -1, -1, -1
	if d.chance(0.12) { // Weeks of silence, then back.
		p.awayFrom = d.IntN(days)
		p.awayUntil = p.awayFrom + 5 + d.IntN(12)
	}
	if d.chance(0.06) {
		p.joins = d.IntN(days)
	}
	if d.chance(0.02) {
		p.changesRole, p.nextRole = d.IntN(days), &w.roles[d.IntN(len(w.roles))]
	}
	if d.chance(float64(days) / 900) { // A phone lasts two to three years.
		p.phoneDay = d.IntN(days)
	}
	if d.chance(float64(days) / 700) {
		p.browserDay = d.IntN(days)
	}
}

// stayAt is where the person is at a time, nil for the city where he lives.
func (p *person) stayAt(at int64) *stay {
	for i := range p.stays {
		if at >= p.stays[i].from && at < p.stays[i].until {
			return &p.stays[i]
		}
	}
	return nil
}

// change lets a person's life take the turns that are due on a day.
func (p *person) change(w *World, day int, d dice) {
	if day == p.changesRole {
		p.role = p.nextRole
		p.taste = newTaste(d, p.role, p.tenant.app)
	}
	if day == p.phoneDay {
		kind := p.phone.program
		if d.chance(0.25) {
			kind = []program{safariPhone, chromePhone, samsungPhone, appApple, appAndroid}[d.IntN(5)]
		}
		p.phone = p.replacement(p.phone, kind, d)
	}
	if day == p.browserDay {
		p.desktop = p.replacement(p.desktop, []program{chromeWindows, edgeWindows, firefoxWindows, chromeMac}[d.IntN(4)], d)
	}
	noon := w.start + int64(time.Duration(day)*24*time.Hour+12*time.Hour)
	if s := p.tenant.storming(browserSwap, noon); s != nil && !p.swapped {
		p.swapped = true
		if d.chance(s.share) && p.desktop.program != edgeWindows {
			p.desktop = p.replacement(p.desktop, edgeWindows, d)
		}
	}
}

// replacement is a new device in an old one's place: nobody is signed in on it.
func (p *person) replacement(old *device, kind program, d dice) *device {
	dev := &device{program: kind, seed: d.Uint64(), bound: old.bound}
	if old.cookie != "" {
		dev.cookie = name(dev.seed, forName)
	}
	return dev
}
