package seal_test

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// message is a Kafka record.
type message struct {
	name    string // For the tests; not sealed.
	key     string
	value   string
	headers map[string]string
}

func view(m message) seal.Record {
	return seal.Record{Key: []byte(m.key), Value: []byte(m.value), Header: func(name string) ([]byte, bool) {
		v, ok := m.headers[name]
		return []byte(v), ok
	}}
}

// clone is a copy that may be tampered with.
func (m message) clone() message {
	m.headers = maps.Clone(m.headers)
	return m
}

var (
	noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	// seed of a test key, by its id.
	private = func(kid string) ed25519.PrivateKey {
		return ed25519.NewKeyFromSeed(fmt.Appendf(nil, "%-32.32s", kid))
	}
)

// keys list two gateways; gw-1 has had a key before.
func keys(tb testing.TB) *verdict.KeySet {
	tb.Helper()
	root := private("root")
	var list []verdict.Key
	for _, k := range []verdict.Key{
		{ID: "gw-1-old", Gateway: "gw-1", Until: noon.Add(time.Hour)},
		{ID: "gw-1-new", Gateway: "gw-1", From: noon},
		{ID: "gw-2", Gateway: "gw-2"},
		{ID: "analyzer", Class: verdict.ClassAnalyzer},
	} {
		if k.Class == "" {
			k.Class = verdict.ClassGateway
		}
		k.Public = private(k.ID).Public().(ed25519.PublicKey)
		list = append(list, k)
	}
	file, err := verdict.SignKeySet(root, list)
	if err != nil {
		tb.Fatal(err)
	}
	set, err := verdict.OpenKeySet(root.Public().(ed25519.PublicKey), file)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

// producer is one life of a gateway in partition 3.
type producer struct {
	tb      testing.TB
	gateway string
	signer  *seal.Signer
	chain   seal.Chain
	at      time.Time
	sent    int
}

func newProducer(tb testing.TB, gateway, kid string, epoch uint64) *producer {
	tb.Helper()
	s, err := seal.NewSigner(gateway, kid, private(kid))
	if err != nil {
		tb.Fatal(err)
	}
	return &producer{tb: tb, gateway: gateway, signer: s, chain: seal.Chain{Epoch: epoch, Partition: 3}, at: noon.Add(time.Minute)}
}

// batch is the next n records, sealed alone.
func (p *producer) batch(n int) []message {
	out, b := p.draft(n)
	p.signer.Sign([]*seal.Batch{b})
	out[0].headers[seal.Header] = string(b.Header)
	return out
}

// draft is the next n records, and their batch, which is part of the chain.
func (p *producer) draft(n int) ([]message, *seal.Batch) {
	out := make([]message, n)
	views := make([]seal.Record, n)
	for i := range out {
		p.sent++
		out[i] = message{
			name: fmt.Sprintf("%s/%d", p.gateway, p.sent), key: fmt.Sprint("key", p.sent), value: fmt.Sprint("value", p.sent),
			headers: map[string]string{
				"ce_id": fmt.Sprint(p.sent), "ce_source": seal.SourcePrefix + p.gateway, "ce_type": "t", "ce_time": "2026-01-31T12:00:00Z",
				"content-type": "application/protobuf", "traceparent": "00-a-b-01",
			},
		}
		views[i] = view(out[i])
	}
	b := p.signer.Draft(&p.chain, p.at, views)
	p.chain.Advance(b)
	return out, b
}

// finding is what a reader says of one batch.
type finding struct {
	First    string // Its first record.
	Records  int
	Cause    seal.Cause
	Repeated bool
	Missing  uint64
}

// read is what a reader of a partition finds.
func read(tb testing.TB, partition int32, stream ...[]message) []finding {
	tb.Helper()
	return readBy(tb, seal.NewRoots(), partition, stream...)
}

// readBy is read by a reader who knows roots.
func readBy(tb testing.TB, roots *seal.Roots, partition int32, stream ...[]message) []finding {
	tb.Helper()
	var book seal.Book
	var out []finding
	c := seal.NewCollector(keys(tb), roots, partition, view)
	found := func(head *seal.Head, records []message) {
		j := book.Judge(head)
		out = append(out, finding{records[0].name, len(records), j.Cause, j.Repeated, j.Missing})
		entries := book.Entries()
		book = *seal.NewBook(entries) // A restart at any batch changes nothing.
	}
	for _, batch := range stream {
		for _, m := range batch {
			c.Add(m, found)
		}
	}
	c.End(found)
	return out
}

func TestReaderNamesWhatAHostileProducerHasDone(t *testing.T) {
	flip := func(change func(m *message)) []finding {
		p := newProducer(t, "gw-1", "gw-1-new", 7)
		a, b := p.batch(2), p.batch(3)
		b[1] = b[1].clone()
		change(&b[1])
		return read(t, 3, a, b, p.batch(1))
	}
	flipped := []finding{{"gw-1/1", 2, "", false, 0}, {"gw-1/3", 3, seal.CauseSignature, false, 0}, {"gw-1/6", 1, "", false, 1}}
	tests := map[string]struct {
		got, want []finding
	}{
		"a batch that is put there again is known": {
			func() []finding {
				p := newProducer(t, "gw-1", "gw-1-new", 7)
				a, b := p.batch(2), p.batch(1)
				return read(t, 3, a, b, a)
			}(),
			[]finding{{"gw-1/1", 2, "", false, 0}, {"gw-1/3", 1, "", false, 0}, {"gw-1/1", 2, "", true, 0}},
		},
		"a batch that is put into another partition has no signature there": {
			read(t, 4, newProducer(t, "gw-1", "gw-1-new", 7).batch(2)),
			[]finding{{"gw-1/1", 2, seal.CauseSignature, false, 0}},
		},
		"a batch that is cut out of the middle is missed": {
			func() []finding {
				p := newProducer(t, "gw-1", "gw-1-new", 7)
				a, _, c := p.batch(1), p.batch(2), p.batch(1)
				return read(t, 3, a, c)
			}(),
			[]finding{{"gw-1/1", 1, "", false, 0}, {"gw-1/4", 1, "", false, 1}},
		},
		"of two batches in the wrong order the late one is refused": {
			func() []finding {
				p := newProducer(t, "gw-1", "gw-1-new", 7)
				a, b, c := p.batch(1), p.batch(2), p.batch(1)
				return read(t, 3, a, c, b, p.batch(1))
			}(),
			[]finding{{"gw-1/1", 1, "", false, 0}, {"gw-1/4", 1, "", false, 1}, {"gw-1/2", 2, seal.CauseOrder, false, 0}, {"gw-1/5", 1, "", false, 0}},
		},
		"a changed value":        {flip(func(m *message) { m.value = "valuf4" }), flipped},
		"a changed key":          {flip(func(m *message) { m.key += "x" }), flipped},
		"a changed id":           {flip(func(m *message) { m.headers["ce_id"] = "9" }), flipped},
		"a changed type":         {flip(func(m *message) { m.headers["ce_type"] = "u" }), flipped},
		"a changed time":         {flip(func(m *message) { m.headers["ce_time"] = "" }), flipped},
		"a changed content type": {flip(func(m *message) { delete(m.headers, "content-type") }), flipped},
		"a changed trace":        {flip(func(m *message) { m.headers["traceparent"] = "" }), flipped},
		"a byte moved from the key to the value": {
			flip(func(m *message) { m.key, m.value = m.key+m.value[:1], m.value[1:] }), flipped,
		},
		"a record that is left out takes its batch with it": {
			func() []finding {
				p := newProducer(t, "gw-1", "gw-1-new", 7)
				a := p.batch(3)
				return read(t, 3, append(a[:1:1], a[2]), p.batch(1))
			}(),
			[]finding{{"gw-1/1", 2, seal.CauseTorn, false, 0}, {"gw-1/4", 1, "", false, 0}},
		},
		"a record that is put in between takes the batch with it and is itself unsigned": {
			func() []finding {
				a := newProducer(t, "gw-1", "gw-1-new", 7).batch(2)
				forged := a[1].clone()
				forged.value = "forged"
				return read(t, 3, []message{a[0], forged, a[1]})
			}(),
			[]finding{{"gw-1/1", 2, seal.CauseSignature, false, 0}, {"gw-1/2", 1, seal.CauseUnsigned, false, 0}},
		},
		"a stranger's endless batch ends with the next seal": {
			func() []finding {
				endless := newProducer(t, "gw-1", "gw-1-new", 7).batch(90)
				return read(t, 3, endless[:1], newProducer(t, "gw-1", "gw-1-new", 8).batch(2))
			}(),
			[]finding{{"gw-1/1", 1, seal.CauseTorn, false, 0}, {"gw-1/1", 2, "", false, 0}},
		},
		"a record of somebody else is not drawn into a batch without end": {
			func() []finding {
				endless, other := newProducer(t, "gw-1", "gw-1-new", 7).batch(90), newProducer(t, "gw-9", "gw-2", 1).batch(1)[0].clone()
				delete(other.headers, seal.Header)
				return read(t, 3, endless[:1], []message{other})
			}(),
			[]finding{{"gw-1/1", 1, seal.CauseTorn, false, 0}, {"gw-9/1", 1, seal.CauseUnsigned, false, 0}},
		},
		"another gateway's key": {
			func() []finding {
				p := newProducer(t, "gw-1", "gw-2", 7)
				return read(t, 3, p.batch(1))
			}(),
			[]finding{{"gw-1/1", 1, seal.CauseGateway, false, 0}},
		},
		"an analyzer's key": {
			read(t, 3, newProducer(t, "gw-1", "analyzer", 7).batch(1)),
			[]finding{{"gw-1/1", 1, seal.CauseKey, false, 0}},
		},
		"a key that the set does not list": {
			read(t, 3, newProducer(t, "gw-1", "nobody", 7).batch(1)),
			[]finding{{"gw-1/1", 1, seal.CauseKey, false, 0}},
		},
		"the right id of a key and the wrong key": {
			func() []finding {
				s, err := seal.NewSigner("gw-1", "gw-1-new", private("nobody"))
				if err != nil {
					t.Fatal(err)
				}
				p := newProducer(t, "gw-1", "gw-1-new", 7)
				p.signer = s
				return read(t, 3, p.batch(1))
			}(),
			[]finding{{"gw-1/1", 1, seal.CauseSignature, false, 0}},
		},
		"a key after its time": {
			func() []finding {
				p := newProducer(t, "gw-1", "gw-1-old", 7)
				p.at = noon.Add(time.Hour)
				return read(t, 3, p.batch(1))
			}(),
			[]finding{{"gw-1/1", 1, seal.CauseRetired, false, 0}},
		},
		"a key before its time": {
			func() []finding {
				p := newProducer(t, "gw-1", "gw-1-new", 7)
				p.at = noon.Add(-time.Hour)
				return read(t, 3, p.batch(1))
			}(),
			[]finding{{"gw-1/1", 1, seal.CauseRetired, false, 0}},
		},
		"a retired key that dates its seal back": {
			func() []finding {
				thief := newProducer(t, "gw-1", "gw-1-old", 9)
				return read(t, 3, newProducer(t, "gw-1", "gw-1-new", 8).batch(1), thief.batch(2))
			}(),
			[]finding{{"gw-1/1", 1, "", false, 0}, {"gw-1/1", 2, seal.CauseRetired, false, 0}},
		},
		"a second chain of the same life": {
			func() []finding {
				p, q := newProducer(t, "gw-1", "gw-1-new", 7), newProducer(t, "gw-1", "gw-1-new", 7)
				a, b := p.batch(1), p.batch(1)
				q.batch(2)
				return read(t, 3, a, q.batch(3), b)
			}(),
			[]finding{{"gw-1/1", 1, "", false, 0}, {"gw-1/3", 3, seal.CauseFork, false, 0}, {"gw-1/2", 1, "", false, 0}},
		},
		"a header that is no seal": {
			func() []finding {
				m := newProducer(t, "gw-1", "gw-1-new", 7).batch(1)
				m[0].headers[seal.Header] = "x"
				return read(t, 3, m)
			}(),
			[]finding{{"gw-1/1", 1, seal.CauseMalformed, false, 0}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReaderBelievesWhatAnHonestProducerDoes(t *testing.T) {
	tests := map[string][][]message{
		"one batch after another": func() [][]message {
			p := newProducer(t, "gw-1", "gw-1-new", 7)
			return [][]message{p.batch(2), p.batch(1), p.batch(40)}
		}(),
		"a restart begins a chain": func() [][]message {
			p := newProducer(t, "gw-1", "gw-1-new", 7)
			return [][]message{p.batch(2), p.batch(1), newProducer(t, "gw-1", "gw-1-new", 8).batch(4)}
		}(),
		"a restart after the clock was set back": func() [][]message {
			p, q := newProducer(t, "gw-1", "gw-1-new", 7), newProducer(t, "gw-1", "gw-1-new", 3)
			return [][]message{p.batch(2), q.batch(1), q.batch(4)}
		}(),
		"the last batch of a killed life after the first of the next": func() [][]message {
			p, q := newProducer(t, "gw-1", "gw-1-new", 7), newProducer(t, "gw-1", "gw-1-new", 8)
			return [][]message{p.batch(2), q.batch(1), p.batch(1), q.batch(4)}
		}(),
		"two gateways by turns": func() [][]message {
			p, q := newProducer(t, "gw-1", "gw-1-new", 7), newProducer(t, "gw-2", "gw-2", 8)
			return [][]message{p.batch(2), q.batch(1), p.batch(1), q.batch(4), p.batch(3)}
		}(),
		"a new key": func() [][]message {
			p := newProducer(t, "gw-1", "gw-1-old", 7)
			return [][]message{p.batch(2), newProducer(t, "gw-1", "gw-1-new", 8).batch(4)}
		}(),
		"a new key within a life": func() [][]message {
			p := newProducer(t, "gw-1", "gw-1-old", 7)
			a := p.batch(2)
			p.signer = newProducer(t, "gw-1", "gw-1-new", 7).signer
			return [][]message{a, p.batch(4)}
		}(),
		"a topic that begins in the middle of a chain": func() [][]message {
			p := newProducer(t, "gw-1", "gw-1-new", 7)
			p.batch(2)
			p.batch(2)
			return [][]message{p.batch(2), p.batch(1)}
		}(),
		"a mirror that adds headers": func() [][]message {
			b := newProducer(t, "gw-1", "gw-1-new", 7).batch(2)
			b[0].headers["mirror"], b[1].headers["mirror"] = "x", "x"
			return [][]message{b}
		}(),
	}
	for name, stream := range tests {
		t.Run(name, func(t *testing.T) {
			var want []finding
			for _, b := range stream {
				want = append(want, finding{First: b[0].name, Records: len(b)})
			}
			if diff := cmp.Diff(want, read(t, 3, stream...)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// A batch whose fate is unknown keeps its number: what is sent in its place is the
// next one, whether or not it was stored.
func TestBatchThatMayBeStoredKeepsItsNumber(t *testing.T) {
	p := newProducer(t, "gw-1", "gw-1-new", 7)
	a := p.batch(1)
	lost := p.batch(2)
	again := p.batch(2)
	want := []finding{{"gw-1/1", 1, "", false, 0}, {"gw-1/4", 2, "", false, 1}}
	if diff := cmp.Diff(want, read(t, 3, a, again)); diff != "" {
		t.Errorf("where it was not stored (-want +got):\n%s", diff)
	}
	want = []finding{{"gw-1/1", 1, "", false, 0}, {"gw-1/2", 2, "", false, 0}, {"gw-1/2", 2, "", true, 0}, {"gw-1/4", 2, "", false, 0}}
	if diff := cmp.Diff(want, read(t, 3, a, lost, lost, again)); diff != "" {
		t.Errorf("where it was stored twice (-want +got):\n%s", diff)
	}
}

func TestAdmit(t *testing.T) {
	sealed := func(gateway string) *seal.Head { return &seal.Head{Gateway: gateway, Seal: &seal.Seal{Kid: "k"}} }
	bare := func(gateway string) *seal.Head { return &seal.Head{Gateway: gateway, Cause: seal.CauseUnsigned} }
	tests := map[string]struct {
		policy seal.Policy
		head   *seal.Head
		cause  seal.Cause
		event  *event.RequestEvent
		want   seal.Cause
		marked bool
	}{
		"an event of its signer":                              {policy: seal.Refuse, head: sealed("gw-1"), event: &event.RequestEvent{Gateway: "gw-1"}},
		"an event that names another gateway than its signer": {policy: seal.Accept, head: sealed("gw-2"), event: &event.RequestEvent{Gateway: "gw-1"}, want: seal.CauseGateway},
		"an event that names no gateway under a seal":         {policy: seal.Accept, head: sealed("gw-2"), event: &event.RequestEvent{}, want: seal.CauseGateway},
		"no seal where the gateway has a key":                 {policy: seal.Accept, head: bare("gw-1"), cause: seal.CauseUnsigned, event: &event.RequestEvent{Gateway: "gw-1"}, want: seal.CauseUnsigned},
		"no seal, and only the event says which gateway":      {policy: seal.Accept, head: bare("other"), cause: seal.CauseUnsigned, event: &event.RequestEvent{Gateway: "gw-1"}, want: seal.CauseUnsigned},
		"no seal, and only the header says which gateway":     {policy: seal.Accept, head: bare("gw-1"), cause: seal.CauseUnsigned, event: &event.RequestEvent{Gateway: "other"}, want: seal.CauseUnsigned},
		"no seal where nobody has a key, accepted":            {policy: seal.Accept, head: bare("gw-9"), cause: seal.CauseUnsigned, event: &event.RequestEvent{Gateway: "gw-9"}},
		"no seal where nobody has a key, marked":              {policy: seal.Mark, head: bare("gw-9"), cause: seal.CauseUnsigned, event: &event.RequestEvent{Gateway: "gw-9"}, marked: true},
		"no seal where nobody has a key, refused":             {policy: seal.Refuse, head: bare("gw-9"), cause: seal.CauseUnsigned, event: &event.RequestEvent{Gateway: "gw-9"}, want: seal.CauseUnsigned},
		"no seal, no key, but another gateway has one":        {policy: seal.Auto, head: bare("gw-9"), cause: seal.CauseUnsigned, event: &event.RequestEvent{Gateway: "gw-9"}, want: seal.CauseUnsigned},
		"no room for the mark":                                {policy: seal.Mark, head: bare("gw-9"), cause: seal.CauseUnsigned, event: &event.RequestEvent{Gateway: "gw-9", Attributes: crowd()}, marked: true},
		"a key that is not listed yet counts as no seal":      {policy: seal.Mark, head: &seal.Head{Gateway: "gw-9", Seal: &seal.Seal{Kid: "new"}}, cause: seal.CauseKey, event: &event.RequestEvent{Gateway: "gw-9"}, marked: true},
		"a wrong signature is never accepted":                 {policy: seal.Accept, head: sealed("gw-9"), cause: seal.CauseSignature, event: &event.RequestEvent{Gateway: "gw-9"}, want: seal.CauseSignature},
		"a control record has a signature of its own":         {policy: seal.Refuse, head: bare(""), cause: seal.CauseUnsigned, event: &event.RequestEvent{Kind: event.KindControl}},
		"a control record that names a gateway is a gateway's": {
			policy: seal.Refuse, head: bare(""), cause: seal.CauseUnsigned, event: &event.RequestEvent{Kind: event.KindControl, Gateway: "gw-1"}, want: seal.CauseUnsigned,
		},
	}
	set := keys(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			refused := tt.policy.Admit(set, tt.head, tt.cause, tt.event)
			var got seal.Cause
			if refused != nil {
				got = refused.Cause
			}
			if got != tt.want {
				t.Errorf("Admit() = %q, want %q", got, tt.want)
			}
			if marked := tt.event.Attributes[event.AttributeProducer] == event.ProducerUnsigned; marked != tt.marked {
				t.Errorf("marked = %t, want %t", marked, tt.marked)
			}
		})
	}
}

// crowd is as many attributes as an event may have.
func crowd() map[string]string {
	all := make(map[string]string)
	for i := range event.AttributesMax {
		all[strconv.Itoa(i)] = "x"
	}
	return all
}

// Until a gateway has a key nothing can be proven, and nothing is held against anybody.
func TestWithoutAnyGatewaysKeyAllIsAccepted(t *testing.T) {
	ev := &event.RequestEvent{Gateway: "gw-9"}
	refused := seal.Auto.Admit(new(verdict.KeySet), &seal.Head{Gateway: "gw-9", Cause: seal.CauseUnsigned}, seal.CauseUnsigned, ev)
	if refused != nil || ev.Unproven() {
		t.Errorf("Admit() = %v, marked %t; want it accepted", refused, ev.Unproven())
	}
}

// A life from before our time that is played back reports nothing and pushes no life out,
// whichever batch of it comes.
func TestAnOldLifePlayedBackChangesNothing(t *testing.T) {
	old, one, two := newProducer(t, "gw-1", "gw-1-new", 3), newProducer(t, "gw-1", "gw-1-new", 5), newProducer(t, "gw-1", "gw-1-new", 7)
	var olds [][]message
	for range 6 {
		olds = append(olds, old.batch(1))
	}
	first, begun := one.batch(1), two.batch(1)
	_ = one.batch(1) // Lost.
	after := one.batch(1)
	want := []finding{
		{"gw-1/1", 1, "", false, 0}, {"gw-1/1", 1, "", false, 0}, // The two lives that are known.
		{"gw-1/4", 1, "", false, 0}, {"gw-1/6", 1, "", false, 0}, // The old one.
		{"gw-1/3", 1, "", false, 1}, // The earlier of the two is still known.
	}
	if diff := cmp.Diff(want, read(t, 3, first, begun, olds[3], olds[5], after)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// Whoever has stolen a gateway's key may claim any epoch; the next key ends that.
func TestALifeThatAStolenKeyInventedEndsWithTheKey(t *testing.T) {
	thief, more := newProducer(t, "gw-1", "gw-1-old", 1<<62), newProducer(t, "gw-1", "gw-1-old", 1<<62+1)
	honest := newProducer(t, "gw-1", "gw-1-new", 7)
	first := honest.batch(1)
	_ = honest.batch(1) // Lost.
	want := []finding{{"gw-1/1", 1, "", false, 0}, {"gw-1/1", 1, "", false, 0}, {"gw-1/1", 1, "", false, 0}, {"gw-1/3", 1, "", false, 1}}
	if diff := cmp.Diff(want, read(t, 3, thief.batch(1), more.batch(1), first, honest.batch(1))); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestBookIsKept(t *testing.T) {
	var book seal.Book
	c := seal.NewCollector(keys(t), seal.NewRoots(), 3, view)
	p := newProducer(t, "gw-1", "gw-1-new", 7)
	for i := range 40 {
		b := p.batch(1)
		if i%3 == 0 {
			c.Add(b[0], func(head *seal.Head, _ []message) { book.Judge(head) })
		}
	}
	text, err := json.Marshal(book.Entries())
	if err != nil {
		t.Fatal(err)
	}
	var entries []seal.Entry
	err = json.Unmarshal(text, &entries)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(book.Entries(), seal.NewBook(entries).Entries()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if len(entries) != 1 || entries[0].Number != 40 || len(entries[0].Missing) != 8 {
		t.Errorf("entries = %+v, want one chain at 40 that lacks the last 8 ranges", entries)
	}
}
