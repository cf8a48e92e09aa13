package rules

// Limits of custom rules.
const (
	// Max bounds the rules of a model.
	Max = 64
	// ExpressionBytesMax bounds the source of one expression.
	ExpressionBytesMax = 4096
	// PatternBytesMax bounds one regular expression.
	PatternBytesMax = 256
	// TextBytesMax is where a text of an event is cut before an expression sees
	// it, ListMax how many entries of a list it sees.
	TextBytesMax = 1024
	ListMax      = 32
	// depthMax bounds the nesting of an expression.
	depthMax = 40
	// NatsMax is the most that one rule says, in nats.
	NatsMax = 20
	// CostDefault is the cost limit of one expression where the model names
	// none, and CostMax the most that it may name: CEL's own units, of which one
	// is about the reading of a field.
	CostDefault = 2000
	CostMax     = 100_000
)
