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
	// Client is both in one name.
	Client string
	// Bot says that it calls itself a crawler.
	Bot bool
	// Tool is the attack tool that it calls itself, or the attack that it is;
	// empty for everybody else.
	Tool string
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
		a.old, a.young = a.young, turned(a.old)
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
	a := Agent{Family: strings.Clone(short(family)), System: strings.Clone(short(ua.OS)), Bot: ua.Bot, Tool: tool(s)}
	a.Client = a.Family + " on " + usual(a.System)
	return a
}

// tools are the names under which attack tools present themselves, and pieces
// of attacks that are sent as a user agent, lower case.
var tools = []struct{ piece, name string }{ //nolint:gochecknoglobals // A constant: Go has no constant lists.
	{"sqlmap", "sqlmap"},
	{"nikto", "Nikto"},
	{"nmap scripting", "Nmap"},
	{"masscan", "masscan"},
	{"zgrab", "ZGrab"},
	{"nuclei", "Nuclei"},
	{"wpscan", "WPScan"},
	{"dirbuster", "DirBuster"},
	{"gobuster", "Gobuster"},
	{"feroxbuster", "feroxbuster"},
	{"fuzz faster u fool", "ffuf"},
	{"wfuzz", "Wfuzz"},
	{"acunetix", "Acunetix"},
	{"netsparker", "Netsparker"},
	{"nessus", "Nessus"},
	{"openvas", "OpenVAS"},
	{"w3af", "w3af"},
	{"arachni", "Arachni"},
	{"havij", "Havij"},
	{"jorgee", "Jorgee"},
	{"zmeu", "ZmEu"},
	{"morfeus", "Morfeus"},
	{"commix", "commix"},
	{"joomscan", "JoomScan"},
	{"whatweb", "WhatWeb"},
	{"thc-hydra", "Hydra"},
	{"${jndi:", "a Log4j lookup"},
	{"${${", "a nested lookup"},
	{"() {", "a Shellshock command"},
	{"<script", "a script"},
	{"/etc/passwd", "the password file"},
	{"union select", "an SQL injection"},
}

// tool finds what no visitor's user agent has in it.
func tool(userAgent string) string {
	lower := strings.ToLower(userAgent)
	for _, t := range tools {
		if strings.Contains(lower, t.piece) {
			return t.name
		}
	}
	return ""
}

// short cuts a name that a client chose to what a habit keeps.
func short(s string) string {
	if len(s) > nameBytesMax {
		return s[:nameBytesMax]
	}
	return s
}
