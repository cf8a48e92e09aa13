package scorer_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/sequence"
)

// office is people of two jobs who each do their own things in their own order,
// one working day after the other.
type office struct {
	engine *scorer.Engine
	at     time.Time
	offset int64
}

var jobs = [2][]string{
	{"/inbox", "/tickets", "/tickets/{id}", "/customers/{id}", "/tickets/{id}/answer", "/tickets"},
	{"/ledger", "/invoices", "/invoices/{id}", "/payments", "/reports", "/invoices"},
}

func (o *office) send(subject, session, template string) scorer.Result {
	o.at = o.at.Add(15 * time.Second)
	o.offset++
	return o.engine.Assess(scorer.Record{Topic: "t", Offset: o.offset, Event: &event.RequestEvent{
		Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "default", Subject: subject, Session: session, SubjectKind: event.SubjectHuman,
		Time: timestamppb.New(o.at), Address: "192.0.2.1", Asn: 3320, Country: "DE", Method: "GET", Path: template, Template: template, Status: 200,
	}})
}

// work lets people work for days, 40 steps each a day; now and then somebody
// does something else. It calls each with every result.
func (o *office) work(people, days int, each func(scorer.Result)) {
	for range days {
		begin := o.at
		for i := range people {
			o.at = begin.Add(time.Duration(i) * time.Minute)
			subject := fmt.Sprint("p", i)
			for n := range 40 {
				job := jobs[i%2]
				if (n*n+i+begin.YearDay())%13 == 0 {
					job = jobs[(i+1)%2]
				}
				each(o.send(subject, subject+begin.Format("0102"), job[(n+n/7+i)%len(job)]))
			}
		}
		o.at = begin.Add(24 * time.Hour)
	}
}

func takeoverOf(r scorer.Result) (nats float64, text string) {
	for _, v := range r.Assessment.GetEvidence() {
		if v.Signal == evidence.Takeover.Describe().ID {
			return v.Nats, v.Text
		}
	}
	return 0, ""
}

// TestTakeoverWithinASession lets the engine build its own epochs from two months
// of an office, and a colleague of the other job go on in somebody's session.
func TestTakeoverWithinASession(t *testing.T) {
	o := &office{engine: newEngine(t, true), at: start}
	strange, epochs := 0, uint64(0)
	o.work(14, 60, func(r scorer.Result) {
		nats, _ := takeoverOf(r)
		if nats > 3 {
			strange++
		}
		if n := r.Assessment.GetSharedEpoch(); n < epochs || n > epochs+1 {
			t.Fatalf("epoch %d after %d", n, epochs)
		}
		epochs = r.Assessment.GetSharedEpoch()
	})
	if epochs < 40 || epochs > 62 {
		t.Errorf("%d epochs in 60 days, want one a day once there is something to share", epochs)
	}
	if strange > 5 {
		t.Errorf("%d of 33,600 ordinary steps are taken for a takeover", strange)
	}
	best, text := 0.0, ""
	for n := range 60 {
		r := o.send("p0", "p0-today", jobs[n/20%2][n%6]) // The owner, the colleague from the 20th step on.
		nats, says := takeoverOf(r)
		if n < 20 && nats > 1 {
			t.Errorf("the owner's own step %d says %.2f nats", n, nats)
		}
		if nats > best {
			best, text = nats, says
		}
	}
	if best < 3 {
		t.Errorf("a colleague's forty steps say %.2f nats, want more than 3", best)
	}
	t.Logf("%.2f nats: %s", best, text)
}

