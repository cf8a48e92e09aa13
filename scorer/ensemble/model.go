package ensemble

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/feature"
	"github.com/vigil-gateway/vigil/scorer/trees"
)

// Prefix begins the id of every model, so that no signal that ships later can
// take its name.
const Prefix = "trees."

// Fields of a [Spec] that may be at fault, by their key in the model file.
const (
	FieldFile     = "file"
	FieldFormat   = "format"
	FieldFeatures = "features"
)

// Spec is a model as the model file has it.
type Spec struct {
	// ID begins with [Prefix].
	ID    string
	Group evidence.Group
	// File is the name of the ensemble's file, Format lightgbm, xgboost or "" for
	// either.
	File, Format string
	// Features are those that the ensemble may see. None means that its own names
	// are names of package feature.
	Features []Feature
	// Max is the most that the model says before its weight, in nats.
	Max, Weight float64
	// Points map a margin to nats, ascending; none means the rank among clean
	// requests.
	Points []Point
	// Text is what the model looks for, for a person.
	Text string
	// Ceiling is the strongest action that the model supports alone.
	Ceiling string
	// Technique is a MITRE ATT&CK technique or an OWASP API risk, may be empty.
	Technique string
	// Owner answers for the model.
	Owner string
	// Kinds limits whose events are looked at; empty means all.
	Kinds []string
}

// Feature is one that the ensemble was trained on.
type Feature struct {
	// Name is what the ensemble's file calls it, From what package feature does.
	Name, From string
}

// Point says what a margin means.
type Point struct{ Margin, Nats float64 }

// Fault is what is wrong with a model.
type Fault struct {
	// Field is the key at fault, Item the place in the list of features, -1 for
	// the field as a whole.
	Field string
	Item  int
	Text  string
	// Unknown is a name that is not known, where that is the fault, and Known
	// what it may be.
	Unknown string
	Known   []string
}

// Model is a compiled model.
type Model struct {
	Spec

	trees       *trees.Ensemble
	bound       *trees.Bound
	names       []string // Of the columns, in the file.
	columns     []feature.Feature
	description evidence.Description
	number      evidence.Signal
	digest      string
}

// Compile checks a model whole against the bytes of its file. It returns every
// fault at once, and a model only where there is none.
func Compile(s Spec, file []byte) (*Model, []Fault) {
	e, err := trees.Parse(file)
	if err != nil {
		return nil, []Fault{{Field: FieldFile, Item: -1, Text: s.File + ": " + err.Error()}}
	}
	var faults []Fault
	if s.Format != "" && !strings.EqualFold(s.Format, e.Library()) {
		faults = append(faults, Fault{Field: FieldFormat, Item: -1, Text: fmt.Sprintf("%s is a model of %s, not of %s", s.File, e.Library(), s.Format)})
	}
	m := &Model{
		Spec: s, trees: e, number: evidence.Custom(s.ID),
		description: evidence.Description{ID: s.ID, Group: s.Group, Technique: s.Technique},
	}
	faults = append(faults, m.offer(e.Features())...)
	if len(faults) > 0 {
		return nil, faults
	}
	m.bound, err = e.Bind(m.names)
	if err != nil {
		return nil, []Fault{{Field: FieldFeatures, Item: -1, Text: err.Error()}}
	}
	canonical := []byte(e.Digest())
	for i, c := range m.columns {
		canonical = fmt.Appendf(canonical, "\n%q %q", m.names[i], c.Name)
	}
	sum := sha256.Sum256(canonical)
	m.digest = hex.EncodeToString(sum[:])
	return m, nil
}

