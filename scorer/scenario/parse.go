package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// Nothing is the action that is expected of who is left alone.
const Nothing = "nothing"

// Script is a story that has been read.
type Script struct {
	statements []statement
	events     int
	groups     []model.PeerGroup
}

// Events is how many events the story has.
func (s *Script) Events() int { return s.events }

type statement struct {
	line  int
	verb  string   // The first word: place, actor, set, …, or who acts.
	words []string // The others.

	// Of a repeat.
	body  []statement
	times int
	// every is how long a round lasts, or a wait.
	every  time.Duration
	expect Expectation
}

// Expectation is what a story says of an actor.
type Expectation struct {
	// Action is the last one against the actor, or [Nothing].
	Action string
	// Found must be among the evidence, Absent must not.
	Found, Absent []string
	// Least and Most bound the greatest session score, in nats, where Banded.
	Least, Most float64
	Banded      bool
}

// parser reads lines and knows what the story has named so far.
type parser struct {
	lines  []string
	next   int
	faults []error
	groups []model.PeerGroup
	known  map[string]bool // Actors.
	places map[string][]string
}

// Parse reads a story. file is its name for messages. The error joins every
// fault, one a line, each as file:line: what is wrong.
func Parse(file, text string) (*Script, error) {
	if len(text) > BytesMax {
		return nil, fmt.Errorf("%s: has %d B, at most %d B are read", file, len(text), BytesMax)
	}
	p := &parser{known: make(map[string]bool), places: make(map[string][]string)}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		p.lines = append(p.lines, strings.TrimSpace(line))
	}
	s := &Script{}
	s.statements = p.block(0)
	s.groups = p.groups
	s.events = count(s.statements)
	if s.events > EventsMax {
		p.fault(1, "has more than %d events", EventsMax)
	}
	if s.events == 0 && len(p.faults) == 0 {
		p.fault(1, "has no event")
	}
	for i, err := range p.faults {
		p.faults[i] = fmt.Errorf("%s:%w", file, err)
	}
	err := errors.Join(p.faults...)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// count is how many events a block has; one more than [EventsMax] stands for
// all that is beyond.
func count(block []statement) int {
	n := 0
	for i := range block {
		switch s := &block[i]; {
		case s.verb == "repeat":
			inner := count(s.body)
			if inner > 0 && s.times > EventsMax/inner {
				return EventsMax + 1
			}
			n += inner * s.times
		case !slices.Contains(verbs(), s.verb):
			n++
		}
		if n > EventsMax {
			return EventsMax + 1
		}
	}
	return n
}

func verbs() []string {
	return []string{"group", "place", "actor", "set", "history", "now", "expect", "wait", "repeat", "end"}
}

func (p *parser) fault(line int, format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf("%d: %s", line, fmt.Sprintf(format, args...)))
}

// block reads statements up to the end of the loop that they stand in.
func (p *parser) block(depth int) []statement {
	var list []statement
	for p.next < len(p.lines) {
		words := strings.Fields(p.lines[p.next])
		p.next++
		if len(words) == 0 {
			continue
		}
		s := statement{line: p.next, verb: words[0], words: words[1:]}
		if s.verb == "end" {
			if depth > 0 {
				return list
			}
			p.fault(s.line, "end without repeat")
			continue
		}
		p.statement(&s, depth)
		list = append(list, s)
	}
	if depth > 0 {
		p.fault(len(p.lines), "a repeat has no end")
	}
	return list
}

func (p *parser) statement(s *statement, depth int) {
	name := ""
	if len(s.words) > 0 {
		name = s.words[0]
	}
	switch s.verb {
	case "place", "actor", "set":
		if name == "" || strings.Contains(name, "=") {
			p.fault(s.line, "want: %s NAME key=value …", s.verb)
			return
		}
		if s.verb == "set" && !p.known[name] {
			p.fault(s.line, "nobody is called %s", name)
		}
		if s.verb == "actor" && slices.Contains(verbs(), name) {
			p.fault(s.line, "%s means something else: choose another name", name)
		}
		p.fields(s.line, s.words[1:], depth, s.verb == "place")
		if s.verb == "place" {
			p.places[name] = s.words[1:]
		} else {
			p.known[name] = true
		}
	case "group":
		p.group(s, depth)
	case "history", "now":
		if len(s.words) > 0 {
			p.fault(s.line, "%s stands alone", s.verb)
		}
	case "expect":
		p.expect(s)
	case "wait":
		if len(s.words) != 1 {
			p.fault(s.line, "want: wait DURATION")
			return
		}
		s.every = p.duration(s.line, name)
	case "repeat":
		p.repeat(s, depth)
	default:
		if !p.known[s.verb] {
			p.fault(s.line, "nobody is called %s", s.verb)
			return
		}
		p.fields(s.line, s.words, depth, false)
	}
}

