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
	// strideNats is the most that a run says by the habit of runs: enough to ask
	// who it is, and no more.
	strideNats = 10
	// heldLeast is the shortest run that is held while other ids come between.
	heldLeast = 3
	// walkConcentration is the weight of the peers in walks, walkTail the Pareto
	// index beyond the widest walk.
	walkConcentration, walkTail = 2, 3
	// strideTail is the Pareto index beyond the highest odds, at which each further
	// id is half as likely.
	strideTail = 1
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
	w := followed(x, template)
	thing := hash(prefix) ^ uint64(id)*0x9E3779B97F4A7C15
	k.walked = 0
	defer k.breadth(x, template^thing)
	fresh := x.Spares.Add(&w.IDs, thing, entity.RecentMax*4)
	if !fresh || w.Run > 0 && id == w.LastID {
		return // Reading one thing again is not a walk.
	}
	if refused(x) {
		w.Refused += k.unexpected
	}
	d := id - w.LastID
	stride(w, id, d)
	switch {
	case d > 0 && d <= climbMax && w.Climb > 0:
		w.Climb++
	case w.Run > 1 || w.IDs.Len() > 1:
		w.Climb = 1
	}
	w.LastID, w.Last = id, x.At
	wide := max(float64(w.Run), float64(climbShare*float64(w.Climb)), float64(breadthShare*float64(w.IDs.Len())))
	w.Best = max(w.Best, wide)
	w.Longest = max(w.Longest, w.Run)
	k.judgeWalk(x, w, wide)
}

// stride goes on with the run of ids at one stride. A run into which another id
// came is held, and goes on with the id that follows it.
func stride(w *entity.Walk, id, d int64) {
	h := &w.Held
	switch {
	case w.Run == 0:
		w.Run, w.Climb = 1, 1
	case d == w.Stride && d != 0:
		w.Run++
	case h.Length >= heldLeast && h.Length >= w.Run && id-h.LastID == int64(h.Stride):
		w.Run, w.Stride = h.Length+1, int64(h.Stride)
	default:
		if w.Run >= heldLeast && w.Run >= h.Length {
			*h = entity.Run{LastID: w.LastID, Stride: int32(w.Stride), Length: w.Run}
		}
		w.Run, w.Stride = 1, 0
		if d <= strideMax && d >= -strideMax && d != 0 {
			w.Run, w.Stride = 2, d
		}
	}
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
	// What a walk over the same things has said is not said again.
	n := k.cut(Breadth, k.tail(&x.Subject.Breadth, &x.Tenant.Subjects.Breadth, wide, plainBreadth)-max(k.walked, x.Session.Suspicion.Peak(int(SequentialIDs))))
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
	refusals := min(refusedMax, float64(refusedNats*w.Refused))
	n := k.cut(SequentialIDs, raw+refusals)
	regular := k.cut(SequentialIDs, k.regular(x, w)+refusals)
	strong := regular <= n
	n = max(n, regular)
	k.walked = n
	if n <= 0 {
		return
	}
	how := k.sayf("%d different ids", w.IDs.Len())
	if !strong || float64(w.Run) >= wide {
		how = k.sayf("%d ids in a row at stride %d", int(w.Run), w.Stride)
	}
	refused := ""
	if w.Refused >= 1 {
		refused = k.sayf(", %.0f of them refused", w.Refused)
	}
	k.add(SequentialIDs, n, strong, k.sayf("%s of %s within one session%s", how, templateName(x), refused))
}

// regular is the evidence of a person's run at one stride by how long his runs
// are and those of his peers: lists, queues and neighbours have gaps, so that an
// ordinary day has hardly any. What it says beyond the width of a walk asks for
// a proof and for no more: somebody may work through a list for the first time.
func (k *Collector) regular(x *Context, w *entity.Walk) float64 {
	if x.Subject == nil || w.Run <= walkFree || k.machine(x) {
		return 0
	}
	prior := exact.Exp2(float64(walkFree - w.Run))
	p := x.Subject.Strides.Upper(entity.StrideOdds(int(w.Run)), &x.Tenant.Subjects.Strides, prior, walkConcentration, strideTail)
	return min(strideNats, float64(w.Run-walkFree), -exact.Ln(p))
}

// followed returns the walk over a template; the one that has been quiet
// longest gives way to another, and goes on when its template comes again.
func followed(x *Context, template uint64) *entity.Walk {
	s, quiet := x.Session, 0
	for i := range s.Walks {
		w := &s.Walks[i]
		if w.Template == template {
			if x.At-w.Last > walkIdle {
				best, longest := w.Best, w.Longest
				x.Spares.Begin(w, template)
				w.Best, w.Longest = best, longest
			}
			return w
		}
		if w.Last < s.Walks[quiet].Last {
			quiet = i
		}
	}
	if len(s.Walks) < entity.WalksMax {
		return x.Spares.Follow(s, template)
	}
	x.Spares.Park(s, &s.Walks[quiet], template, x.At-walkIdle)
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
