package topic_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/vigil-gateway/vigil/schemas/topic"
)

func TestTopicsAreComplete(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range topic.All(5) {
		if seen[s.Name] {
			t.Errorf("%s is listed twice", s.Name)
		}
		seen[s.Name] = true
		if s.Partitions < 1 || s.Key == "" || s.Compact == (s.Retention > 0) {
			t.Errorf("%s: %+v", s.Name, s)
		}
	}
	for _, name := range []string{
		topic.Requests, topic.Facets, topic.Assessments, topic.Verdicts, topic.Control, topic.Enforcements,
		topic.Cuts, topic.Dead,
	} {
		if !seen[name] {
			t.Errorf("%s is not listed", name)
		}
	}
}

func TestWhatIsJudgedHasAPartitionForItsVerdict(t *testing.T) {
	n := make(map[string]int)
	for _, s := range topic.All(5) {
		n[s.Name] = s.Partitions
	}
	if n[topic.Requests] != 5 || n[topic.Assessments] != 5 || n[topic.Verdicts] != 5 {
		t.Errorf("partitions = %v", n)
	}
}

func TestConfig(t *testing.T) {
	tests := map[string]struct {
		name string
		want map[string]string
	}{
		"verdicts are compacted in good time": {topic.Verdicts, map[string]string{
			"cleanup.policy": "compact", "segment.ms": "600000", "delete.retention.ms": "86400000", "message.timestamp.type": "LogAppendTime",
		}},
		"requests are kept a week": {topic.Requests, map[string]string{
			"cleanup.policy": "delete", "retention.ms": "604800000", "message.timestamp.type": "LogAppendTime",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, s := range topic.All(1) {
				if s.Name != tt.name {
					continue
				}
				if diff := cmp.Diff(tt.want, s.Config()); diff != "" {
					t.Errorf("config of %s (-want +got):\n%s", s.Name, diff)
				}
			}
		})
	}
}

// Another lane for the same key would end the order of everything that is in
// flight during an upgrade.
func TestLanesNeverChange(t *testing.T) {
	l := topic.Lanes{Count: topic.LanesDefault, Seed: 42}
	got := make(map[string]uint32)
	for _, s := range []string{"", "alice", "bob", "carol", "dave"} {
		got[s] = l.Of(topic.RequestKey("default", s, "203.0.113.7"))
	}
	want := map[string]uint32{"": 3, "alice": 2, "bob": 2, "carol": 6, "dave": 6}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lanes (-want +got):\n%s", diff)
	}
}

func TestLanesSpread(t *testing.T) {
	l := topic.Lanes{Count: 16, Seed: 7}
	var n [16]int
	for i := range 16_000 {
		n[l.Of(topic.RequestKey("default", fmt.Sprint("subject-", i), ""))]++
	}
	for lane, got := range n {
		if got < 800 || got > 1200 {
			t.Errorf("lane %d has %d of 16000 subjects, want about 1000", lane, got)
		}
	}
}

func TestSeedMovesKeys(t *testing.T) {
	a, b := topic.Lanes{Count: 1024, Seed: 1}, topic.Lanes{Count: 1024, Seed: 2}
	same := 0
	for i := range 1000 {
		k := topic.RequestKey("default", fmt.Sprint("subject-", i), "")
		if a.Of(k) == b.Of(k) {
			same++
		}
	}
	if same > 20 {
		t.Errorf("%d of 1000 keys have the same lane under another seed: it is no secret", same)
	}
}

func TestKeys(t *testing.T) {
	tests := map[string]struct {
		got  []byte
		want string
	}{
		"a subject":     {topic.RequestKey("t", "alice", "203.0.113.7"), "t\x00s\x00alice"},
		"nobody":        {topic.RequestKey("t", "", "203.0.113.7"), "t\x00a\x00203.0.113.7"},
		"a verdict":     {topic.VerdictKey("t", "session", "s-1", "subject"), "t\x00session\x00s-1\x00subject"},
		"a heartbeat":   {topic.HeartbeatKey("subject", 3), "\x00heartbeat\x00subject\x003"},
		"another topic": {topic.SourceKey(topic.Requests, 3), "vigil.requests\x003"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if string(tt.got) != tt.want {
				t.Errorf("key = %q, want %q", tt.got, tt.want)
			}
		})
	}
}

func TestKeysAreDistinct(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("sa\x01é"))) // Anything but NUL.
		a := [4]string{text.Draw(t, "tenant"), text.Draw(t, "kind"), text.Draw(t, "id"), text.Draw(t, "authority")}
		b := [4]string{text.Draw(t, "tenant2"), text.Draw(t, "kind2"), text.Draw(t, "id2"), text.Draw(t, "authority2")}
		ka, kb := topic.VerdictKey(a[0], a[1], a[2], a[3]), topic.VerdictKey(b[0], b[1], b[2], b[3])
		if bytes.Equal(ka, kb) != (a == b) {
			t.Fatalf("keys of %q and %q: %q, %q", a, b, ka, kb)
		}
	})
}

func TestPartitionKeepsALaneWhole(t *testing.T) {
	for _, n := range []int{1, 3, 16, 64} {
		used := make(map[int]bool)
		for lane := range uint32(16) {
			p := topic.Partition(lane, n)
			if p < 0 || p >= n || p != topic.Partition(lane, n) {
				t.Fatalf("Partition(%d, %d) = %d", lane, n, p)
			}
			used[p] = true
		}
		if len(used) != min(n, 16) {
			t.Errorf("16 lanes use %d of %d partitions", len(used), n)
		}
	}
}
