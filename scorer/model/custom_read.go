package model

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/rules"
)

// ruleNode is a rule with the nodes it was read from, which are needed once the
// whole file is read: the cost limit may stand below the rules.
type ruleNode struct {
	spec  rules.Spec
	key   string
	nodes map[string]*yaml.Node
}

// idPattern is what an id of a rule, model, class or exception looks like.
var idPattern = regexp.MustCompile(`^[a-zA-Z0-9_]+([.-][a-zA-Z0-9_]+)*$`)

// entries reads a list whose entries carry an id of the author's, each once.
func (r *reader) entries(n *yaml.Node, path string, most int, read func(n *yaml.Node, key, id string)) {
	var seen []string
	r.sequence(n, path, func(item *yaml.Node, key string) {
		item = resolve(item)
		id := child(item, "id")
		switch {
		case id == nil:
			r.fault(item, join(key, "id"), "is missing")
		case len(seen) == most:
			r.fault(item, key, fmt.Sprintf("at most %d are read", most))
			seen = append(seen, "") // Said once.
		case len(seen) > most:
		case len(id.Value) > TextBytesMax || !idPattern.MatchString(id.Value):
			r.fault(id, join(key, "id"), fmt.Sprintf("%q must be letters, digits and _, in parts joined by . or -", id.Value))
		case slices.Contains(seen, id.Value):
			r.fault(id, join(key, "id"), fmt.Sprintf("%q is given twice", id.Value))
		default:
			seen = append(seen, id.Value)
			read(item, key, id.Value)
		}
	})
}

// words reads a text that is not empty.
func (r *reader) words(n *yaml.Node, key string, to *string) {
	if !r.text(n, key, to) {
		return
	}
	switch {
	case strings.TrimSpace(*to) == "":
		r.fault(n, key, "is empty")
	case len(*to) > TextBytesMax:
		r.fault(n, key, fmt.Sprintf("has %d B, at most %d B are read", len(*to), TextBytesMax))
	}
}

func (r *reader) wordsField(to *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) { r.words(n, key, to) }
}

// list reads a list of texts that are not empty.
func (r *reader) list(n *yaml.Node, key string, to *[]string, most int, check func(n *yaml.Node, key, text string)) {
	r.sequence(n, key, func(n *yaml.Node, key string) {
		var text string
		if len(*to) == most {
			r.fault(n, key, fmt.Sprintf("at most %d are read", most))
			return
		}
		r.words(n, key, &text)
		if check != nil {
			check(n, key, text)
		}
		*to = append(*to, text)
	})
}

func (r *reader) rules(n *yaml.Node, key string) {
	r.entries(n, key, rules.Max, func(n *yaml.Node, key, id string) {
		if !strings.HasPrefix(id, rules.Prefix) {
			r.fault(child(n, "id"), join(key, "id"), fmt.Sprintf("%q must begin with %s so that no signal takes its name (did you mean %s%s?)", id, rules.Prefix, rules.Prefix, id))
		}
		one := ruleNode{key: key, nodes: make(map[string]*yaml.Node), spec: rules.Spec{ID: id, Ceiling: verdict.ActionStepUp}}
		s := &one.spec
		var group string
		expression := func(to *string) func(*yaml.Node, string) {
			return func(n *yaml.Node, key string) {
				n = resolve(n)
				one.nodes[key[strings.LastIndexByte(key, '.')+1:]] = n
				if n.Kind != yaml.ScalarNode {
					r.fault(n, key, "must be an expression")
					return
				}
				*to = n.Value
			}
		}
		r.mapping(n, key, []field{
			{"id", nil},
			{"group", func(n *yaml.Node, key string) {
				if r.oneOf(n, key, &group, groupNames()) {
					s.Group = evidence.Group(slices.Index(groupNames(), group))
				}
			}},
			{rules.FieldExpression, expression(&s.Expression)},
			{rules.FieldNats, expression(&s.Nats)},
			{"text", r.wordsField(&s.Text)},
			{"ceiling", func(n *yaml.Node, key string) { r.oneOf(n, key, &s.Ceiling, actions()) }},
			{"technique", r.wordsField(&s.Technique)},
			{"owner", r.wordsField(&s.Owner)},
			{"kinds", func(n *yaml.Node, key string) {
				r.list(n, key, &s.Kinds, len(ActorKinds()), func(n *yaml.Node, key, kind string) { r.oneOf(n, key, &kind, ActorKinds()) })
			}},
		}, "group", rules.FieldExpression, rules.FieldNats, "text", "owner")
		r.pending = append(r.pending, one)
	})
}

