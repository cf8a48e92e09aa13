package sim_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/facet"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	second "github.com/vigil-gateway/vigil/scorer/facet"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// stageOf is a stage with its engine and its group.
type stageOf struct {
	stage  announce.Stage
	group  string
	engine func(m *model.Model) (ingest.Engine, error)
}

// both are the two stages of an analyzer.
func both() []stageOf {
	return []stageOf{
		{announce.SubjectStage(), groupOfScoring, newEngine},
		{announce.FacetStage(), groupOfScoring + "-facets", func(m *model.Model) (ingest.Engine, error) { return second.New(m) }},
	}
}

// seals are the keys by which the stage believes records: cuts bear no seals.
func (s stageOf) seals(keys seal.Keys) seal.Keys {
	if s.stage.Topic == topic.Requests {
		return keys
	}
	return nil
}

// speaking is how analyzers announce. What depends on the wall clock or on a process's
// memory by design, the caps on old events and on the number of revokes, is out of
// reach: what is left is a function of the records.
func speaking() announce.Config {
	c := announce.DefaultConfig()
	c.KeyFile, c.KeyID = "unused", "a"
	c.CatchUpAge, c.RevokesPerMinute, c.BlastRadius = 24*time.Hour, 1_000_000, announce.BlastRadius{Share: 1, Least: 1_000_000, Window: time.Second}
	return c
}

// stagesOptions say where an analyzer lives.
type stagesOptions struct {
	network *network
	kafka   *cluster
	ring    ring
	node    string
	dir     string
	stages  []stageOf
	seals   seal.Keys // Nil where the requests bear none.
	often   bool      // It commits and saves so often that hardly an instant is far from a snapshot.
}

// twoStages is one life of an analyzer.
type twoStages struct {
	stagesOptions

	ingests []*ingest.Ingest
	stop    func()
	ended   sync.WaitGroup
}

