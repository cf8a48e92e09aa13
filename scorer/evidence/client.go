package evidence

import (
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
)

// Priors as in network.go.
const (
	familyUniform, familyAttack = 1.0 / 50, 0.05
	systemUniform, systemAttack = 1.0 / 10, 0.15
	deviceUniform, deviceAttack = 1.0 / 1e6, 0.01
	routeUniform, routeAttack   = 1.0 / 500, 0.02
	ja4Uniform, ja4Attack       = 1.0 / 200, 0.05
	// systemMax is the most that another operating system says within a known
	// family, in nats: the same browser on a second machine.
	systemMax = 1.5
	// noKey begins the name by which a habit of device keys knows a program that
	// shows none. No key is called so, for keys are no two words.
	noKey = "none"
)

// DeviceOf is the name by which habits know the device of an event, "" for none.
func DeviceOf(ev *event.RequestEvent) string { return short(ev.GetDevice()) }

// client says how new the program, its system and the device key are. Only the
// first link of the chain that is new counts. Of what the session has shown before,
// the subject's habits are not asked.
func (k *Collector) client(x *Context) {
	family, device := x.Agent.Family, DeviceOf(x.Event)
	newFamily := false
	if family != "" {
		system := x.Agent.Client
		judgedFamily := k.shown(x, entity.Families, family)
		firstFamily := k.fresh
		judgedSystem := k.shown(x, entity.Systems, system)
		firstSystem := k.fresh
		switch {
		case !judgedFamily && !judgedSystem:
		case k.freshFamily(x):
			newFamily = firstFamily
			if judgedFamily {
				k.fresh = firstFamily
				raw := k.novelty(x, NewFamily, entity.Families, family, familyAttack)
				k.sayClient(x, NewFamily, raw, family, entity.Families)
			}
		case x.Subject != nil && judgedSystem:
			k.fresh = firstSystem
			raw := min(systemMax, k.novelty(x, NewFamily, entity.Systems, system, systemAttack))
			k.sayClient(x, NewFamily, raw, system, entity.Systems)
		}
	}
	k.tls(x)
	if x.Subject != nil && !k.recalling {
		k.moved(x, k.newNetwork, newFamily)
	}
	if device == "" {
		k.keyless(x, family)
		return
	}
	judged := k.shown(x, entity.Devices, device)
	if x.Subject == nil || !judged || x.Subject.Kinds[entity.Devices].Total() == 0 {
		return // Who never showed a device key has no device to miss.
	}
	raw := k.novelty(x, NewDevice, entity.Devices, device, deviceAttack)
	if k.freshFamily(x) {
		raw /= 2 // A new program mostly means a new key, too.
	}
	n := k.cut(NewDevice, raw)
	if n > 0 {
		k.add(NewDevice, n, false, k.sayf("a device key that this subject has not shown in %d requests", x.Subject.Total))
	}
}

// freshFamily reports whether the subject is not known to use the program.
func (k *Collector) freshFamily(x *Context) bool {
	return x.Subject != nil && x.Agent.Family != "" && !x.Subject.Kinds[entity.Families].Has(x.Agent.Family)
}

// keyless says how new it is that a person's program shows no device key, where
// it is the only one of a session that has shown one: who uses a token elsewhere
// may imitate the browser, but has not its cookie.
func (k *Collector) keyless(x *Context, family string) {
	p := &x.Session.Pending
	if !x.request() || x.Subject == nil || k.machine(x) || p.Count(entity.Devices) == 0 || p.Count(entity.Families) > 1 {
		return
	}
	name := k.Names.pair(noKey, family)
	judged := k.shown(x, entity.Devices, name)
	if !judged || x.Subject.Kinds[entity.Devices].Total() == 0 {
		return
	}
	n := k.cut(NewDevice, k.novelty(x, NewDevice, entity.Devices, name, deviceAttack))
	if n > 0 {
		k.add(NewDevice, n, false, k.sayf("no device key, where %s has shown one before", usual(family)))
	}
}

func (k *Collector) sayClient(x *Context, s Signal, raw float64, what string, kind entity.Kind) {
	n := k.cut(s, raw)
	if n > 0 {
		k.add(s, n, false, k.sayf("first request with client %s for this subject in %d requests; usual: %s%s",
			what, x.Subject.Total, usual(x.Subject.Kinds[kind].Top()), k.toGroup(x, kind, what)))
	}
}

// RouteOf is the name by which habits know where an event went: its path
// template, else its route, "" where neither is known.
func RouteOf(ev *event.RequestEvent) string {
	name := ev.GetTemplate()
	if name == "" {
		name = ev.GetRoute()
	}
	return short(name)
}

// route says how new the path template is, once per session.
func (k *Collector) route(x *Context) {
	name := RouteOf(x.Event)
	if name == "" || !x.request() {
		return
	}
	k.fresh = k.first(x, entity.Routes, name)
	if x.Subject == nil || !k.fresh {
		return
	}
	raw := k.novelty(x, NeverSeenRoute, entity.Routes, name, routeAttack)
	if x.Event.GetSensitivity() == "low" || x.Event.GetSensitivity() == "" || x.Event.GetSensitivity() == "normal" {
		raw /= 2
	}
	n := k.cut(NeverSeenRoute, raw)
	if n > 0 {
		k.add(NeverSeenRoute, n, false, k.sayf("first use of %s by this subject in %d requests%s", name, x.Subject.Total, k.toGroup(x, entity.Routes, name)))
	}
}
