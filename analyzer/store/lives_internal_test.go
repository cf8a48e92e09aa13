package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/fetch"
)

// A word of a story is gateway, epoch and second, with ! where it is the last of its
// lane.
func TestEndsOfLives(t *testing.T) {
	tests := map[string]struct{ story, want string }{
		"a gateway that closes its life":                         {"a/1@0 a/1@1!", "a/1 closed"},
		"a closing tick that comes twice closes once":            {"a/1@0 a/1@1! a/1@2!", "a/1 closed"},
		"a later life succeeds":                                  {"a/1@0 b/1@0 a/2@1", "a/1 succeeded"},
		"what a later life delivers closes the older":            {"a/1@0 a/2@1 a/1@2 a/1@3!", "a/1 succeeded, a/1 closed"},
		"a life that is met when it is over has no silence":      {"a/2@0 a/1@1 a/2@20 a/2@40 a/2@60", "a/1 succeeded"},
		"a gateway that disappears while others are heard":       {"a/1@0 b/1@10 b/1@20 b/1@29 b/1@30 b/1@40", "a/1 timeout"},
		"one that comes back is resumed":                         {"a/1@0 b/1@20 b/1@40 a/1@41 b/1@42", "a/1 timeout, a/1 resumed"},
		"one that disappeared and starts anew":                   {"a/1@0 b/1@20 b/1@40 a/2@41", "a/1 timeout, a/1 succeeded"},
		"a partition that was silent as a whole ends nobody":     {"a/1@0 b/1@0 b/1@900 a/1@901 b/1@902", ""},
		"after such a silence the half minute begins anew":       {"a/1@0 b/1@0 b/1@900 b/1@920 b/1@931", "a/1 timeout"},
		"records whose clock stands behind count as heard now":   {"b/1@100 a/1@0 b/1@110 b/1@120 a/1@1 b/1@130 b/1@140", ""},
		"one clock that is ahead by a day ends nobody's life":    {"a/1@0 b/1@86400 a/1@1 b/1@2 a/1@3", ""},
		"a life that ended is not ended again by those after it": {"a/1@0 a/2@1 a/3@2", "a/1 succeeded, a/2 succeeded"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, restart := range []bool{false, true} {
				if diff := cmp.Diff(tt.want, ends(t, tt.story, restart)); diff != "" {
					t.Errorf("ends, with restarts %t (-want +got):\n%s", restart, diff)
				}
			}
		})
	}
}

// ends plays a story; restart begins again from the record of a cut after each word.
func ends(t *testing.T, story string, restart bool) string {
	t.Helper()
	begin := time.Unix(1_800_000_000, 0)
	m := newMemory(nil)
	var got []string
	for word := range strings.FieldsSeq(story) {
		var epoch uint64
		var second int
		word, closing := strings.CutSuffix(word, "!")
		gateway, rest, _ := strings.Cut(word, "/")
		_, err := fmt.Sscanf(rest, "%d@%d", &epoch, &second)
		if err != nil {
			t.Fatalf("%q: %v", word, err)
		}
		l := event.Lane{Gateway: gateway, Epoch: epoch}
		m.lanes.Observe(l, m.lanes.Last(l)+1, m.lanes.Last(l)+1)
		m.lives.hear(l, closing, begin.Add(time.Duration(second)*time.Second), func(l event.Lane, end string) {
			got = append(got, fmt.Sprintf("%s/%d %s", l.Gateway, l.Epoch, end))
		})
		if restart {
			c := newCut("t", 0, 1, 2, begin, m)
			b, err := c.encode()
			var declared cut
			if err == nil {
				err = json.Unmarshal(b, &declared)
			}
			if err != nil {
				t.Fatal(err)
			}
			m = newMemory(&declared)
		}
	}
	return strings.Join(got, ", ")
}

// The last tick of a life that a power loss ended may have a number that is here already.
func TestALastTickWithANumberThatIsHereClosesItsLife(t *testing.T) {
	m := newMemory(nil)
	c := &requests{memory: m}
	tick := &event.RequestEvent{Kind: event.KindTick, Gateway: "a", Epoch: 1, Seq: 5, Reason: event.ReasonEpochClosed}
	m.lanes.Observe(event.Lane{Gateway: "a", Epoch: 1}, 1, 9)
	for range 2 {
		c.add(item{record: record{Record: new(fetch.Record)}, message: tick}, position{})
	}
	if len(c.ends) != 1 || c.ends[0].end != endClosed || c.ends[0].last != 9 {
		t.Errorf("ends %+v, want the life closed once, at 9", c.ends)
	}
}
