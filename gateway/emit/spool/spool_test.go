package spool_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/goleak"

	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/gateway/emit/spool/spooltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options are those of a small spool on a disk in memory.
func options(d spool.Disk, epoch uint64) spool.Options {
	cfg := spool.DefaultConfig()
	cfg.SegmentBytes = spool.SegmentBytesMin
	cfg.BytesMax, cfg.InFlightMax = 8*cfg.SegmentBytes, 4
	return spool.Options{
		Config: cfg, Disk: d, Gateway: simGateway, Epoch: epoch, Lanes: 2, Evict: func(func(spool.Ref) bool, string) {},
		Logger: slog.New(slog.DiscardHandler), Meter: noop.NewMeterProvider().Meter(""), Now: time.Now,
	}
}

func open(t *testing.T, o spool.Options) *spool.Spool {
	t.Helper()
	s, err := spool.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// write numbers and appends a record of lane 0.
func write(s *spool.Spool, class spool.Class, number uint64, size int) bool {
	s.Issue(0, number)
	_, ok := s.Append(spool.Record{Class: class, Lane: 0, First: number, Last: number}, []byte(strings.Repeat("x", size)))
	return ok
}

// found says in words what a start finds of earlier lives.
func found(s *spool.Spool) []string {
	var out []string
	for _, l := range s.Past() {
		for _, lane := range l.Lanes {
			for _, i := range lane.Items {
				switch {
				case i.Ref.Valid():
					out = append(out, fmt.Sprintf("%d/%d record %d", l.Epoch, lane.Lane, i.First))
				case i.Intent != nil:
					out = append(out, fmt.Sprintf("%d/%d intent %d %s", l.Epoch, lane.Lane, i.First, i.Intent.Body))
				default:
					out = append(out, fmt.Sprintf("%d/%d lost %d-%d %s", l.Epoch, lane.Lane, i.First, i.Last, i.Reason))
				}
			}
		}
		for _, i := range l.Open {
			out = append(out, fmt.Sprintf("%d open %s", l.Epoch, i.Body)+map[bool]string{true: " lasting"}[i.Lasting])
		}
	}
	return out
}

// A request is accounted for once, wherever between two steps the process dies.
func TestACrashBetweenAnyTwoStepsCountsTheRequestOnce(t *testing.T) {
	var slot spool.Slot
	steps := []struct {
		name string
		step func(*spool.Spool)
		want string // What the next start finds after it.
	}{
		{"begin", func(s *spool.Spool) { slot = s.Begin([]byte("r"), true) }, "1 open r"},
		{"lasts", func(s *spool.Spool) { s.Lasts(slot) }, "1 open r lasting"},
		{"closing", func(s *spool.Spool) { s.Closing(slot, 0, 1) }, "1 open r lasting"},
		{"issue", func(s *spool.Spool) { s.Issue(0, 1) }, "1/0 intent 1 r"},
		{"append", func(s *spool.Spool) { s.Append(spool.Record{Lane: 0, First: 1, Last: 1}, []byte("terminal")) }, "1/0 record 1"},
		{"end", func(s *spool.Spool) { s.End(slot, false) }, "1/0 record 1"},
		{"known", func(s *spool.Spool) { s.Known(0, 1) }, ""},
	}
	for n := range steps {
		t.Run("after "+steps[n].name, func(t *testing.T) {
			disk := spooltest.NewDisk(1)
			s := open(t, options(disk, 1))
			for _, one := range steps[:n+1] {
				one.step(s)
			}
			got := strings.Join(found(open(t, options(disk.Kill(), 2))), ", ")
			if got != steps[n].want {
				t.Errorf("the next start finds %q, want %q", got, steps[n].want)
			}
		})
	}
}

// A start takes over what was under way; where it dies on the way, the next does
// not do it again.
func TestATakeoverThatDiesIsNotRepeated(t *testing.T) {
	disk := spooltest.NewDisk(1)
	s := open(t, options(disk, 1))
	s.Begin([]byte("r"), true)
	s.Issue(1, 1) // Another request's, of which nothing is left.
	steps := []struct {
		name string
		step func(*spool.Spool)
		want string
	}{
		{"nothing", func(*spool.Spool) {}, "1/1 lost 1-1 crash, 1 open r"},
		{"closing", func(s *spool.Spool) { s.Closing(s.Past()[0].Open[0].Slot, 1, 1) }, "1/1 lost 1-1 crash, 1 open r"},
		{"issue", func(s *spool.Spool) { s.Issue(1, 1) }, "1/1 lost 1-1 crash, 2/1 lost 1-1 crash"},
		{"append", func(s *spool.Spool) { s.Append(spool.Record{Lane: 1, First: 1, Last: 1}, []byte("r")) }, "1/1 lost 1-1 crash, 2/1 record 1"},
	}
	for n := range steps {
		t.Run("after "+steps[n].name, func(t *testing.T) {
			disk := disk.Kill()
			s := open(t, options(disk, 2))
			for _, one := range steps[:n+1] {
				one.step(s)
			}
			got := strings.Join(found(open(t, options(disk.Kill(), 3))), ", ")
			if got != steps[n].want {
				t.Errorf("the next start finds %q, want %q", got, steps[n].want)
			}
		})
	}
}

func TestASegmentWhoseSyncFailsIsNotWrittenAgain(t *testing.T) {
	disk := spooltest.NewDisk(1)
	s := open(t, options(disk, 1))
	s.Tend() // A segment stands by.
	fail := false
	disk.SyncFails = func() bool { return fail }
	s.Issue(0, 1)
	first, _ := s.Append(spool.Record{Lane: 0, First: 1, Last: 1}, []byte("first"))
	fail = true
	s.Commit()
	fail = false
	if !s.Broken() || s.Figures().SyncsFailed != 1 {
		t.Errorf("broken %v, figures %+v after a sync that failed", s.Broken(), s.Figures())
	}
	write(s, spool.Plain, 2, 100)
	s.Commit()
	if s.Broken() {
		t.Error("a commit to another segment has succeeded, and the spool counts as broken")
	}
	if got := found(open(t, options(disk.Kill(), 2))); !slices.Equal(got, []string{"1/0 record 1", "1/0 record 2"}) {
		t.Errorf("found %q", got)
	}
	// After a loss of power the first may be gone, the second may not.
	got := found(open(t, options(disk.PowerLoss(), 2)))
	if !slices.Contains(got, "1/0 record 2") {
		t.Errorf("found %q after a loss of power: what was synced afterwards is gone", got)
	}
	s.Done(first)
	s.Tend()
	names, err := disk.List()
	if err != nil || slices.Contains(names, "00000000000000000001-0-00000001.seg") {
		t.Errorf("files %q, %v: the segment that failed is written to again", names, err)
	}
}

func TestASlowDiskDelaysNoRecord(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		disk := spooltest.NewDisk(1)
		o := options(disk, 1)
		o.Config.SegmentBytes, o.Config.BytesMax = 1<<20, 8<<20
		s := open(t, o)
		disk.BeforeSync = func() { time.Sleep(200 * time.Millisecond) }
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		ran := make(chan struct{})
		go func() { s.Run(ctx); close(ran) }()
		begin := time.Now()
		for n := range uint64(1000) {
			if !write(s, spool.Plain, n+1, 500) {
				t.Fatalf("record %d was refused", n+1)
			}
		}
		if took := time.Since(begin); took > 0 { // The clock stands still unless somebody waits.
			t.Errorf("a thousand records waited %v for the disk", took)
		}
		err := s.Durable(t.Context()) // Group commit: one or two syncs for all.
		if took := time.Since(begin); err != nil || took > 900*time.Millisecond {
			t.Errorf("Durable() = %v after %v", err, took)
		}
		stop()
		<-ran
	})
}

