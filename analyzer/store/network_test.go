package store_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/linetest"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
)

// ClickHouse does what it is asked and its answer never comes, on a connection that
// stays open: the insert is given up when its time is over and sent again until an
// answer comes, and makes one copy.
func TestAnAnswerThatNeverComesIsOneCopy(t *testing.T) {
	r := newRig(t)
	line := linetest.New(t, olaptest.Server(t).Addr())
	r.config.Addresses = []string{line.Addr()}
	r.config.InsertTimeout = 500 * time.Millisecond
	var inserts atomic.Int64
	olaptest.Server(t).SetFault(func(q *http.Request) olap.Fault {
		if isInsert(q, "requests") {
			inserts.Add(1)
		}
		return olap.FaultNone
	})
	r.start()
	r.requests(1, 20)
	r.once(20)
	before := inserts.Load()
	line.Silence(linetest.Answers)
	r.requests(21, 80)
	deadline := time.Now().Add(30 * time.Second)
	for inserts.Load() < before+partitions {
		if time.Now().After(deadline) {
			t.Fatal("nothing is inserted while answers are silent")
		}
		time.Sleep(10 * time.Millisecond) // Polling, not synchronisation.
	}
	r.eventually("SELECT count() FROM @requests", "200") // It is done, and the store does not know.
	line.Heal()
	r.requests(101, 1)
	r.once(101)
	if inserts.Load() < before+2*partitions {
		t.Error("no insert was sent again: the test has seen nothing")
	}
}
