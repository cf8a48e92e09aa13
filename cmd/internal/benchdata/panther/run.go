package panther

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// Family counts the tests of one family of rules.
type Family struct {
	Name  string `json:"name"`
	Tests int    `json:"tests"`
	// Mapped are those about something that a gateway sees; Own of them are
	// answered by the scorer's own signals, the others by an operator's rules.
	Mapped int `json:"mapped"`
	Own    int `json:"own"`
	// Right are those of the mapped that came out as expected, OwnRight those of
	// Own.
	Right    int `json:"right"`
	OwnRight int `json:"own_right"`
}

// Wrong is a mapped test that did not come out as expected.
type Wrong struct {
	Rule     string `json:"rule"`
	Test     string `json:"test"`
	Expected bool   `json:"expected"`
	// By is the signal or custom rule that was asked, Nats what it said, Action
	// what the ladder asked for.
	By     string  `json:"by"`
	Nats   float64 `json:"nats"`
	Action string  `json:"action"`
}

// Report is what was measured.
type Report struct {
	Families []Family `json:"families"`
	Wrong    []Wrong  `json:"wrong"`
}

// start is the time of the first event of every test: most logs' times are made
// up, and some have none.
var start = time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // A constant: Go has no constant times.

const (
	// every is how far apart the events of a test are that is replayed: somebody
	// types.
	every = 6 * time.Second
	// before is how long ago a session was seen elsewhere.
	before = time.Minute
)

// Run plays every test below dir through a scorer of its own. own is the model
// for what the scorer's signals answer, rules that with the operator's rules.
// The error wraps [fs.ErrNotExist] where the set is not there.
func Run(dir string, own, rules *model.Model) (Report, error) {
	tests, err := read(dir)
	if err != nil {
		return Report{}, err
	}
	var r Report
	for i := range tests {
		t := &tests[i]
		n := len(r.Families)
		if n == 0 || r.Families[n-1].Name != t.Family {
			r.Families = append(r.Families, Family{Name: t.Family})
		}
		f := &r.Families[len(r.Families)-1]
		f.Tests++
		a, mapped := answers[t.Rule]
		if !mapped {
			continue
		}
		w, ok, err := play(t, &a, own, rules)
		if err != nil {
			return Report{}, err
		}
		if !ok {
			continue
		}
		f.count(&a, w == nil)
		if w != nil {
			r.Wrong = append(r.Wrong, *w)
		}
	}
	return r, nil
}

func (f *Family) count(a *answer, right bool) {
	f.Mapped++
	if a.signal != "" {
		f.Own++
	}
	if right {
		f.Right++
		if a.signal != "" {
			f.OwnRight++
		}
	}
}

// play plays one test, and returns what is wrong with its outcome, nil for
// nothing. ok is false where its log holds no event.
func play(t *Test, a *answer, own, rules *model.Model) (w *Wrong, ok bool, err error) {
	e := new(event.RequestEvent)
	if !toEvent(t, e) {
		return nil, false, nil
	}
	m := own
	if a.rule != "" {
		m = rules
	}
	engine, err := scorer.New(scorer.Options{Model: m, OfflineClock: true})
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", t.Rule, err)
	}
	if a.session {
		sawSession(engine, t, e)
	}
	out := Wrong{Rule: t.Rule, Test: t.Name, Expected: t.Expected, By: a.rule + a.signal, Action: verdict.ActionObserve}
	for i := range a.times {
		e.Time = timestamppb.New(start.Add(time.Duration(i) * every))
		e.Clamp()
		err := e.Check()
		if err != nil {
			return nil, false, fmt.Errorf("%s, %s: %w", t.Rule, t.Name, err)
		}
		result := engine.Assess(scorer.Record{Event: e, Offset: int64(i + 1)}).Assessment
		for _, found := range result.GetEvidence() {
			if found.GetSignal() == out.By {
				out.Nats = max(out.Nats, found.GetNats())
			}
		}
		if verdict.Strength(result.GetAction()) > verdict.Strength(out.Action) {
			out.Action = result.GetAction()
		}
	}
	if out.right(a) {
		return nil, true, nil
	}
	return &out, true, nil
}

// right reports whether a test came out as expected. A positive one must show
// the evidence that was asked for, and of the scorer's own signals also an
// action; a negative one must not show an operator's rule, and must lead to no
// action by the scorer's own signals.
func (w *Wrong) right(a *answer) bool {
	acts := w.Action != verdict.ActionObserve
	if a.rule != "" {
		return w.Nats > 0 == w.Expected
	}
	return acts == w.Expected && (w.Nats > 0 || !w.Expected)
}

// sawSession lets the session of a test about a stolen one be seen before: on
// the same network where the test says that nothing is new, else on another
// one, and by another client where the test is about another device.
func sawSession(engine *scorer.Engine, t *Test, e *event.RequestEvent) {
	p := proto.CloneOf(e)
	if t.Name != "Same device and OS" {
		p.Address, p.Asn = "198.51.100.7", 64500
	}
	if t.Name == "Different device & ASN" {
		p.UserAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:91.0) Gecko/20100101 Firefox/91.0"
	}
	p.Time = timestamppb.New(start.Add(-before))
	p.Clamp()
	engine.Assess(scorer.Record{Event: p})
}
