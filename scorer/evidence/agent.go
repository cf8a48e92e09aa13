package evidence

import (
	"strings"

	"github.com/mileusna/useragent"
)

// agentsMax bounds each of the two generations of parsed user agents.
const agentsMax = 2048

// nameBytesMax bounds names that end up in habits: a client chooses them.
const nameBytesMax = 96

// Agent is a client as its user agent names it, without versions, which change
// every few weeks and say nothing.
type Agent struct {
	// Family is the browser or program, System its operating system.
	Family, System string
	// Bot says that it calls itself a crawler.
	Bot bool
}

// Agents parses user agents and remembers what it has parsed: two generations
// of a bounded map, so that a flood of inventions costs parsing and no memory.
// Parsing is a pure function, so what is remembered changes no result.
type Agents struct{ young, old map[string]Agent }

// Of returns the client that a user agent names, zero for an empty one.
func (a *Agents) Of(userAgent string) Agent {
	if userAgent == "" {
		return Agent{}
	}
	got, ok := a.young[userAgent]
	if ok {
		return got
	}
	got, ok = a.old[userAgent]
	if !ok {
		got = parseAgent(userAgent)
	}
	if a.young == nil || len(a.young) >= agentsMax {
		a.old, a.young = a.young, make(map[string]Agent)
	}
	a.young[strings.Clone(userAgent)] = got
	return got
}

func parseAgent(s string) Agent {
	ua := useragent.Parse(s)
	family := ua.Name
	if family == "" || family == s {
		family, _, _ = strings.Cut(s, "/")
		family, _, _ = strings.Cut(family, " ")
	}
	return Agent{Family: strings.Clone(short(family)), System: strings.Clone(short(ua.OS)), Bot: ua.Bot}
}

// short cuts a name that a client chose to what a habit keeps.
func short(s string) string {
	if len(s) > nameBytesMax {
		return s[:nameBytesMax]
	}
	return s
}
