package scorer_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/judge"
)

// mixed is an event of which every text that the scorer may look at is one of
// several.
func mixed(random *rand.Rand, i int) *event.RequestEvent {
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	who := fmt.Sprint("u", random.IntN(12))
	ev := &event.RequestEvent{
		Kind: event.KindRequest, Phase: event.PhaseComplete, Id: fmt.Sprint("event-", i), Time: at(time.Duration(i) * 2 * time.Second),
		Tenant: pick("default", "other"), Gateway: pick("gw-a", "gw-b"), Subject: who, Issuer: "https://idp.example", Session: who + pick("-a", "-b"),
		SubjectKind: pick(event.SubjectHuman, event.SubjectService, event.SubjectAgent), TokenId: fmt.Sprint("t", random.IntN(30)), ClientId: pick("web", "app"),
		Device: pick("", "key-1", "key-2"), Binding: pick("", "dpop"), Address: fmt.Sprintf("192.0.%d.%d", random.IntN(3), random.IntN(20)),
		Asn: uint32(random.IntN(3)) * 3320, Country: pick("DE", "FR", "US", "KP"), Ja4: pick("", "t13d1516h2_8daaf6152771_b186095e22b6", "t13d190900_9dc949149365_97f8aa674fd9"),
		UserAgent: pick("curl/8.1", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"),
		Method:    pick("GET", "POST"), Path: fmt.Sprint("/accounts/", i%50), Template: pick("/accounts/{id}", "/files/{id}", "/reports"), Route: pick("api", "web"),
		Resource: fmt.Sprint(i % 50), Sensitivity: pick("low", "normal", "high", "critical"), Status: 200, BytesOut: uint64(random.IntN(1 << 22)), DurationUs: uint64(random.IntN(1 << 20)),
		NetworkTags: []string{pick("vpn", "tor", "hosting")}, Attributes: map[string]string{event.AttributeQuery: pick("", "a=1&b=2", "a=x'--")},
	}
	switch random.IntN(8) {
	case 0:
		ev.AuthOutcome, ev.Account, ev.Status = pick(event.AuthFailure, event.AuthSuccess, event.AuthMFAFailure), fmt.Sprint("account-", random.IntN(60)), 401
		ev.Subject, ev.Session = "", ""
	case 1:
		ev.Subject, ev.Session, ev.Path, ev.Template, ev.Status = "", "", fmt.Sprint("/nothing/", i), "", 404
	case 2:
		ev.Kind, ev.Reason, ev.AuthOutcome = event.KindSession, pick(event.ReasonLogin, event.ReasonRefresh, event.ReasonLogout), event.AuthSuccess
	}
	return ev
}

// TestNothingOfAnEventIsKept scores the same events twice, once each from memory
// of its own and once all from one line that is written over after each: state
// and proposals are the same.
func TestNothingOfAnEventIsKept(t *testing.T) {
	const events = 6000
	m := withTrees(t, "models: [{id: trees.a, kind: trees, file: a.txt, text: much was sent, owner: o}]\nlearning: {quarantine: 1m}\n")
	pair := func() *scorer.Pair {
		p, err := scorer.NewPair(scorer.Options{Model: m, OfflineClock: true})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	own, shared := pair(), pair()
	var kept, kept2 []judge.Proposal
	random := rand.New(rand.NewPCG(1, 2))
	var in event.Decoder
	var reused event.RequestEvent
	for i := range events {
		line, err := event.EncodeJSON(mixed(random, i))
		if err != nil {
			t.Fatal(err)
		}
		fresh := new(event.RequestEvent)
		err = event.DecodeJSON(line, fresh)
		if err != nil {
			t.Fatal(err)
		}
		err = in.Decode(line, &reused)
		if err != nil || !in.Canonical {
			t.Fatalf("decode %s: %v, canonical is %t", line, err, in.Canonical)
		}
		a, f := own.Assess(scorer.Record{Event: fresh, Topic: "vigil.requests", Offset: int64(i)})
		b, g := shared.Assess(scorer.Record{Event: &reused, Topic: "vigil.requests", Offset: int64(i)})
		kept, kept2 = append(append(kept, a.Proposals...), f.Proposals...), append(append(kept2, b.Proposals...), g.Proposals...)
		for j := range line {
			line[j] = 'X'
		}
	}
	if len(kept) == 0 {
		t.Fatal("nothing was proposed")
	}
	text := func(list []judge.Proposal) []string {
		var all []string
		for i := range list {
			p := &list[i]
			all = append(all, fmt.Sprint(p.ID, p.Tenant, p.Subject, p.EventID, p.Target.GetKind(), p.Target.GetId(), p.Authority, p.OperatorText, reasons(p.Evidence)))
		}
		return all
	}
	if diff := cmp.Diff(text(kept), text(kept2)); diff != "" {
		t.Errorf("proposals (-own +reused memory):\n%s", diff)
	}
	var first, second bytes.Buffer
	err := own.Snapshot(&first)
	if err != nil {
		t.Fatal(err)
	}
	err = shared.Snapshot(&second)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("states differ: %d and %d B; %d and %d detectors", first.Len(), second.Len(), own.Engine.Stats().Detectors, shared.Engine.Stats().Detectors)
	}
}

func reasons(list []*verdict.Evidence) (all []string) {
	for _, e := range list {
		all = append(all, e.GetSignal()+": "+e.GetText())
	}
	return all
}
