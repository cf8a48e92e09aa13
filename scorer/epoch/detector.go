package epoch

import (
	"cmp"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/vigil-gateway/vigil/scorer/reservoir"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Detector is what an anomaly detector is built of: a sample of the rows that its
// live twins have learned.
type Detector struct {
	// Name says of what: kind of subject and class of route.
	Name string
	Rows reservoir.Rows
	// Reference is what later rows are compared with, in an [Epoch] alone.
	Reference *reservoir.Reference
}

// Learner is a partition's part in a detector.
type Learner struct {
	Name string
	// Rows are a sample of those that the live twin has learned.
	Rows reservoir.Rows
	// Recent counts the rows that proved clean since the epoch in force began,
	// whether or not the live twin's gate let them in.
	Recent reservoir.Counts
}

// Learner returns the partition's part in the detector of a name, made where there
// is none; nil where [DetectorsMax] others are there already: that one is not shared.
func (k *Knowledge) Learner(tenant, name string, columns int) *Learner {
	i, found := slices.BinarySearchFunc(k.learners, name, func(l *Learner, name string) int { return strings.Compare(l.Name, name) })
	if found && k.learners[i].Rows.Columns() == columns {
		return k.learners[i]
	}
	if found { // Restored from a build whose rows had other columns.
		k.learners = slices.Delete(k.learners, i, i+1)
	}
	if len(k.learners) >= DetectorsMax || len(name) > NameBytesMax {
		return nil
	}
	l := &Learner{Name: strings.Clone(name), Rows: reservoir.New(columns, xxh3.HashString(tenant+"\x00"+name))}
	k.learners = slices.Insert(k.learners, i, l)
	return l
}

// Learn takes a row that proved clean; learned says whether the live twin let it in.
func (k *Knowledge) Learn(l *Learner, row []float64, learned bool) {
	if learned {
		l.Rows.Add(row)
	}
	if d := k.Active.Detector(l.Name); d != nil {
		d.Reference.Note(&l.Recent, row)
	}
}

// Forget drops what the partition has taught, for one that goes on elsewhere: two
// that go on with it would count it twice.
func (k *Knowledge) Forget() {
	*k = Knowledge{Active: k.Active, looked: k.looked}
}

// Detector is the detector of a name, nil where the epoch, which may be nil, has
// none that may score.
func (e *Epoch) Detector(name string) *Detector {
	if e == nil {
		return nil
	}
	i, found := slices.BinarySearchFunc(e.Detectors, name, func(d Detector, name string) int { return strings.Compare(d.Name, name) })
	if !found || e.Detectors[i].Reference == nil {
		return nil
	}
	return &e.Detectors[i]
}

// join merges the detectors of the summaries, by name. One that has too few rows to
// judge anything keeps those of the epoch before.
func (e *Epoch) join(previous *Epoch, list []*Summary) {
	parts := make(map[string][]*reservoir.Rows)
	var names []string
	for _, s := range list {
		for i := range s.Detectors {
			d := &s.Detectors[i]
			if parts[d.Name] == nil {
				names = append(names, d.Name)
			}
			parts[d.Name] = append(parts[d.Name], &d.Rows)
		}
	}
	var joined []Detector
	for _, name := range names {
		seed := xxh3.HashStringSeed(e.Tenant+"\x00"+name, e.Number)
		rows := reservoir.Merge(parts[name][0].Columns(), seed, parts[name]...)
		if rows.Len() >= RowsMin {
			joined = append(joined, Detector{Name: name, Rows: rows})
		}
	}
	if previous != nil {
		for _, d := range previous.Detectors {
			if !slices.ContainsFunc(joined, func(j Detector) bool { return j.Name == d.Name }) {
				joined = append(joined, Detector{Name: d.Name, Rows: d.Rows})
			}
		}
	}
	// Beyond the limit those that stand for the most rows stay.
	slices.SortStableFunc(joined, func(a, b Detector) int {
		return cmp.Or(cmp.Compare(b.Rows.Weight(), a.Rows.Weight()), strings.Compare(a.Name, b.Name))
	})
	joined = joined[:min(len(joined), DetectorsMax)]
	slices.SortFunc(joined, func(a, b Detector) int { return strings.Compare(a.Name, b.Name) })
	e.Detectors = joined
}

// refer makes what later rows are compared with.
func (e *Epoch) refer() {
	for i := range e.Detectors {
		if d := &e.Detectors[i]; d.Rows.Len() >= RowsMin {
			d.Reference = d.Rows.Reference()
		}
	}
}

// codeDetectors writes or reads a list of detectors, which is in order.
func codeDetectors(k *snapshot.Codec, list *[]Detector) {
	snapshot.List(k, list, func(d *Detector) {
		k.Str(&d.Name)
		d.Rows.Code(k)
	})
	inOrder := slices.IsSortedFunc(*list, func(a, b Detector) int { return strings.Compare(a.Name, b.Name) })
	if k.Reading() && (len(*list) > DetectorsMax || !inOrder) {
		k.Fail()
	}
}
