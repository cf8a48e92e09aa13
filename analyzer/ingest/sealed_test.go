package ingest_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/schemas/deadletter"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// sealingKey is the private key of a kid.
func sealingKey(kid string) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte((kid + strings.Repeat("-", 32))[:32]))
}

// gatewayKeys list gw-1, with one key that has had its time and one after it, and gw-2.
func gatewayKeys(t *testing.T) *verdict.KeySet {
	t.Helper()
	root := ed25519.NewKeyFromSeed(make([]byte, 32))
	var list []verdict.Key
	for _, k := range []verdict.Key{
		{ID: "old", Gateway: "gw-1", Until: time.Now().Add(-time.Hour)}, {ID: "k1", Gateway: "gw-1", From: time.Now().Add(-2 * time.Hour)}, {ID: "k2", Gateway: "gw-2"},
	} {
		k.Class, k.Public = verdict.ClassGateway, sealingKey(k.ID).Public().(ed25519.PublicKey)
		list = append(list, k)
	}
	file, err := verdict.SignKeySet(root, list)
	if err != nil {
		t.Fatal(err)
	}
	set, err := verdict.OpenKeySet(root.Public().(ed25519.PublicKey), file)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// sealer is one life of a gateway, in partition 1.
type sealer struct {
	r       *rig
	gateway string
	signer  *seal.Signer
	chain   seal.Chain
	seq     uint64
}

func (r *rig) sealer(gateway, kid string, epoch uint64) *sealer {
	r.t.Helper()
	s, err := seal.NewSigner(gateway, kid, sealingKey(kid))
	if err != nil {
		r.t.Fatal(err)
	}
	return &sealer{r: r, gateway: gateway, signer: s, chain: seal.Chain{Epoch: epoch, Partition: 1}}
}

// raw is a record as it is sent.
type raw struct {
	key, value []byte
	headers    []kafka.Header
}

func (m raw) header(name string) ([]byte, bool) {
	for _, h := range m.headers {
		if h.Key == name {
			return h.Value, true
		}
	}
	return nil, false
}

// bare is the next event of the gateway, without a seal.
func (s *sealer) bare(subject string) raw {
	s.r.t.Helper()
	s.seq++
	ev := request(int(s.seq), subject, "/")
	ev.Gateway, ev.Epoch, ev.Seq = s.gateway, s.chain.Epoch, s.seq
	return s.record(ev)
}

func (s *sealer) record(ev *event.RequestEvent) raw {
	s.r.t.Helper()
	value, err := event.Append(nil, ev)
	if err != nil {
		s.r.t.Fatal(err)
	}
	return raw{key: topic.RequestKey(ev.Tenant, ev.Subject, ""), value: value, headers: []kafka.Header{
		{Key: "ce_id", Value: []byte(ev.Id)}, {Key: "ce_source", Value: []byte(seal.SourcePrefix + s.gateway)}, {Key: "content-type", Value: []byte("application/protobuf")},
	}}
}

// seal seals records as the next batch.
func (s *sealer) seal(records ...raw) []raw {
	s.r.t.Helper()
	views := make([]seal.Record, len(records))
	for i, m := range records {
		views[i] = seal.Record{Key: m.key, Value: m.value, Header: m.header}
	}
	b := s.signer.Seal(&s.chain, time.Now(), views)
	s.chain.Advance(b)
	records[0].headers = append(records[0].headers, kafka.Header{Key: seal.Header, Value: b.Header})
	return records
}

// batch is the next n events of alice, sealed.
func (s *sealer) batch(n int) []raw {
	var records []raw
	for range n {
		records = append(records, s.bare("alice"))
	}
	return s.seal(records...)
}

// write puts records into partition 1.
func (r *rig) write(records ...raw) {
	r.t.Helper()
	out := make([]kafka.Record, len(records))
	for i, m := range records {
		out[i] = kafka.Record{Key: kafka.NewBytes(m.key), Value: kafka.NewBytes(m.value), Headers: m.headers}
	}
	r.produce(topic.Requests, 1, out...)
}

// refuse makes an analyzer that takes sealed records alone.
func refuse(t *testing.T) tweak {
	t.Helper()
	keys := gatewayKeys(t)
	return func(o *ingest.Options) { o.Seals, o.Config.Unsigned, o.NewEngine = keys, seal.Refuse, newNumbered }
}

// numbered is a tally that passes over numbers that it has seen, as the scorer does.
type numbered struct {
	tally

	lanes event.Positions
}

func newNumbered(m *model.Model) (ingest.Engine, error) {
	return &numbered{tally: tally{Count: make(map[string]int), model: m}}, nil
}

func (e *numbered) Assess(r scorer.Record) scorer.Result {
	ev := r.Event
	duplicate, missing := e.lanes.Observe(event.Lane{Gateway: ev.Gateway, Epoch: ev.Epoch, Lane: ev.Lane}, ev.Seq, ev.Seq)
	if duplicate {
		return scorer.Result{Duplicate: true}
	}
	res := e.tally.Assess(r)
	res.Missing = missing
	return res
}

// causes are the reasons in vigil.dead, each cut to its cause, by offset.
func (r *rig) causes() map[int64]string {
	r.t.Helper()
	out := make(map[int64]string)
	for _, m := range r.read(topic.Dead, 0) {
		var l deadletter.Letter
		err := json.Unmarshal(m.Value, &l)
		if err != nil {
			r.t.Fatal(err)
		}
		_, cause, _ := strings.Cut(l.Reason, ": ")
		cause, _, _ = strings.Cut(cause, ",")
		out[l.Offset] = cause
	}
	return out
}

// Each thing that a hostile producer can do has its end, and the honest events
// around it have theirs: alice's score counts her events, so that one too many or
// one too few shows in each that follows.
func TestHostileProducersAreNamedAndTeachNothing(t *testing.T) {
	tests := map[string]struct {
		write  func(r *rig, s *sealer)
		scores []float64        // Of the events that are believed, in order.
		dead   map[int64]string // By offset.
	}{
		"forges events of another gateway with its own key": {
			func(r *rig, s *sealer) {
				r.write(s.batch(1)...)
				mallory := r.sealer("gw-2", "k2", 5)
				ev := request(9, "alice", "/")
				ev.Gateway, ev.Epoch, ev.Seq = "gw-1", s.chain.Epoch, 1000
				r.write(mallory.seal(mallory.record(ev))...)
				r.write(s.batch(2)...)
			},
			[]float64{1, 2, 3},
			map[int64]string{1: "wrong_gateway"},
		},
		"forges a batch of another gateway with its own key": {
			func(r *rig, s *sealer) {
				mallory := r.sealer("gw-1", "k2", s.chain.Epoch)
				r.write(mallory.batch(1)...)
				r.write(s.batch(2)...)
			},
			[]float64{1, 2},
			map[int64]string{0: "wrong_gateway"},
		},
		"forges an event without a seal": {
			func(r *rig, s *sealer) {
				r.write(s.batch(1)...)
				s.seq += 1000
				r.write(s.bare("alice"))
				s.seq -= 1001
				r.write(s.batch(2)...)
			},
			[]float64{1, 2, 3},
			map[int64]string{1: "unsigned"},
		},
		"replays a batch": {
			func(r *rig, s *sealer) {
				a := s.batch(2)
				r.write(a...)
				r.write(s.batch(1)...)
				r.write(a...)
				r.write(s.batch(1)...)
			},
			[]float64{1, 2, 3, 4},
			nil,
		},
		"cuts a batch out of the middle": {
			func(r *rig, s *sealer) {
				r.write(s.batch(1)...)
				s.batch(2)
				r.write(s.batch(1)...)
			},
			[]float64{1, 2},
			nil,
		},
		"puts two batches in the wrong order": {
			func(r *rig, s *sealer) {
				r.write(s.batch(1)...)
				late := s.batch(2)
				r.write(s.batch(1)...)
				r.write(late...)
				r.write(s.batch(1)...)
			},
			[]float64{1, 2, 3},
			map[int64]string{2: "order", 3: "order"},
		},
		"flips a byte": {
			func(r *rig, s *sealer) {
				r.write(s.batch(1)...)
				b := s.batch(2)
				b[1].value = bytes.Replace(b[1].value, []byte("alice"), []byte("alicf"), 1)
				r.write(b...)
				r.write(s.batch(1)...)
			},
			[]float64{1, 2},
			map[int64]string{1: "signature", 2: "signature"},
		},
		"signs with a retired key": {
			func(r *rig, s *sealer) {
				r.write(s.batch(1)...)
				r.write(r.sealer("gw-1", "old", s.chain.Epoch+1).batch(1)...)
				r.write(s.batch(1)...)
			},
			[]float64{1, 2},
			map[int64]string{1: "retired_key"},
		},
		"signs with a key of nobody": {
			func(r *rig, s *sealer) {
				r.write(r.sealer("gw-1", "nobody", 5).batch(2)...)
				r.write(s.batch(1)...)
			},
			[]float64{1},
			map[int64]string{0: "unknown_key", 1: "unsigned"},
		},
		"announces a batch that never ends": {
			func(r *rig, s *sealer) {
				r.write(r.sealer("gw-1", "k1", s.chain.Epoch-1).batch(50)[:2]...)
				r.write(s.batch(1)...)
			},
			[]float64{1},
			map[int64]string{0: "torn", 1: "torn"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			s := r.sealer("gw-1", "k1", 7)
			tt.write(r, s)
			r.start(t.TempDir(), refuse(t))
			eventually(t, "what is believed is scored", func() bool { return len(r.assessments(1)) == len(tt.scores) })
			eventually(t, "what is not is dead", func() bool { return len(r.causes()) == len(tt.dead) })
			if diff := cmp.Diff(tt.dead, r.causes(), equateEmpty()); diff != "" {
				t.Errorf("vigil.dead (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.scores, inOrder(r.assessments(1))); diff != "" {
				t.Errorf("scores (-want +got):\n%s", diff)
			}
		})
	}
}

func equateEmpty() cmp.Option {
	return cmp.FilterValues(func(a, b map[int64]string) bool { return len(a) == 0 && len(b) == 0 }, cmp.Ignore())
}

// inOrder are scores by offset, without the offsets.
func inOrder(scores map[int64]float64) []float64 {
	var out []float64
	for offset := int64(0); len(out) < len(scores); offset++ {
		if s, ok := scores[offset]; ok {
			out = append(out, s)
		}
	}
	return out
}

// What honest gateways do is scored whole: batches of two by turns, a restart, a
// retry, a batch that comes in two pieces, and an order that stands between them.
func TestHonestProducersAreBelieved(t *testing.T) {
	r := newRig(t)
	a, b := r.sealer("gw-1", "k1", 7), r.sealer("gw-2", "k2", 3)
	r.start(t.TempDir(), refuse(t))
	r.write(a.batch(3)...)
	r.write(b.batch(2)...)
	twice := a.batch(2)
	r.write(twice...)
	r.write(twice...)
	r.write(r.sealer("gw-1", "k1", 8).batch(4)...)
	pieces := b.batch(3)
	r.write(pieces[:1]...)
	r.write(pieces[1:]...)
	r.write(b.batch(1)...)
	const believed = 3 + 2 + 2 + 4 + 3 + 1
	eventually(t, "all is scored", func() bool { return len(r.assessments(1)) == believed })
	for i, s := range inOrder(r.assessments(1)) {
		if s != float64(i+1) {
			t.Errorf("event %d scored %v", i, s)
		}
	}
	if dead := r.causes(); len(dead) != 0 {
		t.Errorf("vigil.dead = %v", dead)
	}
}

// An analyzer that begins in the middle of a batch verifies it all the same.
func TestReplayFromTheMiddleOfABatchVerifiesIt(t *testing.T) {
	r := newRig(t)
	s := r.sealer("gw-1", "k1", 7)
	r.write(s.batch(10)...)
	r.write(s.batch(2)...)
	_, err := r.client.OffsetCommit(t.Context(), &kafka.OffsetCommitRequest{
		GroupID: ingest.DefaultConfig().Group, GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{topic.Requests: {{Partition: 1, Offset: 4}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	r.start("", refuse(t), func(o *ingest.Options) {
		o.Keep.Replay = time.Nanosecond
		o.Now = func() time.Time { return now.Add(time.Hour) }
	})
	eventually(t, "what is left is scored", func() bool { return len(r.assessments(1)) == 8 })
	if dead := r.causes(); len(dead) != 0 {
		t.Errorf("vigil.dead = %v", dead)
	}
}

// A batch that comes after its successor is refused, also by an analyzer that was
// not there when that came.
func TestARestartForgetsNoChain(t *testing.T) {
	r := newRig(t)
	s := r.sealer("gw-1", "k1", 7)
	dir := t.TempDir()
	a := r.start(dir, refuse(t))
	r.write(s.batch(2)...)
	late := s.batch(2)
	r.write(s.batch(1)...)
	eventually(t, "what is there is scored", func() bool { return len(r.assessments(1)) == 3 })
	a.stop()
	r.start(dir, refuse(t))
	r.write(late...)
	want := map[int64]string{3: string(seal.CauseOrder), 4: string(seal.CauseOrder)}
	eventually(t, "the batch that is late is dead", func() bool { return cmp.Equal(want, r.causes()) })
}

// Without keys for a gateway its records are taken as the policy says.
func TestPolicyForGatewaysWithoutAKey(t *testing.T) {
	for _, tt := range []struct {
		policy   seal.Policy
		believed int
	}{{seal.Accept, 3}, {seal.Mark, 3}, {seal.Refuse, 0}} {
		t.Run(string(tt.policy), func(t *testing.T) {
			r := newRig(t)
			s := r.sealer("gw-9", "k9", 7)
			r.write(s.bare("alice"), s.bare("alice"))
			r.write(s.seal(s.bare("alice"))...) // By a key that is not listed yet.
			keys := gatewayKeys(t)
			r.start(t.TempDir(), func(o *ingest.Options) { o.Seals, o.Config.Unsigned = keys, tt.policy })
			eventually(t, "what is believed is scored", func() bool { return len(r.assessments(1)) == tt.believed })
			eventually(t, "what is not is dead", func() bool { return len(r.causes()) == 3-tt.believed })
		})
	}
}

// A flood of forged records is one line in the log.
func TestRefusalsAreLoggedOnceAMinute(t *testing.T) {
	r := newRig(t)
	s := r.sealer("gw-1", "k1", 7)
	for range 50 {
		r.write(s.bare("alice"))
	}
	var mu sync.Mutex
	var out bytes.Buffer
	r.start(t.TempDir(), refuse(t), func(o *ingest.Options) {
		o.Logger = slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return out.Write(p)
		}), nil))
	})
	eventually(t, "all are dead", func() bool { return len(r.causes()) == 50 })
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(out.String(), "records are not believed"); n != 1 {
		t.Errorf("%s lines about 50 records:\n%s", strconv.Itoa(n), out.String())
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
