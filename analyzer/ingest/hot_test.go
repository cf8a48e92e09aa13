package ingest_test

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// counted is an engine that says how many records it has scored.
type counted struct {
	*tally

	n *atomic.Int64
}

func (c *counted) Assess(r scorer.Record) scorer.Result {
	c.n.Add(1)
	return c.tally.Assess(r)
}

// A verdict about others waits for no more than the rest of its chunk, however much of
// the partition is one key's: the wait is counted in records that were scored between the
// verdict's own and the moment at which it was on its way.
func TestAHotKeyHoldsNoVerdictBackThatIsFound(t *testing.T) {
	const records, every, most = 4000, 100, 256 // Of a chunk.
	for _, tt := range []struct {
		name string
		hot  int // Of ten records.
	}{{"all are of different people", 0}, {"half are of one", 5}, {"nine of ten are of one", 9}} {
		t.Run(tt.name, func(t *testing.T) {
			r, _, cluster := newFaultyCluster(t)
			var scored atomic.Int64
			var mu sync.Mutex
			var left []int64 // For each verdict, in order, how many records were scored when it left.
			cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				p, ok := req.(*kmsg.ProduceRequest)
				if ok && p.Topics[0].Topic == topic.Verdicts {
					mu.Lock()
					defer mu.Unlock()
					for range bytes.Count(p.Topics[0].Partitions[0].Records, []byte(cloudevent.TypeVerdict)) {
						left = append(left, scored.Load())
					}
				}
				return nil, nil, false
			})
			var thefts []int64
			var batch []kafka.Record
			for i := range records {
				ev := request(i, fmt.Sprintf("s%d", i), "/")
				switch {
				case i%every == every/2:
					ev.Path, ev.Attributes = "/steal", map[string]string{"hard": "yes"} // Facts pass the fuse.
					thefts = append(thefts, int64(i))
				case i%10 < tt.hot:
					ev.Subject, ev.Session = "service", "service-session"
				}
				value, err := event.Append(nil, ev)
				if err != nil {
					t.Fatal(err)
				}
				batch = append(batch, kafka.Record{Value: kafka.NewBytes(value), Key: kafka.NewBytes([]byte("k"))})
			}
			for some := range slices.Chunk(batch, 1000) {
				r.sendRaw(0, some...)
			}
			a := r.start("", func(o *ingest.Options) {
				o.NewEngine = func(m *model.Model) (ingest.Engine, error) {
					return &counted{&tally{Count: make(map[string]int), model: m}, &scored}, nil
				}
			})
			eventually(t, "all is scored", func() bool {
				list := a.Status()
				return len(list) == partitions && list[0].Next == records
			})
			mu.Lock()
			defer mu.Unlock()
			if len(left) != len(thefts) {
				t.Fatalf("%d verdicts, want %d", len(left), len(thefts))
			}
			sum, longest := int64(0), int64(0)
			for i, theft := range thefts {
				waits := left[i] - theft - 1
				sum, longest = sum+waits, max(longest, waits)
			}
			t.Logf("others' verdicts waited for %.0f records on average, %d at most", float64(sum)/float64(len(thefts)), longest)
			if longest >= most {
				t.Errorf("a verdict waited for %d records behind its own, want less than %d", longest, most)
			}
		})
	}
}

// stuck is an engine that does not get on with the records of one subject.
type stuck struct {
	*tally

	until <-chan struct{}
}

func (s *stuck) Assess(r scorer.Record) scorer.Result {
	if r.Event.GetSubject() == "service" {
		<-s.until
	}
	return s.tally.Assess(r)
}

// A partition that cannot keep up with what one permitted key brings holds back no
// verdict of another partition, and no sign of life of it either.
func TestAHotKeyHoldsNoOtherPartitionBack(t *testing.T) {
	r := newRig(t)
	until := make(chan struct{})
	free := sync.OnceFunc(func() { close(until) })
	a := r.start("", func(o *ingest.Options) {
		o.NewEngine = func(m *model.Model) (ingest.Engine, error) {
			return &stuck{&tally{Count: make(map[string]int), model: m}, until}, nil
		}
	})
	defer free() // Before the analyzer is stopped, which waits for its workers.
	var flood []*event.RequestEvent
	for i := range 1000 {
		flood = append(flood, request(i, "service", "/"))
	}
	r.send(0, flood...)
	eventually(t, "the partition lags", func() bool {
		list := a.Status()
		return len(list) == partitions && list[0].Lag() > 0
	})
	beats := len(r.heartbeats(1))
	r.send(1, request(0, "ann", "/steal"))
	eventually(t, "the verdict of the other one", func() bool { return len(r.verdicts(1)) == 1 })
	eventually(t, "its signs of life", func() bool { return len(r.heartbeats(1)) > beats })
	if list := a.Status(); list[0].Next != 0 {
		t.Errorf("the partition that lags has scored up to %d", list[0].Next)
	}
	free()
	eventually(t, "all is scored", func() bool { return a.Status()[0].Lag() == 0 })
}
