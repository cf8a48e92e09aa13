package life

import (
	"fmt"
	"strconv"
	"strings"
)

// pageKind is what a person does on a page; with the resource it is the state
// of the chain that a visit walks.
type pageKind int

const (
	dash pageKind = iota
	list
	search
	suggest
	detail
	sub
	edit
	create
	export
	download
	upload
	plain
	admin
	live
	signIn
	pageKinds
)

// template is one path of an application.
type template struct {
	path        string
	pre, post   string // Around the id, where it has one.
	hasID       bool
	kind        pageKind
	resource    int // -1 for pages of no resource.
	method      string
	route       string
	sensitivity string
	bytes       float64 // Median of the answer.
	spread      float64 // Sigma of its logarithm.
	micros      float64 // Median duration.
	// since is the day on which a release brings it, until the one that takes it.
	since, until int
}

// idStyle is how the ids of a resource look.
type idStyle int

const (
	numeric idStyle = iota
	prefixed
	random
)

// resource is one kind of thing that an application keeps.
type resource struct {
	name   string
	style  idStyle
	prefix string
	base   int64   // Ids that exist when the history begins.
	perDay float64 // New ones each day; they are given out in order.
	pages  [pageKinds][]int
}

// application is the upstream of one tenant: about 120 path templates.
type application struct {
	templates []template
	resources []resource
	pages     [pageKinds][]int // Of no resource.
	host      string
}

// vocabulary is what business applications keep. Each tenant has a choice.
func vocabulary() []string {
	return []string{
		"accounts", "orders", "invoices", "tickets", "customers", "projects", "documents", "reports", "contacts", "products", "shipments",
		"payments", "contracts", "tasks", "messages", "campaigns", "leads", "assets", "vehicles", "patients", "appointments", "machines",
		"sites", "batches", "claims", "policies", "employees", "timesheets", "expenses", "suppliers",
	}
}

// newApplication makes a tenant's application.
func newApplication(d dice, name string) *application {
	a := &application{host: name + ".example.com"}
	words := vocabulary()
	d.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	for i, w := range words[:15] {
		r := resource{name: w, base: int64(d.logNormal(20000, 1.2)), perDay: d.logNormal(120, 1), style: idStyle(d.pick([]float64{7, 2, 1.5}))}
		if r.style == prefixed {
			r.prefix = strings.ToUpper(w[:2]) + "-"
		}
		a.resources = append(a.resources, r)
		a.resource(d, i)
	}
	a.common(d)
	return a
}

// add appends a template and files it under its kind.
func (a *application) add(t template) {
	if i := strings.Index(t.path, "{id}"); i >= 0 {
		t.hasID, t.pre, t.post = true, t.path[:i], t.path[i+len("{id}"):]
	}
	if t.sensitivity == "" {
		t.sensitivity = "normal"
	}
	if t.until == 0 {
		t.until = 1 << 30
	}
	a.templates = append(a.templates, t)
	k := len(a.templates) - 1
	if t.resource < 0 {
		a.pages[t.kind] = append(a.pages[t.kind], k)
		return
	}
	r := &a.resources[t.resource]
	r.pages[t.kind] = append(r.pages[t.kind], k)
}

// resource gives a resource its six to nine templates.
func (a *application) resource(d dice, i int) {
	name := a.resources[i].name
	pre, route := "/api/"+name, name
	secret := "normal"
	switch name {
	case "payments", "employees", "patients", "contracts":
		secret = "high"
	case "messages", "products":
		secret = "low"
	}
	size := d.logNormal(1, 0.4)
	put := func(path string, kind pageKind, method string, bytes, spread float64) {
		a.add(template{
			path: path, kind: kind, method: method, resource: i, route: route, sensitivity: secret,
			bytes: bytes * size, spread: spread, micros: d.logNormal(30000, 0.6),
		})
	}
	put(pre, list, "GET", 9000, 0.7)
	put(pre+"/{id}", detail, "GET", 2600, 0.6)
	put(pre+"/{id}", edit, "PUT", 700, 0.4)
	put(pre, create, "POST", 500, 0.4)
	put(pre+"/search", search, "GET", 5000, 0.9)
	put(pre+"/suggest", suggest, "GET", 600, 0.5)
	parts := []string{"history", "comments", "attachments", "lines", "notes", "links", "approvals"}
	d.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	for _, part := range parts[:2+d.IntN(2)] {
		put(pre+"/{id}/"+part, sub, "GET", 1500, 0.9)
	}
	if d.chance(0.6) {
		put(pre+"/{id}/pdf", download, "GET", 90000, 1.1)
	}
	if d.chance(0.4) {
		put(pre+"/export", export, "GET", 600000, 1.6)
	}
	if d.chance(0.3) {
		put(pre+"/{id}/files", upload, "POST", 400, 0.3)
	}
}

// common are the pages that every application has.
func (a *application) common(d dice) {
	put := func(kind pageKind, method, sensitivity string, bytes float64, paths ...string) {
		for _, p := range paths {
			a.add(template{
				path: p, kind: kind, method: method, resource: -1, route: strings.Trim(strings.Split(p+"/", "/")[1], "{}"), sensitivity: sensitivity,
				bytes: bytes * d.logNormal(1, 0.5), spread: 0.6, micros: d.logNormal(20000, 0.6),
			})
		}
	}
	put(dash, "GET", "low", 12000, "/", "/api/dashboard", "/api/notifications", "/api/counts")
	put(plain, "GET", "low", 5000, "/profile", "/settings", "/help", "/help/{id}", "/api/calendar", "/api/teams", "/api/me", "/news", "/changes")
	put(admin, "GET", "critical", 4000, "/admin/users", "/admin/users/{id}", "/admin/roles", "/admin/audit", "/admin/keys", "/admin/settings", "/admin/billing")
	put(live, "GET", "normal", 300, "/live", "/feed")
	put(signIn, "POST", "high", 900, "/login", "/login/factor", "/logout")
}

// release adds pages that come out on a day; they join the page kinds that
// people already use, so everybody meets them within days.
func (a *application) release(d dice, day int) {
	for k := range 6 {
		i := d.IntN(len(a.resources))
		name := a.resources[i].name
		kind, path := sub, fmt.Sprintf("/api/%s/{id}/insights%d", name, day)
		if k%3 == 0 {
			kind, path = list, fmt.Sprintf("/api/v%d/%s/board", 2+day/7, name)
		}
		a.add(template{path: path, kind: kind, method: "GET", resource: i, route: name, since: day, bytes: 4000, spread: 0.7, micros: 30000})
	}
}

// page chooses a template of a kind that exists on a day, -1 for none.
func (a *application) page(d dice, r int, kind pageKind, day int) int {
	pages := a.pages[kind]
	if r >= 0 {
		pages = a.resources[r].pages[kind]
	}
	for range 4 {
		if len(pages) == 0 {
			return -1
		}
		k := pages[d.zipf(len(pages))]
		t := &a.templates[k]
		if day >= t.since && day < t.until {
			return k
		}
	}
	return -1
}

// newest is the id that was given out last.
func (r *resource) newest(days float64) int64 { return r.base + int64(days*r.perDay) }

// text writes an id as the resource does.
func (r *resource) text(id int64) string {
	switch r.style {
	case prefixed:
		return r.prefix + strconv.FormatInt(id, 10)
	case random:
		return fmt.Sprintf("%016x", mix(uint64(id), hashText(r.name)))
	case numeric:
	}
	return strconv.FormatInt(id, 10)
}
