package life

import "time"

// stormKind is something that happens to everybody of a tenant at once.
type stormKind int

const (
	brokenDeploy  stormKind = iota // Errors, and paths that are gone.
	keyRotation                    // Every token is refused until it is fetched anew.
	failover                       // An office leaves by its second provider.
	directoryDown                  // Sign-ins fail although the password is right.
	appRelease                     // New paths since a day.
	browserSwap                    // The company installs another browser.
)

// storm is when and how hard.
type storm struct {
	kind        stormKind
	from, until int64 // UnixNano.
	share       float64
	office      int
	resource    int
	trait       Trait
}

// weather plans a tenant's storms: a broken deploy about every nine days, a key
// rotation and a failover about every three weeks, a release of the application
// each fortnight, and one browser swap in one tenant.
func (w *World) weather(t *tenant) {
	d := newDice(w.options.Seed, forStorm, t.number)
	hour := func(day int) int64 {
		return w.start + int64(time.Duration(day)*24*time.Hour+d.span(7*time.Hour, 17*time.Hour))
	}
	for day := range w.options.Days {
		if d.chance(0.11) {
			from := hour(day)
			t.storms = append(t.storms, storm{brokenDeploy, from, from + int64(d.span(3*time.Minute, 14*time.Minute)), d.between(0.3, 0.9), 0, d.IntN(len(t.app.resources)), BrokenDeploy})
		}
		if d.chance(0.05) {
			from := hour(day)
			t.storms = append(t.storms, storm{kind: keyRotation, from: from, until: from + int64(90*time.Second), share: 0.9, trait: ExpiredStorm})
		}
		if d.chance(0.05) {
			from := hour(day)
			t.storms = append(t.storms, storm{kind: failover, from: from, until: from + int64(d.span(20*time.Minute, 8*time.Hour)), office: d.IntN(len(t.offices)), trait: OfficeFailover})
		}
		if d.chance(0.03) {
			from := hour(day)
			t.storms = append(t.storms, storm{kind: directoryDown, from: from, until: from + int64(d.span(4*time.Minute, 20*time.Minute)), share: 0.8, trait: RetryStorm})
		}
		if day%14 == int(3+t.number) {
			t.app.release(d, day)
			from := w.start + int64(day)*int64(24*time.Hour)
			t.storms = append(t.storms, storm{kind: appRelease, from: from, until: from + int64(72*time.Hour), trait: AppRelease})
		}
	}
	if t.number == 1 && w.options.Days > 6 {
		from := w.start + int64(w.options.Days-4)*int64(24*time.Hour)
		t.storms = append(t.storms, storm{kind: browserSwap, from: from, until: from + int64(96*time.Hour), share: 0.5, trait: BrowserSwap})
	}
}

// storming returns the storm of a kind that blows at a time, nil for none.
func (t *tenant) storming(kind stormKind, at int64) *storm {
	for i := range t.storms {
		s := &t.storms[i]
		if s.kind == kind && at >= s.from && at < s.until {
			return s
		}
	}
	return nil
}

// mood is the traits that a day has for everybody of a tenant.
func (t *tenant) mood(at int64) (all Trait) {
	for _, k := range []stormKind{appRelease, browserSwap} {
		s := t.storming(k, at)
		if s != nil {
			all |= s.trait
		}
	}
	return all
}

// blow changes a record to what the storms make of it.
func (w *World) blow(v *visit, d dice, r *record) {
	s := v.tenant.storming(brokenDeploy, r.at)
	if s == nil || r.phase == ticked || r.template < 0 || !d.chance(s.share) {
		return
	}
	r.traits |= BrokenDeploy
	t := &v.tenant.app.templates[r.template]
	switch {
	case t.resource == s.resource:
		r.status, r.out = 404, 180
	case t.resource%2 == 0:
		r.status, r.out = 502, 600
	}
}