// group reads a peer group of the story, a value a word.
func (p *parser) group(s *statement, depth int) {
	if depth > 0 || len(s.words) < 2 || strings.Contains(s.words[0], "=") {
		p.fault(s.line, "want, outside of any loop: group NAME key=value …")
		return
	}
	g := model.PeerGroup{ID: s.words[0]}
	for _, w := range s.words[1:] {
		key, value, _ := strings.Cut(w, "=")
		name, isAttribute := strings.CutPrefix(key, "attr.")
		switch {
		case isAttribute:
			g.Attributes = append(g.Attributes, model.AttributeValues{Name: name, Values: []string{value}})
		case key == "tenant":
			g.Tenants = append(g.Tenants, value)
		case key == "kindof":
			g.SubjectKinds = append(g.SubjectKinds, value)
		case key == "client":
			g.ClientIDs = append(g.ClientIDs, value)
		default:
			p.fault(s.line, "a group is told by tenant, kindof, client and attr.NAME, not by %q", w)
		}
	}
	p.groups = append(p.groups, g)
}

func (p *parser) repeat(s *statement, depth int) {
	n := 0
	var err error
	if len(s.words) == 3 && s.words[1] == "every" {
		n, err = strconv.Atoi(s.words[0])
		s.every = p.duration(s.line, s.words[2])
	}
	if err != nil || n < 1 {
		p.fault(s.line, "want: repeat N every DURATION … end")
	}
	if depth == depthMax {
		p.fault(s.line, "loops stand in one another at most %d deep", depthMax)
		p.next = len(p.lines)
		return
	}
	s.times = n
	s.body = p.block(depth + 1)
}

// expect reads NAME ACTION and then SIGNAL, -SIGNAL and LOW..HIGH in any order.
func (p *parser) expect(s *statement) {
	if len(s.words) < 2 {
		p.fault(s.line, "want: expect NAME ACTION [SIGNAL] [-SIGNAL] [LOW..HIGH]")
		return
	}
	if !p.known[s.words[0]] {
		p.fault(s.line, "nobody is called %s", s.words[0])
	}
	s.expect.Action = s.words[1]
	if s.expect.Action != Nothing && verdict.Strength(s.expect.Action) < 1 {
		p.fault(s.line, "%s is no action: must be one of nothing, throttle, read_only, step_up, revoke, block", s.expect.Action)
	}
	for _, w := range s.words[2:] {
		low, high, banded := strings.Cut(w, "..")
		absent, isAbsent := strings.CutPrefix(w, "-")
		switch {
		case banded:
			var errLow, errHigh error
			s.expect.Least, errLow = strconv.ParseFloat(low, 64)
			s.expect.Most, errHigh = strconv.ParseFloat(high, 64)
			if errLow != nil || errHigh != nil || !(s.expect.Least <= s.expect.Most) {
				p.fault(s.line, "%s is no range of nats such as 9.5..12", w)
			}
			s.expect.Banded = true
		case isAbsent:
			s.expect.Absent = append(s.expect.Absent, absent)
		default:
			s.expect.Found = append(s.expect.Found, w)
		}
	}
}

// fields tries the fields of an event on one that nobody sees.
func (p *parser) fields(line int, words []string, depth int, place bool) {
	loops := make([]int, depth)
	for i := range loops {
		loops[i] = 1
	}
	now := Start
	for _, w := range words {
		if place && strings.HasPrefix(w, "at=") {
			p.fault(line, "a place cannot be at another")
			continue
		}
		w, err := number(w, loops)
		if depth == 0 && err != nil {
			continue // An actor's fields may count the loop in which he acts.
		}
		if err == nil {
			err = setField(new(event.RequestEvent), w, p.places, &now)
		}
		if err != nil {
			p.fault(line, "%s", err)
		}
	}
}

func (p *parser) duration(line int, text string) time.Duration {
	d, err := duration(text)
	if err != nil {
		p.fault(line, "%s", err)
	}
	return d
}

// duration reads a duration of Go's, or one in days.
func duration(text string) (time.Duration, error) {
	days, isDays := strings.CutSuffix(text, "d")
	if isDays {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return 0, fmt.Errorf("%q is no duration such as 90s, 30m, 12h or 30d", text)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration such as 90s, 30m, 12h or 30d", text)
	}
	return d, nil
}
