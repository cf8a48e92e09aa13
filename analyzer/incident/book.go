package incident

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"strings"
	"time"
)

// Entry is one decision of a [Book]: to which incident a finding belongs, and which
// others turned out to be the same.
type Entry struct {
	// Ordinal orders the entries of all tenants, from 1 on.
	Ordinal  uint64
	Incident string
	// Merges are the incidents that are this one from now on, and those that were
	// merged into them before.
	Merges  []string
	Finding Finding
}

// Book knows the incidents that may take another finding.
type Book struct {
	tenants map[string]*tenant
	closed  map[string]struct{}
	ordinal uint64
	retired int
}

type tenant struct {
	name string
	last time.Time
	open []*open // In the order in which they began.
}

// open is an incident that takes findings.
type open struct {
	id       string
	last     time.Time
	known    map[string]struct{} // Its findings, by the ids of their verdicts.
	absorbed []string
	profile  profile
}

// NewBook returns a book without history.
func NewBook() *Book { return &Book{tenants: make(map[string]*tenant)} }

// Open is how many incidents take findings, of all tenants.
func (b *Book) Open() int {
	n := 0
	for _, t := range b.tenants {
		n += len(t.open)
	}
	return n
}

// Retired is how many incidents gave way because of [OpenMax] or [TenantsMax].
func (b *Book) Retired() int { return b.retired }

// Ordinal is that of the latest entry, 0 for none.
func (b *Book) Ordinal() uint64 { return b.ordinal }

// Close says which incidents, by their ids, people have closed. It replaces what was
// said before.
func (b *Book) Close(ids []string) {
	b.closed = make(map[string]struct{}, len(ids))
	for _, id := range ids {
		b.closed[id] = struct{}{}
	}
}

// Take decides where a finding belongs, and notes it. False means that it is known.
func (b *Book) Take(f Finding) (Entry, bool) {
	t := b.tenant(f.Tenant)
	t.forget(f.Time)
	for _, o := range t.open {
		if _, known := o.known[f.VerdictID]; known {
			return Entry{}, false
		}
	}
	e := Entry{Ordinal: b.ordinal + 1, Finding: f}
	home, merged := b.place(t, &f)
	if home == nil {
		e.Incident = idOf(f.Tenant, f.VerdictID)
	} else {
		e.Incident = home.id
	}
	for _, o := range merged {
		e.Merges = append(append(e.Merges, o.id), o.absorbed...)
	}
	b.Apply(e)
	return e, true
}

// place finds the incident of a finding, nil for a new one, and those that are the
// same as that.
func (b *Book) place(t *tenant, f *Finding) (home *open, merged []*open) {
	var fits []*open
	best := 0.0
	for _, o := range t.open {
		if b.isClosed(o) {
			continue
		}
		nats := o.profile.weigh(f)
		if o.profile.knows(f) {
			nats += certain
		}
		if nats < LinkNats {
			continue
		}
		fits = append(fits, o)
		if home == nil || nats > best {
			home, best = o, nats
		}
	}
	if len(fits) < 2 {
		return home, nil
	}
	whole := newProfile()
	whole.absorb(&home.profile)
	whole.add(f)
	same := []*open{home}
	for _, o := range fits {
		if o != home && whole.kin(&o.profile) >= LinkNats {
			same = append(same, o)
		}
	}
	slices.SortFunc(same, func(x, y *open) int { return cmp.Compare(slices.Index(t.open, x), slices.Index(t.open, y)) })
	return same[0], same[1:]
}

// certain lifts an incident that knows the finding's target above all others.
const certain = 1000

// isClosed reports whether people have closed an incident, under any of its ids.
func (b *Book) isClosed(o *open) bool {
	_, closed := b.closed[o.id]
	for _, id := range o.absorbed {
		if !closed {
			_, closed = b.closed[id]
		}
	}
	return closed
}

// Apply notes an entry as it was decided.
func (b *Book) Apply(e Entry) {
	b.ordinal = max(b.ordinal, e.Ordinal)
	t := b.tenant(e.Finding.Tenant)
	if e.Finding.Time.After(t.last) {
		t.last = e.Finding.Time
	}
	o := t.find(e.Incident)
	if o == nil {
		o = &open{id: e.Incident, known: make(map[string]struct{}), profile: newProfile()}
		t.open = append(t.open, o)
		if len(t.open) > OpenMax {
			b.retired++
			longest := slices.MinFunc(t.open[:len(t.open)-1], func(x, y *open) int { return x.last.Compare(y.last) })
			t.drop(longest)
		}
	}
	for _, id := range e.Merges {
		if other := t.find(id); other != nil && other != o {
			o.absorb(other)
			t.drop(other)
		}
		if !slices.Contains(o.absorbed, id) {
			o.absorbed = append(o.absorbed, id)
		}
	}
	o.profile.add(&e.Finding)
	if len(o.known) < FindingsMax {
		o.known[e.Finding.VerdictID] = struct{}{}
	}
	if e.Finding.Time.After(o.last) {
		o.last = e.Finding.Time
	}
}

func (o *open) absorb(other *open) {
	o.profile.absorb(&other.profile)
	for id := range other.known {
		if len(o.known) < FindingsMax {
			o.known[id] = struct{}{}
		}
	}
	if other.last.After(o.last) {
		o.last = other.last
	}
}

// tenant finds or makes a tenant.
func (b *Book) tenant(name string) *tenant {
	t := b.tenants[name]
	if t != nil {
		return t
	}
	if len(b.tenants) >= TenantsMax {
		var longest *tenant
		for _, o := range b.tenants {
			if longest == nil || cmp.Or(o.last.Compare(longest.last), strings.Compare(o.name, longest.name)) < 0 {
				longest = o
			}
		}
		b.retired += len(longest.open)
		delete(b.tenants, longest.name)
	}
	t = &tenant{name: name}
	b.tenants[name] = t
	return t
}

func (t *tenant) find(id string) *open {
	i := slices.IndexFunc(t.open, func(o *open) bool { return o.id == id })
	if i < 0 {
		return nil
	}
	return t.open[i]
}

func (t *tenant) drop(o *open) {
	t.open = slices.DeleteFunc(t.open, func(x *open) bool { return x == o })
}

// forget drops the incidents that were quiet for too long.
func (t *tenant) forget(now time.Time) {
	t.open = slices.DeleteFunc(t.open, func(o *open) bool { return now.Sub(o.last) > Quiet })
}

// idOf is the id of the incident that a finding begins: IN- and twelve characters of
// Crockford's base 32, 60 bits.
func idOf(tenant, verdictID string) string {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	sum := sha256.Sum256([]byte("incident\x00" + tenant + "\x00" + verdictID))
	id := []byte("IN-")
	for i := range 12 {
		if i == 4 || i == 8 {
			id = append(id, '-')
		}
		id = append(id, alphabet[sum[i]&31])
	}
	return string(id)
}