func TestAFullDiskRefusesAndRecovers(t *testing.T) {
	disk := spooltest.NewDisk(1)
	o := options(disk, 1)
	now := time.Unix(1_700_000_000, 0)
	o.Now = func() time.Time { return now }
	disk.BytesMax = 3 * spool.SegmentBytesMin // Each class has one to write, and nothing stands by.
	s := open(t, o)
	var n uint64
	for write(s, spool.Vital, n+1, 4000) {
		n++
		if n > 1000 {
			t.Fatal("the disk is never full")
		}
	}
	s.Tend()
	if write(s, spool.Vital, n+1, 4000) || !s.Broken() {
		t.Error("a record found room on a full disk")
	}
	if !write(s, spool.Plain, n+2, 100) {
		t.Error("the other class has room, and its record was refused")
	}
	disk.BytesMax = 0
	now = now.Add(2 * time.Second)
	s.Tend()
	if !write(s, spool.Vital, n+3, 4000) || s.Broken() {
		t.Error("there is room again, and records are refused")
	}
}

func TestPlainReadsGiveWayFirst(t *testing.T) {
	disk := spooltest.NewDisk(1)
	o := options(disk, 1)
	evicted := map[string]int{}
	var given []spool.Ref
	refs := map[spool.Class][]spool.Ref{}
	o.Evict = func(gone func(spool.Ref) bool, reason string) {
		for class, all := range refs {
			for _, r := range all {
				if gone(r) {
					evicted[fmt.Sprint(class, " ", reason)]++
					given = append(given, r)
				}
			}
		}
	}
	s := open(t, o)
	for n := range uint64(3000) {
		class := spool.Class(n % 2)
		s.Issue(0, n+1)
		r, ok := s.Append(spool.Record{Class: class, Lane: 0, First: n + 1, Last: n + 1}, make([]byte, 1000))
		if ok {
			refs[class] = append(refs[class], r)
		}
		s.Tend()
		if size := s.Figures().Bytes; size > o.Config.BytesMax {
			t.Fatalf("the spool has %d B, at most %d are allowed", size, o.Config.BytesMax)
		}
	}
	if len(evicted) != 1 || evicted["0 spool_full"] == 0 {
		t.Errorf("evicted are %v, want plain reads alone", evicted)
	}
	if given[0].First != 1 {
		t.Errorf("record %d gave way first, want the oldest", given[0].First)
	}
	_, err := given[0].Read(nil)
	if !errors.Is(err, spool.ErrDamaged) {
		t.Errorf("Read of a record that gave way: %v, want %v", err, spool.ErrDamaged)
	}
}

