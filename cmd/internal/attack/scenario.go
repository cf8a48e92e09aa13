package attack

import (
	"context"
	"fmt"
	"time"
)

// What a promise counts.
const (
	unitRequests = "requests"
	unitTries    = "tries"
	unitIDs      = "ids"
	unitHours    = "× p99 hour"
)

// Promise is the most that an attacker gets.
type Promise struct {
	Most float64 `json:"most"`
	Unit string  `json:"unit"`
	// Median is true where half of the rounds must keep it, else all must.
	Median bool `json:"median"`
}

// String is a promise for people.
func (p Promise) String() string {
	text := fmt.Sprintf("≤ %g %s", p.Most, p.Unit)
	if p.Median {
		text += ", median"
	}
	return text
}

// Scenario is one kind of attack.
type Scenario struct {
	Name    string
	Story   string
	Promise Promise

	beside int           // How many rounds run beside each other.
	warmUp time.Duration // How long the person works before.
	play   func(*Campaign, context.Context, *round) error
}

// Scenarios are all kinds, in the order in which they are listed and played. Stuffing
// comes last: where many servers do it the sign-in of everybody is slowed down for ten
// minutes, and who cannot sign in cannot be attacked.
func Scenarios() []Scenario {
	return []Scenario{
		{
			Name: "thief", Story: "uses a person's token from another country and browser while he works, one request after the other without a pause",
			Promise: Promise{Most: 20, Unit: unitRequests}, beside: 4, warmUp: 5 * time.Second, play: (*Campaign).thief,
		},
		{
			Name: "thief-alike", Story: "the same with the owner's own kind of browser, as if the owner had switched a VPN on",
			Promise: Promise{Most: 20, Unit: unitRequests}, beside: 4, warmUp: 5 * time.Second, play: (*Campaign).thiefAlike,
		},
		{
			Name: "thief-streams", Story: "like the first, with 50 downloads at once, each begun anew when it ends",
			Promise: Promise{Most: 20, Unit: unitRequests}, beside: 4, warmUp: 5 * time.Second, play: (*Campaign).thiefStreams,
		},
		{
			Name: "walk", Story: "opens one account after the other from a person's own desk, five a second",
			Promise: Promise{Most: 15, Unit: unitIDs}, beside: 4, warmUp: 5 * time.Second, play: (*Campaign).walk,
		},
		{
			Name: "exfiltration", Story: "downloads everything from a person's own desk, four files at once",
			Promise: Promise{Most: 3, Unit: unitHours}, beside: 4, warmUp: 5 * time.Second, play: (*Campaign).exfiltration,
		},
		{
			Name: "takeover", Story: "sits down at a person's unlocked desk and looks for what is worth taking, at a person's pace",
			Promise: Promise{Most: 60, Unit: unitRequests, Median: true}, beside: 20, warmUp: 20 * time.Second, play: (*Campaign).takeover,
		},
		{
			Name: "stuffing", Story: "tries a list of leaked passwords, ten a second from each of many rented servers",
			Promise: Promise{Most: 10, Unit: unitTries}, beside: 10, play: (*Campaign).stuffing,
		},
	}
}

// Find returns the scenario of a name.
func Find(name string) (Scenario, bool) {
	for _, s := range Scenarios() {
		if s.Name == name {
			return s, true
		}
	}
	return Scenario{}, false
}
