package life

import "time"

// attempt opens an anonymous visit of an attacker.
func (w *World) attempt(s *scene, t *tenant, from *line, agent string, at int64) *visit {
	v := w.open(&actor{}, t)
	v.attack = s.attack.number + 1
	v.hops = append(v.hops, from.at(w.net, at, s.d.Uint64()))
	v.looks = append(v.looks, look{agent: agent, ja4: "t13d1812h1_85036bcba153_375ca2c5e164"})
	return v
}

// target is a tenant whose sign-ins pass the gateway.
func (w *World) target(d dice) *tenant {
	for {
		t := w.tenants[d.IntN(len(w.tenants))]
		if t.signIn {
			return t
		}
	}
}

func (w *World) cellar(d dice) *line {
	return &line{net: w.net.hosting[d.IntN(len(w.net.hosting))], seed: d.Uint64(), egress: 1, fixed: true}
}

// tries adds a sign-in with a password that is wrong, but for one in hits.
func (s *scene) tries(v *visit, at int64, account string, hits float64, suspicious bool) {
	r := record{at: at, template: int16(v.tenant.app.pages[signIn][0]), status: 401, outcome: failure, account: account, anonymous: true, in: 120, out: 400, micros: 180000, suspicious: suspicious}
	if s.d.chance(hits) {
		r.status, r.outcome = 200, success
	}
	v.records = append(v.records, r)
}

// stolen is an account of a bought list: nine in ten do not exist here.
func (s *scene) stolen(t *tenant) string {
	if s.d.chance(0.1) && len(t.people) > 0 {
		return t.people[s.d.IntN(len(t.people))].account
	}
	return name(s.d.Uint64(), forName)
}

// stuff tries a list of stolen passwords from one address, one a second.
func (w *World) stuff(s *scene) {
	t, at := w.target(s.d), s.from
	v := w.attempt(s, t, w.cellar(s.d), "python-requests/2.32.3", at)
	for i := range 120 {
		s.tries(v, at, s.stolen(t), 0.01, i >= 2)
		at += int64(s.d.span(400*time.Millisecond, 1600*time.Millisecond))
	}
	w.begin(v)
}

// botnet tries each account once, each time from another home in the world;
// nobody sees it in one address, and the twentieth failure shows in all.
func (w *World) botnet(s *scene) {
	t, at := w.target(s.d), s.from
	for i := range 300 {
		dev := &device{program: program(s.d.IntN(int(appApple))), seed: s.d.Uint64()}
		agent, _ := w.fleet.userAgent(dev, at)
		v := w.attempt(s, t, w.net.homeLine(s.d, w.net.geo.anyCity(s.d)), agent, at)
		s.tries(v, at, s.stolen(t), 0.01, i >= 19)
		w.begin(v)
		at += int64(s.d.span(time.Second, 6*time.Second))
	}
}

// spray tries the same three passwords on the accounts that exist, slowly, from
// three addresses. The fifth account is suspicious.
func (w *World) spray(s *scene) {
	t := w.target(s.d)
	for k := range 3 {
		at := s.from + int64(k)*int64(7*time.Second)
		v := w.attempt(s, t, w.cellar(s.d), "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36", at)
		for i := range 40 {
			s.tries(v, at, t.people[(i*3+k)%len(t.people)].account, 0.005, i >= 2)
			at += int64(s.d.span(20*time.Second, 45*time.Second))
		}
		w.begin(v)
	}
}

// fatigue has the password of one person and asks for the second factor until
// he gives in. The third request is suspicious.
func (w *World) fatigue(s *scene) {
	t, at := w.target(s.d), s.from
	victim := t.people[s.d.IntN(len(t.people))]
	v := w.attempt(s, t, w.net.homeLine(s.d, w.net.geo.abroad(s.d, victim.city)), "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", at)
	for i := range 14 {
		s.tries(v, at, victim.account, 0, i >= 2)
		v.records[len(v.records)-1].outcome = factorFailure
		at += int64(s.d.span(15*time.Second, 90*time.Second))
	}
	s.tries(v, at, victim.account, 1, true)
	w.begin(v)
}

// scan asks for what is worth finding. The third path is suspicious.
func (w *World) scan(s *scene) {
	at := s.from
	v := w.attempt(s, w.tenants[s.d.IntN(len(w.tenants))], w.cellar(s.d), "Mozilla/5.0 (compatible; probe/1.0)", at)
	paths := []string{
		"/.env", "/.git/config", "/wp-login.php", "/phpmyadmin/", "/server-status", "/backup.zip", "/config.json", "/.aws/credentials",
		"/actuator/env", "/api/swagger.json", "/console", "/manager/html", "/old/", "/db.sql", "/id_rsa", "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
		"/cgi-bin/test", "/solr/admin/info/system", "/debug/pprof/", "/graphql", "/.svn/entries", "/admin.php", "/setup.php", "/web.config", "/login.action",
	}
	s.d.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
	for i, p := range append(paths, paths...) {
		if i >= len(paths) {
			p = "/app" + p
		}
		v.records = append(v.records, record{at: at, template: -1, path: p, status: 404, anonymous: true, out: 200, micros: 900, suspicious: i >= 2})
		at += int64(s.d.span(150*time.Millisecond, 900*time.Millisecond))
	}
	w.begin(v)
}
