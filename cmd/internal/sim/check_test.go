package sim_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
)

// check compares what there is in the end with what there must be.
func (w *world) check(t *testing.T) {
	t.Helper()
	records := w.kafka.read(t, topic.Requests)
	w.checkForged(t, records)
	records = slices.DeleteFunc(records, found.forged)
	w.checkAccounts(t, records)
	w.checkAssessments(t, records)
	w.checkOneLife(t)
	w.checkVerdicts(t)
}

// checkAccounts compares the clients' books with the topic, read as whoever stores
// it does: a repeated number is passed over, a number that is missing is a loss.
func (w *world) checkAccounts(t *testing.T, records []found) {
	t.Helper()
	var at event.Positions
	rows, covered, missing, twice, unfinished := make(map[string]int), uint64(0), uint64(0), 0, 0
	for _, r := range records {
		e := new(event.RequestEvent)
		err := event.Decode(r.value, e)
		if err != nil {
			t.Fatal(err)
		}
		last := max(e.Seq, e.SeqEnd)
		lane := event.Lane{Gateway: e.Gateway, Epoch: e.Epoch, Lane: e.Lane}
		before := at.Last(lane)
		duplicate, gap := at.Observe(lane, e.Seq, last)
		missing += gap
		if gap > 0 {
			t.Errorf("%s, epoch %d, lane %d: after number %d comes %d, as %s %s in partition %d at offset %d", e.Gateway, e.Epoch, e.Lane, before, e.Seq, e.Kind, e.Reason, r.partition, r.offset)
		}
		switch {
		case duplicate:
			twice++
		case e.Kind == event.KindTombstone:
			covered += last - max(e.Seq-1, before)
		case e.Terminal():
			rows[e.RequestId]++
			if e.Reason == "gateway_ended" {
				unfinished++
			}
		}
	}
	lost := uint64(0)
	for id, ended := range w.books.begun {
		if rows[id] > 1 {
			t.Errorf("request %s has %d rows", id, rows[id])
		}
		if rows[id] == 0 && ended {
			lost++
		}
	}
	for id := range rows {
		if _, known := w.books.begun[id]; !known {
			t.Errorf("the row of request %q is of nobody's request", id)
		}
	}
	t.Logf("%d requests begun, %d rows, %d of them without their end; %d without a row, %d numbers covered by a reason; %d records were there twice",
		len(w.books.begun), len(rows), unfinished, lost, covered, twice)
	if missing > 0 {
		t.Errorf("%d numbers are missing without a word", missing)
	}
	if lost > covered {
		t.Errorf("%d requests have no row, and only %d numbers are told as lost", lost, covered)
	}
}

// checkAssessments compares what the analyzers said of each record with what an
// engine says that has read the topic in one life.
func (w *world) checkAssessments(t *testing.T, records []found) {
	t.Helper()
	type place struct {
		partition int
		offset    int64
	}
	want := make(map[place][]byte)
	engines := make([]*scorer.Engine, partitions)
	facts := 0
	for _, r := range records {
		e := engines[r.partition]
		if e == nil {
			var err error
			e, err = scorer.New(scorer.Options{Model: w.model})
			if err != nil {
				t.Fatal(err)
			}
			engines[r.partition] = e
		}
		ev := new(event.RequestEvent)
		err := event.Decode(r.value, ev)
		if err != nil {
			t.Fatal(err)
		}
		res := e.Assess(scorer.Record{Event: ev, Topic: topic.Requests, Partition: int32(r.partition), Offset: r.offset})
		for _, p := range res.Proposals {
			if p.Hard && !p.Shadow {
				facts++
				w.mustStand(t, p.Tenant, p.Target)
			}
		}
		if res.Assessment == nil {
			continue
		}
		want[place{r.partition, r.offset}], err = res.Assessment.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
	}
	got := make(map[place][]byte)
	repeated := 0
	for _, r := range w.kafka.read(t, topic.Assessments) {
		b, err := assessment.Decode(r.value)
		if err != nil {
			t.Fatal(err)
		}
		if b.Topic != topic.Requests {
			continue // See checkOneLife.
		}
		for _, a := range b.Assessments {
			value, err := a.MarshalVT()
			if err != nil {
				t.Fatal(err)
			}
			at := place{r.partition, a.Offset}
			old, seen := got[at]
			if seen {
				repeated++
			}
			if seen && !bytes.Equal(old, value) {
				t.Errorf("record %v is assessed in two ways", at)
			}
			got[at] = value
		}
	}
	for at, value := range want {
		if !bytes.Equal(got[at], value) {
			t.Errorf("record %v: an engine that never stopped says something else (%d bytes, %d are there)", at, len(value), len(got[at]))
		}
	}
	for at := range got {
		if want[at] == nil {
			t.Errorf("record %v is assessed, and is a repeated one", at)
		}
	}
	t.Logf("%d records assessed, %d of them repeatedly; %d findings that are facts", len(got), repeated, facts)
	if facts == 0 {
		t.Error("nobody was found out: the run has seen no verdict")
	}
}

