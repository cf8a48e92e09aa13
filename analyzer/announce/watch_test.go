package announce_test

import (
	"fmt"
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
