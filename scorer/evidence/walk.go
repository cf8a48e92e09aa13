package evidence

import (
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/exact"
)

const (
	// walkIdle is how long a walk is remembered while nothing happens.
	walkIdle = int64(10 * time.Minute)
	// strideMax is the widest step that still is a walk: ids are dense.
	strideMax = 1000
	// climbMax is the widest step of a walk with gaps.
	climbMax = 64
	// walkFree is how many ids in a row anyone may read.
	walkFree = 4
	// breadthShare is what a distinct id counts that is not part of a run.
	breadthShare = 1.0 / 3
	// climbShare is what an id counts that goes the same way with gaps.
	climbShare = 0.6
	// refusedNats is what a refused id adds, the most refusedMax.
	refusedNats, refusedMax = 0.5, 6
	// walkConcentration is the weight of the peers in walks, walkTail the Pareto
	// index beyond the widest walk.
	walkConcentration, walkTail = 2, 3
	// crawlShare is what a walk by an address counts, crawlMax the most: crawlers
	// read lists, and that alone is no offence.
	crawlShare, crawlMax = 0.4, 5
	// programShare is what a walk by a program counts: to read list after list is
	// what programs are for, and each run may be the first of its kind.
	programShare = 0.5
	// digitsMax keeps ids within an int64.
	digitsMax = 18
)

// walk follows the ids of one template: runs at one stride, climbs with gaps,
// and plain breadth.
func (k *Collector) walk(x *Context) {
	if !x.answered() || !x.request() {
		return
	}
	template, id, prefix, ok := resourceOf(x)
	if !ok {
		return
	}
	w := followed(x.Session, template, x.At)
	thing := hash(prefix) ^ uint64(id)*0x9E3779B97F4A7C15
	k.walked = 0
	defer k.breadth(x, template^thing)
	fresh := w.IDs.Add(thing, entity.RecentMax*4)
	if !fresh {
		return // Reading one thing again is not a walk.
	}
	if refused(x) {
		w.Refused += k.unexpected
	}
	d := id - w.LastID
	switch {
	case w.Run == 0:
		w.Run, w.Climb = 1, 1
	case d == w.Stride && d != 0:
		w.Run++
	case d > strideMax || d < -strideMax || d == 0:
		w.Run, w.Stride = 1, 0
	default:
		w.Run, w.Stride = 2, d
	}
	switch {
	case d > 0 && d <= climbMax && w.Climb > 0:
		w.Climb++
	case w.Run > 1 || w.IDs.Len() > 1:
		w.Climb = 1
	}
	w.LastID, w.Last = id, x.At
	wide := max(float64(w.Run), float64(climbShare*float64(w.Climb)), float64(breadthShare*float64(w.IDs.Len())))
	w.Best = max(w.Best, wide)
	k.judgeWalk(x, w, wide)
}

// breadth compares how many different things the session has opened in the
// current hour with the habit, each by its sensitivity.
func (k *Collector) breadth(x *Context, thing uint64) {
	weight := 1.0
	switch x.Event.GetSensitivity() {
	case "low":
		weight = 0.5
	case "high":
		weight = 2
	case "critical":
		weight = 4
	}
	// The ids of neighbours differ in few bits; the map needs all of them mixed.
	if !x.Session.Spread.Add(mix(thing), weight) || x.Subject == nil {
		return
	}
	wide := x.Session.Spread.Weight
	n := k.cut(Breadth, k.tail(&x.Subject.Breadth, &x.Tenant.Subjects.Breadth, wide, plainBreadth)-k.walked)
	if n > 0 {
		k.add(Breadth, n, false, k.sayf("about %.0f different resources within an hour, by sensitivity; usual: up to %.0f", wide, habitual(&x.Subject.Breadth, &x.Tenant.Subjects.Breadth)))
	}
}

