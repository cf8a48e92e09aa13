package rules

import (
	"fmt"
	"net/netip"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/vigil-gateway/vigil/scorer/exact"
)

// Names of functions that are checked beyond their types.
const (
	functionWithin  = "within"
	functionMatches = "matches"
)

// Functions says what expressions may call beside CEL's own operators.
func Functions() []Variable {
	return []Variable{
		{Name: `event.address.within("192.0.2.0/24")`, Type: "true or false", Doc: "also IPv6"},
		{Name: `min(a, b), max(a, b), ln(a)`, Type: "number", Doc: "write 2.0, not 2"},
		{Name: `text.matches("^/export/")`, Type: "true or false", Doc: "RE2, a literal"},
		{Name: `text.contains("x"), size(text), …`, Type: "", Doc: "and what else CEL has"},
		{Name: `texts.exists(t, t == "tor"), all`, Type: "true or false", Doc: "over texts, not over maps"},
	}
}

// language is the environment that all expressions are compiled in.
//
//nolint:gochecknoglobals // Immutable; building it takes a millisecond, and a model without rules needs none.
var language = sync.OnceValues(newLanguage)

func newLanguage() (*cel.Env, error) {
	// Without what depends on a time zone's data, hides a type from the checker
	// or builds lists: the rest is pure and bounded.
	excluded := make([]*env.Function, 0, 16)
	for _, name := range []string{
		"getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth", "getDate", "getDayOfWeek", "getHours", "getMinutes", "getSeconds", "getMilliseconds",
		"timestamp", "duration", "dyn", "type", "bytes",
	} {
		excluded = append(excluded, env.NewFunction(name))
	}
	subset := env.NewLibrarySubset().AddIncludedMacros("all", "exists", "exists_one").AddExcludedFunctions(excluded...)
	options := []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(subset)),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserRecursionLimit(depthMax),
		cel.ParserExpressionSizeLimit(ExpressionBytesMax),
		cel.ASTValidators(cel.ValidateRegexLiterals()),
	}
	for _, v := range Variables() {
		options = append(options, cel.Variable(v.Name, v.cel))
	}
	e, err := cel.NewCustomEnv(append(options, functions()...)...)
	if err != nil {
		return nil, fmt.Errorf("rules: make the language: %w", err)
	}
	return e, nil
}

func functions() []cel.EnvOption {
	double := func(name string, f func(a, b float64) float64) cel.EnvOption {
		return cel.Function(name, cel.Overload(name+"_double_double", []*cel.Type{cel.DoubleType, cel.DoubleType}, cel.DoubleType,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val {
				x, okA := a.(types.Double)
				y, okB := b.(types.Double)
				if !okA || !okB {
					return types.NewErr("%s: wants two numbers", name)
				}
				return types.Double(f(float64(x), float64(y)))
			})))
	}
	return []cel.EnvOption{
		double("min", func(a, b float64) float64 { return min(a, b) }),
		double("max", func(a, b float64) float64 { return max(a, b) }),
		cel.Function("ln", cel.Overload("ln_double", []*cel.Type{cel.DoubleType}, cel.DoubleType, cel.UnaryBinding(ln))),
		cel.Function(functionWithin, cel.MemberOverload("within_string_string", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType, cel.BinaryBinding(within))),
	}
}

func ln(x ref.Val) ref.Val {
	f, ok := x.(types.Double)
	if !ok || !(f > 0) {
		return types.NewErr("ln: wants a positive number")
	}
	return types.Double(exact.Ln(float64(f)))
}

func within(address, prefix ref.Val) ref.Val {
	a, okA := address.(types.String)
	p, okP := prefix.(types.String)
	if !okA || !okP {
		return types.NewErr("within: wants an address and a prefix")
	}
	addr, err := netip.ParseAddr(string(a))
	if err != nil {
		return types.NewErr("within: %q is not an address", string(a))
	}
	network, err := netip.ParsePrefix(string(p))
	if err != nil {
		return types.NewErr("within: %q is not a prefix", string(p))
	}
	return types.Bool(network.Contains(addr.Unmap().WithZone("")))
}

// sizes is CEL's estimator of the worst case: how long the variables can be.
type sizes struct{}

// EstimateSize implements cost.Estimator.
func (sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	path := n.Path()
	if len(path) == 0 {
		return nil
	}
	size := &cost.SizeEstimate{Max: TextBytesMax}
	kind := n.Type().Kind()
	if kind == types.ListKind || kind == types.MapKind {
		size.Max = ListMax
	}
	return size
}

// EstimateCallCost implements cost.Estimator.
func (sizes) EstimateCallCost(function, _ string, _ *cost.AstNode, _ []cost.AstNode) *cost.CallEstimate {
	if function == functionWithin {
		return &cost.CallEstimate{CostEstimate: cost.Estimate{Min: withinCost, Max: withinCost}}
	}
	return nil
}

// withinCost is what parsing an address and a prefix costs, in CEL's units.
const withinCost = 5

// CallCost implements cost.ActualCostEstimator with the same figures.
func (sizes) CallCost(function, _ string, _ []ref.Val, _ ref.Val) *uint64 {
	if function != functionWithin {
		return nil
	}
	c := uint64(withinCost)
	return &c
}
