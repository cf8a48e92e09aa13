package store_test

import (
	"fmt"
	"testing"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// Ticks alone make no rows and no cuts; their numbers are remembered all the
// same, over a restart too, and a number that is missing among them is a loss.
func TestTicksMoveThePositionsOnly(t *testing.T) {
	r := newRig(t)
	tick := func(seq uint64) []byte {
		return request(t, 0, seq, func(e *event.RequestEvent) { e.Kind = event.KindTick })
	}
	stop := r.start()
	r.produce(topic.Requests, 0, request(t, 0, 1, nil))
	r.eventually("SELECT groupArray(seq) FROM @requests", "[1]")
	for seq := uint64(2); seq < 20; seq++ {
		r.produce(topic.Requests, 0, tick(seq))
	}
	r.committed(topic.Requests, 0, 19)
	stop()
	stop = r.start()
	r.produce(topic.Requests, 0, tick(19), request(t, 0, 20, nil), request(t, 0, 5, nil))
	r.eventually("SELECT arraySort(groupArray(seq)) FROM @requests", "[1,20]")
	r.produce(topic.Requests, 0, tick(24))
	r.eventually("SELECT groupArray((seq, seq_end, reason)) FROM @losses", "[(21,23,'gap')]")
	stop()
	r.start()
	r.produce(topic.Requests, 0, request(t, 0, 25, nil))
	r.eventually("SELECT arraySort(groupArray(seq)) FROM @requests", "[1,20,25]")
	r.eventually("SELECT sum(n) FROM @losses", "3")
}

// A topic that was deleted and made again begins at offset 0 like its
// predecessor: its rows are new rows, not duplicates.
func TestTopicMadeAgainIsAnother(t *testing.T) {
	r := newRig(t)
	stop := r.start()
	r.requests(1, 20)
	r.once(20)
	stop()
	r.remake(topic.Requests)
	for lane := range partitions {
		r.produce(topic.Requests, lane, request(t, uint32(lane), 1, func(e *event.RequestEvent) { e.Epoch, e.Id = 8, fmt.Sprint("new", lane) }))
	}
	r.start()
	r.once(21)
}

// So it is where it has more records than its predecessor by the time at which they are
// read, before a restart and after one.
func TestTopicMadeAgainIsAnotherHoweverLongItIs(t *testing.T) {
	r := newRig(t)
	again := func(epoch uint64, n int) {
		t.Helper()
		r.remake(topic.Requests)
		for lane := range partitions {
			var values [][]byte
			for i := range n {
				values = append(values, request(t, uint32(lane), uint64(i+1), func(e *event.RequestEvent) {
					e.Epoch, e.Id = epoch, fmt.Sprint("new", epoch, lane, i)
				}))
			}
			r.produce(topic.Requests, lane, values...)
		}
	}
	stop := r.start()
	r.requests(1, 20)
	r.once(20)
	stop()
	again(8, 30)
	r.start()
	r.once(50)
	again(9, 70)
	r.once(120)
}

// What is lost at the beginning of a life is counted, like any other loss.
func TestALossAtALivesBeginningIsCounted(t *testing.T) {
	r := newRig(t)
	r.start()
	r.produce(topic.Requests, 0, request(t, 0, 4, nil))
	r.eventually("SELECT groupArray((epoch, seq, seq_end, reason)) FROM @losses", "[(7,1,3,'gap')]")
}
