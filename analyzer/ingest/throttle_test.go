package ingest_test

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// faults counts what is logged as a fault of the scoring path.
type faults struct {
	slog.Handler

	n *atomic.Int32
}

func (f faults) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "scoring path fault" {
		f.n.Add(1)
	}
	return nil
}

func (faults) Enabled(context.Context, slog.Level) bool { return true }
func (f faults) WithAttrs([]slog.Attr) slog.Handler     { return f }

// A quota of the brokers that holds every second read back is no fault: all is scored
// once, in the generation in which it began, and until then the lag shows.
func TestAQuotaDelaysAndIsNoFault(t *testing.T) {
	r, _, cluster := newFaultyCluster(t)
	var asked, held, joined atomic.Int32
	var all atomic.Bool // Every read is held back; held counts those of the first partition.
	cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if all.Load() && readsFirst(req) {
			held.Add(1)
		}
		resp, ok := req.ResponseKind().(*kmsg.FetchResponse)
		resp.ThrottleMillis = 20
		return resp, nil, ok && (all.Load() || asked.Add(1)%2 == 1)
	})
	cluster.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		joined.Add(1)
		return nil, nil, false
	})
	seen := faults{slog.DiscardHandler, new(atomic.Int32)}
	a := r.start(t.TempDir(), func(o *ingest.Options) {
		o.Logger = slog.New(seen)
		o.Config.SessionTimeout = time.Minute // A machine that stands still is another story.
	})
	eventually(t, "it owns all", func() bool {
		all := a.Status()
		return len(all) == partitions && !slices.ContainsFunc(all, func(s ingest.Status) bool { return !s.Ready })
	})
	before := joined.Load()
	const n = 40
	all.Store(true)
	eventually(t, "no read is under way", func() bool { return held.Load() > 0 })
	for i := range n {
		r.send(0, request(i, "alice", "/"))
	}
	eventually(t, "the lag shows", func() bool { return a.Status()[0].Lag() == n })
	all.Store(false)
	eventually(t, "all is assessed", func() bool { return a.Status()[0].Next == n })
	if n := seen.n.Load(); n != 0 {
		t.Errorf("%d faults of a quota", n)
	}
	if more := joined.Load() - before; more != 0 {
		t.Errorf("the group was joined %d times more", more)
	}
}

// readsFirst reports whether a request reads the first partition of the requests.
func readsFirst(req kmsg.Request) bool {
	fetch, _ := req.(*kmsg.FetchRequest)
	for _, t := range fetch.Topics {
		for _, p := range t.Partitions {
			if t.Topic == topic.Requests && p.Partition == 0 {
				return true
			}
		}
	}
	return false
}
