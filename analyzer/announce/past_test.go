package announce_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// After the number of partitions was raised a target is judged in a new one. What is
// said there is later than what was said before, so that gateways take it, and a weaker
// word does not replace a stronger one.
func TestATargetThatHasMovedGoesOnWhereItWas(t *testing.T) {
	for _, stage := range []struct {
		name, kind string
		announce.Stage
	}{
		{"the subject stage", verdict.TargetSession, announce.SubjectStage()},
		{"the facet stage", verdict.TargetClient, announce.FacetStage()},
	} {
		t.Run(stage.name, func(t *testing.T) {
			r := newRig(t)
			adopt := func(partition int) *announce.Partition {
				p, err := r.announcer(60).Adopt(t.Context(), stage.Stage, partition, "", 1<<40)
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			for range 3 {
				adopt(0)
			}
			old := adopt(0)
			r.announce(old, r.finding(50, stage.kind, "stays", verdict.ActionRevoke, 0), r.finding(51, stage.kind, "rises", verdict.ActionThrottle, 0))
			before, _ := r.said(0)
			moved := adopt(2)
			r.announce(moved, r.finding(5, stage.kind, "stays", verdict.ActionThrottle, 0), r.finding(6, stage.kind, "rises", verdict.ActionRevoke, 0))
			after, _ := r.said(2)
			if len(before) != 2 || len(after) != 1 || after[0].Target.Id != "rises" || after[0].Action != verdict.ActionRevoke {
				t.Fatalf("said after the move: %v, want the revoke alone", after)
			}
			if !verdict.Later(after[0].Epoch, after[0].Seq, before[1].Epoch, before[1].Seq) {
				t.Errorf("the revoke is %d.%d, which gateways refuse after %d.%d", after[0].Epoch, after[0].Seq, before[1].Epoch, before[1].Seq)
			}
			// What lapses there makes room for the weaker word here.
			r.clock.Add(int64(2 * time.Hour))
			r.announce(moved, r.finding(7, stage.kind, "stays", verdict.ActionThrottle, 0))
			after, _ = r.said(2)
			if len(after) != 2 {
				t.Errorf("%d verdicts after the old one has lapsed, want 2", len(after))
			}
		})
	}
}

// cluster is a broker with all topics, whose answers can be controlled.
func cluster(t *testing.T) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for _, spec := range topic.All(partitions) {
		err := c.CreateTopic(spec.Name, int32(spec.Partitions), nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// A quota that holds reading back for longer than a partition may stand still is no
// fault: what stood is known when the partition is adopted.
func TestAQuotaDoesNotHideWhatStood(t *testing.T) {
	c := cluster(t)
	r := rigOn(t, c.ListenAddrs()[0])
	r.announce(r.adopt(r.announcer(60), 0), r.finding(1, verdict.TargetSession, "moved", verdict.ActionStepUp, 0))
	r.adopt(r.announcer(60), 1) // Somebody has had it: it waits for no other.
	var held atomic.Int32
	var over atomic.Bool
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp, ok := req.ResponseKind().(*kmsg.FetchResponse)
		resp.ThrottleMillis = 1500
		return resp, nil, ok && !over.Load() && held.Add(1)%2 == 1
	})
	a := r.announcer(60)
	a.StallPast(time.Second)
	a.RetryPast(time.Hour)
	p := r.adopt(a, 1)
	over.Store(true)
	r.announce(p, r.finding(2, verdict.TargetSession, "moved", verdict.ActionThrottle, 0))
	if list, _ := r.said(1); len(list) != 0 {
		t.Errorf("announced %v, want the step-up of before the move to stand", list)
	}
	if held.Load() < 4 {
		t.Errorf("held back %d times, want it for each partition", held.Load()/2)
	}
}

// leaderless is a broker whose partition 0 of a topic can be read and written by nobody
// for as long as lost says so.
func leaderless(t *testing.T, name string) (r *rig, lost *atomic.Bool) {
	t.Helper()
	c := cluster(t)
	lost = new(atomic.Bool)
	c.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		q, ok := req.(*kmsg.ListOffsetsRequest)
		if !ok || !lost.Load() || q.Topics[0].Topic != name || q.Topics[0].Partitions[0].Partition != 0 {
			return nil, nil, false
		}
		resp := q.ResponseKind().(*kmsg.ListOffsetsResponse)
		of := kmsg.NewListOffsetsResponseTopic()
		of.Topic = name
		p := kmsg.NewListOffsetsResponseTopicPartition()
		p.ErrorCode = int16(kafka.LeaderNotAvailable)
		of.Partitions = append(of.Partitions, p)
		resp.Topics = append(resp.Topics, of)
		return resp, nil, true
	})
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		q, ok := req.(*kmsg.ProduceRequest)
		if !ok || !lost.Load() || q.Topics[0].Topic != name || q.Topics[0].Partitions[0].Partition != 0 {
			return nil, nil, false
		}
		resp := q.ResponseKind().(*kmsg.ProduceResponse)
		of := kmsg.NewProduceResponseTopic()
		of.Topic = name
		p := kmsg.NewProduceResponseTopicPartition()
		p.ErrorCode = int16(kafka.LeaderNotAvailable)
		of.Partitions = append(of.Partitions, p)
		resp.Topics = append(resp.Topics, of)
		return resp, nil, true
	})
	return rigOn(t, c.ListenAddrs()[0]), lost
}