// checkOneLife compares what the analyzers have left, also of the second stage, with
// what each stage leaves that reads the same topic in one life.
func (w *world) checkOneLife(t *testing.T) {
	t.Helper()
	root := filepath.Join(w.root, "one life")
	err := os.Mkdir(root, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	c := &crash{seed: w.seed, root: root, ring: w.ring, seals: w.ring.keys, network: w.network, kafka: w.kafka}
	var dirs []string
	for _, a := range w.analyzers {
		dirs = append(dirs, filepath.Join(a.dir, "state"))
	}
	got, want := c.remains(t, w.kafka, dirs...), c.oneLife(t)
	compare(t, "assessments of", want.assessments, got.assessments)
	compare(t, "cut", want.cuts, got.cuts)
	compare(t, "snapshot of", want.states, got.states)
	second := 0
	for key := range got.verdicts {
		if strings.HasSuffix(key, "/"+verdict.AuthorityFacet) {
			second++
		}
	}
	if second == 0 {
		t.Error("the second stage has found nobody out")
	}
	t.Logf("%d cuts, %d verdicts of authority facet", len(got.cuts), second)
}

// mustStand checks that every gateway enforces what a fact has brought about.
func (w *world) mustStand(t *testing.T, tenant string, target *verdict.Target) {
	t.Helper()
	key := keyOf(&verdict.Verdict{Tenant: tenant, Target: target, Authority: verdict.AuthoritySubject})
	for _, g := range w.gateways {
		b := g.life.Load().table
		b.mu.Lock()
		v := b.stands[key]
		b.mu.Unlock()
		if v == nil || !verdict.Suspends(v.Action) {
			t.Errorf("%s does not enforce the verdict about %s: %v", g.id, key, v)
		}
	}
}

// checkVerdicts compares what the topic says with what each gateway enforces.
func (w *world) checkVerdicts(t *testing.T) {
	t.Helper()
	newest := newTable()
	now := time.Now()
	ids := make(map[string]string)
	for _, r := range w.kafka.read(t, topic.Verdicts) {
		if len(r.value) == 0 {
			continue
		}
		m, err := w.ring.keys.Open(r.value)
		if err != nil {
			t.Fatal(err)
		}
		v := m.Verdict
		if v == nil {
			continue
		}
		before := newest.stands[keyOf(v)]
		if before == nil || verdict.Later(v.Epoch, v.Seq, before.Epoch, before.Seq) {
			newest.stands[keyOf(v)] = v
		}
		if said, again := ids[v.Id]; again && said != v.Action {
			t.Errorf("verdict %s says %s and %s", v.Id, said, v.Action)
		}
		ids[v.Id] = v.Action
	}
	want := newest.live(now)
	for _, g := range w.gateways {
		b := g.life.Load().table
		if diff := cmp.Diff(want, b.live(now)); diff != "" {
			t.Errorf("%s enforces other verdicts than stand in the topic (-topic +gateway):\n%s", g.id, diff)
		}
		for _, fault := range b.faults {
			t.Errorf("%s: %s", g.id, fault)
		}
	}
	t.Logf("%d verdicts, %d in force", len(ids), len(want))
}