// offer finds the feature for each name that the ensemble asks for.
func (m *Model) offer(asked []string) []Fault {
	var faults []Fault
	offered := m.Features
	if len(offered) == 0 {
		for _, name := range asked {
			offered = append(offered, Feature{Name: name, From: name})
		}
	}
	own := len(m.Features) > 0
	for i, f := range offered {
		item := i
		if !own {
			item = -1
		}
		column, known := feature.Find(f.From)
		switch {
		case own && !slices.Contains(asked, f.Name):
			faults = append(faults, Fault{Field: FieldFeatures, Item: item, Text: fmt.Sprintf("%s has no feature %q", m.File, f.Name), Unknown: f.Name, Known: asked})
		case slices.Contains(m.names, f.Name):
			faults = append(faults, Fault{Field: FieldFeatures, Item: item, Text: fmt.Sprintf("%q is given twice", f.Name)})
		case !known && own:
			faults = append(faults, Fault{Field: FieldFeatures, Item: item, Text: fmt.Sprintf("%q is unknown", f.From), Unknown: f.From, Known: feature.Names()})
		case !known:
			faults = append(faults, Fault{
				Field: FieldFeatures, Item: -1, Unknown: f.From, Known: feature.Names(),
				Text: fmt.Sprintf("%s asks for %q, which is not known: list it as {name: %s, from: …}", m.File, f.Name, f.Name),
			})
		default:
			m.names = append(m.names, f.Name)
			m.columns = append(m.columns, column)
		}
	}
	for _, name := range asked {
		if own && !slices.ContainsFunc(offered, func(f Feature) bool { return f.Name == name }) {
			faults = append(faults, Fault{Field: FieldFeatures, Item: -1, Text: fmt.Sprintf("lacks %q, which %s asks for", name, m.File)})
		}
	}
	if more := len(faults) - faultsMax; more > 0 {
		faults = append(faults[:faultsMax], Fault{Field: FieldFeatures, Item: -1, Text: fmt.Sprintf("and %d more", more)})
	}
	return faults
}

// Describe is the model as a row of the catalogue of signals.
func (m *Model) Describe() *evidence.Description { return &m.description }

// Number stands for the model where a signal's number is asked for.
func (m *Model) Number() evidence.Signal { return m.number }

// Digest names what the model scores: its file and its features.
func (m *Model) Digest() string { return m.digest }

// Library is the name of the library that trained the model, Trees the number
// of its trees.
func (m *Model) Library() string { return m.trees.Library() }

// Trees is the number of trees.
func (m *Model) Trees() int { return m.trees.Trees() }

// Columns is the number of features.
func (m *Model) Columns() int { return len(m.columns) }

// Offered says what the file calls each column, and what it is here.
func (m *Model) Offered() []Feature {
	list := make([]Feature, len(m.columns))
	for i, c := range m.columns {
		list[i] = Feature{Name: m.names[i], From: c.Name}
	}
	return list
}

// Row fills dst, which has [Model.Columns] places, with what the model sees of
// an event.
func (m *Model) Row(x *evidence.Context, dst []float64) {
	for i := range m.columns {
		dst[i] = m.columns[i].Of(x)
	}
}

// Margin is what the trees say about a row.
func (m *Model) Margin(row []float64) float64 { return m.bound.Score(row).Margin }

// reasons names the features that raised the margin most.
func (m *Model) reasons(row, contributions []float64) string {
	m.bound.Explain(row, contributions)
	var b strings.Builder
	told := 0
	for _, r := range m.bound.Reasons(row, contributions, len(row)) {
		if r.Adds <= 0 || told == reasonsTold {
			continue
		}
		sep := ", "
		if told == 0 {
			sep = ": "
		}
		told++
		b.WriteString(sep + r.String())
	}
	return b.String()
}

// mapped is what the table of points says of a margin: in between, on the line
// between two points; beyond, the outermost point.
func mapped(points []Point, margin float64) float64 {
	i := 0
	for i < len(points) && points[i].Margin <= margin {
		i++
	}
	switch i {
	case 0:
		return points[0].Nats
	case len(points):
		return points[len(points)-1].Nats
	}
	a, b := points[i-1], points[i]
	return a.Nats + float64((b.Nats-a.Nats)*(margin-a.Margin)/(b.Margin-a.Margin))
}