// A partition of vigil.verdicts without a leader stops no other one that somebody has had
// before, and what stands in it counts again once it can be read.
func TestAPartitionThatCannotBeReadStopsNoOther(t *testing.T) {
	r, lost := leaderless(t, topic.Verdicts)
	name := func(i int) string { return fmt.Sprintf("moved%d", i) }
	const targets = 300
	var stands []announce.Finding
	for i := range targets {
		stands = append(stands, r.finding(int64(i), verdict.TargetSession, name(i), verdict.ActionStepUp, 0))
	}
	old := r.adopt(r.announcer(60), 0)
	r.announce(old, stands...)
	before := r.adopt(r.announcer(60), 1)
	if before.Epoch() <= old.Epoch() {
		t.Errorf("the first owner of a partition has epoch %d, what was said elsewhere of its keys has %d", before.Epoch(), old.Epoch())
	}
	lost.Store(true)
	a := r.announcer(60)
	a.RetryPast(20 * time.Millisecond)
	p := r.adopt(a, 1)
	if p.Epoch() != before.Epoch()+1 {
		t.Errorf("epoch %d behind %d", p.Epoch(), before.Epoch())
	}
	stop := r.run(p)
	next := 0
	weaker := func() bool {
		next++
		r.announce(p, r.finding(int64(1000+next), verdict.TargetSession, name(next), verdict.ActionThrottle, 0))
		list, _ := r.said(1)
		return slices.ContainsFunc(list, func(v *verdict.Verdict) bool { return v.Target.Id == name(next) })
	}
	if !weaker() {
		t.Error("nothing is announced while what stood cannot be read")
	}
	lost.Store(false)
	eventually(t, "a weaker word is withheld", func() bool { return next < targets-1 && !weaker() })
	stop()
}

// A partition that nobody has had waits until it is known what was said of its keys; one
// whose keys were never in another waits for none.
func TestAnEpochIsAboveWhatCannotBeRead(t *testing.T) {
	r, lost := leaderless(t, topic.Verdicts)
	var old *announce.Partition
	for range 5 {
		old = r.adopt(r.announcer(60), 0)
	}
	lost.Store(true)
	a := r.announcer(60)
	a.RetryPast(0)
	_, err := a.Adopt(t.Context(), announce.SubjectStage(), 2, "", 1<<40)
	if !errors.Is(err, kafka.LeaderNotAvailable) {
		t.Errorf("Adopt() = %v, want it to wait for partition 0", err)
	}
	lost.Store(false)
	p := r.adopt(a, 2)
	if p.Epoch() <= old.Epoch() {
		t.Errorf("epoch %d, what was said of its keys has %d", p.Epoch(), old.Epoch())
	}
	if first := r.adopt(r.announcer(60), 0); first.Epoch() != old.Epoch()+1 {
		t.Errorf("partition 0 goes on with epoch %d behind %d: its keys were in no other", first.Epoch(), old.Epoch())
	}
}

// Where what could not be read says in the end that the epoch is too low, the partition
// has to be adopted again.
func TestAnEpochThatTurnsOutTooLowIsLeft(t *testing.T) {
	r, lost := leaderless(t, topic.Verdicts)
	r.adopt(r.announcer(60), 1)
	for range 5 {
		r.adopt(r.announcer(60), 0)
	}
	lost.Store(true)
	a := r.announcer(60)
	a.RetryPast(time.Millisecond)
	p := r.adopt(a, 1)
	lost.Store(false)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := p.Run(ctx)
	if !errors.Is(err, announce.ErrEpoch) {
		t.Errorf("Run() = %v, want ErrEpoch", err)
	}
	if again := r.adopt(a, 1); again.Epoch() <= 5 {
		t.Errorf("adopted again with epoch %d, want more than 5", again.Epoch())
	}
}

// A takeover is above the highest heartbeat that is authentic, wherever it stands: a
// predecessor who does not know that he is one may have written the last, and a stranger
// any.
func TestAnEpochIsAboveEveryAuthenticHeartbeat(t *testing.T) {
	r := newRig(t)
	for _, b := range []struct {
		epoch uint64
		by    verdict.Signer
	}{{3, r.analyzer}, {3, r.analyzer}, {90, r.stranger}, {7, r.analyzer}, {3, r.analyzer}, {8, r.stranger}, {7, r.analyzer}} {
		record, err := b.by.Heartbeat(&verdict.Heartbeat{Time: timestamppb.Now(), Epoch: b.epoch, Seq: 1, Authority: verdict.AuthoritySubject, Kid: "a"})
		if err != nil {
			t.Fatal(err)
		}
		err = r.writer.Write(t.Context(), topic.Verdicts, 0, announce.Record{Key: topic.HeartbeatKey(verdict.AuthoritySubject, 0), Value: record})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := r.adopt(r.announcer(60), 0).Epoch(); got != 8 {
		t.Errorf("epoch %d, want 8", got)
	}
	// Partition 2's keys were in partition 0 while there was one.
	if got := r.adopt(r.announcer(60), 2).Epoch(); got != 9 {
		t.Errorf("epoch %d of a partition whose keys were there, want 9", got)
	}
}
