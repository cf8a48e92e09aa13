package scorer

import (
	"bufio"
	"errors"
	"io"

	"github.com/vigil-gateway/vigil/scorer/facet"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// FacetResult is what the facet stage made of the cuts that a record ended.
type FacetResult = facet.Result

// Pair is both stages in one loop, as files and tests run them: what the first
// cuts, the second takes at once. Not safe for concurrent use.
type Pair struct {
	Engine *Engine
	Facets *facet.Engine
}

// NewPair returns two stages without history.
func NewPair(o Options) (*Pair, error) {
	e, err := New(o)
	if err != nil {
		return nil, err
	}
	f, err := facet.NewGathering(o.Model, o.Gather)
	if err != nil {
		return nil, err
	}
	return &Pair{Engine: e, Facets: f}, nil
}

// Assess scores one record in both stages. The second result has what the facet
// stage found in the cuts that the record ended.
func (p *Pair) Assess(r Record) (Result, FacetResult) {
	res := p.Engine.Assess(r)
	var all FacetResult
	for _, cut := range res.Cuts {
		got := p.Facets.Take(facet.Record{Cut: cut, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset})
		all.Assessments = append(all.Assessments, got.Assessments...)
		all.Proposals = append(all.Proposals, got.Proposals...)
	}
	return res, all
}

// SwapModel puts another model in force in both stages.
func (p *Pair) SwapModel(m *model.Model) {
	p.Engine.SwapModel(m)
	p.Facets.SwapModel(m)
}

// Snapshot writes the state of the first stage and behind it that of the second.
func (p *Pair) Snapshot(w io.Writer) error {
	return errors.Join(p.Engine.Snapshot(w), p.Facets.Snapshot(w))
}

// Restore replaces both states by what Snapshot wrote. A first stage alone
// leaves the second empty.
func (p *Pair) Restore(r io.Reader, keep func(key []byte) bool) error {
	b := bufio.NewReader(r)
	err := p.Engine.Restore(b, keep)
	if err != nil {
		return err
	}
	_, err = b.Peek(1)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return p.Facets.Restore(b, nil)
}
