package ingest_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vigil-gateway/vigil/analyzer/ingest"
)

// Whoever has lost the group's coordinator for a while is another member when he comes
// back, and does not wait until the group has missed the first, also where the coordinator
// has just started and does not know its groups yet.
func TestAMemberThatWasCutOffIsBackAtOnce(t *testing.T) {
	r, _, cluster := newFaultyCluster(t)
	var cut atomic.Bool
	for _, key := range []kmsg.Key{kmsg.Heartbeat, kmsg.LeaveGroup, kmsg.FindCoordinator, kmsg.JoinGroup} {
		cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			return nil, errors.New("lost on purpose"), cut.Load()
		})
	}
	var strange atomic.Int32
	cluster.ControlKey(int16(kmsg.LeaveGroup), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		resp, ok := req.ResponseKind().(*kmsg.LeaveGroupResponse)
		if !ok || strange.Add(-1) < 0 {
			return nil, nil, false
		}
		resp.ErrorCode = int16(kafka.NotCoordinatorForGroup)
		return resp, nil, true
	})
	a := r.start(t.TempDir(), func(o *ingest.Options) {
		o.Config.SessionTimeout, o.Config.RebalanceTimeout = 5*time.Minute, 5*time.Minute
	})
	eventually(t, "it owns all", func() bool { return len(a.Status()) == partitions })
	cut.Store(true)
	eventually(t, "it has lost all", func() bool { return len(a.Status()) == 0 && !a.Joined() })
	strange.Store(3)
	cut.Store(false)
	eventually(t, "it owns all again", func() bool { return len(a.Status()) == partitions })
}
