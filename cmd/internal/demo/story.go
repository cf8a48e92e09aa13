package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// story tells what happens, to people as text and to programs as NDJSON.
type story struct {
	text  io.Writer     // Nil for no text.
	json  *json.Encoder // Nil for no NDJSON.
	begun time.Time
	who   func(id string) string // The person behind a pseudonym, else "".

	mu   sync.Mutex
	held []heldLine
	err  error // The first write that did not work.
}

// heldLine is what a client saw, which waits for its cause to be told.
type heldLine struct {
	since time.Time
	text  string
}

// holdFor is how long a client's line waits for the verdict behind it, which
// takes its way through ClickHouse.
const holdFor = time.Second

// say writes a line of text with the time since the start.
func (s *story) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.text == nil {
		return
	}
	_, err := fmt.Fprintf(s.text, "%6.1fs  %s\n", time.Since(s.begun).Seconds(), fmt.Sprintf(format, args...))
	s.keep(err)
}

// hold keeps a line of text until [story.release].
func (s *story) hold(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = append(s.held, heldLine{since: time.Now(), text: fmt.Sprintf(format, args...)})
}

// release tells what was held before a time.
func (s *story) release(before time.Time) {
	s.mu.Lock()
	n := 0
	for n < len(s.held) && s.held[n].since.Before(before) {
		n++
	}
	due := s.held[:n]
	s.held = s.held[n:]
	s.mu.Unlock()
	for _, line := range due {
		s.say("%s", line.text)
	}
}

// emit writes a line of NDJSON.
func (s *story) emit(line any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.json != nil {
		s.keep(s.json.Encode(line))
	}
}

func (s *story) keep(err error) {
	if s.err == nil {
		s.err = err
	}
}

// failed is the first write that did not work.
func (s *story) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Reason is one piece of a verdict's evidence in NDJSON.
type Reason struct {
	Signal string  `json:"signal"`
	Nats   float64 `json:"nats"`
	Text   string  `json:"text"`
}

// VerdictLine is {"event":"verdict"}.
type VerdictLine struct {
	Event    string   `json:"event"`
	ID       string   `json:"id"`
	Subject  string   `json:"subject"`
	Session  string   `json:"session"`
	Target   string   `json:"target"`
	TargetID string   `json:"target_id"`
	Action   string   `json:"action"`
	Score    float64  `json:"score"`
	Evidence []Reason `json:"evidence"`
}

// CutLine is {"event":"cut"}.
type CutLine struct {
	Event        string  `json:"event"`
	Kind         string  `json:"kind"`
	Session      string  `json:"session"`
	Subject      string  `json:"subject,omitempty"`
	Verdict      string  `json:"verdict"`
	Action       string  `json:"action"`
	EventToCutMS float64 `json:"event_to_cut_ms"`
	ApplyMS      float64 `json:"apply_ms"`
}

// Latency is a distribution in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// Summary is {"event":"summary"}, the last line.
type Summary struct {
	Event string `json:"event"`
	Seed  uint64 `json:"seed"`
	// Attackers is how many there were, Caught how many were turned away.
	Attackers int `json:"attackers"`
	Caught    int `json:"caught"`
	// HonestSessions is how many visits of ordinary people there were,
	// HonestInterrupted how many of them were refused, slowed down or cut.
	HonestSessions    int `json:"honest_sessions"`
	HonestInterrupted int `json:"honest_interrupted"`
	// Requests is what the clients sent, Rows what ClickHouse has of it.
	Requests uint64 `json:"requests"`
	Rows     uint64 `json:"rows"`
	// Verdicts is how many there were, Cuts how many streams they ended,
	// Refusals how many requests they turned away.
	Verdicts int `json:"verdicts"`
	Cuts     int `json:"cuts"`
	Refusals int `json:"refusals"`
	// EventToCutMS is from the offending event to the end of a stream that was
	// open, in milliseconds; where none was, to the first refusal.
	EventToCutMS Latency `json:"event_to_cut_ms"`
}

// OK reports whether the product did what it promises.
func (s Summary) OK() bool {
	return s.Caught == s.Attackers && s.HonestInterrupted == 0 && s.Rows == s.Requests &&
		(s.Attackers > 0 || s.Verdicts == 0)
}

func (s *story) verdict(v VerdictLine) {
	s.emit(v)
	name := s.named(v.TargetID)
	s.say("VERDICT  %s %s: %s, %.1f nats", v.Target, name, v.Action, v.Score)
	for _, e := range v.Evidence {
		s.say("           %+5.1f  %s: %s", e.Nats, e.Signal, e.Text)
	}
}

func (s *story) cut(c CutLine, target string) {
	s.emit(c)
	name := s.named(c.Session)
	if c.Session == "" {
		name = s.named(target)
	}
	if c.Kind == event.StreamRequest {
		s.say("REFUSED  the next request of %s, %.0f ms after the event: %s", name, c.EventToCutMS, c.Action)
		return
	}
	s.say("CUT      %s of %s, %.0f ms after the event, %.1f ms of them in the gateway: %s", c.Kind, name, c.EventToCutMS, c.ApplyMS, c.Action)
}

// named is a person's name with the pseudonym, or the pseudonym alone.
func (s *story) named(id string) string {
	name := s.who(id)
	switch {
	case name == "":
		return id
	case len(id) > 8:
		return fmt.Sprintf("%s (%s…)", name, id[:8])
	}
	return fmt.Sprintf("%s (%s)", name, id)
}

func (s *story) attackBegins(a *attacker, what string) {
	s.say("ATTACK %d %s: %s", a.number, a.kind, what)
}

func (s *story) attackEnded(a *attacker) {
	took := time.Since(a.started)
	switch {
	case !a.ended:
		s.say("attack %d %s was broken off", a.number, a.kind)
	case a.caught:
		s.hold("STOPPED  attack %d %s after %d requests and %.1f s: %s", a.number, a.kind, a.requests, took.Seconds(), a.last.String())
	default:
		s.say("ESCAPED  attack %d %s: %d requests, %d bytes in %.1f s", a.number, a.kind, a.requests, a.loot, took.Seconds())
	}
}

func (s *story) interrupted(st *stay, m *mishap, compromised bool) {
	if compromised {
		s.hold("SAFE     %s was asked to sign in again: %s", st.visit.Person.Name, m.answer.String())
		return
	}
	s.hold("WRONGED  %s, who did nothing: %s", st.visit.Person.Name, m)
}

func (s *story) summary(sum Summary) {
	s.say("attackers %d, caught %d; honest sessions %d (not those that a thief shared), interrupted %d; requests %d, rows in ClickHouse %d; event to cut p50 %.0f ms, p99 %.0f ms",
		sum.Attackers, sum.Caught, sum.HonestSessions, sum.HonestInterrupted, sum.Requests, sum.Rows, sum.EventToCutMS.P50, sum.EventToCutMS.P99)
	s.emit(sum)
}
