//go:build faults

package chaos_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/gateway/emit/spool"
)

// rounds is how many losses of power one test goes through.
const rounds = 8

// spoolAt opens a spool in a folder. boot names the run of the machine.
func spoolAt(t *testing.T, dir string, epoch uint64, boot string) *spool.Spool {
	t.Helper()
	return spoolOf(t, dir, epoch, boot, spool.SegmentBytesMin)
}

// spoolOf is spoolAt with segments of a size.
func spoolOf(t *testing.T, dir string, epoch uint64, boot string, segment int64) *spool.Spool {
	t.Helper()
	disk, err := spool.NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := spool.DefaultConfig()
	c.SegmentBytes, c.InFlightMax = segment, 16
	c.BytesMax = 64 * c.SegmentBytes
	s, err := spool.Open(spool.Options{
		Config: c, Disk: disk, Gateway: "gateway-1", Epoch: epoch, Lanes: 1, Boot: boot, Evict: func(func(spool.Ref) bool, string) {},
		Logger: slog.New(slog.DiscardHandler), Meter: noop.NewMeterProvider().Meter(""), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // Its disk may have failed it.
	return s
}

// bodyOf is the one content that a number's record can have.
func bodyOf(seed, number uint64) []byte {
	r := rand.New(rand.NewPCG(seed, number))
	b := make([]byte, 16+r.IntN(3000))
	binary.LittleEndian.PutUint64(b, number)
	for i := 8; i < len(b); i++ {
		b[i] = byte(r.Uint32())
	}
	return b
}

// put numbers a record and appends it.
func put(t *testing.T, s *spool.Spool, seed, number uint64) {
	t.Helper()
	s.Issue(0, number)
	class := spool.Plain
	if number%3 == 0 {
		class = spool.Vital
	}
	_, ok := s.Append(spool.Record{Class: class, Lane: 0, First: number, Last: number}, bodyOf(seed, number))
	if !ok {
		t.Fatalf("record %d found no room", number)
	}
}

// recovered is what a start finds of an ended life, in the order of the numbers.
type recovered struct {
	records map[uint64]bool
	lost    uint64
	last    uint64
}

// find opens what is left and reads every record. A number that is neither a record
// nor told as lost, and a record with another content, are errors.
func find(t *testing.T, dir string, seed uint64) (recovered, *spool.Spool) {
	t.Helper()
	s := spoolAt(t, dir, 2, "another run")
	r := recovered{records: make(map[uint64]bool)}
	for _, life := range s.Past() {
		for _, lane := range life.Lanes {
			next := uint64(1)
			for _, i := range lane.Items {
				if i.First != next {
					t.Errorf("numbers %d to %d are neither there nor told as lost", next, i.First-1)
				}
				next = i.Last + 1
				if !i.Ref.Valid() {
					r.lost += i.Last - i.First + 1
					continue
				}
				b, err := i.Ref.Read(nil)
				if err != nil || !bytes.Equal(b, bodyOf(seed, i.First)) {
					t.Errorf("record %d is read as %d bytes of something else, error %v", i.First, len(b), err)
				}
				r.records[i.First] = true
			}
			r.last = next - 1
		}
	}
	return r, s
}

// On a disk that forgets what was not synced, what a commit had before is there after
// a loss of power; of the rest any part may be gone, which is said.
func TestALossOfPowerTakesOnlyWhatWasNotSynced(t *testing.T) {
	gone := uint64(0)
	for round := range uint64(rounds) {
		m := mount(t, round)
		random := rand.New(rand.NewPCG(round, 1))
		s := spoolAt(t, m.dir, 1, "this run")
		last, durable := uint64(0), uint64(0)
		for range 3 + random.IntN(5) {
			for range random.IntN(60) {
				last++
				put(t, s, round, last)
			}
			if random.IntN(3) > 0 {
				s.Commit()
				durable = last
			}
		}
		last++
		put(t, s, round, last) // Something is never synced.
		got, _ := find(t, m.lossOfPower(), round)
		for n := uint64(1); n <= durable; n++ {
			if !got.records[n] {
				t.Errorf("round %d: record %d was synced and is gone", round, n)
			}
		}
		gone += last - uint64(len(got.records))
		t.Logf("round %d: %d records, %d of them synced, %d found, %d told as lost", round, last, durable, len(got.records), got.lost)
	}
	if gone == 0 {
		t.Error("no loss of power took anything: the file system does not forget")
	}
}

// Whatever of the pages has come to the disk when the power goes, and whatever bit
// tips over afterwards, a record is what it was or it is lost.
func TestFlippedBitsAndTornPagesNeverMakeAWrongRecord(t *testing.T) {
	damaged, torn := uint64(0), uint64(0)
	for round := range uint64(rounds) {
		m := mount(t, round)
		random := rand.New(rand.NewPCG(round, 2))
		s := spoolAt(t, m.dir, 1, "this run")
		const n = 200
		for number := uint64(1); number <= n/2; number++ {
			put(t, s, round, number)
		}
		s.Commit()
		for number := uint64(n/2 + 1); number <= n; number++ {
			put(t, s, round, number)
		}
		m.tell("fail", "on") // The pages come to the disk, and no word that they are there.
		s.Commit()
		dir := m.lossOfPower()
		flips := 0
		if round%2 == 1 {
			flips = flip(t, dir, random)
		}
		got, after := find(t, dir, round)
		if flips == 0 {
			for number := uint64(1); number <= n/2; number++ {
				if !got.records[number] {
					t.Errorf("round %d: record %d was synced and is gone", round, number)
				}
			}
		}
		f := after.Figures()
		damaged, torn = damaged+f.Damaged, torn+f.Torn
		after.Tend()
		t.Logf("round %d: %d of %d records found, %d told as lost, %d bits flipped, %d segments damaged, %d torn", round, len(got.records), n, got.lost, flips, f.Damaged, f.Torn)
	}
	if damaged+torn < rounds {
		t.Errorf("%d segments were found damaged and %d torn: the test has seen too little", damaged, torn)
	}
}

// flip tips a bit over in the begin of each segment's records.
func flip(t *testing.T, dir string, random *rand.Rand) (flips int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		used := len(bytes.TrimRight(b, "\x00"))
		if used == 0 {
			continue
		}
		b[random.IntN(used)] ^= 1 << random.IntN(8)
		flips++
		err = os.WriteFile(file, b, 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	return flips
}

// A segment whose sync answers EIO is given up: nothing more goes to its file, Durable
// says no, and what is written afterwards is durable in another one.
func TestASyncThatFailsEndsTheSegment(t *testing.T) {
	m := mount(t, 1)
	s := spoolAt(t, m.dir, 1, "this run")
	s.Tend() // A segment stands by.
	put(t, s, 1, 1)
	m.tell("fail", "on")
	s.Commit()
	m.tell("fail", "off")
	if f := s.Figures(); !s.Broken() || f.SyncsFailed != 1 {
		t.Errorf("after a sync that failed the spool says %+v", f)
	}
	s.Tend()
	put(t, s, 1, 2)
	s.Commit()
	if s.Broken() {
		t.Error("another segment was synced, and the spool counts as broken")
	}
	got, _ := find(t, m.lossOfPower(), 1)
	if !got.records[2] {
		t.Errorf("what was synced after the failure is gone: %+v", got)
	}
	if got.lost+uint64(len(got.records)) != 2 {
		t.Errorf("of two records %d are found and %d told as lost", len(got.records), got.lost)
	}
}

// With a slow sync nobody who appends waits, and a thousand who wait for the disk share
// a few syncs; who would wait longer than he may is refused.
func TestASlowSyncIsSharedByAllWhoWait(t *testing.T) {
	m := mount(t, 1)
	s := spoolOf(t, m.dir, 1, "this run", 4<<20) // That 500 records fit into: a new segment would wait for a sync.
	ctx, stop := context.WithCancel(t.Context())
	var ran sync.WaitGroup
	ran.Go(func() { s.Run(ctx) })
	defer ran.Wait()
	defer stop()
	m.tell("delay", "100ms") // One commit syncs up to four files, one after the other, and somebody may wait for two.
	put(t, s, 1, 1)
	before := m.syncs()
	for n := uint64(2); n <= 500; n++ {
		put(t, s, 1, n)
	}
	if syncs := m.syncs() - before; syncs > 20 {
		t.Errorf("%d syncs ended while 500 records were written", syncs)
	}
	m.quiet()
	before = m.syncs()
	var crowd sync.WaitGroup
	for range 1000 {
		crowd.Go(func() {
			err := s.Durable(ctx)
			if err != nil {
				t.Errorf("Durable() = %v", err)
			}
		})
	}
	crowd.Wait()
	if syncs := m.syncs() - before; syncs == 0 || syncs > 20 {
		t.Errorf("%d syncs for a thousand who waited at once", syncs)
	}
	m.tell("delay", "3s")
	err := s.Durable(ctx)
	if !errors.Is(err, spool.ErrNotDurable) || !strings.Contains(err.Error(), "more than 1s") {
		t.Errorf("with syncs of 3 s Durable() = %v", err)
	}
	m.tell("delay", "0s")
}

// quiet waits until nobody syncs any more.
func (m *mounted) quiet() {
	m.t.Helper()
	for before := -1; m.syncs() != before; time.Sleep(500 * time.Millisecond) {
		before = m.syncs()
	}
}