func TestWhatIsTooOldIsGivenUp(t *testing.T) {
	o := options(spooltest.NewDisk(1), 1)
	now := time.Unix(1_700_000_000, 0)
	o.Now = func() time.Time { return now }
	reasons := map[string]int{}
	o.Evict = func(_ func(spool.Ref) bool, reason string) { reasons[reason]++ }
	s := open(t, o)
	write(s, spool.Vital, 1, 100)
	now = now.Add(o.Config.AgeMax)
	s.Tend()
	if len(reasons) != 0 {
		t.Errorf("given up at the limit: %v", reasons)
	}
	now = now.Add(time.Second)
	s.Tend()
	if reasons[spool.ReasonExpired] != 1 {
		t.Errorf("given up beyond it: %v", reasons)
	}
}

// The age of what an ended life has left goes on over starts, however many.
func TestWhatIsTooOldIsGivenUpAfterAStartToo(t *testing.T) {
	disk := spooltest.NewDisk(1)
	now := time.Unix(1_700_000_000, 0)
	reasons := map[string]int{}
	start := func(epoch uint64) *spool.Spool {
		o := options(disk, epoch)
		o.Now = func() time.Time { return now }
		o.Evict = func(_ func(spool.Ref) bool, reason string) { reasons[reason]++ }
		return open(t, o)
	}
	limit := spool.DefaultConfig().AgeMax
	s := start(1)
	write(s, spool.Vital, 1, 100)
	s.Commit()
	for epoch := range uint64(3) {
		disk = disk.Kill()
		now = now.Add(limit / 3)
		s = start(epoch + 2)
		s.Tend()
	}
	if len(reasons) != 0 {
		t.Errorf("given up at the limit: %v", reasons)
	}
	now = now.Add(time.Second)
	s.Tend()
	if reasons[spool.ReasonExpired] != 1 {
		t.Errorf("given up beyond it: %v", reasons)
	}
}

