package ingest_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/analyzer/epochs"
	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/deadletter"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/sequence"
)

// exchange is one process's part in the shared epochs, which runs until the test
// ends.
func (r *rig) exchange(wait time.Duration) *epochs.Exchange {
	r.t.Helper()
	logger := slog.New(slog.DiscardHandler)
	w, err := announce.NewWriter(nil, []string{r.addr}, logger, noop.Meter{})
	if err != nil {
		r.t.Fatal(err)
	}
	c := epochs.DefaultConfig()
	c.Wait = wait
	x, err := epochs.New(epochs.Options{
		Config: c, Brokers: []string{r.addr}, Writer: w, Signer: r.signer, Keys: r.keys, Logger: logger, Meter: noop.Meter{}, Now: time.Now,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		err := <-done
		if err != nil {
			r.t.Errorf("Run = %v", err)
		}
		w.Close()
	})
	return x
}

// scoring lets real engines score, whose epochs come from x alone.
func scoring(x *epochs.Exchange, group string) tweak {
	return func(o *ingest.Options) {
		o.Config.Group, o.Epochs = group, x
		o.NewEngine = func(m *model.Model) (ingest.Engine, error) {
			return scorer.New(scorer.Options{Model: m, OfflineClock: true, EpochEvery: -1})
		}
	}
}

// step is one step of somebody's working day.
func step(person, day, n int) *event.RequestEvent {
	ev := request(0, fmt.Sprint("p", person), "")
	at := time.Date(2026, 6, 1+day, 9, 0, n*20, 0, time.UTC)
	ev.Id, ev.Time, ev.Method, ev.Template = fmt.Sprint(person, "-", day, "-", n), timestamppb.New(at), "GET", fmt.Sprint("/page/", (n*n+person)%9)
	ev.Phase, ev.Status = event.PhaseComplete, 200
	return ev
}

// sealed are the bytes of every assessment of a partition by offset; a repeated
// offset must repeat them.
func (r *rig) sealed(partition int) map[int64]*assessment.Assessment {
	r.t.Helper()
	out := make(map[int64]*assessment.Assessment)
	for _, m := range r.read(topic.Assessments, partition) {
		b, err := assessment.Decode(m.Value)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, a := range b.Assessments {
			old := out[a.Offset]
			if old != nil && !bytes.Equal(bytesOf(r.t, old), bytesOf(r.t, a)) {
				r.t.Errorf("partition %d offset %d was assessed\n%v, then\n%v", partition, a.Offset, old, a)
			}
			out[a.Offset] = a
		}
	}
	return out
}

