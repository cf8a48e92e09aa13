package evidence

import (
	"fmt"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/exact"
)

const (
	scanHalfLife = 15 * time.Minute
	// Likelihood ratios of one answer, scanner against visitor.
	missingNats, missingAssetNats, foundNats = 1.0, 0.2, -0.5
	// missingFree is how much of it anyone may collect.
	missingFree = 3
	missingMax  = 24
	// Weights of one probe.
	probeNats, probeFoundNats, exploitNats = 3.0, 0.7, 9.0
)

// scan looks for probing: paths that only scanners ask for, and many different
// paths that are not there.
func (k *Collector) scan(x *Context) {
	path := x.Event.GetPath()
	if path == "" || !x.answered() {
		return
	}
	sc := &x.Session.Scan
	if sc.Last != 0 {
		f := exact.Decay(float64(x.At-sc.Last), float64(scanHalfLife))
		sc.Missing *= f
		sc.Probed *= f
	}
	sc.Last = max(sc.Last, x.At)
	k.notFound(x, sc, path)
	k.probe(x, sc, path)
}

// notFound is a sequential test over distinct paths.
func (k *Collector) notFound(x *Context, sc *entity.Scan, path string) {
	status := x.Event.GetStatus()
	switch {
	case status == 404 || status == 410:
		if !sc.Paths.Add(hash(path), entity.RecentMax*2) {
			return
		}
		if asset(path) {
			sc.Missing += missingAssetNats
		} else {
			sc.Missing += missingNats
		}
		sc.Missing = min(sc.Missing, missingMax)
	case status < 400:
		sc.Missing = max(0, sc.Missing+foundNats)
		return
	default:
		return
	}
	n := k.cut(NotFoundShare, sc.Missing-missingFree)
	if n > 0 {
		k.add(NotFoundShare, n, true, fmt.Sprintf("%d different paths that do not exist, hardly any that does", sc.Paths.Len()))
	}
}

func (k *Collector) probe(x *Context, sc *entity.Scan, path string) {
	what, exploit := k.prober.find(path)
	if what == "" {
		return
	}
	if sc.Probes.Add(hash(what)^hash(path), entity.RecentMax) {
		status := x.Event.GetStatus()
		switch {
		case exploit:
			sc.Probed += exploitNats
		case status >= 200 && status < 400:
			sc.Probed += probeFoundNats // The server has it: somebody may be meant to use it.
		default:
			sc.Probed += probeNats
		}
		sc.Probed = min(sc.Probed, missingMax)
	}
	n := k.cut(ScannerPaths, sc.Probed)
	if n > 0 {
		k.add(ScannerPaths, n, true, fmt.Sprintf("asks for %s; number of probes so far: %d", what, sc.Probes.Len()))
	}
}

// asset reports whether a path is that of a picture, style or script, which
// pages miss all the time.
func asset(path string) bool {
	dot := strings.LastIndexByte(path, '.')
	if dot < 0 || len(path)-dot > 6 {
		return strings.HasPrefix(path, "/apple-touch-icon") || path == "/robots.txt"
	}
	switch strings.ToLower(path[dot:]) {
	case ".png", ".jpg", ".jpeg", ".gif", ".svg", ".ico", ".webp", ".css", ".js", ".map", ".woff", ".woff2", ".ttf", ".txt":
		return true
	}
	return false
}
