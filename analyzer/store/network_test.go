package store_test

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/linetest"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
)

// ClickHouse does what it is asked and its answer never comes, on a connection that
// stays open: the insert is given up when its time is over, sent again under the same
// token once somebody answers, and makes one copy.
func TestAnAnswerThatNeverComesIsOneCopy(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for an insert to be given up")
	}
	r := newRig(t)
	line := linetest.New(t, olaptest.Server(t).Addr())
	r.config.Addresses = []string{line.Addr()}
	r.config.InsertTimeout = 3 * time.Second // Enough for the insert itself, which is cut off with it.
	r.start()
	r.requests(1, 20)
	r.once(20)

	var mu sync.Mutex
	tokens := make(map[string]int) // Of inserts that have arrived.
	silent := make(chan struct{})
	once := sync.OnceFunc(func() {
		line.Silence(linetest.Answers)
		close(silent)
	})
	olaptest.Server(t).SetFault(func(q *http.Request) olap.Fault {
		if isInsert(q, "requests") {
			once() // Before it is done.
			mu.Lock()
			tokens[q.URL.Query().Get("insert_deduplication_token")]++
			mu.Unlock()
		}
		return olap.FaultNone
	})
	r.requests(21, 80)
	<-silent
	r.eventually("SELECT count() >= 120 FROM @requests", "1") // It is done, and the store does not know.
	time.Sleep(r.config.InsertTimeout + time.Second)          // The silence outlasts the insert's time: that is the fault.
	line.Heal()
	r.requests(101, 1)
	r.once(101)
	mu.Lock()
	defer mu.Unlock()
	if most := slices.Max(slices.Collect(maps.Values(tokens))); most < 2 {
		t.Errorf("no insert was sent again: the test has seen nothing: %v", tokens)
	}
}
