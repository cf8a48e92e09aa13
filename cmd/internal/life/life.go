package life

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// gateways is how many gateways serve everybody; a client stays with one.
const gateways = 4

// Limits of [Options].
const (
	SubjectsMin = 20 // A person for each company, and each kind of robot.
	SubjectsMax = 200_000
	DaysMax     = 400
)

// Options say how much life there is. The zero values of Seed and the attacks
// are good values; Start, Days and Subjects are required.
type Options struct {
	Seed uint64
	// Start is midnight UTC on the first day.
	Start time.Time
	// Days is the length of the history, the measured part included.
	Days int
	// Subjects counts people, services and agents; visitors without a name come
	// on top.
	Subjects int
	// Attacks is how many attacks of each kind are mixed in, from AttackDay on.
	Attacks   int
	AttackDay int
}

// Validate reports every fault at once.
func (o Options) Validate() error {
	var errs []error
	if o.Start.IsZero() || !o.Start.Equal(o.Start.Truncate(day)) {
		errs = append(errs, errors.New("start: must be midnight UTC"))
	}
	if o.Days < 1 || o.Days > DaysMax {
		errs = append(errs, fmt.Errorf("days: must be 1 to %d, is %d", DaysMax, o.Days))
	}
	if o.Subjects < SubjectsMin || o.Subjects > SubjectsMax {
		errs = append(errs, fmt.Errorf("subjects: must be %d to %d, is %d", SubjectsMin, SubjectsMax, o.Subjects))
	}
	if o.Attacks < 0 || o.Attacks > 0 && (o.AttackDay < 0 || o.AttackDay >= o.Days) {
		errs = append(errs, fmt.Errorf("attack day: must lie within the %d days, is %d", o.Days, o.AttackDay))
	}
	return errors.Join(errs...)
}

// Label is what is known about an event beside it: nothing of it is in the
// event.
type Label struct {
	// Attack is the number of the attack that the event is part of, an index
	// into [World.Attacks], -1 for none.
	Attack int
	// Suspicious marks the events of an attack that a person who sees all would
	// call suspicious.
	Suspicious bool
	// Traits are the circumstances.
	Traits Trait
}

// World is one history. It is made event by event; see [World.Next]. Not safe
// for concurrent use.
type World struct {
	options    Options
	start, end int64
	now        int64
	net        *internet
	fleet      *fleet
	roles      []role
	tenants    []*tenant
	people     []*person
	robots     []*robot
	attacks    []*Attack
	agenda     agenda
	spare      [][]record

	serial       uint64 // Of events.
	visits       uint64
	seqs         [gateways]uint64
	gatewayNames [gateways]string
	lat, lon     float64
	auth         timestamppb.Timestamp
}

// New plans a history.
func New(o Options) (*World, error) {
	err := o.Validate()
	if err != nil {
		return nil, fmt.Errorf("life: %w", err)
	}
	w := &World{options: o, start: o.Start.UnixNano(), roles: roles()}
	w.end = w.start + int64(o.Days)*int64(day)
	w.now = w.start
	for i := range w.gatewayNames {
		w.gatewayNames[i] = fmt.Sprintf("gateway-%d", i+1)
	}
	w.net = newInternet(o.Seed, newGeography())
	w.fleet = newFleet(o.Seed, w.start)
	w.newTenants(o.Subjects)
	w.populate()
	for d := 9; d < o.Days; d += 9 { // A new GeoIP file every nine days.
		w.later(w.start+int64(d)*int64(day)+int64(3*time.Hour), func(at int64) {
			w.net.replaceFile()
			w.net.changesAt = at
		})
	}
	w.plotAttacks()
	return w, nil
}

// Shares of the subjects that are not people.
const (
	serviceShare = 0.03
	agentShare   = 0.02
)

// populate makes everybody and lets him wake for the first time.
func (w *World) populate() {
	o := w.options
	services := max(5, int(float64(o.Subjects)*serviceShare))
	agents := max(2, int(float64(o.Subjects)*agentShare))
	weights := make([]float64, len(w.tenants))
	for i, t := range w.tenants {
		weights[i] = t.weight
	}
	d := newDice(o.Seed, forPerson)
	for i := range o.Subjects - services - agents {
		t := w.tenants[d.pick(weights)]
		if i < len(w.tenants) {
			t = w.tenants[i] // No company is without people, however small the world.
		}
		p := w.newPerson(i, t)
		w.people = append(w.people, p)
		t.people = append(t.people, p)
		hours := wakeHour - p.city.zone
		if hours < 0 {
			hours += 24
		}
		w.later(w.start+int64(hours)*int64(time.Hour), func(at int64) { w.live(p, at) })
	}
	w.newRobots(services, agents)
	w.newVisitors()
}

// Attacks lists what is mixed in, by number.
func (w *World) Attacks() []*Attack { return w.attacks }

// Next writes the next event, in the order of time, and returns its label; it
// is false when the history has ended. Every field of the event is written
// anew, but what it points to is used again by the next call: who keeps an
// event clones it.
func (w *World) Next(ev *event.RequestEvent) (Label, bool) {
	for len(w.agenda) > 0 {
		it := w.agenda.pop()
		w.now = max(w.now, it.at)
		if it.run != nil {
			if it.at < w.end {
				it.run(it.at)
			}
			continue
		}
		if it.at >= w.end {
			continue
		}
		v := it.visit
		r := &v.records[v.next]
		w.fill(ev, v, r)
		label := Label{Attack: v.attack - 1, Suspicious: r.suspicious, Traits: v.who.traits | v.traits | r.traits}
		if w.net.changesAt != 0 && it.at-w.net.changesAt < int64(day) {
			label.Traits |= GeoIPChange
		}
		v.next++
		if v.next < len(v.records) {
			w.agenda.push(item{at: v.records[v.next].at, order: it.order, visit: v})
		} else {
			w.spare = append(w.spare, v.records[:0])
			v.records = nil
		}
		return label, true
	}
	return Label{Attack: -1}, false
}

// later lets something happen at a time.
func (w *World) later(at int64, run func(at int64)) {
	w.visits++
	w.agenda.push(item{at: max(at, w.now), order: w.visits, run: run})
}

// open makes an empty visit.
func (w *World) open(who *actor, t *tenant) *visit {
	w.visits++
	v := &visit{who: who, tenant: t, serial: w.visits}
	if n := len(w.spare); n > 0 {
		v.records, w.spare = w.spare[n-1], w.spare[:n-1]
	}
	return v
}

// begin queues a finished visit.
func (w *World) begin(v *visit) {
	if len(v.records) == 0 {
		w.spare = append(w.spare, v.records)
		return
	}
	v.sort()
	w.agenda.push(item{at: v.records[0].at, order: v.serial, visit: v})
}