// compile makes the rules that were read ready to run.
func (r *reader) compile(m *Model) {
	for _, one := range r.pending {
		if one.nodes[rules.FieldExpression] == nil || one.nodes[rules.FieldNats] == nil {
			continue // Reported as missing.
		}
		rule, faults := rules.Compile(one.spec, uint64(m.Limits.RuleCostMax))
		for _, f := range faults {
			if f.Unknown != "" {
				f.Text += didYouMean(f.Unknown, ruleNames())
			}
			r.fault(r.within(one.nodes[f.Field], f.Line, f.Column), join(one.key, f.Field), f.Text)
		}
		if rule == nil {
			continue
		}
		i := slices.IndexFunc(m.Rules, func(other *rules.Rule) bool { return other.Number() == rule.Number() })
		if i >= 0 {
			r.fault(one.nodes[rules.FieldExpression], join(one.key, "id"), "has the number of "+m.Rules[i].ID+" by chance: choose another id")
			continue
		}
		m.Rules = append(m.Rules, rule)
	}
}

func ruleNames() []string {
	var names []string
	for _, v := range rules.Variables() {
		names = append(names, v.Name)
	}
	return names
}

// within is the place in the file of a line and column of an expression.
func (r *reader) within(n *yaml.Node, line, column int) *yaml.Node {
	at := *n
	switch {
	case line == 0 || n.Style&yaml.FoldedStyle != 0:
		// Of the whole, or of lines that YAML has joined.
	case n.Style&yaml.LiteralStyle != 0: // Begins below its key, and is indented.
		text := ""
		if n.Line < len(r.lines) {
			text = r.lines[n.Line]
		}
		at.Line, at.Column = n.Line+line, column+len(text)-len(strings.TrimLeft(text, " "))
	case line > 1:
		at.Line, at.Column = n.Line+line-1, column
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		at.Column += column
	default:
		at.Column += column - 1
	}
	return &at
}

func (r *reader) exceptions(n *yaml.Node, key string, m *Model) {
	r.entries(n, key, ExceptionsMax, func(n *yaml.Node, key, id string) {
		x := Exception{ID: id}
		known := r.signalIDs()
		r.mapping(n, key, []field{
			{"id", nil},
			{"owner", r.wordsField(&x.Owner)},
			{"reason", r.wordsField(&x.Reason)},
			{"from", r.timeField(&x.From)},
			{"until", r.timeField(&x.Until)},
			{"subject", r.wordsField(&x.Subject)},
			{"client_id", r.wordsField(&x.ClientID)},
			{"route", r.wordsField(&x.Route)},
			{"prefix", func(n *yaml.Node, key string) { x.Prefix = r.prefix(n, key) }},
			{"signals", func(n *yaml.Node, key string) {
				r.list(n, key, &x.Signals, len(known), func(n *yaml.Node, key, id string) {
					if !slices.Contains(known, id) {
						r.fault(n, key, fmt.Sprintf("%q is unknown%s", id, didYouMean(id, known)))
					}
				})
			}},
		}, "owner", "reason", "from", "until")
		until := child(n, "until")
		switch {
		case x.From.IsZero() || x.Until.IsZero(): // Reported where it was read.
		case !x.Until.After(x.From):
			r.fault(until, join(key, "until"), "must be after from")
		case x.Until.Sub(x.From) > ExceptionFor:
			r.fault(until, join(key, "until"), fmt.Sprintf("is more than 90 days after from; the latest is %s", x.From.Add(ExceptionFor).Format(time.DateOnly)))
		}
		if child(n, "subject") == nil && child(n, "client_id") == nil && child(n, "route") == nil && child(n, "prefix") == nil {
			r.fault(n, key, "names nobody: say subject, client_id, prefix or route; to take a signal out for all, turn it off in signals")
		}
		m.Exceptions = append(m.Exceptions, x)
	})
}

