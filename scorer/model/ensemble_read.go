package model

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/ensemble"
	"github.com/vigil-gateway/vigil/scorer/evidence"
)

// Files reads a file that a model file names, by the name that stands there.
// It must not read more than trees.FileBytesMax.
type Files func(name string) ([]byte, error)

// KindTrees is the one kind of models there is.
const KindTrees = "trees"

// Formats of ensembles.
func formats() []string { return []string{"lightgbm", "xgboost"} }

// ensembleMax is what an ensemble says at most where its entry does not say.
const ensembleMax = 4

// ensembleNode is an ensemble with the nodes it was read from.
type ensembleNode struct {
	spec  ensemble.Spec
	key   string
	nodes map[string]*yaml.Node // By field.
	items []*yaml.Node          // Of the features.
}

// models reads the ensembles that a user has brought.
func (r *reader) models(n *yaml.Node, key string) {
	r.entries(n, key, ensemble.Max, func(n *yaml.Node, key, id string) {
		if !strings.HasPrefix(id, ensemble.Prefix) {
			r.fault(child(n, "id"), join(key, "id"), fmt.Sprintf("%q must begin with %s so that no signal takes its name (did you mean %s%s?)", id, ensemble.Prefix, ensemble.Prefix, id))
		}
		one := ensembleNode{key: key, nodes: make(map[string]*yaml.Node)}
		one.spec = ensemble.Spec{ID: id, Group: evidence.Model, Weight: 1, Max: ensembleMax, Ceiling: verdict.ActionStepUp}
		s := &one.spec
		group, kind := evidence.Model.String(), ""
		place := func(name string, read func(*yaml.Node, string)) field {
			return field{name, func(n *yaml.Node, key string) {
				one.nodes[name] = resolve(n)
				read(n, key)
			}}
		}
		r.mapping(n, key, []field{
			{"id", nil},
			{"kind", func(n *yaml.Node, key string) { r.oneOf(n, key, &kind, []string{KindTrees}) }},
			place(ensemble.FieldFormat, func(n *yaml.Node, key string) { r.oneOf(n, key, &s.Format, formats()) }),
			place(ensemble.FieldFile, r.wordsField(&s.File)),
			place(ensemble.FieldFeatures, func(n *yaml.Node, key string) { r.features(n, key, &one) }),
			{"group", func(n *yaml.Node, key string) {
				if r.oneOf(n, key, &group, groupNames()) {
					s.Group = evidence.Group(slices.Index(groupNames(), group))
				}
			}},
			{"max", r.floatField(&s.Max, 0, ensemble.NatsMax)},
			{"weight", r.floatField(&s.Weight, 0, 10)},
			{"ceiling", func(n *yaml.Node, key string) { r.oneOf(n, key, &s.Ceiling, actions()) }},
			{"calibration", func(n *yaml.Node, key string) {
				r.mapping(n, key, []field{{"points", func(n *yaml.Node, key string) { r.points(n, key, s) }}}, "points")
			}},
			{"kinds", func(n *yaml.Node, key string) {
				r.list(n, key, &s.Kinds, len(Kinds()), func(n *yaml.Node, key, kind string) { r.oneOf(n, key, &kind, Kinds()) })
			}},
			{"text", r.wordsField(&s.Text)},
			{"technique", r.wordsField(&s.Technique)},
			{"owner", r.wordsField(&s.Owner)},
		}, "kind", ensemble.FieldFile, "text", "owner")
		r.ensembles = append(r.ensembles, one)
	})
}

// features reads a list of names, or of names and what they are here.
func (r *reader) features(n *yaml.Node, key string, one *ensembleNode) {
	r.sequence(n, key, func(n *yaml.Node, key string) {
		var f ensemble.Feature
		n = resolve(n)
		if n.Kind == yaml.MappingNode {
			r.mapping(n, key, []field{{"name", r.wordsField(&f.Name)}, {"from", r.wordsField(&f.From)}}, "name", "from")
		} else {
			r.words(n, key, &f.Name)
			f.From = f.Name
		}
		one.spec.Features = append(one.spec.Features, f)
		one.items = append(one.items, n)
	})
}

// points reads what margins mean in nats: both may only rise, and what would
// reassure is refused, because only proofs do.
func (r *reader) points(n *yaml.Node, key string, s *ensemble.Spec) {
	const widest = 1e300
	r.sequence(n, key, func(n *yaml.Node, key string) {
		var p ensemble.Point
		r.mapping(n, key, []field{{"margin", r.floatField(&p.Margin, -widest, widest)}, {"nats", r.floatField(&p.Nats, 0, ensemble.NatsMax)}}, "margin", "nats")
		if last := len(s.Points) - 1; last >= 0 {
			switch before := s.Points[last]; {
			case p.Margin <= before.Margin:
				r.fault(n, join(key, "margin"), fmt.Sprintf("%g must be above the %g of the point before", p.Margin, before.Margin))
			case p.Nats < before.Nats:
				r.fault(n, join(key, "nats"), fmt.Sprintf("%g is below the %g of the point before: a higher margin must not say less", p.Nats, before.Nats))
			}
		}
		s.Points = append(s.Points, p)
	})
	if resolve(n).Kind == yaml.SequenceNode && (len(s.Points) < 2 || len(s.Points) > ensemble.PointsMax) {
		r.fault(n, key, fmt.Sprintf("has %d points, must have 2 to %d", len(s.Points), ensemble.PointsMax))
	}
}

// bring compiles the ensembles that were read, each with its file.
func (r *reader) bring(m *Model, files Files) {
	for _, one := range r.ensembles {
		file := one.nodes[ensemble.FieldFile]
		if file == nil || one.spec.File == "" {
			continue // Reported as missing.
		}
		at := join(one.key, ensemble.FieldFile)
		if files == nil {
			r.fault(file, at, "no other file is read here")
			continue
		}
		b, err := files(one.spec.File)
		if err != nil {
			r.fault(file, at, err.Error())
			continue
		}
		made, faults := ensemble.Compile(one.spec, b)
		for _, f := range faults {
			node, path := one.nodes[f.Field], join(one.key, f.Field)
			if node == nil { // The features are left out: the file's own names are at fault.
				node, path = file, at
			}
			if f.Item >= 0 {
				node, path = one.items[f.Item], fmt.Sprintf("%s[%d]", path, f.Item)
			}
			if f.Unknown != "" {
				f.Text += didYouMean(f.Unknown, f.Known)
			}
			r.fault(node, path, oneLine(f.Text))
		}
		if made == nil {
			continue
		}
		if other := m.Describe(int(made.Number())); other != nil {
			r.fault(file, join(one.key, "id"), "has the number of "+other.ID+" by chance: choose another id")
			continue
		}
		m.Ensembles = append(m.Ensembles, made)
	}
}

// oneLine keeps a message on its line, whatever a foreign file holds.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
