package spool_test

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/gateway/emit/spool/spooltest"
)

const (
	simLanes    = 3
	simGateway  = "gw-1"
	simSegments = 6
)

// key names a number of a lane of a life.
type key struct {
	epoch  uint64
	lane   uint32
	number uint64
}

// entry is what the model knows of a number.
type entry struct {
	body      []byte
	ref       spool.Ref
	kept      bool // Append has taken it.
	durable   bool // A commit that went well came after it, and none that failed.
	doomed    bool // A sync has failed after it.
	evicted   bool
	delivered int // How often the reader saw it as new.
	lost      int // How often the reader was told that it is lost.
}

// sim is a spool on a disk that fails, beside a model that knows what must be there.
type sim struct {
	t    *testing.T
	rand *rand.Rand
	disk *spooltest.Disk
	now  time.Time

	s       *spool.Spool
	epoch   uint64
	issued  [simLanes]uint64
	queue   [simLanes][]key // What Kafka has not, of this life.
	model   map[key]*entry
	seen    map[string]uint64 // The reader's position per life and lane.
	flipped bool
}

func (m *sim) options() spool.Options {
	cfg := spool.DefaultConfig()
	cfg.SegmentBytes = spool.SegmentBytesMin
	cfg.BytesMax = simSegments * cfg.SegmentBytes
	cfg.InFlightMax = 4
	return spool.Options{
		Config: cfg, Disk: m.disk, Gateway: simGateway, Epoch: m.epoch, Lanes: simLanes, Evict: m.evict,
		Logger: slog.New(slog.DiscardHandler), Meter: noop.NewMeterProvider().Meter(""), Now: func() time.Time { return m.now },
	}
}

func (m *sim) evict(gone func(spool.Ref) bool, _ string) {
	for _, e := range m.model {
		if e.kept && gone(e.ref) {
			e.evicted = true
		}
	}
}

// append numbers a record and puts it into the spool.
func (m *sim) append() {
	lane := uint32(m.rand.IntN(simLanes))
	m.issued[lane]++
	k := key{m.epoch, lane, m.issued[lane]}
	e := &entry{body: make([]byte, 8+m.rand.IntN(4000))}
	for i := range e.body {
		e.body[i] = byte(m.rand.Uint32())
	}
	binary.LittleEndian.PutUint64(e.body, m.rand.Uint64())
	m.s.Issue(lane, k.number)
	half := m.rand.IntN(len(e.body))
	m.model[k] = e
	m.queue[lane] = append(m.queue[lane], k)
	if m.rand.IntN(20) == 0 {
		return // Of a route that takes no care of its events.
	}
	e.ref, e.kept = m.s.Append(spool.Record{Class: spool.Class(m.rand.IntN(2)), Lane: lane, First: k.number, Last: k.number}, e.body[:half], e.body[half:])
}

func (m *sim) commit() {
	before := m.s.Figures().SyncsFailed
	m.s.Commit()
	failed := m.s.Figures().SyncsFailed > before
	for k, e := range m.model {
		if k.epoch != m.epoch || !e.kept || e.durable {
			continue
		}
		e.doomed = e.doomed || failed // What a dead segment holds is not known to be durable.
		e.durable = !e.doomed
	}
}

// deliver lets Kafka take the oldest records of a lane.
func (m *sim) deliver() {
	lane := uint32(m.rand.IntN(simLanes))
	n := min(len(m.queue[lane]), m.rand.IntN(30))
	for _, k := range m.queue[lane][:n] {
		m.read(k.epoch, lane, k.number, k.number, false)
		e := m.model[k]
		if e.kept {
			m.s.Done(e.ref)
		}
		m.s.Known(lane, k.number)
	}
	m.queue[lane] = m.queue[lane][n:]
}

// read is the reader, which knows the last number of each lane.
func (m *sim) read(epoch uint64, lane uint32, first, last uint64, lost bool) {
	at := fmt.Sprint(epoch, "/", lane)
	for n := max(first, m.seen[at]+1); n <= last; n++ {
		e := m.model[key{epoch, lane, n}]
		if e == nil {
			m.t.Fatalf("number %d of lane %d of %d was never given out", n, lane, epoch)
		}
		if lost {
			e.lost++
		} else {
			e.delivered++
		}
	}
	if first > m.seen[at]+1 {
		m.t.Fatalf("numbers %d to %d of lane %d of life %d are missing", m.seen[at]+1, first-1, lane, epoch)
	}
	m.seen[at] = max(m.seen[at], last)
}

// crash ends the life, and the next takes over what it left.
func (m *sim) crash(power bool) {
	if power {
		m.disk = m.disk.PowerLoss()
	} else {
		m.disk = m.disk.Kill()
	}
	if m.rand.IntN(6) == 0 {
		names, _ := m.disk.List()
		segments := slices.DeleteFunc(names, func(n string) bool { return n[len(n)-3:] != "seg" })
		if len(segments) > 0 {
			m.flipped = m.disk.Flip(segments[m.rand.IntN(len(segments))]) || m.flipped
		}
	}
	m.start(power)
}

