package sim_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// sessionTimeout is after how long the group gives a silent analyzer up.
const sessionTimeout = 3 * time.Second

// analyzer is one analyzer over its lives.
type analyzer struct {
	w     *world
	id    string
	lives int
	dir   string
	node  string

	ingests []*ingest.Ingest // By stage, as both has them.
	stop    func()
	ended   *sync.WaitGroup
}

func newEngine(m *model.Model) (ingest.Engine, error) { return scorer.New(scorer.Options{Model: m}) }

// start begins a life on what the last one has left.
func (a *analyzer) start(t *testing.T) {
	t.Helper()
	a.lives++
	a.node = fmt.Sprint(a.id, "#", a.lives)
	via, log := access.Through(a.w.network.dialer(a.node)), a.w.log(a.node)
	writer, err := announce.NewWriter(via, a.w.kafka.addrs, log, noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	speaker, err := announce.New(announce.Options{
		Config: speaking(), Writer: writer, Signer: a.w.ring.signer, Keys: a.w.ring.keys, Logger: log, Meter: noop.Meter{},
		Tracer: tracenoop.Tracer{}, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	keep := state.DefaultConfig()
	keep.Dir, keep.Every = filepath.Join(a.dir, "state"), 3*time.Second
	kept, err := state.New(state.Options{Config: keep, Logger: log, Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.ingests, a.stop, a.ended = nil, cancel, new(sync.WaitGroup)
	var working sync.WaitGroup
	for _, s := range both() {
		c := ingest.DefaultConfig()
		c.Group, c.SessionTimeout, c.Heartbeat, c.RebalanceTimeout = s.group, sessionTimeout, 300*time.Millisecond, 4*time.Second
		c.Drain = time.Second
		one, err := ingest.New(ingest.Options{
			Config: c, Brokers: a.w.kafka.addrs, Access: via, Stage: s.stage, Model: a.w.model, NewEngine: s.engine, Seals: s.seals(a.w.ring.keys),
			Lanes: lanes(), State: kept, Keep: keep, Announcer: speaker, Writer: writer,
			Logger: log, Meter: noop.Meter{}, Tracer: tracenoop.Tracer{}, Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		a.ingests = append(a.ingests, one)
		node := a.node
		working.Go(func() {
			err := one.Run(ctx)
			if err != nil {
				t.Errorf("%s: %v", node, err)
			}
		})
	}
	a.ended.Go(func() {
		working.Wait()
		writer.Close()
	})
}

// kill ends the life where it stands and begins the next on a copy of its disk.
func (a *analyzer) kill(t *testing.T) {
	t.Helper()
	a.w.network.end(a.node)
	bubble.Wait()
	a.dir = a.w.copyOf(t, a.dir)
	a.stop()
	a.w.ended.Go(a.ended.Wait)
	a.start(t)
}

// bury empties a group where it has not come to rest for long: this broker keeps
// members for ever that died while they joined, which Apache Kafka does not. They may
// hold up a rebalance, or have partitions that nobody works.
func (w *world) bury(t *testing.T) {
	t.Helper()
	for _, s := range both() {
		w.buryOf(t, s.group)
	}
}

func (w *world) buryOf(t *testing.T, group string) {
	t.Helper()
	info := w.kafka.GroupInfo(group)
	if info == nil || w.atRest(info) {
		w.rested[group] = time.Now()
		return
	}
	if time.Since(w.rested[group]) < 5*sessionTimeout {
		return
	}
	w.rested[group] = time.Now()
	for _, m := range info.Members {
		_, err := w.kafka.client.LeaveGroup(t.Context(), &kafka.LeaveGroupRequest{
			GroupID: group, Members: []kafka.LeaveGroupRequestMember{{ID: m.MemberID}},
		})
		if err != nil {
			t.Logf("bury %s of %s: %v", m.MemberID, m.ClientHost, err) // The next look tries again.
		}
	}
}

// atRest reports that the group's members are those that live, each once.
func (w *world) atRest(info *kfake.GroupInfo) bool {
	members := make(map[string]int)
	for _, m := range info.Members {
		members[m.ClientHost]++
	}
	for _, a := range w.analyzers {
		if members[a.node] > 1 {
			return false
		}
		delete(members, a.node)
	}
	return len(members) == 0 && info.State == "Stable" || len(info.Members) == 0
}

// scored reports that the analyzers own every partition and have scored all of it.
func (w *world) scored() bool {
	owned := 0
	for i, stage := range both() {
		owned -= len(w.kafka.PartitionInfos(stage.stage.Topic))
		for _, a := range w.analyzers {
			for _, s := range a.ingests[i].Status() {
				if !s.Ready || s.Lag() > 0 {
					return false
				}
				owned++
			}
		}
	}
	return owned == 0
}
