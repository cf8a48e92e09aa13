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
	tests := map[string]struct {
		own, tenant entity.Lines // Hours of his own are all within Lines.Hours.
		kind        string
		steps       []step
		least, most float64
	}{
		"five megabytes at once":                              {own: entity.Lines{Hours: 30}, steps: []step{send(5 << 20)}, least: proof, most: 10},
		"five megabytes a bit at a time":                      {own: entity.Lines{Hours: 30}, steps: []step{send(2 << 20), send(1 << 20), send(2 << 20)}, least: proof, most: 10},
		"the line is crossed once":                            {own: entity.Lines{Hours: 30}, steps: []step{send(5 << 20), send(1000)}, most: 4},
		"three megabytes are a few documents":                 {own: entity.Lines{Hours: 30}, steps: []step{send(3 << 20)}, most: 3},
		"his hours are not known yet":                         {own: entity.Lines{Hours: 10}, steps: []step{send(5 << 20)}, most: 4},
		"an hour as large as his largest":                     {own: entity.Lines{Hours: 30, Over: 1}, steps: []step{send(40 << 20)}, most: 4},
		"a tenant in which one hour in twenty is over a line": {own: entity.Lines{Hours: 30}, tenant: entity.Lines{Hours: 100_000, Over: 5000}, steps: []step{send(5 << 20)}, most: 4},
		"a program": {own: entity.Lines{Hours: 30}, kind: event.SubjectService, steps: []step{send(5 << 20)}, most: 4},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(false)
			w.subject.HourBytes = profile.Numeric{}
			w.subject.HourBytes.Add(profile.Bucket(100_000), tt.own.Hours)
			w.subject.HourBytes.Add(profile.Bucket(50<<20), tt.own.Over)
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