func (m *sim) start(power bool) {
	m.disk.SyncFails = func() bool { return m.rand.IntN(40) == 0 }
	m.epoch++
	last := m.issued
	m.issued, m.queue = [simLanes]uint64{}, [simLanes][]key{}
	var err error
	m.s, err = spool.Open(m.options())
	if err != nil {
		m.t.Fatal(err)
	}
	for _, l := range m.s.Past() {
		m.settled(l)
		m.remembers(l, last, power)
		whole := true
		for _, lane := range l.Lanes {
			items := lane.Items
			for _, i := range items {
				if e := m.model[key{l.Epoch, lane.Lane, i.First}]; i.Ref.Valid() && e != nil {
					e.ref = i.Ref
				}
			}
			if m.rand.IntN(5) == 0 {
				items, whole = items[:m.rand.IntN(len(items)+1)], false // The next life delivers the rest.
			}
			for _, i := range items {
				m.item(l, lane.Lane, i, power)
			}
		}
		if whole {
			l.Finish()
		}
	}
}

// remembers checks that a life whose process was killed knows the last number of
// each lane, also where its record never came into the spool.
func (m *sim) remembers(l *spool.Life, last [simLanes]uint64, power bool) {
	if power || l.Epoch != m.epoch-1 {
		return
	}
	for _, lane := range l.Lanes {
		if lane.Last != last[lane.Lane] {
			m.t.Fatalf("lane %d ends at %d, and gave out %d", lane.Lane, lane.Last, last[lane.Lane])
		}
	}
}

// settled notes that the records which a life has left are durable from now on.
func (m *sim) settled(l *spool.Life) {
	if m.s.Figures().SyncsFailed > 0 {
		return
	}
	for _, lane := range l.Lanes {
		for _, i := range lane.Items {
			if e := m.model[key{l.Epoch, lane.Lane, i.First}]; i.Ref.Valid() && e != nil {
				e.durable = true
			}
		}
	}
}

// item is one thing that an ended life left.
func (m *sim) item(l *spool.Life, lane uint32, i spool.Item, power bool) {
	if !i.Ref.Valid() {
		for n := i.First; n <= i.Last; n++ {
			e := m.model[key{l.Epoch, lane, n}]
			if e != nil && e.kept && !e.evicted && !m.flipped && (e.durable || !power && e.delivered == 0 && !m.powered(l.Epoch)) && e.delivered == 0 {
				m.t.Fatalf("number %d of lane %d of life %d is given up (%s), and was in the spool (durable %v)", n, lane, l.Epoch, i.Reason, e.durable)
			}
		}
		m.read(l.Epoch, lane, i.First, i.Last, true)
		l.Known(lane, i.Last)
		return
	}
	body, err := i.Ref.Read(nil)
	if err != nil {
		m.t.Fatal(err)
	}
	e := m.model[key{l.Epoch, lane, i.First}]
	if e == nil || string(e.body) != string(body) {
		m.t.Fatalf("number %d of lane %d of life %d has another content than was appended", i.First, lane, l.Epoch)
	}
	m.read(l.Epoch, lane, i.First, i.Last, false)
	m.s.Done(i.Ref)
	l.Known(lane, i.Last)
}

// powered reports that a power loss came over a life that is not the last.
func (m *sim) powered(epoch uint64) bool { return epoch != m.epoch-1 }

// TestNoRecordIsLostDoubleOrWrong runs random lives on a disk that fails, and
// compares what a reader sees with what was appended.
func TestNoRecordIsLostDoubleOrWrong(t *testing.T) {
	seeds := 20
	if text := os.Getenv("VIGIL_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		runSim(t, seed)
		return
	}
	if testing.Short() {
		seeds = 6
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("VIGIL_SEED=", seed), func(t *testing.T) { runSim(t, seed) })
	}
}

func runSim(t *testing.T, seed uint64) {
	t.Helper()
	m := &sim{
		t: t, rand: rand.New(rand.NewPCG(seed, 0)), disk: spooltest.NewDisk(seed), now: time.Unix(1_700_000_000, 0), epoch: 1,
		model: make(map[key]*entry), seen: make(map[string]uint64),
	}
	m.start(false)
	for range 6 {
		for range 200 + m.rand.IntN(800) {
			m.now = m.now.Add(time.Millisecond)
			switch m.rand.IntN(10) {
			case 0:
				m.commit()
			case 1:
				m.s.Tend()
			case 2:
				m.deliver()
			default:
				m.append()
			}
		}
		m.crash(m.rand.IntN(2) == 0)
	}
	var delivered, lost int
	for k, e := range m.model {
		if e.delivered > 1 || e.delivered+e.lost > 1 {
			t.Errorf("%+v was delivered %d times and lost %d times", k, e.delivered, e.lost)
		}
		delivered, lost = delivered+e.delivered, lost+e.lost
	}
	if delivered == 0 {
		t.Error("nothing was delivered")
	}
	t.Logf("%d numbers: %d delivered, %d told as lost; %+v", len(m.model), delivered, lost, m.s.Figures())
}
