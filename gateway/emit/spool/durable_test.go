package spool_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/gateway/emit/spool/spooltest"
)

// A request that was begun while a sync failed, that of the requests under way or that
// of the marks, is not on the disk because the next one succeeds.
func TestASyncThatFailsIsNotMadeUpByTheNext(t *testing.T) {
	for seed := range uint64(40) {
		failing := 1 + int(seed%2)
		bubble.Test(t, func(t *testing.T) {
			disk := spooltest.NewDisk(seed)
			s := open(t, options(disk, 1))
			ctx, stop := context.WithCancel(t.Context())
			ran := make(chan struct{})
			go func() { s.Run(ctx); close(ran) }()
			syncs := 0
			disk.SyncFails = func() bool { syncs++; return syncs == failing }
			s.Begin([]byte("r"), true)
			err := s.Durable(t.Context())
			if !errors.Is(err, spool.ErrNotDurable) {
				t.Fatalf("the sync has failed: Durable() = %v", err)
			}
			for err != nil {
				err = s.Durable(t.Context())
			}
			bubble.Wait()
			next := options(disk.PowerLoss(), 2)
			next.Boot = "another"
			if got := found(open(t, next)); !slices.Equal(got, []string{"1 open r"}) {
				t.Errorf("seed %d: found %q", seed, got)
			}
			stop()
			<-ran
		})
	}
}

func TestDurableIsTrue(t *testing.T) {
	for seed := range uint64(20) {
		bubble.Test(t, func(t *testing.T) {
			disk := spooltest.NewDisk(seed)
			s := open(t, options(disk, 1))
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			ran := make(chan struct{})
			go func() { s.Run(ctx); close(ran) }()
			s.Begin([]byte("strict"), true)
			write(s, spool.Vital, 1, 300)
			err := s.Durable(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			bubble.Wait() // Nobody writes.
			next := options(disk.PowerLoss(), 2)
			next.Boot = "another"
			got := found(open(t, next))
			if diff := cmp.Diff([]string{"1/0 record 1", "1 open strict"}, got); diff != "" {
				t.Errorf("seed %d: after a loss of power (-want +got):\n%s", seed, diff)
			}
			stop()
			<-ran
		})
	}
}

func TestDurableSaysWhenItIsNot(t *testing.T) {
	tests := map[string]struct {
		broken func(*spooltest.Disk)
		want   string
	}{
		"the disk refuses to sync": {func(d *spooltest.Disk) { d.SyncFails = func() bool { return true } }, "input/output error"},
		"the disk is slow":         {func(d *spooltest.Disk) { d.BeforeSync = func() { time.Sleep(time.Minute) } }, "more than 1s"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				disk := spooltest.NewDisk(1)
				s := open(t, options(disk, 1))
				tt.broken(disk)
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				ran := make(chan struct{})
				go func() { s.Run(ctx); close(ran) }()
				s.Begin([]byte("strict"), true)
				begin := time.Now()
				err := s.Durable(t.Context())
				if !errors.Is(err, spool.ErrNotDurable) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Durable() = %v, want %v with %q", err, spool.ErrNotDurable, tt.want)
				}
				if took := time.Since(begin); took > time.Second {
					t.Errorf("it took %v, and strict_wait_max is 1s", took)
				}
				stop()
				<-ran
			})
		})
	}
}

// What a request under way had noted is old after a loss of power, and nothing is
// made of it, unless a sync was waited for.
func TestARequestThatHasEndedIsNotUnderWayAfterALossOfPower(t *testing.T) {
	for _, strict := range []bool{false, true} {
		for seed := range uint64(20) {
			bubble.Test(t, func(t *testing.T) {
				disk := spooltest.NewDisk(seed)
				s := open(t, options(disk, 1))
				ctx, stop := context.WithCancel(t.Context())
				ran := make(chan struct{})
				go func() { s.Run(ctx); close(ran) }()
				slot := s.Begin([]byte("ended"), true)
				bubble.Wait() // Nobody else writes.
				disk.WriteBack()
				if strict {
					err := s.Durable(t.Context())
					if err != nil {
						t.Fatal(err)
					}
				}
				s.Closing(slot, 0, 1)
				s.Issue(0, 1)
				ref, _ := s.Append(spool.Record{Class: spool.Vital, Lane: 0, First: 1, Last: 1}, []byte("terminal"))
				s.End(slot, strict)
				time.Sleep(time.Second) // Synced, with Kafka, and removed.
				bubble.Wait()
				s.Known(0, 1)
				s.Done(ref)
				time.Sleep(2 * time.Second)
				bubble.Wait()
				next := options(disk.PowerLoss(), 2)
				next.Boot = "another"
				for _, line := range found(open(t, next)) {
					if strings.Contains(line, "ended") {
						t.Errorf("strict %v, seed %d: found %q", strict, seed, line)
					}
				}
				stop()
				<-ran
			})
		}
	}
}
