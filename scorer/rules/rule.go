package rules

import (
	"errors"
	"fmt"
	"math"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/vigil-gateway/vigil/scorer/evidence"
)

// Prefix begins the id of every custom rule, so that no signal that ships
// later can take its name.
const Prefix = "rule."

// Spec is a rule as the model file has it.
type Spec struct {
	// ID begins with [Prefix].
	ID    string
	Group evidence.Group
	// Expression says whether the rule applies; it yields true or false.
	Expression string
	// Nats is a number, or an expression that yields one; 0 to [NatsMax].
	Nats string
	// Text is one sentence for a person.
	Text string
	// Ceiling is the strongest action that the rule supports alone.
	Ceiling string
	// Technique is a MITRE ATT&CK technique or an OWASP API risk, may be empty.
	Technique string
	// Owner answers for the rule.
	Owner string
	// Kinds limits whose events are looked at; empty means all.
	Kinds []string
}

// Rule is a compiled rule.
type Rule struct {
	Spec

	// CostMax is the worst case of the expression and of its nats together, in
	// CEL's units, as estimated at load.
	CostMax uint64

	description evidence.Description
	number      evidence.Signal
	when, nats  cel.Program
	fixed       float64 // The nats where they are no expression.
}

// Describe is the rule as a row of the catalogue of signals.
func (r *Rule) Describe() *evidence.Description { return &r.description }

// Number stands for the rule where a signal's number is asked for.
func (r *Rule) Number() evidence.Signal { return r.number }

// errNotANumber is what an expression for nats may come to by a division by 0.
var errNotANumber = errors.New("nats: is not a number")

// Evaluate returns what the rule says about an event, in nats: 0 where it does
// not apply. An error means that it could not be told.
func (r *Rule) Evaluate(in *Input) (float64, error) {
	applies, _, err := r.when.Eval(in)
	if err != nil {
		return 0, fmt.Errorf("expression: %w", err)
	}
	if applies != types.True {
		return 0, nil
	}
	if r.nats == nil {
		return r.fixed, nil
	}
	v, _, err := r.nats.Eval(in)
	if err != nil {
		return 0, fmt.Errorf("nats: %w", err)
	}
	n := 0.0
	switch v := v.(type) {
	case types.Double:
		n = float64(v)
	case types.Int:
		n = float64(v)
	}
	if math.IsNaN(n) {
		return 0, errNotANumber
	}
	return min(NatsMax, max(0, n)), nil
}