// TestEpochsAreActivatedByControlRecords lets two live engines learn, builds one
// epoch from both, and puts it in force in each.
func TestEpochsAreActivatedByControlRecords(t *testing.T) {
	var engines [2]*office
	var summaries []*epoch.Summary
	for i := range engines {
		live, err := scorer.New(scorer.Options{Model: model.Default(), OfflineClock: true, EpochEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		engines[i] = &office{engine: live, at: start}
		engines[i].work(6+4*i, 20, func(r scorer.Result) {
			if r.Assessment.GetSharedEpoch() != 0 {
				t.Fatal("an epoch in force that nobody has activated")
			}
		})
		live.Summaries(int32(i), func(s *epoch.Summary) bool {
			got, err := epoch.DecodeSummary(s.Encode())
			if err != nil {
				t.Fatal(err)
			}
			summaries = append(summaries, got)
			return true
		})
	}
	if len(summaries) != 2 {
		t.Fatalf("%d summaries, want one of each engine", len(summaries))
	}
	built := epoch.Build(nil, summaries...)
	control := built.Reference().Control()
	control.Time = timestamppb.New(engines[0].at)
	for i, o := range engines {
		ref, lacks := o.engine.Lacks(control)
		if !lacks || ref != built.Reference() {
			t.Fatalf("engine %d lacks %+v, %t", i, ref, lacks)
		}
		if i == 0 { // What happens when nobody has offered it.
			o.engine.Assess(scorer.Record{Event: control})
			if got := o.engine.Stats().EpochsMissed; got != 1 {
				t.Errorf("%d epochs missed, want 1", got)
			}
		}
		o.engine.Offer(built)
		if _, lacks := o.engine.Lacks(control); lacks {
			t.Error("lacks what it was offered")
		}
		if n := o.send("p1", "s", "/inbox").Assessment.GetSharedEpoch(); n != 0 {
			t.Errorf("an offer alone puts epoch %d in force", n)
		}
		o.engine.Assess(scorer.Record{Event: control})
		if n := o.send("p1", "s", "/inbox").Assessment.GetSharedEpoch(); n != 1 {
			t.Errorf("epoch %d in force, want 1", n)
		}
		if _, lacks := o.engine.Lacks(control); lacks {
			t.Error("lacks what is in force")
		}
		var b bytes.Buffer
		err := o.engine.Snapshot(&b)
		if err != nil {
			t.Fatal(err)
		}
		o.engine = newEngine(t, true)
		err = o.engine.Restore(&b, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := o.send("p1", "s", "/inbox").Assessment.GetSharedEpoch(); n != 1 {
			t.Errorf("epoch %d in force after a restart, want 1", n)
		}
	}
}

func TestOffersAreBounded(t *testing.T) {
	e := newEngine(t, true)
	s := &epoch.Summary{Tenant: "t", Sequence: sequence.NewShared()}
	var last *epoch.Epoch
	for range 200 {
		last = epoch.Build(last, s)
		e.Offer(last)
	}
	first := epoch.Build(nil, s)
	if _, lacks := e.Lacks(first.Reference().Control()); !lacks {
		t.Error("200 offers are all kept")
	}
	if _, lacks := e.Lacks(last.Reference().Control()); lacks {
		t.Error("the latest offer is not kept")
	}
}

// TestReplayWithEpochs plays the same month with and without restarts: epochs
// are built, and every byte is the same.
func TestReplayWithEpochs(t *testing.T) {
	play := func(restartEvery int) (sums []string, epochs uint64, takeovers int) {
		o := &office{engine: newEngine(t, true), at: start}
		each := func(r scorer.Result) {
			nats, _ := takeoverOf(r)
			if nats > 0 {
				takeovers++
			}
			epochs = r.Assessment.GetSharedEpoch()
			sums = append(sums, said(t, r))
			if restartEvery == 0 || len(sums)%restartEvery != 0 {
				return
			}
			var b bytes.Buffer
			err := o.engine.Snapshot(&b)
			if err != nil {
				t.Fatal(err)
			}
			o.engine = newEngine(t, true)
			err = o.engine.Restore(&b, nil)
			if err != nil {
				t.Fatal(err)
			}
		}
		o.work(14, 40, each)
		for n := range 60 {
			each(o.send("p0", "p0-today", jobs[1][n%6]))
		}
		return sums, epochs, takeovers
	}
	want, epochs, takeovers := play(0)
	got, _, _ := play(997)
	if epochs < 10 || takeovers == 0 {
		t.Fatalf("%d epochs and %d findings of an order: this test needs both", epochs, takeovers)
	}
	for i := range want {
		if want[i] != got[i] {
			t.Fatalf("record %d:\n%s\nafter restarts:\n%s", i, want[i], got[i])
		}
	}
}
