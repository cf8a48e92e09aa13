package evidence_test

import (
	"math"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
)

// TestSuspiciousNetwork shows a network that is new to the subject, after some things
// have happened there.
func TestSuspiciousNetwork(t *testing.T) {
	const hour = int64(time.Hour)
	type network struct {
		asn *entity.ASN
		all *entity.Attackers
		now int64
	}
	doubts := func(n int, ago int64) func(*network) {
		return func(a *network) {
			for i := range n {
				a.asn.Doubt(a.all, uint64(100+i), a.now-ago)
			}
		}
	}
	signIns := func(failed, passed int) func(*network) {
		return func(a *network) {
			for i := range failed {
				a.asn.SignIn(a.all, uint64(i), false, a.now-hour)
			}
			for i := range passed {
				a.asn.SignIn(a.all, uint64(1000+i), true, a.now-hour)
			}
		}
	}
	residents := func(n int) func(*network) {
		return func(a *network) {
			for i := range n {
				a.asn.Reside(a.all, uint64(500+i), a.now-hour)
			}
		}
	}
	elsewhere := func(n int) func(*network) {
		return func(a *network) {
			for i := range n {
				new(entity.ASN).Doubt(a.all, uint64(100+i), a.now-hour)
			}
		}
	}
	strange := func(tags ...string) *event.RequestEvent { return from("DE", 64999, 52.5, 13.4, chrome, tags...) }
	tests := map[string]struct {
		before      []func(*network)
		ev          *event.RequestEvent
		least, most float64
	}{
		"nothing is known":                       {nil, strange(), 0, 0},
		"two others did not answer":              {[]func(*network){doubts(2, hour)}, strange(), 3.5, 4.5},
		"six others did not answer":              {[]func(*network){doubts(6, hour)}, strange(), 4.5, 5.5},
		"one other did not answer":               {[]func(*network){doubts(1, hour)}, strange(), 0, 0},
		"two others may answer still":            {[]func(*network){doubts(2, hour/12)}, strange(), 0, 0},
		"two others did not answer a month ago":  {[]func(*network){doubts(2, 30*24*hour)}, strange(), 0, 0},
		"as many did not elsewhere":              {[]func(*network){doubts(2, hour), elsewhere(40)}, strange(), 2, 3},
		"a known way to hide":                    {[]func(*network){doubts(2, hour)}, strange("vpn"), 1.5, 2.5},
		"honest people are at home there":        {[]func(*network){doubts(6, hour), residents(4)}, strange(), 0, 0},
		"two honest people are no crowd":         {[]func(*network){doubts(2, hour), residents(2)}, strange(), 3.5, 4.5},
		"a stolen list is tried from there":      {[]func(*network){signIns(60, 1)}, strange(), 5, 6.5},
		"people sign in from there":              {[]func(*network){signIns(20, 80)}, strange(), 0, 0},
		"a few passwords are wrong":              {[]func(*network){signIns(4, 0)}, strange(), 0, 0},
		"more than are told apart fail and pass": {[]func(*network){signIns(300, 300)}, strange(), 0, 0},
		"the subject is at home there itself":    {[]func(*network){doubts(6, hour)}, from("DE", 3320, 52.5, 13.4, chrome), 0, 0},
		"its number is not known":                {[]func(*network){doubts(6, hour)}, from("DE", 0, 52.5, 13.4, chrome), 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(false)
			w.asns = entity.NewTable[entity.ASN](10)
			n := &network{new(entity.ASN), &w.tenant.Attackers, w.now}
			w.asns.Put(entity.Key{Kind: evidence.KindASN, ID: evidence.NetworkOf(tt.ev)}, n.asn)
			for _, f := range tt.before {
				f(n)
			}
			f := w.see(step{0, tt.ev})[evidence.SuspiciousNetwork]
			if math.IsNaN(f.Nats) || f.Nats < tt.least || f.Nats > tt.most || f.Strong {
				t.Errorf("says %.2f nats, strong %v (%s), want %g to %g", f.Nats, f.Strong, f.Text, tt.least, tt.most)
			}
		})
	}
}
