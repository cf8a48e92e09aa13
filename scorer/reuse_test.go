package scorer_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/scenario"
)

// borrowed is an event whose texts are written over as soon as it was scored, as
// those of a decoder that uses its memory again.
type borrowed struct {
	event event.RequestEvent
	texts [][]byte
}

func (b *borrowed) text(s string) string {
	if s == "" {
		return ""
	}
	own := []byte(s)
	b.texts = append(b.texts, own)
	return unsafe.String(unsafe.SliceData(own), len(own))
}

func borrow(ev *event.RequestEvent) *borrowed {
	b := new(borrowed)
	proto.Merge(&b.event, ev)
	m := b.event.ProtoReflect()
	m.Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case d.IsMap():
			attributes := make(map[string]string)
			for name, value := range b.event.GetAttributes() {
				attributes[b.text(name)] = b.text(value)
			}
			b.event.Attributes = attributes
		case d.IsList() && d.Kind() == protoreflect.StringKind:
			for i := range v.List().Len() {
				v.List().Set(i, protoreflect.ValueOfString(b.text(v.List().Get(i).String())))
			}
		case d.Kind() == protoreflect.StringKind:
			m.Set(d, protoreflect.ValueOfString(b.text(v.String())))
		}
		return true
	})
	return b
}

func (b *borrowed) giveBack() {
	for _, text := range b.texts {
		for i := range text {
			text[i] = '#'
		}
	}
}

// TestEntitiesInUsedMemoryAreLikeNewOnes lets far more actors come and go than there
// is room for, so that nearly all of them begin in the memory of others. Beside that
// engine one is restored from its own snapshots, and so begins in new memory again
// and again; its events' texts stay as they are.
func TestEntitiesInUsedMemoryAreLikeNewOnes(t *testing.T) {
	records := 12_000
	if testing.Short() || raceEnabled {
		records = 3_000
	}
	const lines = "limits: {sessions_max: 9, subjects_max: 6, addresses_max: 4, tenants_max: 2, detectors_max: 3}\nlearning: {quarantine: 1m, free_sessions: 2, common_above: 0}\n" +
		"peer_groups:\n  - {id: even, client_ids: [c0, c2]}"
	used, renewed := engineOf(t, lines), engineOf(t, lines)
	rng := rand.New(rand.NewPCG(7, 7))
	at := start
	for i := range records {
		at = at.Add(time.Duration(rng.IntN(40_000)) * time.Millisecond)
		if rng.IntN(200) == 0 {
			at = at.Add(5 * time.Hour)
		}
		ev := crowd(rng, at, i)
		r := scorer.Record{Event: ev, Topic: "vigil.requests", Partition: 3, Offset: int64(i)}
		want := all(t, renewed.Assess(r))
		b := borrow(ev)
		r.Event = &b.event
		got := all(t, used.Assess(r))
		b.giveBack()
		if got != want {
			t.Fatalf("record %d, %v, in used memory:\n%s\nin new memory:\n%s", i, ev, got, want)
		}
		if i%97 != 0 {
			continue
		}
		var a, b2 bytes.Buffer
		for e, to := range map[*scorer.Engine]*bytes.Buffer{used: &a, renewed: &b2} {
			err := e.Snapshot(to)
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(a.Bytes(), b2.Bytes()) {
			t.Fatalf("after record %d the two know something else", i)
		}
		renewed = engineOf(t, lines)
		err := renewed.Restore(&b2, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	if s := used.Stats(); s.Evicted < uint64(records/10) || s.Detectors == 0 || s.PeerGroups == 0 {
		t.Errorf("too little has happened: %+v", s)
	}
}

// crowd draws an event of one of many, most of whom come for a while.
func crowd(rng *rand.Rand, at time.Time, i int) *event.RequestEvent {
	of := func(list ...string) string { return list[rng.IntN(len(list))] }
	person := i/500%9 + rng.IntN(4)
	ev := &event.RequestEvent{
		Kind: event.KindRequest, Phase: of(event.PhaseComplete, event.PhaseComplete, event.PhaseComplete, event.PhaseOpen, event.PhaseTick, event.PhaseClose),
		Id: fmt.Sprint("e", i), RequestId: fmt.Sprint("r", rng.IntN(9)), Tenant: of("default", "default", "default", "default", "default", "default", "default", "other"), Time: timestamppb.New(at),
		ClientId: fmt.Sprint("c", person%4), Route: of("web", "api"), Address: fmt.Sprintf("198.51.%d.%d", person%9, rng.IntN(3)), Country: of("DE", "DE", "DE", "BR"),
		Asn: uint32(rng.IntN(3) * (3320 + person%3)), UserAgent: scenario.Agent(of("chrome", "chrome", "iphone", "python")), Ja4: of("t13d1516h2_8daaf6152771_02713d6af862", "t13d1812h1_85036bcba153_d41ae481755e"),
		Method: of("GET", "GET", "POST"), Path: of("/a/1", "/A/2", "/.env", "/login", "/%2e%2e/etc/passwd", fmt.Sprint("/Page", rng.IntN(40))), Template: of("", "/a/{id}", "/b/{id}"),
		Resource: fmt.Sprint(rng.IntN(50)), Status: []uint32{200, 200, 404, 401, 500}[rng.IntN(5)], BytesOut: uint64(rng.IntN(1 << (1 + rng.IntN(24)))), DurationUs: uint64(rng.IntN(1e6)),
		Account: of("", "", fmt.Sprint("account", rng.IntN(30))), AuthOutcome: of("", "", "", event.AuthFailure, event.AuthSuccess), WafScore: float64(rng.IntN(2) * rng.IntN(9)),
		Attributes: map[string]string{event.AttributeQuery: of("", "q=1", "Q=%27OR+1", fmt.Sprint("n=", rng.IntN(1000)))},
	}
	if rng.IntN(5) == 0 {
		return ev
	}
	ev.Subject, ev.SubjectKind = fmt.Sprint("u", person), of("human", "human", "service")
	ev.Session, ev.TokenId, ev.Device = fmt.Sprint(ev.Subject, "-s", rng.IntN(3)), fmt.Sprint("t", rng.IntN(4)), of("", fmt.Sprint("d", person), "d0")
	if rng.IntN(20) == 0 {
		ev.Kind, ev.Reason = event.KindSession, of(event.ReasonLogin, "refresh", "logout", event.ReasonStepUp)
	}
	return ev
}

// all is everything a result says, with the cuts.
func all(t *testing.T, r scorer.Result) string {
	t.Helper()
	s := said(t, r)
	for _, cut := range r.Cuts {
		b, err := cut.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		s += fmt.Sprintf(" cut %x", b)
	}
	return s
}
