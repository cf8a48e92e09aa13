package facet_test

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/facet"
)

func cut(change func(*facet.FacetCut)) *facet.FacetCut {
	c := &facet.FacetCut{
		Topic: "vigil.requests", Partition: 3, FirstOffset: 5, LastOffset: 9, Time: timestamppb.Now(), Tenant: "t",
		Deltas: []*facet.FacetDelta{{Kind: "prefix", Id: "192.0.2.0/24", Failures: 2, Failed: []uint64{1, 7}}},
	}
	change(c)
	return c
}

// TestDecode reads good and bad records.
func TestDecode(t *testing.T) {
	tests := map[string]struct {
		change func(*facet.FacetCut)
		want   error
	}{
		"a cut":                       {func(*facet.FacetCut) {}, nil},
		"a cut without deltas":        {func(c *facet.FacetCut) { c.Deltas = nil }, nil},
		"an end before the beginning": {func(c *facet.FacetCut) { c.LastOffset = 4 }, facet.ErrMalformed},
		"a negative offset":           {func(c *facet.FacetCut) { c.FirstOffset = -1 }, facet.ErrMalformed},
		"a negative partition":        {func(c *facet.FacetCut) { c.Partition = -1 }, facet.ErrMalformed},
		"no topic":                    {func(c *facet.FacetCut) { c.Topic = "" }, facet.ErrMalformed},
		"a topic's id that is none":   {func(c *facet.FacetCut) { c.TopicId = string(make([]byte, facet.TopicIDBytesMax+1)) }, facet.ErrMalformed},
		"a topic's id":                {func(c *facet.FacetCut) { c.TopicId = "0af7651916cd43dd8448eb211c80319c" }, nil},
		"no time":                     {func(c *facet.FacetCut) { c.Time = nil }, facet.ErrMalformed},
		"a sketch out of order":       {func(c *facet.FacetCut) { c.Deltas[0].Failed = []uint64{7, 1} }, facet.ErrMalformed},
		"a hash twice in a sketch":    {func(c *facet.FacetCut) { c.Deltas[0].Failed = []uint64{7, 7} }, facet.ErrMalformed},
		"a sketch that is too long":   {func(c *facet.FacetCut) { c.Deltas[0].Missing = make([]uint64, facet.SketchMax+1) }, facet.ErrMalformed},
		"too many deltas":             {func(c *facet.FacetCut) { c.Deltas = make([]*facet.FacetDelta, facet.DeltasMax+1) }, facet.ErrMalformed},
		"a record that is too large":  {func(c *facet.FacetCut) { c.Tenant = string(make([]byte, facet.RecordBytesMax)) }, facet.ErrTooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := cut(tt.change).MarshalVT()
			if err != nil {
				t.Fatal(err)
			}
			_, err = facet.Decode(b)
			if !errors.Is(err, tt.want) {
				t.Errorf("Decode() = %v, want %v", err, tt.want)
			}
		})
	}
	_, err := facet.Decode([]byte("no protobuf"))
	if !errors.Is(err, facet.ErrMalformed) {
		t.Errorf("Decode of text = %v", err)
	}
}

// FuzzDecode reads anything: what decodes keeps its bounds.
func FuzzDecode(f *testing.F) {
	b, err := cut(func(*facet.FacetCut) {}).MarshalVT()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, record []byte) {
		c, err := facet.Decode(record)
		if err == nil && (c.LastOffset < c.FirstOffset || c.Time == nil || len(c.Deltas) > facet.DeltasMax) {
			t.Errorf("decoded %v", c)
		}
	})
}
