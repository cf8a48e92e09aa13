package life

// role is what a person is employed for; it decides what he does in the
// application, how long, when and from where.
type role struct {
	trait  Trait
	weight float64
	// minutes in the application on a working day, and median seconds between
	// two clicks.
	minutes, think float64
	// resources is how many kinds of thing he works with.
	resources int
	// likes multiplies how often he goes to each kind of page.
	likes [pageKinds]float64
	// phone, office and trips: share of visits by phone, of days in the office,
	// and journeys a week.
	phone, office, trips float64
	// queue workers open one new thing after the other.
	queue bool
	// nights is the share of weeks on night shift; calls those on call.
	nights, calls float64
}

// roles are thirteen kinds of work, by how common they are.
func roles() []role {
	ordinary := func(change map[pageKind]float64) (likes [pageKinds]float64) {
		for k := range likes {
			likes[k] = 1
		}
		likes[admin] = 0
		for k, x := range change {
			likes[k] = x
		}
		return likes
	}
	return []role{
		{trait: Clerk, weight: 24, minutes: 20, think: 10, resources: 5, likes: ordinary(nil), phone: 0.15, office: 0.6, trips: 0.03},
		{trait: Support, weight: 14, minutes: 40, think: 9, resources: 3, likes: ordinary(map[pageKind]float64{detail: 1.6, sub: 1.5, edit: 1.6}), phone: 0.05, office: 0.5, queue: true},
		{trait: Sales, weight: 12, minutes: 13, think: 12, resources: 5, likes: ordinary(map[pageKind]float64{search: 1.8, create: 1.5}), phone: 0.4, office: 0.3, trips: 0.35},
		{trait: Field, weight: 9, minutes: 11, think: 13, resources: 3, likes: ordinary(map[pageKind]float64{upload: 3, edit: 1.6}), phone: 0.85, office: 0.1, trips: 0.08},
		{trait: Analyst, weight: 6, minutes: 20, think: 13, resources: 6, likes: ordinary(map[pageKind]float64{export: 8, download: 4, search: 1.6}), phone: 0.05, office: 0.4, trips: 0.03},
		{trait: Accountant, weight: 6, minutes: 20, think: 9, resources: 4, likes: ordinary(map[pageKind]float64{download: 3, export: 2, edit: 1.6}), phone: 0.05, office: 0.6, trips: 0.01},
		{trait: Manager, weight: 7, minutes: 10, think: 15, resources: 6, likes: ordinary(map[pageKind]float64{dash: 2.5, edit: 0.5}), phone: 0.35, office: 0.5, trips: 0.15},
		{trait: Developer, weight: 7, minutes: 14, think: 6, resources: 5, likes: ordinary(map[pageKind]float64{search: 1.5, admin: 0.15}), phone: 0.1, office: 0.25, trips: 0.03, calls: 0.2},
		{trait: Administrator, weight: 2, minutes: 20, think: 9, resources: 4, likes: ordinary(map[pageKind]float64{admin: 4}), phone: 0.15, office: 0.4, trips: 0.02, calls: 0.25},
		{trait: Warehouse, weight: 6, minutes: 15, think: 7, resources: 3, likes: ordinary(map[pageKind]float64{edit: 2, search: 1.5}), office: 1, queue: true, nights: 0.2},
		{trait: NightShift, weight: 4, minutes: 22, think: 12, resources: 3, likes: ordinary(map[pageKind]float64{edit: 1.5}), phone: 0.1, office: 1, nights: 0.6},
		{trait: Executive, weight: 2, minutes: 6, think: 16, resources: 6, likes: ordinary(map[pageKind]float64{dash: 4, edit: 0.3}), phone: 0.6, office: 0.4, trips: 0.6},
		{trait: OnCall, weight: 1, minutes: 15, think: 7, resources: 4, likes: ordinary(map[pageKind]float64{search: 1.5, admin: 0.4}), phone: 0.3, office: 0.2, calls: 1},
	}
}

// moves is the chain of pages: from each kind of page to the next, before what
// a role likes. It is the shape of business software: lists lead to details,
// details to parts, changes and the next of the list.
func moves(from pageKind) (to [pageKinds]float64) {
	switch from {
	case dash, plain, live, signIn:
		to[list], to[search], to[suggest], to[detail], to[plain], to[dash], to[admin] = 45, 14, 6, 10, 6, 3, 6
	case list:
		to[detail], to[list], to[search], to[create], to[export], to[dash], to[admin] = 62, 14, 10, 4, 0.5, 3, 2
	case search, suggest:
		to[detail], to[search], to[list], to[create] = 68, 14, 8, 3
	case detail:
		to[sub], to[edit], to[detail], to[list], to[search], to[dash], to[download], to[upload] = 30, 13, 22, 20, 8, 3, 1.2, 0.8
	case sub:
		to[detail], to[sub], to[edit], to[list], to[download] = 30, 18, 12, 28, 2
	case edit, create, upload:
		to[detail], to[list], to[create], to[search], to[dash] = 40, 38, 3, 10, 6
	case export, download:
		to[list], to[detail], to[dash], to[export] = 50, 25, 10, 2
	case admin:
		to[admin], to[dash], to[list] = 60, 15, 20
	case pageKinds:
	}
	return to
}

// taste is what one person makes of his role.
type taste struct {
	seed      uint64 // Also of the things that are his.
	resources []int
	weights   []float64
	likes     [pageKinds]float64
	think     float64
	queue     bool
}

func newTaste(d dice, r *role, a *application) taste {
	t := taste{seed: d.Uint64(), think: r.think * d.logNormal(1, 0.3), queue: r.queue, likes: r.likes}
	// People of one role share their resources mostly: the role's own order,
	// with a few swaps.
	order := newDice(hashText(a.host), uint64(r.trait), forTaste).Perm(len(a.resources))
	for i, k := range order[:r.resources] {
		if d.chance(0.15) {
			k = d.IntN(len(a.resources))
		}
		t.resources = append(t.resources, k)
		t.weights = append(t.weights, d.logNormal(1/float64(1+i), 0.5))
	}
	for k := range t.likes {
		t.likes[k] *= d.logNormal(1, 0.35)
	}
	return t
}