func TestADamagedSegmentIsSetAsideAndTheRestDelivered(t *testing.T) {
	damaged := 0
	for seed := range uint64(30) {
		disk := spooltest.NewDisk(seed)
		s := open(t, options(disk, 1))
		for n := range uint64(50) {
			write(s, spool.Plain, n+1, 500)
		}
		s.Commit()
		disk = disk.Kill()
		names, err := disk.List()
		if err != nil {
			t.Fatal(err)
		}
		name := names[slices.IndexFunc(names, func(n string) bool { return strings.HasSuffix(n, "-0-00000001.seg") })]
		disk.Flip(name)
		s = open(t, options(disk, 2))
		left := s.Past()[0].Lanes[0]
		records, lost := 0, uint64(0)
		for _, i := range left.Items {
			if i.Ref.Valid() {
				records++
				s.Done(i.Ref)
			} else {
				lost += i.Last - i.First + 1
			}
		}
		if records < 49 || records+int(lost) != 50 {
			t.Errorf("seed %d: %d records and %d lost of 50, one bit was wrong", seed, records, lost)
		}
		if s.Figures().Damaged == 0 {
			continue // It hit what nobody reads.
		}
		damaged++
		s.Tend()
		if got := disk.Aside(); !slices.Equal(got, []string{name}) {
			t.Errorf("seed %d: set aside are %q, want %q", seed, got, name)
		}
	}
	if damaged < 15 {
		t.Errorf("only %d of 30 flips were noticed as damage", damaged)
	}
}

// shrinking is a folder on a disk that cannot read segments behind their first page.
type shrinking struct {
	*spool.Folder

	dir string
}

func (d shrinking) Open(name string) (spool.File, error) {
	f, err := d.Folder.Open(name)
	if err == nil && strings.HasSuffix(name, ".seg") {
		err = os.Truncate(filepath.Join(d.dir, name), 4096)
	}
	return f, err
}

// A sector that cannot be read costs what lies there, and not the start.
func TestASegmentThatCannotBeReadDoesNotStopTheGateway(t *testing.T) {
	dir := t.TempDir()
	folder, err := spool.NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, options(folder, 1))
	for n := range uint64(3) {
		if !write(s, spool.Vital, n+1, 3000) {
			t.Fatal("a record was refused on a disk that is well")
		}
	}
	s.Commit()
	err = s.Close()
	if err != nil {
		t.Fatal(err)
	}
	next := open(t, options(shrinking{folder, dir}, 2))
	if got := found(next); !slices.Equal(got, []string{"1/0 record 1", "1/0 lost 2-3 damaged"}) {
		t.Errorf("found %q", got)
	}
	if next.Figures().Damaged != 1 {
		t.Errorf("figures %+v, want one damaged segment", next.Figures())
	}
}

func TestAFolderHasOneGateway(t *testing.T) {
	disk := spooltest.NewDisk(1)
	s := open(t, options(disk, 1))
	_, err := spool.Open(options(disk, 2))
	if !errors.Is(err, spool.ErrLocked) {
		t.Errorf("Open of a locked folder: %v, want %v", err, spool.ErrLocked)
	}
	write(s, spool.Plain, 1, 10)
	err = s.Close()
	if err != nil {
		t.Fatal(err)
	}
	other := options(disk, 2)
	other.Gateway = "gw-2"
	_, err = spool.Open(other)
	if !errors.Is(err, spool.ErrForeign) {
		t.Errorf("Open of another gateway's folder: %v, want %v", err, spool.ErrForeign)
	}
	_, err = spool.Open(options(disk, 1))
	if err == nil {
		t.Error("an epoch began twice")
	}
}

