package rules

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"github.com/vigil-gateway/vigil/scorer/evidence"
)

// Fields of a [Spec] that hold an expression, by their key in the model file.
const (
	FieldExpression = "expression"
	FieldNats       = "nats"
)

// Fault is what is wrong with an expression.
type Fault struct {
	// Field is [FieldExpression] or [FieldNats].
	Field string
	// Line and Column count from 1 within the expression; 0 where the
	// expression as a whole is at fault.
	Line, Column int
	Text         string
	// Unknown is the name that is not known, where that is the fault.
	Unknown string
}

// Compile checks a rule whole and compiles it; costMax limits each of its
// expressions in CEL's units. It returns every fault at once, and a rule only
// where there is none.
func Compile(s Spec, costMax uint64) (*Rule, []Fault) {
	r := &Rule{
		Spec: s, number: evidence.Custom(s.ID),
		description: evidence.Description{ID: s.ID, Group: s.Group, Technique: s.Technique},
	}
	when, faults := compile(FieldExpression, s.Expression, costMax, func(t *cel.Type) string {
		if t.Kind() != types.BoolKind {
			return fmt.Sprintf("must yield true or false, yields %s", say(t))
		}
		return ""
	})
	r.when, r.CostMax = when.program, when.costMax
	fixed, err := strconv.ParseFloat(s.Nats, 64)
	if err == nil {
		if !(fixed > 0) || fixed > NatsMax {
			faults = append(faults, Fault{Field: FieldNats, Text: fmt.Sprintf("%s must be above 0 and at most %d", s.Nats, NatsMax)})
		}
		r.fixed = fixed
	} else {
		nats, more := compile(FieldNats, s.Nats, costMax, func(t *cel.Type) string {
			if t.Kind() != types.DoubleKind && t.Kind() != types.IntKind {
				return fmt.Sprintf("must be a number, or an expression that yields one; this yields %s", say(t))
			}
			return ""
		})
		faults = append(faults, more...)
		r.nats = nats.program
		r.CostMax += nats.costMax
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return r, nil
}

type compiled struct {
	program cel.Program
	costMax uint64
}

func compile(field, text string, costMax uint64, wrongType func(*cel.Type) string) (compiled, []Fault) {
	whole := func(format string, args ...any) (compiled, []Fault) {
		return compiled{}, []Fault{{Field: field, Text: fmt.Sprintf(format, args...)}}
	}
	if len(text) > ExpressionBytesMax {
		return whole("has %d B, at most %d B are read", len(text), ExpressionBytesMax)
	}
	if strings.TrimSpace(text) == "" {
		return whole("is empty")
	}
	e, err := language()
	if err != nil {
		return whole("%v", err)
	}
	tree, issues := e.Compile(text)
	if issues.Err() != nil {
		return compiled{}, translate(field, issues)
	}
	wrong := wrongType(tree.OutputType())
	if wrong != "" {
		return whole("%s", wrong)
	}
	faults := inspect(field, tree)
	if len(faults) > 0 {
		return compiled{}, faults
	}
	estimate, err := e.EstimateCost(tree, sizes{})
	if err != nil {
		return whole("its cost cannot be estimated: %v", err)
	}
	if estimate.Max > costMax {
		return whole("may cost up to %d units for one event, limits.rule_cost_max is %d: look at shorter fields, or at fewer", estimate.Max, costMax)
	}
	p, err := program(e, tree, costMax)
	if err != nil {
		return whole("%v", err)
	}
	return compiled{program: p, costMax: estimate.Max}, nil
}

// program makes an expression ready to run, with the limit enforced.
func program(e *cel.Env, tree *cel.Ast, costMax uint64) (cel.Program, error) {
	return e.Program(tree, cel.EvalOptions(cel.OptOptimize), cel.CostTracking(sizes{}), cel.CostLimit(costMax))
}

// translate says CEL's issues in our words, each where it is.
func translate(field string, issues *cel.Issues) []Fault {
	faults := make([]Fault, 0, len(issues.Errors()))
	for _, err := range issues.Errors() {
		f := Fault{Field: field, Text: syntax(err.Message)}
		if err.Location != nil && err.Location.Line() > 0 {
			f.Line, f.Column = err.Location.Line(), err.Location.Column()+1
		}
		name, undeclared := strings.CutPrefix(err.Message, "undeclared reference to '")
		if undeclared {
			f.Unknown, _, _ = strings.Cut(name, "'")
			f.Text = f.Unknown + " is not known"
		}
		call, noOverload := strings.CutPrefix(err.Message, "found no matching overload for '")
		if noOverload {
			f.Text = overload(call)
		}
		faults = append(faults, f)
	}
	return faults
}

// syntax says what the parser says, without its list of all that might have been.
func syntax(message string) string {
	text, _, _ := strings.Cut(strings.TrimPrefix(message, "Syntax error: "), " expecting {")
	if text == "mismatched input '<EOF>'" {
		return "ends too early"
	}
	return strings.ReplaceAll(text, "'<EOF>'", "the end")
}

// overload says which types do not go together, from what CEL says about it:
// _==_' applied to '(double, int)'.
func overload(call string) string {
	name, types, _ := strings.Cut(call, "' applied to '")
	types = strings.TrimSuffix(types, "'")
	text := fmt.Sprintf("%s does not take %s", strings.Trim(name, "_"), types)
	if strings.Contains(types, "double") && strings.Contains(types, "int") {
		text += ": write 2.0 instead of 2"
	}
	return text
}

// inspect refuses what the types allow and we do not.
func inspect(field string, tree *cel.Ast) []Fault {
	var faults []Fault
	native := tree.NativeRep()
	fault := func(e ast.Expr, format string, args ...any) {
		at := native.SourceInfo().GetStartLocation(e.ID())
		faults = append(faults, Fault{Field: field, Line: at.Line(), Column: at.Column() + 1, Text: fmt.Sprintf(format, args...)})
	}
	ast.PostOrderVisit(native.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() { //nolint:exhaustive // All others are as the types allow.
		case ast.ComprehensionKind:
			over := native.GetType(e.AsComprehension().IterRange().ID())
			if over.Kind() != types.ListKind {
				fault(e, "goes over %s, whose order is not defined: only lists can be gone over", say(over))
			}
		case ast.CallKind:
			call := e.AsCall()
			args := call.Args()
			switch call.FunctionName() {
			case functionMatches:
				pattern, ok := literal(args[len(args)-1])
				if !ok {
					fault(e, "matches: the regular expression must be a literal")
				} else if len(pattern) > PatternBytesMax {
					fault(e, "matches: the regular expression has %d B, at most %d B are taken", len(pattern), PatternBytesMax)
				}
			case functionWithin:
				prefix, ok := literal(args[len(args)-1])
				_, err := netip.ParsePrefix(prefix)
				if ok && err != nil {
					fault(e, "within: %q is not a prefix such as 192.0.2.0/24", prefix)
				}
			}
		}
	}))
	return faults
}

func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// say names a type as people do.
func say(t *cel.Type) string {
	switch t.Kind() { //nolint:exhaustive // The others call themselves well enough.
	case types.BoolKind:
		return "true or false"
	case types.StringKind:
		return "a text"
	case types.IntKind, types.UintKind:
		return "a whole number"
	case types.DoubleKind:
		return "a number"
	case types.ListKind:
		return "a list"
	case types.MapKind:
		return "a map"
	}
	return t.String()
}
