package recovery_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/analyzer/standby"
	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// The verdict gap when an analyzer is killed beside its standby, which has another disk,
// while ClickHouse is down: every partition goes on from the standby's own copy, and
// every assessment of either, and the state at the end, is that of an engine which
// never stopped.
func TestStandbyTakesOverWithoutClickHouse(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a process and waits out a session")
	}
	r := newRig(t)
	house := newGate(t, r.config.Store.Addresses[0])
	r.config.Store.Addresses = []string{house.addr()}
	here, there := filepath.Join(r.dir, "here"), filepath.Join(r.dir, "there")
	each := r.prepare(here, there) // There, it is what the standby had before its restart.
	t.Logf("%d entities in %d partitions, %d B each on disk, %d MiB in all", *entities, *partitions, each, each**entities>>20)
	p := r.start(here)
	r.send()
	r.scored(p)
	r.config.Standby.Workers, r.config.Standby.Every = 1, 200*time.Millisecond
	q := r.start(there)
	begin := time.Now()
	r.copied(q)
	t.Logf("copied %v later, %v of a core", time.Since(begin).Round(time.Millisecond), q.used(t))
	r.send() // Of these there is no snapshot but the killed one's own.
	r.scored(p)

	house.close()
	before := q.used(t)
	killed := time.Now()
	p.kill()
	r.send()
	r.scored(q)
	t.Logf("from the standby's disk: %v from kill -9 to the last partition's first assessment, for which it has used %v of a core",
		time.Since(killed).Round(time.Millisecond), q.used(t)-before)
	all, fromDisk := q.said("partition begun", "topic="+topic.Requests), q.said("partition begun", "topic="+topic.Requests, "state=disk")
	if len(all) < *partitions || len(fromDisk) != len(all) {
		t.Errorf("%d partitions were begun, %d of them from disk, want %d; the standby says:\n%s", len(all), len(fromDisk), *partitions, strings.Join(q.said(""), "\n"))
	}
	if said := q.said("stage=archive", "topic="+topic.Requests); len(said) > 0 {
		t.Errorf("whoever took over asked ClickHouse:\n%s", strings.Join(said, "\n"))
	}
	for n := range *partitions {
		r.sameAsOneLife(n, there)
	}
}

// copied waits until a standby has a copy of each partition as far as is sent.
func (r *rig) copied(p *process) {
	r.t.Helper()
	end := time.Now().Add(*patience)
	for {
		n := 0
		for _, c := range p.copies() {
			if c.Topic == topic.Requests && c.Next >= int64(r.sent) {
				n++
			}
		}
		if n == *partitions {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("%d of %d partitions are copied; the standby says:\n%s", n, *partitions, strings.Join(p.said(""), "\n"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

var adminAddr = regexp.MustCompile(`admin=(\S+)`)

// copies asks a process what it has copied, nothing where it does not answer yet.
func (p *process) copies() []standby.Copy {
	for _, line := range p.said("analyzer starts") {
		found := adminAddr.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		resp, err := http.Get("http://" + found[1] + "/readyz?verbose")
		if err != nil {
			return nil
		}
		defer func() { _ = resp.Body.Close() }()
		var said struct {
			Copies []standby.Copy `json:"copies"`
		}
		err = json.NewDecoder(resp.Body).Decode(&said)
		if err == nil {
			return said.Copies
		}
	}
	return nil
}

// sameAsOneLife compares the assessments of a partition, and the state that is saved of
// it, with those of an engine that begins from the same state and never stops.
func (r *rig) sameAsOneLife(partition int, stateDir string) {
	r.t.Helper()
	oracle, err := scorer.New(scorer.Options{Model: model.Default()})
	if err != nil {
		r.t.Fatal(err)
	}
	err = oracle.Restore(bytes.NewReader(r.begun), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	want := make(map[int64][]byte)
	_, err = r.writer.Read(r.t.Context(), topic.Requests, partition, 0, func(m kafka.Message) {
		ev := new(event.RequestEvent)
		err := event.Decode(m.Value, ev)
		if err != nil {
			r.t.Error(err)
			return
		}
		res := oracle.Assess(scorer.Record{Event: ev, Topic: topic.Requests, Partition: int32(partition), Offset: m.Offset})
		if res.Assessment != nil {
			want[m.Offset], err = res.Assessment.MarshalVT()
		}
		if err != nil {
			r.t.Error(err)
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	got := 0
	_, err = r.writer.Read(r.t.Context(), topic.Assessments, partition, 0, func(m kafka.Message) {
		b, err := assessment.Decode(m.Value)
		if err != nil {
			r.t.Error(err)
			return
		}
		for _, a := range b.Assessments {
			value, err := a.MarshalVT()
			if err != nil || !bytes.Equal(value, want[a.Offset]) {
				r.t.Errorf("partition %d offset %d is assessed otherwise than in one life (%v)", partition, a.Offset, err)
			}
			got++
		}
	})
	if err != nil || got < len(want) || len(want) != r.sent {
		r.t.Errorf("partition %d: %d assessments of %d, %d were sent (%v)", partition, got, len(want), r.sent, err)
	}
	var whole bytes.Buffer
	err = oracle.Snapshot(&whole)
	if err != nil {
		r.t.Fatal(err)
	}
	if !bytes.Equal(whole.Bytes(), r.saved(partition, stateDir)) {
		r.t.Errorf("partition %d: the state is another than after one life", partition)
	}
}

// saved waits until all that was sent is in the state that is saved of a partition, and
// returns it.
func (r *rig) saved(partition int, stateDir string) (body []byte) {
	r.t.Helper()
	c := r.config.State
	c.Dir = stateDir
	s, err := state.New(state.Options{Config: c, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		r.t.Fatal(err)
	}
	for end := time.Now().Add(*patience); ; time.Sleep(20 * time.Millisecond) {
		for _, f := range s.Find(r.t.Context(), topic.Requests, partition) {
			if f.Next != int64(r.sent) || f.Copied {
				continue
			}
			err = f.Restore(r.t.Context(), func(b *bytes.Buffer) error { body = b.Bytes(); return nil })
			if err != nil {
				r.t.Fatal(err)
			}
			return body
		}
		if time.Now().After(end) {
			r.t.Fatalf("partition %d: no state up to %d is saved", partition, r.sent)
		}
	}
}

// gate is a way to a server that can be closed.
type gate struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	open  map[net.Conn]bool
	ended bool
	work  sync.WaitGroup
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{listener: l, to: to, open: make(map[net.Conn]bool)}
	g.work.Go(g.serve)
	t.Cleanup(g.close)
	return g
}

func (g *gate) addr() string { return g.listener.Addr().String() }

func (g *gate) serve() {
	for {
		in, err := g.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", g.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		if !g.hold(in, out) {
			return
		}
		for a, b := range map[net.Conn]net.Conn{in: out, out: in} {
			g.work.Go(func() {
				_, _ = io.Copy(a, b) // Ends with either side.
				_, _ = a.Close(), b.Close()
			})
		}
	}
}

// hold keeps connections for close; after it, it closes them.
func (g *gate) hold(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		if g.ended {
			_ = c.Close()
		}
		g.open[c] = true
	}
	return !g.ended
}

// close lets nobody through any more. A second call does nothing.
func (g *gate) close() {
	g.mu.Lock()
	g.ended = true
	_ = g.listener.Close()
	for c := range g.open {
		_ = c.Close()
	}
	g.mu.Unlock()
	g.work.Wait()
}
