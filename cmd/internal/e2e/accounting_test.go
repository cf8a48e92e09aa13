//go:build e2e

package e2e_test

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/olap"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
)

// outage is how long ClickHouse is away.
const outage = 20 * time.Second

// TestAccounting sends mixed load through an installation whose ClickHouse is
// away for twenty seconds, on both brokers, and compares the books: what the
// clients sent, what the upstream served, and what is in ClickHouse at the end.
func TestAccounting(t *testing.T) {
	for name, kafka := range map[string]func(*testing.T) kafkaServer{"embedded": newEmbeddedKafka, "apache": newApacheKafka} {
		t.Run(name, func(t *testing.T) {
			seed := seedOf(t)
			s := newSite(t, kafka(t))
			s.open(t)
			leave := []func(){
				s.browse(t, seed, 150, 2, "/accounts/7", "/nowhere"), s.knock(t, 20, 1), s.stream(t, 5),
			}
			await(t, "load", func() bool { return s.ledger.sent.Load() > 1500 })

			faults := breakClickHouse(seed)
			olaptest.Server(t).SetFault(faults.next)
			away := time.NewTimer(outage)
			s.theft(t) // Verdicts do not wait for ClickHouse.
			<-away.C
			olaptest.Server(t).Resume()
			t.Logf("inserts that met with a fault, by its kind: %v", faults.counts())
			if faults.counts()[olap.FaultCut] == 0 {
				t.Error("no insert was executed without an answer: the test has seen nothing")
			}

			before := s.ledger.sent.Load()
			await(t, "load after the outage", func() bool { return s.ledger.sent.Load() > before+4500 })
			for _, f := range leave {
				f()
			}
			s.ledger.check(t, http.StatusSwitchingProtocols, http.StatusOK, http.StatusUnauthorized, http.StatusNotFound)
			s.reckon(t)
		})
	}
}

// faults choose what goes wrong with each statement, from a seed.
type faults struct {
	mu      sync.Mutex
	rand    *rand.Rand         // Guarded by mu.
	inserts map[olap.Fault]int // Guarded by mu.
}

func breakClickHouse(seed uint64) *faults {
	return &faults{rand: rand.New(rand.NewPCG(seed, 0)), inserts: make(map[olap.Fault]int)}
}

// next is an [olap.FaultFunc]. Every insert meets a fault; every second one of
// the other statements passes, else no insert would ever be tried. A fault that
// executes the insert and loses the answer is among them: who tries again must
// not insert twice; the first insert meets it.
func (f *faults) next(r *http.Request) olap.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := []olap.Fault{olap.FaultRefuse, olap.FaultMemory, olap.FaultHang, olap.FaultDrop, olap.FaultCut}[f.rand.IntN(5)]
	if strings.Contains(r.URL.Query().Get("query"), "INSERT") {
		if len(f.inserts) == 0 {
			one = olap.FaultCut
		}
		f.inserts[one]++
		return one
	}
	if f.rand.IntN(2) == 0 {
		return olap.FaultNone
	}
	return one
}

func (f *faults) counts() map[olap.Fault]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.inserts)
}
