package rules

import "slices"

// Finding is what one rule found in one event.
type Finding struct {
	Rule *Rule
	// Nats is positive, before the group's clip.
	Nats float64
}

// Count is how a rule has fared since its Set was made.
type Count struct {
	ID string
	// Found counts the events to which the rule applied, Missed those for which
	// it gave no answer, and Fault says why it did not the last time.
	Found, Missed uint64
	Fault         string
}

// Set runs the rules of one model for one engine.
type Set struct {
	rules    []*Rule
	counts   []Count
	findings []Finding
}

// NewSet returns a set of rules in their order.
func NewSet(rules []*Rule) *Set {
	s := &Set{rules: rules, counts: make([]Count, len(rules))}
	for i, r := range rules {
		s.counts[i].ID = r.ID
	}
	return s
}

// Find returns what the rules find in an event, in their order. The result is
// valid until the next call.
func (s *Set) Find(in *Input) []Finding {
	s.findings = s.findings[:0]
	for i, r := range s.rules {
		if len(r.Kinds) > 0 && !slices.Contains(r.Kinds, in.Kind) {
			continue
		}
		n, err := r.Evaluate(in)
		switch {
		case err != nil:
			s.counts[i].Missed++
			s.counts[i].Fault = err.Error()
		case n > 0:
			s.counts[i].Found++
			s.findings = append(s.findings, Finding{Rule: r, Nats: n})
		}
	}
	return s.findings
}

// Counts says how each rule has fared, in their order.
func (s *Set) Counts() []Count { return slices.Clone(s.counts) }

// Missed counts the events for which any rule gave no answer, once per rule.
func (s *Set) Missed() uint64 {
	var n uint64
	for i := range s.counts {
		n += s.counts[i].Missed
	}
	return n
}
