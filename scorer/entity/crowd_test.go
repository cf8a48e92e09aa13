package entity_test

import (
	"math"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// TestCrowdKnowsItsNames adds names over two months and more.
func TestCrowdKnowsItsNames(t *testing.T) {
	var c entity.Crowd
	hash := func(i int) uint64 { return uint64(i+1) * 0x9e3779b97f4a7c15 }
	day := int64(24 * time.Hour)
	for i := range 300 {
		c.Add(hash(i), entity.CrowdSmall, day)
	}
	strangers := 0
	for i := range 300 {
		if !c.Has(hash(i)) {
			t.Fatalf("name %d does not belong", i)
		}
		if c.Has(hash(i + 1000)) {
			strangers++
		}
	}
	if strangers > 15 || math.Abs(c.Size()-300) > 30 {
		t.Errorf("%d of 300 strangers belong, size %.0f", strangers, c.Size())
	}
	w := snapshot.Writer()
	c.Code(w)
	var back entity.Crowd
	r := snapshot.Reader(w.Bytes())
	back.Code(r)
	if r.Err() != nil || !back.Has(hash(7)) || back.Size() != c.Size() {
		t.Errorf("read back: %v, size %.0f", r.Err(), back.Size())
	}
	c.Add(hash(5000), entity.CrowdSmall, 40*day)
	if !c.Has(hash(7)) {
		t.Error("a name of last month is forgotten")
	}
	c.Add(hash(5001), entity.CrowdSmall, 80*day)
	if c.Has(hash(7)) || !c.Has(hash(5000)) {
		t.Error("names are kept for ever, or not long enough")
	}
}
