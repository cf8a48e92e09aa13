package soak_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/zeebo/xxh3"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// replayPartitions is into how many partitions a replay's history is divided.
const replayPartitions = 8

// recorded is a partition as Kafka would hold it.
type recorded [][]byte

// record divides the first events of a history over partitions by subject, as
// lanes do, with dense numbers of their own.
func record(t *testing.T, o life.Options, events int) []recorded {
	t.Helper()
	world, err := life.New(o)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]recorded, replayPartitions)
	seqs := make(map[event.Lane]uint64)
	ev := new(event.RequestEvent)
	for n := range events {
		_, more := world.Next(ev)
		if !more {
			t.Fatalf("the history ends after %d events, want %d", n, events)
		}
		who := ev.GetSubject()
		if who == "" {
			who = ev.GetAddress()
		}
		p := xxh3.HashString(who) % replayPartitions
		lane := event.Lane{Gateway: ev.GetGateway(), Epoch: ev.GetEpoch(), Lane: uint32(p)}
		seqs[lane]++
		ev.Lane, ev.Seq = lane.Lane, seqs[lane]
		b, err := event.Append(nil, ev)
		if err != nil {
			t.Fatal(err)
		}
		out[p] = append(out[p], b)
	}
	return out
}

// replay scores a partition and returns the hash of every byte that came of it.
// At each of the offsets in restarts, in order, the engine is thrown away and
// another one goes on from its snapshot.
func replay(p int, records recorded, restarts []int) ([]byte, error) {
	engine, err := scorer.New(scorer.Options{Model: model.Default(), OfflineClock: true})
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	var buf []byte
	for i, b := range records {
		if len(restarts) > 0 && restarts[0] == i {
			restarts = restarts[1:]
			engine, err = reborn(engine)
			if err != nil {
				return nil, fmt.Errorf("restart at %d: %w", i, err)
			}
		}
		ev := new(event.RequestEvent)
		err = event.Decode(b, ev)
		if err != nil {
			return nil, err
		}
		r := engine.Assess(scorer.Record{Event: ev, Topic: topic.Requests, Partition: int32(p), Offset: int64(i)})
		buf, err = digest(sum, buf, r)
		if err != nil {
			return nil, err
		}
	}
	return sum.Sum(nil), nil
}

// reborn is an engine that begins where another one ended.
func reborn(old *scorer.Engine) (*scorer.Engine, error) {
	var state bytes.Buffer
	err := old.Snapshot(&state)
	if err != nil {
		return nil, err
	}
	engine, err := scorer.New(scorer.Options{Model: model.Default(), OfflineClock: true})
	if err != nil {
		return nil, err
	}
	return engine, engine.Restore(&state, nil)
}

// digest adds a result to a hash, in the bytes that go to Kafka.
func digest(sum hash.Hash, buf []byte, r scorer.Result) ([]byte, error) {
	buf = buf[:0]
	if r.Assessment != nil {
		b, err := r.Assessment.MarshalVT()
		if err != nil {
			return nil, err
		}
		buf = append(buf, b...)
	}
	for _, cut := range r.Cuts {
		b, err := cut.MarshalVT()
		if err != nil {
			return nil, err
		}
		buf = append(buf, b...)
	}
	for i := range r.Proposals {
		p := &r.Proposals[i]
		// Not %v of the target: what it prints has one space or two, as the program happens to be linked.
		buf = fmt.Appendf(buf, "%s %s %s %s %s", p.ID, p.Action, p.Target.GetKind(), p.Target.GetId(), p.Until)
		buf = binary.LittleEndian.AppendUint64(buf, math.Float64bits(p.Score))
		buf = append(buf, p.OperatorText...)
	}
	_, err := sum.Write(buf)
	return buf, err
}

// replayAll replays all partitions with a number of workers, and returns one
// hash per partition.
func replayAll(t *testing.T, all []recorded, workers int, restarts [][]int) [][]byte {
	t.Helper()
	out, errs := make([][]byte, len(all)), make([]error, len(all))
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for p := w; p < len(all); p += workers {
				out[p], errs[p] = replay(p, all[p], restarts[p])
			}
		})
	}
	group.Wait()
	for p, err := range errs {
		if err != nil {
			t.Fatalf("partition %d: %v", p, err)
		}
	}
	return out
}

// checkReplay replays one history at one worker, at eight, and with restarts
// at random instants: every byte must be the same.
func checkReplay(t *testing.T, events, restarts int) {
	t.Helper()
	const seed = 11
	all := record(t, life.Options{Seed: seed, Start: monday, Days: 60, Subjects: 400, Attacks: 2, AttackDay: 1}, events)
	none := make([][]int, len(all))
	want := replayAll(t, all, 1, none)
	random := rand.New(rand.NewPCG(seed, 0))
	at := make([][]int, len(all))
	for range restarts {
		p := random.IntN(len(all))
		at[p] = append(at[p], 1+random.IntN(len(all[p])-1))
	}
	for p := range at {
		slices.Sort(at[p])
		at[p] = slices.Compact(at[p])
	}
	for name, got := range map[string][][]byte{
		"eight workers":          replayAll(t, all, replayPartitions, none),
		"restarts from snapshot": replayAll(t, all, replayPartitions, at),
	} {
		for p := range all {
			if !bytes.Equal(want[p], got[p]) {
				t.Errorf("%s: partition %d of %d records: hash %x, want %x; restarts at %v", name, p, len(all[p]), got[p], want[p], at[p])
			}
		}
	}
	t.Logf("%d events in %d partitions, %d restarts: hash %x", events, len(all), restarts, sha256.Sum256(bytes.Join(want, nil)))
}

// TestReplayIsByteEqual is the replay in small; "make replay" is the one of a
// million events.
func TestReplayIsByteEqual(t *testing.T) {
	events := 60_000
	if testing.Short() || raceEnabled {
		events = 10_000
	}
	checkReplay(t, events, 20)
}