func bytesOf(tb testing.TB, a *assessment.Assessment) []byte {
	tb.Helper()
	b, err := a.MarshalVT()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// TestEpochReachesEveryPartition lets four partitions learn, builds their epoch,
// and sees it in force in each; then another process scores everything again
// from nothing but the topics.
func TestEpochReachesEveryPartition(t *testing.T) {
	r := newRig(t)
	x := r.exchange(30 * time.Second)
	first := r.start("", scoring(x, "first"))
	for p := range partitions {
		var events []*event.RequestEvent
		for day := range 10 {
			for n := range 100 {
				events = append(events, step(p, day, n))
			}
		}
		r.send(p, events...)
	}
	control := func(p int) bool { return len(r.read(topic.Requests, p)) > 1000 }
	eventually(t, "control records", func() bool {
		err := x.Tend(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return control(0) && control(1) && control(2) && control(3)
	})
	for p := range partitions {
		r.send(p, step(p, 11, 1))
	}
	for p := range partitions {
		eventually(t, "the last event is assessed", func() bool { return r.sealed(p)[1001] != nil })
		got := r.sealed(p)
		if got[999].SharedEpoch != 0 || got[1001].SharedEpoch != 1 {
			t.Errorf("partition %d: epoch %d before and %d after the control record, want 0 and 1", p, got[999].SharedEpoch, got[1001].SharedEpoch)
		}
	}
	first.stop()
	count := func(p int) (n int) {
		for _, m := range r.read(topic.Assessments, p) {
			b, err := assessment.Decode(m.Value)
			if err != nil {
				t.Fatal(err)
			}
			n += len(b.Assessments)
		}
		return n
	}
	r.start("", scoring(r.exchange(30*time.Second), "second"))
	for p := range partitions {
		eventually(t, "everything is assessed twice", func() bool { return count(p) == 2*1001 })
		r.sealed(p)
	}
}

// sign is a control record for an epoch, as an analyzer writes it.
func (r *rig) sign(ref epoch.Reference) *event.RequestEvent {
	r.t.Helper()
	ev := ref.Control()
	envelope, err := r.signer.Control(fmt.Appendf(nil, "%s\x00epoch\x00%d-%s", ref.Tenant, ref.Number, ref.Digest))
	if err != nil {
		r.t.Fatal(err)
	}
	ev.Time, ev.Attributes["epoch.envelope"] = timestamppb.Now(), string(envelope)
	return ev
}

// TestPartitionStopsRatherThanDiverges names an epoch that is not there: the
// partition scores nothing behind it until it comes.
func TestPartitionStopsRatherThanDiverges(t *testing.T) {
	r := newRig(t)
	x := r.exchange(50 * time.Millisecond)
	shared := sequence.NewShared()
	shared.Add(1, 2)
	e := epoch.Build(nil, &epoch.Summary{Tenant: "default", Sequence: shared})
	r.send(1, step(1, 0, 0), r.sign(e.Reference()), step(1, 0, 1))
	r.send(2, step(2, 0, 0))
	r.start("", scoring(x, "g"))
	eventually(t, "another partition goes on", func() bool { return len(r.sealed(2)) == 1 })
	eventually(t, "the partition has begun", func() bool { return len(r.verdicts(1)) == 0 && len(r.heartbeats(1)) > 1 })
	if got := r.sealed(1); got[2] != nil {
		t.Fatalf("assessed behind the control record: %v", got[2])
	}
	r.put(topic.Control, fmt.Sprintf("default\x00epoch\x001-%s", e.Digest()), e.Encode())
	eventually(t, "the partition goes on", func() bool { return r.sealed(1)[2] != nil })
	if got := r.sealed(1)[2].SharedEpoch; got != 1 {
		t.Errorf("epoch %d in force, want 1", got)
	}
}

// TestUnsignedEpochIsPoison lets somebody who may write requests, and no more,
// name epochs.
func TestUnsignedEpochIsPoison(t *testing.T) {
	r := newRig(t)
	x := r.exchange(time.Minute)
	ref := epoch.Reference{Tenant: "default", Number: 7, Digest: "00"}
	other := r.sign(epoch.Reference{Tenant: "default", Number: 6, Digest: "00"})
	forged := ref.Control()
	forged.Time, forged.Attributes["epoch.envelope"] = timestamppb.Now(), other.Attributes["epoch.envelope"]
	bare := ref.Control()
	bare.Time = timestamppb.Now()
	r.start("", scoring(x, "g"))
	r.send(0, step(0, 0, 0), bare, forged, step(0, 0, 1))
	eventually(t, "both events assessed", func() bool { return len(r.sealed(0)) == 2 })
	eventually(t, "both control records in vigil.dead", func() bool { return len(r.read(topic.Dead, 0)) == 2 })
}

// TestControlOfAKeyThatIsGoneIsPassedOver reads what was signed before the keys
// were rotated, and what nobody has signed: the one is passed over, the other is
// poison. Who leads next says under the new key what is in force.
func TestControlOfAKeyThatIsGoneIsPassedOver(t *testing.T) {
	r := newRig(t)
	x := r.exchange(time.Minute)
	shared := sequence.NewShared()
	shared.Add(1, 2)
	e := epoch.Build(nil, &epoch.Summary{Tenant: "default", Sequence: shared})
	now := r.signer
	r.signer = verdict.NewSigner("old", ed25519.NewKeyFromSeed([]byte("the key before it, of 32 bytes..")))
	rotated := r.sign(e.Reference())
	r.signer = verdict.NewSigner("a", ed25519.NewKeyFromSeed([]byte("the key before it, of 32 bytes..")))
	forged := r.sign(e.Reference())
	r.signer = now
	r.send(1, step(1, 0, 0), rotated, forged, step(1, 0, 1))
	r.put(topic.Control, fmt.Sprintf("default\x00epoch\x001-%s", e.Digest()), e.Encode())
	r.start("", scoring(x, "g"))
	eventually(t, "both events assessed", func() bool { return len(r.sealed(1)) == 2 })
	eventually(t, "the forged record in vigil.dead", func() bool { return len(r.read(topic.Dead, 0)) > 0 })
	if got := r.sealed(1)[3].SharedEpoch; got != 0 {
		t.Errorf("epoch %d in force by a key that is gone, want none", got)
	}
	eventually(t, "the epoch is announced again", func() bool {
		err := x.Tend(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(r.read(topic.Requests, 1)) > 4
	})
	r.send(1, step(1, 0, 2))
	eventually(t, "the next event is assessed", func() bool { return len(r.sealed(1)) == 3 })
	for offset, a := range r.sealed(1) {
		if want := uint64(0); offset > 4 && a.SharedEpoch != want+1 || offset < 4 && a.SharedEpoch != want {
			t.Errorf("offset %d: epoch %d in force", offset, a.SharedEpoch)
		}
	}
	dead := r.read(topic.Dead, 0)
	var letter deadletter.Letter
	err := json.Unmarshal(dead[0].Value, &letter)
	if err != nil || len(dead) != 1 || letter.Offset != 2 {
		t.Errorf("%d dead records, the first of offset %d, %v; want the forged one alone", len(dead), letter.Offset, err)
	}
}
