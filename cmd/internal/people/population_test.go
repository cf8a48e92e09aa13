package people_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/devstack"
	"github.com/vigil-gateway/vigil/cmd/internal/people"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
)

var now = time.Date(2026, 11, 22, 3, 30, 0, 0, time.UTC)

// history returns the encoded events of a seed, one after the other.
func history(t *testing.T, seed uint64, n int) ([]*event.RequestEvent, []byte) {
	t.Helper()
	names, err := event.NewNames(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	table, err := route.NewTable(route.Config{Routes: devstack.SampleRoutes("http://127.0.0.1:1")})
	if err != nil {
		t.Fatal(err)
	}
	narrator := &people.Narrator{Names: names, Routes: table, Issuer: "http://issuer.test", Tenant: "default", Host: "127.0.0.1:2", Tick: 5 * time.Second}
	events, err := narrator.History(people.NewPopulation(seed, n, now))
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, e := range events {
		err := e.Check()
		if err != nil {
			t.Fatalf("event %s %s at %v: %v", e.Method, e.Path, e.Time.AsTime(), err)
		}
		all, err = event.Append(all, e)
		if err != nil {
			t.Fatal(err)
		}
	}
	return events, all
}

// TestHistoryFollowsFromTheSeed checks that a seed always tells the same story and another one another.
func TestHistoryFollowsFromTheSeed(t *testing.T) {
	_, first := history(t, 7, 10)
	_, again := history(t, 7, 10)
	_, other := history(t, 8, 10)
	if !bytes.Equal(first, again) {
		t.Error("the same seed told two stories")
	}
	if bytes.Equal(first, other) {
		t.Error("two seeds told one story")
	}
}

// TestHistoryIsPlausible checks order, span, places and that everybody came often.
func TestHistoryIsPlausible(t *testing.T) {
	events, _ := history(t, 7, 50)
	world := people.NewPopulation(7, 50, now).World
	sessions := map[string]map[string]bool{}
	failures := 0
	for i, e := range events {
		at := e.Time.AsTime()
		if i > 0 && at.Before(events[i-1].Time.AsTime()) {
			t.Fatalf("event %d is before the one before it", i)
		}
		if at.After(now) || at.Before(now.Add(-(people.HistoryDays+1)*24*time.Hour)) {
			t.Fatalf("event %d is at %v", i, at)
		}
		if e.AuthOutcome == event.AuthFailure {
			failures++
		}
		if e.Subject != "" {
			if sessions[e.Subject] == nil {
				sessions[e.Subject] = map[string]bool{}
			}
			sessions[e.Subject][e.Session] = true
		}
		if i%997 == 0 && !placed(world, e) {
			t.Errorf("address %s is not in %s", e.Address, e.AsOrg)
		}
	}
	if len(sessions) != 50 || failures == 0 {
		t.Errorf("%d people, %d failed sign-ins", len(sessions), failures)
	}
	for subject, s := range sessions {
		if len(s) < 15 {
			t.Errorf("%s came only %d times", subject, len(s))
		}
	}
	t.Logf("%d events", len(events))
}

// placed reports whether an event's address is where the event says.
func placed(w *people.World, e *event.RequestEvent) bool {
	a := netip.MustParseAddr(e.Address)
	for _, n := range w.Networks {
		if n.Prefix.Contains(a) {
			return n.ASN == e.Asn && n.Country == e.Country
		}
	}
	return false
}

// TestNetworksAreDisjoint checks that one address has one place.
func TestNetworksAreDisjoint(t *testing.T) {
	networks := people.NewPopulation(1, 1, now).World.Networks
	for i, a := range networks {
		if a.Prefix.Masked() != a.Prefix {
			t.Errorf("%s has bits behind its length", a.Prefix)
		}
		for _, b := range networks[:i] {
			if a.Prefix.Overlaps(b.Prefix) {
				t.Errorf("%s and %s overlap", a.Prefix, b.Prefix)
			}
		}
	}
}
