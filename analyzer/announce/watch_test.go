package announce_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// compacted is what compaction leaves of a partition's verdicts, as "target action".
func (r *rig) compacted(partition int) string {
	r.t.Helper()
	last := make(map[string]string)
	for _, m := range r.read(topic.Verdicts, partition) {
		parts := strings.Split(string(m.Key), "\x00")
		if len(parts) != 4 || parts[1] != verdict.TargetSession {
			continue
		}
		last[parts[2]] = "nothing"
		msg, err := r.keys.Open(m.Value)
		if err == nil && msg.Verdict != nil {
			last[parts[2]] = msg.Verdict.Action
		}
	}
	var out []string
	for id, action := range last {
		out = append(out, fmt.Sprint(id, " ", action))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// Whatever is written behind a verdict that stands, it is in the topic after
// compaction: an old record of its key, a tombstone, nonsense. It is said again once.
func TestWhatStandsIsTheLastRecordOfItsKey(t *testing.T) {
	r := newRig(t)
	a := r.announcer(60)
	a.WatchEvery(10 * time.Millisecond)
	p := r.adopt(a, 0)
	find := func(offset int64, id, action string) announce.Finding {
		return r.finding(offset, verdict.TargetSession, id, action, 0)
	}
	r.announce(p, find(1, "a", verdict.ActionStepUp), find(2, "b", verdict.ActionRevoke), find(3, "c", verdict.ActionRevoke), find(4, "d", verdict.ActionRevoke))
	old := r.recordOf(0, "a")
	r.announce(p, find(5, "a", verdict.ActionRevoke))
	replace := func() {
		t.Helper()
		key := func(id string) []byte {
			return topic.VerdictKey("default", verdict.TargetSession, id, verdict.AuthoritySubject)
		}
		err := r.writer.Write(t.Context(), topic.Verdicts, 0, announce.Record{Key: key("a"), Value: old}, announce.Record{Key: key("b")},
			announce.Record{Key: key("c"), Value: []byte("x")}, announce.Record{Key: key("nobody"), Value: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
	}
	const want = "a revoke, b revoke, c revoke, d revoke, nobody nothing"
	replace()
	stop := r.run(p)
	eventually(t, "what stands is last", func() bool { return r.compacted(0) == want })
	replace()
	eventually(t, "what stands is last again", func() bool { return r.compacted(0) == want })
	stop()
	told := make(map[string]time.Time)
	list, _ := r.said(0, "x")
	for _, v := range list {
		if at, known := told[v.Id]; known && !at.Equal(v.Time.AsTime()) {
			t.Errorf("%s is of %v, then of %v: who has proved himself since has to do so again", v.Id, at, v.Time.AsTime())
		}
		told[v.Id] = v.Time.AsTime()
	}
	if len(list) != 5+2+3+3 { // What we said, the old one twice, and each of three once more twice.
		t.Errorf("%d verdicts are in the topic", len(list))
	}
	replace() // While nobody is there.
	a = r.announcer(60)
	a.WatchEvery(10 * time.Millisecond)
	defer r.run(r.adopt(a, 0))()
	eventually(t, "what stands is last in the next life", func() bool { return r.compacted(0) == want })
}

// recordOf is the last record of a session.
func (r *rig) recordOf(partition int, id string) []byte {
	r.t.Helper()
	var of kafka.Message
	for _, m := range r.read(topic.Verdicts, partition) {
		if strings.Contains(string(m.Key), "\x00"+id+"\x00") {
			of = m
		}
	}
	return of.Value
}

// What an operator has signed last is in the topic after compaction, too, byte for byte,
// whatever others write under his key, also while nobody is there.
func TestWhatAnOperatorHasSaidIsTheLastRecordOfItsKey(t *testing.T) {
	r := newRig(t)
	a := r.announcer(60)
	a.WatchEvery(10 * time.Millisecond)
	said := func(by verdict.Signer, id string, seq uint64, action string) []byte {
		v := r.operators(action)
		v.Target.Id, v.Seq = id, seq
		env, err := by.Verdict(v)
		if err != nil {
			t.Fatal(err)
		}
		return env
	}
	key := func(id string) []byte {
		return topic.VerdictKey("default", verdict.TargetSession, id, verdict.AuthorityOperator)
	}
	var ids []string // That stand in one partition.
	for i := 0; len(ids) < 4; i++ {
		if id := fmt.Sprint("t", i); announce.RelayPartition(key(id), partitions) == 1 {
			ids = append(ids, id)
		}
	}
	want := make(map[string]string)
	old := said(r.operator, ids[0], 1, verdict.ActionThrottle)
	for _, env := range [][]byte{old, said(r.operator, ids[0], 2, verdict.ActionRevoke), said(r.operator, ids[1], 1, verdict.ActionRevoke), said(r.operator, ids[2], 1, verdict.ActionRevoke), said(r.operator, ids[3], 1, verdict.ActionRevoke)} {
		err := a.Relay(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := r.keys.Open(env)
		if err != nil {
			t.Fatal(err)
		}
		want[msg.Verdict.Target.Id] = string(env)
	}
	replace := func() {
		t.Helper()
		err := r.writer.Write(t.Context(), topic.Verdicts, 1, announce.Record{Key: key(ids[0]), Value: old}, announce.Record{Key: key(ids[1])},
			announce.Record{Key: key(ids[2]), Value: said(r.stranger, ids[2], 9, verdict.ActionThrottle)},
			announce.Record{Key: key(ids[3]), Value: said(r.operator, ids[2], 9, verdict.ActionThrottle)})
		if err != nil {
			t.Fatal(err)
		}
	}
	stands := func() bool {
		last := make(map[string]string)
		for _, m := range r.read(topic.Verdicts, 1) {
			if parts := strings.Split(string(m.Key), "\x00"); len(parts) == 4 && parts[1] == verdict.TargetSession {
				last[parts[2]] = string(m.Value)
			}
		}
		return maps.Equal(last, want)
	}
	if !stands() {
		t.Fatal("the relay writes something else")
	}
	replace()
	facets, err := a.Adopt(t.Context(), announce.FacetStage(), 1, "", 1<<40) // Reads the same partition, and leaves it to the other.
	if err != nil {
		t.Fatal(err)
	}
	stop := r.run(r.adopt(a, 1), facets)
	eventually(t, "what was said is last", stands)
	replace()
	eventually(t, "what was said is last again", stands)
	stop()
	n := 0
	for _, m := range r.read(topic.Verdicts, 1) {
		if strings.HasSuffix(string(m.Key), "\x00"+verdict.AuthorityOperator) {
			n++
		}
	}
	if n != 5+4+4+4+4 {
		t.Errorf("%d records of the operator's keys, want each written once more for each that replaced it", n)
	}
	replace()
	a = r.announcer(60)
	a.WatchEvery(10 * time.Millisecond)
	defer r.run(r.adopt(a, 1))()
	eventually(t, "what was said is last in the next life", stands)
}
