package life

import (
	"math"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// login is a session on a device, until it ends or is idle for too long.
type login struct {
	session            string
	number             uint64 // Counts sessions and tokens, for their names.
	since, until, idle int64
	used               int64
	busy               int64    // Until when a visit that has begun goes on.
	windows            []*visit // Those of the session that may still be at work.
	token              string
	tokenUntil         int64
}

func (l *login) valid(at int64) bool {
	return l.session != "" && at < l.until && at-l.used < l.idle
}

// enter begins a visit on a device: with the session that is there, a fresh
// token for it, or a sign-in. It returns when the person is in.
func (w *World) enter(v *visit, p *person, dev *device, at int64, d dice) int64 {
	l := &dev.login
	t := p.tenant
	if dev == p.kiosk1(dev) {
		*l = login{number: l.number} // At a shared machine everybody signs in for himself.
	}
	if !l.valid(at) {
		at = w.signIn(v, p, at, d)
		if at == 0 {
			return 0
		}
		l.number++
		life, idle := t.sessionLife, t.sessionIdle
		if dev.program == appApple || dev.program == appAndroid {
			life, idle = t.appLife, t.appLife
		}
		l.session = name(dev.seed, p.number, l.number, forVisit)
		l.since, l.until, l.idle, l.tokenUntil = at, at+int64(life), int64(idle), 0
	} else if at >= l.tokenUntil && l.tokenUntil != 0 && d.chance(0.12) {
		at = w.expired(v, at, d)
	}
	l.used = at
	w.renew(v, dev, at)
	return at
}

// kiosk1 returns dev where it is a shared machine and not the person's own.
func (p *person) kiosk1(dev *device) *device {
	if dev == p.desktop || dev == p.phone || dev == p.tablet {
		return nil
	}
	return dev
}

// renew fetches a new token where the old one has run out. Where tokens name no
// session, it is a new session too.
func (w *World) renew(v *visit, dev *device, at int64) {
	l := &dev.login
	if at >= l.tokenUntil {
		l.number++
		l.token = name(dev.seed, l.number, forName)
		l.tokenUntil = at + int64(v.tenant.tokenLife)
	} else if len(v.passes) > 0 {
		return
	}
	session := l.session
	if !v.tenant.sids {
		session = l.token
	}
	if len(v.passes) < 255 {
		v.passes = append(v.passes, pass{session: session, token: l.token, authTime: l.since})
	}
	if v.tenant.events && l.used > l.since {
		w.report(v, at, event.ReasonRefresh)
	}
	l.used = at
}

// report is the identity provider's word on what happened to the session of a
// visit.
func (w *World) report(v *visit, at int64, reason string) {
	v.records = append(v.records, record{
		at: at, template: int16(v.tenant.app.pages[signIn][0]), status: 200, session: true, reason: reason,
		pass: uint8(max(0, len(v.passes)-1)), hop: uint8(max(0, len(v.hops)-1)), micros: 1000,
	})
}

// signIn types the password until it is right; 0 where he gives up. A password
// manager with an old entry sends it many times within seconds.
func (w *World) signIn(v *visit, p *person, at int64, d dice) int64 {
	t := p.tenant
	if !t.signIn {
		return at
	}
	page := t.app.pages[signIn][0]
	try := func(outcome uint8, status uint16) {
		r := record{at: at, template: int16(page), status: status, outcome: outcome, account: p.account, anonymous: true, in: 120, out: 400, micros: 180000}
		v.records = append(v.records, r)
	}
	wrong := 0
	for d.chance(p.typo) && wrong < 4 {
		wrong++
	}
	if d.chance(0.004) { // After the password was changed on another device.
		wrong = 5 + d.IntN(8)
		v.traits |= RetryStorm
		for range wrong {
			try(failure, 401)
			at += int64(d.span(300*time.Millisecond, 2*time.Second))
		}
		wrong = 0
		at += int64(d.span(20*time.Second, 2*time.Minute))
	}
	if s := t.storming(directoryDown, at); s != nil && d.chance(s.share) {
		for range 1 + d.IntN(4) {
			try(failure, 401)
			v.records[len(v.records)-1].traits |= RetryStorm
			at += int64(d.span(4*time.Second, 40*time.Second))
		}
		if d.chance(0.5) {
			return 0 // Tries again after lunch.
		}
		at = max(at, s.until+int64(d.span(time.Second, 5*time.Minute)))
	}
	for range wrong {
		try(failure, 401)
		at += int64(d.logNormal(6, 0.5) * float64(time.Second))
	}
	if len(t.amr) > 1 && d.chance(0.04) { // The code had just changed.
		try(factorFailure, 401)
		at += int64(d.span(10*time.Second, 40*time.Second))
	}
	try(success, 200)
	if t.events {
		v.records = append(v.records, record{at: at + 1e6, template: int16(page), status: 200, outcome: success, session: true, reason: event.ReasonLogin, micros: 1000})
	}
	return at + int64(d.logNormal(1.2, 0.4)*float64(time.Second))
}

// expired is a tab that slept: it asks with the old token, several times at
// once, before it fetches a new one.
func (w *World) expired(v *visit, at int64, d dice) int64 {
	v.traits |= ExpiredStorm
	for range 2 + int(math.Abs(d.NormFloat64())*6) {
		k := v.tenant.app.pages[dash][d.IntN(3)]
		v.records = append(v.records, record{at: at + int64(d.span(0, 900*time.Millisecond)), template: int16(k), status: 401, anonymous: true, out: 160, micros: 900, reason: "token_expired"})
	}
	return at + int64(time.Second)
}

// signOut ends the session of a visit once all that it sends is sent, and
// returns when.
func (w *World) signOut(v *visit, at int64) int64 {
	at = v.end(at) + int64(2*time.Second)
	page := v.tenant.app.pages[signIn][2]
	v.records = append(v.records, record{
		at: at, template: int16(page), status: 204, session: true, reason: event.ReasonLogout,
		pass: uint8(max(0, len(v.passes)-1)), hop: uint8(len(v.hops) - 1), micros: 3000,
	})
	return at
}

// end is when a visit has sent all that it sends, not before at.
func (v *visit) end(at int64) int64 {
	for i := range v.records {
		at = max(at, v.records[i].at)
	}
	return at
}
