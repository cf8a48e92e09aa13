package spool_test

import (
	"log/slog"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/gateway/emit/spool"
)

// BenchmarkCommit is what one group commit of 25 records costs a processor, on the
// disk of the machine: it is paid every 5 ms of load, whatever the load is.
func BenchmarkCommit(b *testing.B) {
	disk, err := spool.NewFolder(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	cfg := spool.DefaultConfig()
	s, err := spool.Open(spool.Options{
		Config: cfg, Disk: disk, Gateway: simGateway, Epoch: 1, Lanes: 1, Evict: func(func(spool.Ref) bool, string) {},
		Logger: slog.New(slog.DiscardHandler), Meter: noop.NewMeterProvider().Meter(""), Now: time.Now,
	})
	if err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 650)
	var n uint64
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for b.Loop() {
		for range 25 {
			n++
			s.Issue(0, n)
			ref, ok := s.Append(spool.Record{First: n, Last: n}, body)
			if !ok {
				b.Fatal("no room")
			}
			s.Known(0, n)
			s.Done(ref)
		}
		s.Commit()
		s.Tend()
	}
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	b.ReportMetric(float64(after.Utime.Nano()+after.Stime.Nano()-before.Utime.Nano()-before.Stime.Nano())/float64(b.N), "cpu-ns/op")
	err = s.Close()
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkRecover is what a start takes to read 64 MiB of an ended life, MB/s
// being those of its segments.
func BenchmarkRecover(b *testing.B) {
	const size = 64 << 20
	body := make([]byte, 650)
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		disk, err := spool.NewFolder(dir)
		if err != nil {
			b.Fatal(err)
		}
		o := options(disk, 1)
		o.Config = spool.DefaultConfig()
		s, err := spool.Open(o)
		if err != nil {
			b.Fatal(err)
		}
		for n := uint64(1); int(n)*(len(body)+40) < size; n++ {
			s.Issue(0, n)
			for ok := false; !ok; s.Tend() {
				_, ok = s.Append(spool.Record{Lane: 0, First: n, Last: n}, body)
			}
		}
		err = s.Close()
		if err != nil {
			b.Fatal(err)
		}
		o.Epoch++
		b.SetBytes(size)
		b.StartTimer()
		s, err = spool.Open(o)
		if err != nil || len(s.Past()) != 1 {
			b.Fatal(err)
		}
		b.StopTimer()
		err = s.Close()
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