// signalIDs are the ids of all signals, and of the rules and models that were read.
func (r *reader) signalIDs() []string {
	ids := make([]string, evidence.Count, evidence.Count+len(r.pending)+len(r.ensembles))
	for i := range ids {
		ids[i] = evidence.Signal(i).Describe().ID
	}
	for _, one := range r.pending {
		ids = append(ids, one.spec.ID)
	}
	for _, one := range r.ensembles {
		ids = append(ids, one.spec.ID)
	}
	return ids
}

// timeField reads a moment, or a date, which is its first moment in UTC.
func (r *reader) timeField(to *time.Time) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		n = resolve(n)
		at, err := time.Parse(time.DateOnly, n.Value)
		if err != nil {
			at, err = time.Parse(time.RFC3339, n.Value)
		}
		switch {
		case n.Kind != yaml.ScalarNode || err != nil:
			r.fault(n, key, fmt.Sprintf("%q must be a date such as 2026-03-31 or a time such as 2026-03-31T18:00:00Z", n.Value))
		case at.Year() < 2000 || at.Year() > 2200:
			r.fault(n, key, fmt.Sprintf("%s must be between 2000 and 2200", n.Value))
		default:
			*to = at.UTC()
		}
	}
}

func (r *reader) prefix(n *yaml.Node, key string) netip.Prefix {
	n = resolve(n)
	p, err := netip.ParsePrefix(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || err != nil:
		r.fault(n, key, fmt.Sprintf("%q must be a prefix such as 192.0.2.0/24", n.Value))
	case p != p.Masked():
		r.fault(n, key, fmt.Sprintf("%q has bits behind its length (did you mean %s?)", n.Value, p.Masked()))
	case p.Bits() < 8:
		r.fault(n, key, fmt.Sprintf("%q is wider than /8: that is no exception any more", n.Value))
	default:
		return p
	}
	return netip.Prefix{}
}

func (r *reader) routeClasses(n *yaml.Node, key string, m *Model) {
	r.entries(n, key, RouteClassesMax, func(n *yaml.Node, key, id string) {
		c := RouteClass{ID: id}
		r.mapping(n, key, []field{
			{"id", nil},
			{"routes", func(n *yaml.Node, key string) { r.list(n, key, &c.Routes, PatternsMax, nil) }},
			{"templates", func(n *yaml.Node, key string) { r.list(n, key, &c.Templates, PatternsMax, r.pattern) }},
			{"signals", func(n *yaml.Node, key string) {
				r.named(n, key, "id", signalNames(), func(n *yaml.Node, key string, i int) {
					w := Weight{Signal: evidence.Signal(i)}
					r.mapping(n, key, []field{{"id", nil}, {"weight", r.floatField(&w.Weight, 0, 10)}}, "weight")
					c.Own = append(c.Own, w)
				})
			}},
		}, "signals")
		if len(c.Routes)+len(c.Templates) == 0 {
			r.fault(n, key, "has no route: say routes or templates")
		}
		m.RouteClasses = append(m.RouteClasses, c)
	})
}

func (r *reader) pattern(n *yaml.Node, key, text string) {
	_, err := path.Match(text, "")
	switch {
	case err != nil:
		r.fault(n, key, fmt.Sprintf("%q is no pattern: %v", text, err))
	case !strings.HasPrefix(text, "/"):
		r.fault(n, key, fmt.Sprintf("%q must begin with /", text))
	case strings.Contains(strings.TrimSuffix(text, "/**"), "**"):
		r.fault(n, key, fmt.Sprintf("%q: ** may only be the last part, as in /export/**", text))
	}
}

// weigh fills in what the classes leave as the model has it.
func (m *Model) weigh() {
	for i := range m.RouteClasses {
		c := &m.RouteClasses[i]
		for s := range c.Weights {
			c.Weights[s] = m.Signals[s].Weight
		}
		for _, w := range c.Own {
			c.Weights[w.Signal] = w.Weight
		}
	}
}
