package evidence

import (
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/exact"
)

const (
	scanHalfLife = 15 * time.Minute
	// Likelihood ratios of one answer, scanner against visitor, where the others
	// are answered.
	missingNats, missingAssetNats, foundNats = 1.0, 0.2, -0.5
	// missingFree is how much of it anyone may collect.
	missingFree = 3
	missingMax  = 24
	// Weights of one probe.
	probeNats, probeFoundNats, exploitNats = 3.0, 0.7, 9.0
	// greetingBytes of what is not HTTP tell its protocol.
	greetingBytes = 3
)

// scan looks for probing: paths that only scanners ask for, and many different
// paths that are not there.
func (k *Collector) scan(x *Context) {
	path, foreign := x.Event.GetPath(), x.Event.GetAttributes()[event.AttributeRequest]
	if path == "" && foreign == "" || !x.answered() {
		return
	}
	if sc := x.Session.Scan; sc != nil {
		f := exact.Decay(float64(x.At-sc.Last), float64(scanHalfLife))
		sc.Missing *= f
		sc.Probed *= f
		sc.Last = max(sc.Last, x.At)
	}
	if path == "" {
		// Somebody who knocks in one language may have the wrong door; a scanner
		// tries many. The first bytes tell a protocol.
		k.probed(x, "a service that is not HTTP", hash(foreign[:min(len(foreign), greetingBytes)]), probeNats)
		return
	}
	k.notFound(x, path)
	k.probe(x, path)
	if x.Agent.Tool != "" {
		k.probed(x, k.sayf("weaknesses with %s", x.Agent.Tool), hash(x.Agent.Tool), exploitNats)
	}
}

// scanOf is what is known of a session's probing, from the first sign on.
func scanOf(x *Context) *entity.Scan {
	if x.Session.Scan == nil {
		x.Session.Scan = x.Spares.Scan()
		x.Session.Scan.Last = x.At
	}
	return x.Session.Scan
}

// notFound is a sequential test over distinct paths.
func (k *Collector) notFound(x *Context, path string) {
	status := x.Event.GetStatus()
	sc := x.Session.Scan
	switch {
	case status == 404 || status == 410:
		sc = scanOf(x)
		key := hash(path)
		if x.Event.GetResource() != "" && x.Event.GetTemplate() != "" {
			// The path is there and the thing is not: walk.sequential_ids counts things.
			key = hash(short(x.Event.GetTemplate()))
		}
		if !x.Spares.Add(&sc.Paths, key, entity.RecentMax*2) {
			return
		}
		if asset(path) {
			sc.Missing += float64(missingAssetNats * k.unexpected)
		} else {
			sc.Missing += float64(missingNats * k.unexpected)
		}
		sc.Missing = min(sc.Missing, missingMax)
	case status < 400 && sc != nil:
		sc.Missing = max(0, sc.Missing+foundNats)
		return
	default:
		return
	}
	n := k.cut(NotFoundShare, sc.Missing-missingFree)
	if n > 0 {
		k.add(NotFoundShare, n, true, k.sayf("%d different paths that do not exist, hardly any that does", sc.Paths.Len()))
	}
}

func (k *Collector) probe(x *Context, path string) {
	query := x.Event.GetAttributes()[event.AttributeQuery]
	what, exploit := k.wanted(path, query)
	status := x.Event.GetStatus()
	switch {
	case what == "":
	case exploit:
		k.probed(x, what, hash(what)^hash(path), exploitNats)
	case status >= 200 && status < 400:
		// The server has it, so somebody may be meant to use it: it counts once,
		// however many of its pages are read.
		k.probed(x, what, hash(what), probeFoundNats)
	default:
		k.probed(x, what, hash(what)^hash(path), probeNats)
	}
}

// probed adds one probe; the same one again, by its key, says nothing new.
func (k *Collector) probed(x *Context, what string, key uint64, nats float64) {
	sc := scanOf(x)
	if x.Spares.Add(&sc.Probes, key, entity.RecentMax) {
		sc.Probed = min(sc.Probed+nats, missingMax)
	}
	n := k.cut(ScannerPaths, sc.Probed)
	if n > 0 {
		k.add(ScannerPaths, n, true, k.sayf("asks for %s; number of probes so far: %d", what, sc.Probes.Len()))
	}
}

// asset reports whether a path is that of a picture, style or script, which
// pages miss all the time.
func asset(path string) bool {
	dot := strings.LastIndexByte(path, '.')
	if dot < 0 || len(path)-dot > 6 {
		return strings.HasPrefix(path, "/apple-touch-icon") || path == "/robots.txt"
	}
	for _, ending := range [...]string{".png", ".jpg", ".jpeg", ".gif", ".svg", ".ico", ".webp", ".css", ".js", ".map", ".woff", ".woff2", ".ttf", ".txt"} {
		if strings.EqualFold(path[dot:], ending) {
			return true
		}
	}
	return false
}

// MissingPage reports whether an event is an answer that there is no such page,
// and the page no picture, style or script.
func MissingPage(ev *event.RequestEvent) bool {
	p := ev.GetPhase()
	return (ev.GetStatus() == 404 || ev.GetStatus() == 410) && p != event.PhaseTick && p != event.PhaseOpen && ev.GetPath() != "" && !asset(ev.GetPath())
}
