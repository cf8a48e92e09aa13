package ingest_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/facet"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	second "github.com/vigil-gateway/vigil/scorer/facet"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// judgedFacets is what came of the cuts in vigil.facets: the ids of the proposals in
// their order, and the bytes of each offset's assessments.
type judgedFacets struct {
	verdicts    []string
	assessments map[int64][]byte
	duplicates  int
}

// oracleOfFacets judges what stands in vigil.facets by one engine that never dies.
func (r *rig) oracleOfFacets(t *testing.T) (partition int, want judgedFacets) {
	t.Helper()
	engine, err := second.New(model.Default().WithMode(model.ModeEnforce))
	if err != nil {
		t.Fatal(err)
	}
	want.assessments = make(map[int64][]byte)
	for p := range partitions {
		for _, m := range r.read(topic.Facets, p) {
			partition = p
			cut, err := facet.Decode(m.Value)
			if err != nil {
				t.Fatal(err)
			}
			res := engine.Take(second.Record{Cut: cut, Topic: topic.Facets, Partition: int32(p), Offset: m.Offset})
			if res.Duplicate {
				want.duplicates++
			}
			for _, a := range res.Assessments {
				want.assessments[m.Offset] = append(want.assessments[m.Offset], bytesOf(t, a)...)
			}
			for _, proposal := range res.Proposals {
				want.verdicts = append(want.verdicts, proposal.ID)
			}
		}
	}
	return partition, want
}

// announcedFacets is what the second stage has made of them.
func (r *rig) announcedFacets(t *testing.T, partition int) judgedFacets {
	t.Helper()
	got := judgedFacets{assessments: make(map[int64][]byte)}
	for _, v := range r.verdicts(partition) {
		if v.Authority == verdict.AuthorityFacet {
			got.verdicts = append(got.verdicts, v.Id)
		}
	}
	seen := int64(-1)
	for _, m := range r.read(topic.Assessments, partition) {
		if !bytes.Equal(m.Key, topic.SourceKey(topic.Facets, partition)) {
			continue
		}
		b, err := assessment.Decode(m.Value)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range b.Assessments {
			if a.Offset > seen { // What was written twice is known by its source offset, as the store knows it.
				got.assessments[a.Offset] = append(got.assessments[a.Offset], bytesOf(t, a)...)
			}
		}
		seen = max(seen, b.LastOffset)
	}
	return got
}

// TestFacetsKilledAnywhereAreJudgedOnce kills both stages at random, again and
// again, writes what a source partition that is scored again writes, and asks for
// what an engine that never stopped makes of it: each verdict once.
func TestFacetsKilledAnywhereAreJudgedOnce(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 3))
	r, lose := newFaulty(t)
	subjects, facets := t.TempDir(), t.TempDir()
	const lives, each = 4, 12
	begin := time.Now().Add(-lives * each * 1100 * time.Millisecond)
	n := 0
	for life := range lives {
		first := r.start(subjects, impatient, subjectStage)
		stage := r.start(facets, impatient, facetStage)
		dies := random.IntN(each)
		for i := range each {
			if i == dies && life < lives-1 {
				if n >= 2*partitions && random.IntN(2) == 0 { // Else there may be nothing to cut yet.
					eventually(t, "the first stage works", func() bool { return r.cuts() > n/2 })
				}
				lose.Store(writes + random.Int32N(2))
			}
			r.send(n%partitions, spray(n, begin.Add(time.Duration(n)*1100*time.Millisecond)))
			n++
		}
		if life < lives-1 {
			stage.stop()
			first.stop()
			lose.Store(nothing)
		}
	}
	// Which action it comes to depends on how late it is judged; that it is judged twice does not.
	eventually(t, "the prefix is judged", func() bool { return len(r.facetVerdicts()) >= 2 })
	partition, _ := r.oracleOfFacets(t)
	var again []kafka.Record // A source partition that is scored again writes its cuts again.
	for _, m := range r.read(topic.Facets, partition) {
		again = append(again, kafka.Record{Time: time.Now(), Key: kafka.NewBytes(m.Key), Value: kafka.NewBytes(m.Value), Headers: m.Headers})
	}
	r.produce(topic.Facets, partition, again...)
	for i := range partitions { // What ends the cuts that are open.
		r.send(i, spray(n+i, time.Now()))
	}
	var want, got judgedFacets
	eventually(t, "all is assessed as by one life", func() bool {
		_, want = r.oracleOfFacets(t)
		got = r.announcedFacets(t, partition)
		return cmp.Equal(want.assessments, got.assessments)
	})
	if diff := cmp.Diff(want.verdicts, got.verdicts); diff != "" {
		t.Errorf("verdicts (-one life +many):\n%s", diff)
	}
	if want.duplicates < len(again) {
		t.Errorf("%d cuts were taken as duplicates, %d were written again", want.duplicates, len(again))
	}
}