// startStages begins a life.
func startStages(t *testing.T, o stagesOptions) *twoStages {
	t.Helper()
	l := &twoStages{stagesOptions: o}
	via, log := access.Through(o.network.dialer(o.node)), slog.New(slog.DiscardHandler)
	writer, err := announce.NewWriter(via, o.kafka.addrs, log, noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	speaker, err := announce.New(announce.Options{
		Config: speaking(), Writer: writer, Signer: o.ring.signer, Keys: o.ring.keys, Logger: log, Meter: noop.Meter{},
		Tracer: tracenoop.Tracer{}, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	keep, kept := keeping(t, o.dir)
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	var working sync.WaitGroup
	for _, s := range o.stages {
		c := ingest.DefaultConfig()
		c.Group, c.SessionTimeout, c.Heartbeat, c.RebalanceTimeout = s.group, sessionTimeout, 300*time.Millisecond, 4*time.Second
		c.Drain = time.Second
		if o.often {
			c.CommitEvery, keep.Every = 50*time.Millisecond, 100*time.Millisecond
		}
		one, err := ingest.New(ingest.Options{
			Config: c, Brokers: o.kafka.addrs, Access: via, Stage: s.stage, Model: model.Default().WithMode(model.ModeEnforce), NewEngine: s.engine, Seals: s.seals(o.seals),
			Lanes: lanes(), State: kept, Keep: keep, Announcer: speaker, Writer: writer,
			Logger: log, Meter: noop.Meter{}, Tracer: tracenoop.Tracer{}, Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		l.ingests = append(l.ingests, one)
		working.Go(func() {
			err := one.Run(ctx)
			if err != nil {
				t.Errorf("%s: %v", o.node, err)
			}
		})
	}
	l.ended.Go(func() {
		working.Wait()
		writer.Close()
	})
	return l
}

func keeping(t *testing.T, dir string) (state.Config, *state.Store) {
	t.Helper()
	keep := state.DefaultConfig()
	keep.Dir, keep.Every, keep.Replay = filepath.Clean(dir), 2*time.Second, 0
	kept, err := state.New(state.Options{Config: keep, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return keep, kept
}

// finish waits until the life has scored all there is, also of what it writes itself,
// and ends it as an operator does: it saves what it knows.
func (l *twoStages) finish(t *testing.T, k *cluster) {
	t.Helper()
	quiet, begin := 0, time.Now()
	for ; quiet < 10; time.Sleep(500 * time.Millisecond) {
		quiet++
		for i, one := range l.ingests {
			list := one.Status()
			if len(list) < len(k.PartitionInfos(l.stages[i].stage.Topic)) {
				quiet = 0
			}
			for _, s := range list {
				if !s.Ready || s.Lag() > 0 {
					quiet = 0
				}
			}
		}
		waited := time.Since(begin)
		if quiet == 0 && waited > 5*sessionTimeout && waited%(5*sessionTimeout) < 500*time.Millisecond {
			l.bury(t, k)
		}
		if waited > recovery {
			t.Fatalf("waited %v in vain until %s has scored all", waited, l.node)
		}
	}
	l.stop()
	l.ended.Wait()
}

// bury takes members out of the groups that died while they joined, which this broker
// keeps for ever and Apache Kafka does not.
func (l *twoStages) bury(t *testing.T, k *cluster) {
	t.Helper()
	for _, s := range l.stages {
		info := k.GroupInfo(s.group)
		if info == nil {
			continue
		}
		for _, m := range info.Members {
			_, err := k.client.LeaveGroup(t.Context(), &kafka.LeaveGroupRequest{
				GroupID: s.group, Members: []kafka.LeaveGroupRequestMember{{ID: m.MemberID}},
			})
			if err != nil {
				t.Logf("bury %s of %s: %v", m.MemberID, m.ClientHost, err) // The next look tries again.
			}
		}
	}
}

// blow ends an analyzer at an instant: at its n-th request of a kind, before the
// broker hears it or after it has done what was asked and before the answer is heard.
type blow struct {
	mu      sync.Mutex
	node    string // "" while nobody is to be struck.
	network *network
	at      instant
	left    int // So many requests of the kind are let through.
	after   bool
	how     string // How it was struck, "" while it was not.
}

// instant is a kind of request of an analyzer, with the word for its place in the work.
type instant struct {
	what  string
	key   kmsg.Key
	topic string
	holds string // What a batch must hold, "" for anything.
}

func instants() []instant {
	return []instant{
		{"reading requests", kmsg.Fetch, topic.Requests, ""},
		{"reading cuts", kmsg.Fetch, topic.Facets, ""},
		{"announcing verdicts", kmsg.Produce, topic.Verdicts, cloudevent.TypeVerdict},
		{"writing cuts", kmsg.Produce, topic.Facets, ""},
		{"writing assessments", kmsg.Produce, topic.Assessments, ""},
		{"committing", kmsg.OffsetCommit, "", ""},
	}
}

// takeovers are the instants of a life that begins.
func takeovers() []instant {
	return []instant{{"taking a partition over", kmsg.ListOffsets, "", ""}, {"reading to catch up", kmsg.Fetch, topic.Requests, ""}}
}

func newBlow(k *cluster) *blow {
	b := new(blow)
	for _, key := range []kmsg.Key{kmsg.Fetch, kmsg.Produce, kmsg.OffsetCommit, kmsg.ListOffsets} {
		k.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
			k.KeepControl()
			if b.hears(key, req) {
				return nil, errBroken, true
			}
			return nil, nil, false
		})
	}
	return b
}

// arm lets the next request of one of some kinds be its last.
func (b *blow) arm(r *rand.Rand, node string, n *network, all []instant) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.node, b.network, b.how = node, n, ""
	b.at, b.left, b.after = all[r.IntN(len(all))], r.IntN(3), r.IntN(2) == 0
}

// strike ends now who was to be ended and was not.
func (b *blow) strike(how string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.node == "" {
		return
	}
	b.network.end(b.node)
	b.node, b.how = "", how
}

// struck says, once, that and how it was ended.
func (b *blow) struck() (how string, dead bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	how, b.how = b.how, ""
	return how, how != ""
}

// hears looks at a request; it reports whether the broker must not.
func (b *blow) hears(key kmsg.Key, req kmsg.Request) (lost bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.node == "" || key != b.at.key || !b.at.fits(req) {
		return false
	}
	if b.left > 0 {
		b.left--
		return false
	}
	b.network.end(b.node)
	b.node, b.how = "", "before "+b.at.what
	if b.after {
		b.how = "after " + b.at.what
	}
	return !b.after
}

// fits reports whether a request is of the kind. Nobody but the analyzer reads while
// there is load, and what others write is in the topic of requests.
func (i instant) fits(req kmsg.Request) bool {
	switch r := req.(type) {
	case *kmsg.FetchRequest:
		return len(r.Topics) > 0 && r.Topics[0].Topic == i.topic
	case *kmsg.ProduceRequest:
		if len(r.Topics) == 0 || len(r.Topics[0].Partitions) == 0 || r.Topics[0].Topic != i.topic {
			return false
		}
		return bytes.Contains(r.Topics[0].Partitions[0].Records, []byte(i.holds))
	}
	return true
}

// remains are what an analyzer leaves behind, by what it is about.
type remains struct {
	states      map[string][]byte // By topic and partition; the offset stands before the bytes.
	assessments map[string][]byte // By topic, partition and offset.
	cuts        map[string][]byte // By source partition, first offset and tenant.
	verdicts    map[string]string // By tenant, target and authority.
	again       int               // Assessments that were written more than once.
}

func newRemains() *remains {
	return &remains{states: make(map[string][]byte), assessments: make(map[string][]byte), cuts: make(map[string][]byte), verdicts: make(map[string]string)}
}

// take adds what another has of one stage, whose topic is named.
func (r *remains) take(of *remains, name string) {
	maps.Copy(r.states, of.states)
	maps.Copy(r.assessments, of.assessments)
	maps.Copy(r.verdicts, of.verdicts)
	if name == topic.Requests { // Its cuts; the other stage had those of many lives put before it.
		r.cuts = of.cuts
	}
}

// remains reads what is left on a broker and in the folders of analyzers.
func (c *crash) remains(t *testing.T, k *cluster, dirs ...string) *remains {
	t.Helper()
	out := newRemains()
	newest := make(map[string]int64) // The last who had a partition has read the most of it.
	for _, dir := range dirs {
		out.readStates(t, k, dir, newest)
	}
	out.readAssessments(t, k)
	out.readCuts(t, k)
	latest := make(map[string]*verdict.Verdict)
	for _, r := range k.read(t, topic.Verdicts) {
		if len(r.value) == 0 {
			continue
		}
		m, err := c.ring.keys.Open(r.value)
		if err != nil {
			t.Fatal(err)
		}
		v := m.Verdict
		if v == nil {
			continue
		}
		key := keyOf(v)
		before := latest[key]
		if before == nil || verdict.Later(v.Epoch, v.Seq, before.Epoch, before.Seq) {
			latest[key] = v
		}
	}
	for key, v := range latest {
		v.Epoch, v.Seq, v.Time, v.Cause.TopicId, v.Cause.Traceparent = 0, 0, nil, "", "" // Of the life, not of what was judged.
		out.verdicts[key] = prototext.MarshalOptions{Multiline: true}.Format(v)
	}
	return out
}

func (r *remains) readStates(t *testing.T, k *cluster, dir string, newest map[string]int64) {
	t.Helper()
	_, kept := keeping(t, dir)
	for _, name := range []string{topic.Requests, topic.Facets} {
		for p := range len(k.PartitionInfos(name)) {
			found := kept.Find(t.Context(), name, p)
			if len(found) == 0 {
				continue // Nothing has ever been in the partition.
			}
			f, key := found[0], fmt.Sprintf("%s/%d", name, p)
			if last, there := newest[key]; there && last >= f.Next {
				continue
			}
			newest[key] = f.Next
			err := f.Restore(t.Context(), func(body *bytes.Buffer) error {
				r.states[key] = fmt.Appendf(nil, "%d %s %s", f.Next, f.Model, body.Bytes())
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (r *remains) readAssessments(t *testing.T, k *cluster) {
	t.Helper()
	for _, rec := range k.read(t, topic.Assessments) {
		b, err := assessment.Decode(rec.value)
		if err != nil {
			t.Fatal(err)
		}
		of := make(map[string][]byte) // A cut has several.
		for _, a := range b.Assessments {
			key := fmt.Sprintf("%s %d", rec.key, a.Offset)
			of[key], err = proto.MarshalOptions{Deterministic: true}.MarshalAppend(of[key], a)
			if err != nil {
				t.Fatal(err)
			}
		}
		for key, value := range of {
			old, again := r.assessments[key]
			if again {
				r.again++
			}
			if again && !bytes.Equal(old, value) {
				t.Errorf("%q is assessed in two ways", key)
			}
			r.assessments[key] = value
		}
	}
}

func (r *remains) readCuts(t *testing.T, k *cluster) {
	t.Helper()
	for _, rec := range k.read(t, topic.Facets) {
		cut, err := facet.Decode(rec.value)
		if err != nil {
			t.Fatal(err)
		}
		cut.TopicId = "" // Of the broker.
		key := fmt.Sprintf("%d %d-%d %s", cut.Partition, cut.FirstOffset, cut.LastOffset, cut.Tenant)
		value, err := proto.MarshalOptions{Deterministic: true}.Marshal(cut)
		if err != nil {
			t.Fatal(err)
		}
		if old, again := r.cuts[key]; again && !bytes.Equal(old, value) {
			t.Errorf("cut %s is written in two ways, of %d and %d bytes", key, len(old), len(value))
		}
		r.cuts[key] = value
	}
}