// mix is the finaliser of MurmurHash3, a bijection.
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func (k *Collector) judgeWalk(x *Context, w *entity.Walk, wide float64) {
	if wide <= walkFree {
		return
	}
	own, peers := &noHabits.Runs, &x.Tenant.Addresses.Runs
	if x.Subject != nil {
		own, peers = &x.Subject.Runs, &x.Tenant.Subjects.Runs
	}
	// Without history a run of k ids is as unlikely as 2^-k.
	prior := exact.Exp2(walkFree - wide)
	p := own.Upper(wide, peers, prior, walkConcentration, walkTail)
	raw := min(wide-walkFree, -exact.Ln(p))
	if float64(w.Run) < wide {
		// Without a stride it may be a long day: a session is looked at with every
		// id, of which the strangest counts.
		raw = max(0, min(wide-walkFree, -exact.Ln(p)-k.params.Look))
	}
	switch {
	case x.Subject == nil:
		raw = min(crawlMax, crawlShare*raw)
	case k.machine(x):
		raw *= programShare
	}
	n := k.cut(SequentialIDs, raw+min(refusedMax, float64(refusedNats*w.Refused)))
	k.walked = n
	if n <= 0 {
		return
	}
	how := k.sayf("%d different ids", w.IDs.Len())
	if float64(w.Run) >= wide {
		how = k.sayf("%d ids in a row at stride %d", int(w.Run), w.Stride)
	}
	refused := ""
	if w.Refused >= 1 {
		refused = k.sayf(", %.0f of them refused", w.Refused)
	}
	k.add(SequentialIDs, n, true, k.sayf("%s of %s within one session%s", how, templateName(x), refused))
}

// followed returns the walk over a template; the one that has been quiet
// longest gives way to a new one.
func followed(s *entity.Session, template uint64, at int64) *entity.Walk {
	quiet := 0
	for i := range s.Walks {
		w := &s.Walks[i]
		if w.Template == template {
			if at-w.Last > walkIdle {
				*w = entity.Walk{Template: template, Best: w.Best}
			}
			return w
		}
		if w.Last < s.Walks[quiet].Last {
			quiet = i
		}
	}
	if len(s.Walks) < entity.WalksMax {
		s.Walks = append(s.Walks, entity.Walk{Template: template})
		return &s.Walks[len(s.Walks)-1]
	}
	s.Walks[quiet] = entity.Walk{Template: template}
	return &s.Walks[quiet]
}

// resourceOf returns the template and the number at the end of the id that the
// event names; what stands before the number is part of the id's name. Where
// the gateway gave no template, the last number in the path is the id.
func resourceOf(x *Context) (template uint64, id int64, prefix string, ok bool) {
	if r := x.Event.GetResource(); r != "" {
		digits := trailingDigits(r)
		prefix = r[:len(r)-len(digits)]
		return hash(templateName(x)), number(digits), prefix, true
	}
	if x.Event.GetTemplate() != "" {
		return 0, 0, "", false // The template has no id.
	}
	path := x.Event.GetPath()
	end := len(path)
	for end > 0 {
		start := strings.LastIndexByte(path[:end], '/') + 1
		segment := path[start:end]
		digits := trailingDigits(segment)
		if len(digits) > 0 && len(digits) == len(segment) {
			return hash(path[:start]) ^ hash(path[end:]), number(digits), "", true
		}
		end = start - 1
	}
	return 0, 0, "", false
}

func trailingDigits(s string) string {
	i := len(s)
	for i > 0 && s[i-1] >= '0' && s[i-1] <= '9' && len(s)-i < digitsMax {
		i--
	}
	return s[i:]
}

func number(digits string) int64 {
	n := int64(0)
	for _, c := range []byte(digits) {
		n = n*10 + int64(c-'0')
	}
	return n
}

func templateName(x *Context) string {
	switch {
	case x.Event.GetTemplate() != "":
		return short(x.Event.GetTemplate())
	case x.Event.GetRoute() != "":
		return short(x.Event.GetRoute())
	}
	return "one path"
}
