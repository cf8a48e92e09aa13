package admit_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/admit"
)

func newcomers(t *testing.T, change func(*admit.Config)) *admit.Newcomers {
	t.Helper()
	c := admit.DefaultConfig()
	c.NewcomerBurst, c.NewcomerHold = 3, 200*time.Millisecond
	if change != nil {
		change(&c)
	}
	n, err := admit.NewNewcomers(c)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Who waits, and for how long.
func TestNewcomersWait(t *testing.T) {
	const ms = time.Millisecond
	type request struct {
		at      time.Duration
		session string
		from    string
		agent   string
		want    time.Duration
	}
	home := func(at time.Duration) request {
		return request{at: at, session: "s", from: "198.51.100.7", agent: "browser"}
	}
	tests := map[string][]request{
		"nobody is held up in the first place": {home(0), home(0), home(0), home(0), home(0)},
		"those behind the burst wait for one and the same moment": {
			home(0),
			{at: 0, session: "s", from: "203.0.113.9", agent: "browser"},
			{at: 10 * ms, session: "s", from: "203.0.113.9", agent: "browser"},
			{at: 20 * ms, session: "s", from: "203.0.113.9", agent: "browser"},
			{at: 50 * ms, session: "s", from: "203.0.113.9", agent: "browser", want: 150 * ms},
			{at: 180 * ms, session: "s", from: "203.0.113.9", agent: "browser", want: 20 * ms},
			{at: 200 * ms, session: "s", from: "203.0.113.9", agent: "browser"},
		},
		"another address of the same network is the same place": {
			home(0),
			{at: 0, session: "s", from: "198.51.100.8", agent: "browser"},
			{at: 0, session: "s", from: "198.51.100.9", agent: "browser"},
			{at: 0, session: "s", from: "198.51.100.10", agent: "browser"},
			{at: 0, session: "s", from: "198.51.100.11", agent: "browser"},
		},
		"another program of the same network is another place": {
			home(0),
			{at: 0, session: "s", from: "198.51.100.7", agent: "script"},
			{at: 0, session: "s", from: "198.51.100.7", agent: "script"},
			{at: 0, session: "s", from: "198.51.100.7", agent: "script"},
			{at: 0, session: "s", from: "198.51.100.7", agent: "script", want: 200 * ms},
		},
		"the owner is not held up for the thief": {
			home(0), {at: 0, session: "s", from: "203.0.113.9", agent: "browser"}, home(1), home(2), home(3), home(4), home(5),
		},
		"each session has its own places": {
			home(0), {at: 0, session: "t", from: "203.0.113.9"}, {at: 0, session: "t", from: "203.0.113.9"}, {at: 0, session: "t", from: "203.0.113.9"}, {at: 0, session: "t", from: "203.0.113.9"},
		},
		"a session that was used nowhere for an hour begins anew": {
			home(0),
			{at: time.Hour, session: "s", from: "203.0.113.9"},
			{at: time.Hour, session: "s", from: "203.0.113.9"},
			{at: time.Hour, session: "s", from: "203.0.113.9"},
			{at: time.Hour, session: "s", from: "203.0.113.9"},
		},
		"without a session nobody waits": {
			{from: "203.0.113.9"}, {from: "203.0.113.10"}, {from: "203.0.113.10"}, {from: "203.0.113.10"}, {from: "203.0.113.10"}, {from: "203.0.113.10"},
		},
	}
	for name, requests := range tests {
		t.Run(name, func(t *testing.T) {
			n := newcomers(t, nil)
			for i, r := range requests {
				got, until := n.Wait(r.session, netip.MustParseAddr(r.from), r.agent, t0.Add(r.at))
				if got != r.want || got > 0 && !until.Equal(t0.Add(r.at+got)) {
					t.Errorf("request %d waits %s, until %s, want %s", i+1, got, until, r.want)
				}
			}
		})
	}
}

// TestNewcomersAreBounded fills the table: whoever finds no place is served at
// once, and idle sessions make room.
func TestNewcomersAreBounded(t *testing.T) {
	const many = 256 << 10
	n := newcomers(t, func(c *admit.Config) { c.NewcomerBurst = 1 })
	a, b := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("203.0.113.9")
	for i := range many {
		n.Wait(fmt.Sprint("s", i), a, "", t0)
	}
	held := func(session string, at time.Time) int {
		waited := 0
		n.Wait(session, a, "", at)
		for range 3 {
			wait, _ := n.Wait(session, b, "", at)
			if wait > 0 {
				waited++
			}
		}
		return waited
	}
	full := 0
	for i := range 1000 {
		if held(fmt.Sprint("late", i), t0.Add(time.Millisecond)) == 0 {
			full++
		}
	}
	if full != 1000 {
		t.Errorf("%d of 1000 sessions beyond the limit were served at once", full)
	}
	if got := held("s0", t0.Add(time.Millisecond)); got != 2 {
		t.Errorf("%d requests of a known session waited, want 2", got)
	}
	if got := held("next day", t0.Add(24*time.Hour)); got != 2 {
		t.Errorf("%d requests waited once idle sessions made room, want 2", got)
	}
}

func BenchmarkNewcomers(b *testing.B) {
	n, err := admit.NewNewcomers(admit.DefaultConfig())
	if err != nil {
		b.Fatal(err)
	}
	from := netip.MustParseAddr("198.51.100.7")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n.Wait("a pseudonym of forty three characters, say", from, "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", t0.Add(time.Duration(i)))
	}
}
