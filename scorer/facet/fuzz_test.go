package facet_test

import (
	"bytes"
	"testing"

	schema "github.com/vigil-gateway/vigil/schemas/facet"
	"github.com/vigil-gateway/vigil/scorer/facet"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// FuzzTake feeds records as they come from the topic: what decodes is judged
// without a panic, and the state stays one that a snapshot can hold.
func FuzzTake(f *testing.F) {
	s := newStory(f, 2)
	s.settled()
	s.botnet(20, tool, stranger)
	for i, cut := range s.cuts {
		b, err := cut.MarshalVT()
		if err != nil {
			f.Fatal(err)
		}
		if i%20 == 0 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		cut, err := schema.Decode(record)
		if err != nil {
			return
		}
		e, err := facet.New(model.Default())
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			cut.LastOffset += int64(i)
			e.Take(facet.Record{Cut: cut})
		}
		var b bytes.Buffer
		err = e.Snapshot(&b)
		if err == nil {
			err = e.Restore(&b, nil)
		}
		if err != nil {
			t.Error(err)
		}
	})
}

// FuzzRestore restores payloads that carry a right checksum and wrong contents,
// and judges on what came of it.
func FuzzRestore(f *testing.F) {
	s := newStory(f, 1)
	s.botnet(3, tool, stranger)
	var b bytes.Buffer
	err := s.facets.Snapshot(&b)
	if err != nil {
		f.Fatal(err)
	}
	payload, err := snapshot.Open(&b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Fuzz(func(t *testing.T, payload []byte) {
		var file bytes.Buffer
		err := snapshot.Seal(&file, payload)
		if err != nil {
			t.Fatal(err)
		}
		e, err := facet.New(model.Default())
		if err != nil {
			t.Fatal(err)
		}
		if e.Restore(&file, nil) != nil && e.Len() > 0 {
			t.Errorf("after an error %d facets are known", e.Len())
		}
		for _, cut := range s.cuts {
			e.Take(facet.Record{Cut: cut})
		}
	})
}