// A request that the gateway did not wait for writes to its place after the end.
func TestARequestThatOutlivesTheSpoolIsUnderWay(t *testing.T) {
	folder, err := spool.NewFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, options(folder, 1))
	slot := s.Begin([]byte("late"), true)
	err = s.Close()
	if err != nil {
		t.Fatal(err)
	}
	s.Lasts(slot)
	if s.Begin([]byte("later"), true).Held() {
		t.Error("a request has a place in a spool that is closed")
	}
	next := open(t, options(folder, 2))
	if got := found(next); !slices.Equal(got, []string{"1 open late lasting"}) {
		t.Errorf("found %q", got)
	}
}

func TestNothingIsLeftOfALifeThatEndedWell(t *testing.T) {
	disk := spooltest.NewDisk(1)
	s := open(t, options(disk, 1))
	s.Issue(0, 1)
	r, _ := s.Append(spool.Record{Lane: 0, First: 1, Last: 1}, []byte("x"))
	s.Known(0, 1)
	s.Done(r)
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	names, err := disk.List()
	if err != nil || len(names) > 0 {
		t.Errorf("files are left: %v, %v", names, err)
	}
}

func TestRequestsBeyondTheirPlacesAreCounted(t *testing.T) {
	s := open(t, options(spooltest.NewDisk(1), 1))
	var slots []spool.Slot
	for range 5 {
		slots = append(slots, s.Begin([]byte("r"), true))
	}
	if slots[3].Held() != true || slots[4].Held() || s.Figures().Uncovered != 1 {
		t.Errorf("slots %v, figures %+v: want four places and one request without", slots, s.Figures())
	}
	s.End(slots[0], false)
	if !s.Begin([]byte("r"), true).Held() {
		t.Error("a place that was given back is not free")
	}
	s.End(slots[1], true)
	if s.Begin([]byte("r"), true).Held() {
		t.Error("the place of a strict request is free before its event is synced")
	}
	s.Commit()
	if !s.Begin([]byte("r"), true).Held() {
		t.Error("the place of a strict request is not free after the sync")
	}
	if s.Begin(make([]byte, spool.IntentBytesMax+1), true).Held() {
		t.Error("an event too large for its place has one")
	}
}

func TestConfigNamesEveryFault(t *testing.T) {
	err := spool.Config{InFlightMax: -1}.Validate()
	for _, key := range []string{"bytes_max", "segment_bytes", "age_max", "commit_interval", "strict_wait_max", "in_flight_max"} {
		if !strings.Contains(fmt.Sprint(err), key+":") {
			t.Errorf("no fault names %s: %v", key, err)
		}
	}
	err = spool.DefaultConfig().Validate()
	if err != nil {
		t.Errorf("the default configuration has faults: %v", err)
	}
}

// A file that is cut short under its mapping answers a write as a disk does that
// fails or is read-only: by a signal.
func TestADiskThatGoesAwayDoesNotTakeTheProcessWithIt(t *testing.T) {
	dir := t.TempDir()
	folder, err := spool.NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, options(folder, 1))
	if !write(s, spool.Plain, 1, 100) {
		t.Fatal("a record was refused on a disk that is well")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		err := os.Truncate(f, 0)
		if err != nil {
			t.Fatal(err)
		}
	}
	if write(s, spool.Plain, 2, 100) {
		t.Error("a record was taken by a disk that is gone")
	}
	if s.Begin([]byte("r"), true).Held() {
		t.Error("a request has a place on a disk that is gone")
	}
	if s.Figures().Faults == 0 {
		t.Error("nothing was counted")
	}
	s.Tend()
	if !write(s, spool.Plain, 3, 100) {
		t.Error("the disk takes files again, and records are refused")
	}
	_ = s.Close() // It may say what it likes, and returns.
}
