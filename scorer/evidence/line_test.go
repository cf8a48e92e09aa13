package evidence_test

import (
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

// TestHourOverItsLine lets people whose hours are around a hundred kilobytes send
// more, among peers for whom that is nothing.
func TestHourOverItsLine(t *testing.T) {
	const proof = 8.5 // Nats: enough to ask for one.
	send := func(size uint64) step { return step{time.Second, answered("/accounts/{id}", size)} }
	announce := func(size string) step {
		ev := answered("/accounts/{id}", 0)
		ev.Phase, ev.RequestId, ev.Attributes = event.PhaseOpen, "r1", map[string]string{event.AttributeAnnounced: size}
		return step{time.Second, ev}
	}
	often := func(hours, share float64) (l entity.Lines) {
		l.Hours = hours
		for i := range l.Over {
			l.Over[i] = float64(hours * share)
		}
		return l
	}
	tests := map[string]struct {
		hours, heavy float64 // How many of his own hours are known, and how many of them were of 50 MiB.
		tenant       entity.Lines
		kind         string
		steps        []step
		least, most  float64
	}{
		"five megabytes at once":                              {hours: 30, steps: []step{send(5 << 20)}, least: proof, most: 10},
		"five megabytes a bit at a time":                      {hours: 30, steps: []step{send(2 << 20), send(1 << 20), send(2 << 20)}, least: proof, most: 10},
		"five megabytes that were announced":                  {hours: 30, steps: []step{announce("5000000")}, least: proof, most: 10},
		"an announcement that nobody can read":                {hours: 30, steps: []step{announce("-5000000")}},
		"the line is crossed once":                            {hours: 30, steps: []step{send(5 << 20), send(1000)}, most: 4},
		"what was announced is crossed once as well":          {hours: 30, steps: []step{announce("5000000"), send(1000)}, most: 4},
		"three megabytes are a few documents":                 {hours: 30, steps: []step{send(3 << 20)}, most: 3},
		"three megabytes where nobody has that much":          {hours: 30, tenant: often(3000, 0), steps: []step{send(3 << 20)}, least: proof, most: 10},
		"half a megabyte where nobody has that much":          {hours: 30, tenant: often(3000, 0), steps: []step{send(600_000)}, least: proof, most: 10},
		"half a megabyte where one hour in a thousand has":    {hours: 30, tenant: often(30_000, 0.001), steps: []step{send(600_000)}, most: 3},
		"his hours are not known yet":                         {hours: 10, steps: []step{send(5 << 20)}, most: 4},
		"an hour as large as his largest":                     {hours: 30, heavy: 1, steps: []step{send(40 << 20)}, most: 4},
		"a tenant in which one hour in twenty is over a line": {hours: 30, tenant: often(100_000, 0.05), steps: []step{send(5 << 20)}, most: 4},
		"a program": {hours: 30, kind: event.SubjectService, steps: []step{send(5 << 20)}, most: 4},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(false)
			w.subject.HourBytes = profile.Numeric{}
			w.subject.HourBytes.Add(profile.Bucket(100_000), tt.hours)
			w.subject.HourBytes.Add(profile.Bucket(50<<20), tt.heavy)
			for range 300 {
				w.tenant.Subjects.MinuteBytes.Add(profile.Bucket(50<<20), 1)
				w.tenant.Subjects.HourBytes.Add(profile.Bucket(500<<20), 1)
			}
			w.tenant.Lines = tt.tenant
			nats := 0.0
			for _, s := range tt.steps {
				s.ev.SubjectKind = tt.kind
				nats = w.see(s)[evidence.BytesOut].Nats
			}
			if nats < tt.least || nats > tt.most {
				t.Errorf("says %.2f nats, want %g to %g", nats, tt.least, tt.most)
			}
		})
	}
}
