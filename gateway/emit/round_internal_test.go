package emit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/vigil-gateway/vigil/gateway/bus"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/seal"
)

// scripted answers each partition as it is told to, and notes who came together.
type scripted struct {
	mu    sync.Mutex
	calls [][]int
	err   error
}

func (t *scripted) Produce(_ context.Context, _ string, parts []bus.Part) ([]error, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var who []int
	errs := make([]error, len(parts))
	for i, p := range parts {
		who = append(who, p.Partition)
		if p.Partition == 1 {
			errs[i] = kafka.MessageSizeTooLarge
		}
	}
	t.calls = append(t.calls, who)
	return errs, t.err
}

func TestPartitionsOfOneBrokerShareARequest(t *testing.T) {
	to := new(scripted)
	all := newRounds(to, "topic")
	got := make([]error, 4)
	var work sync.WaitGroup
	for p, broker := range []int{7, 7, 7, 8} {
		r := all.join(broker, 20*time.Millisecond)
		work.Go(func() {
			<-r.due
			if p == 2 { // It ends meanwhile.
				r.leave(t.Context())
				return
			}
			got[p] = r.hand(t.Context(), bus.Part{Partition: p})
		})
	}
	work.Wait()
	if len(to.calls) != 2 || len(to.calls[0])+len(to.calls[1]) != 3 {
		t.Errorf("requests for %v, want one of partitions 0 and 1 and one of 3", to.calls)
	}
	if diff := cmp.Diff([]bool{false, true, false, false}, []bool{got[0] != nil, errors.Is(got[1], kafka.MessageSizeTooLarge), got[2] != nil, got[3] != nil}); diff != "" {
		t.Errorf("refused partitions (-want +got):\n%s", diff)
	}
	if len(all.open) != 0 {
		t.Errorf("%d rounds are still open", len(all.open))
	}
}

func TestWhoComesAfterARoundIsDueIsInTheNext(t *testing.T) {
	all := newRounds(&scripted{err: fmt.Errorf("moved: %w", bus.ErrApart)}, "topic")
	first := all.join(1, time.Millisecond)
	<-first.due
	second := all.join(1, time.Millisecond)
	if first == second {
		t.Fatal("a round takes partitions in after it was due")
	}
	err := first.hand(t.Context(), bus.Part{})
	if !errors.Is(err, bus.ErrApart) {
		t.Errorf("a request that was not sent says %v", err)
	}
	<-second.due
	second.leave(t.Context())
}

// TestBatchIsReadByKafkaGo has another implementation of the protocol read a batch.
func TestBatchIsReadByKafkaGo(t *testing.T) {
	begin := time.UnixMilli(1_800_000_000_000)
	var b wire
	var records []*record
	for n, text := range []string{"", "value", strings.Repeat("x", 70_000)} {
		r := &record{
			id: fmt.Sprint("id-", n), typ: cloudevent.TypeRequest, time: begin, queued: begin.Add(time.Duration(70-n*35) * time.Millisecond),
			key: []byte(fmt.Sprint("key-", n)), value: []byte(text), traceparent: strings.Repeat("t", n),
		}
		records = append(records, r)
		b.describe(r.attributes("vigil://gateway/g"))
	}
	b.encode(records, []cloudevent.Header{{Key: seal.Header, Value: []byte("seal")}})
	var set protocol.RecordSet
	_, err := set.ReadFrom(bytes.NewReader(b.out))
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range records {
		got, err := set.Records.ReadRecord()
		if err != nil {
			t.Fatalf("record %d: %v", n, err)
		}
		key, _ := protocol.ReadAll(got.Key)
		value, _ := protocol.ReadAll(got.Value)
		if !bytes.Equal(key, want.key) || !bytes.Equal(value, want.value) || !got.Time.Equal(want.queued) {
			t.Errorf("record %d is read as %q, %d bytes, %v", n, key, len(value), got.Time)
		}
		var headers []kafka.Header
		for _, h := range want.attributes("vigil://gateway/g").Headers() {
			headers = append(headers, kafka.Header(h))
		}
		if n == 0 {
			headers = append(headers, kafka.Header{Key: seal.Header, Value: []byte("seal")})
		}
		if diff := cmp.Diff(headers, got.Headers); diff != "" {
			t.Errorf("headers of record %d (-want +got):\n%s", n, diff)
		}
	}
}

// busyProducer answers once it is told to.
type busyProducer struct{ release chan struct{} }

func (t *busyProducer) Produce(_ context.Context, _ string, parts []bus.Part) ([]error, error) {
	<-t.release
	return make([]error, len(parts)), nil
}

// A record that a response waits for comes while its partition waits for others: it
// goes without them, and does not wait for their answer.
func TestWhatSomebodyWaitsForDoesNotWaitForOtherPartitions(t *testing.T) {
	to := &busyProducer{release: make(chan struct{})}
	all, q := newRounds(to, "topic"), newRing(1, 10, 1<<20, nil, nil)
	p := &sender{
		e: &Emitter{cfg: Config{Linger: 50 * time.Millisecond, BatchBytesMax: 1 << 20}, now: time.Now},
		s: &stream{queue: q}, rounds: all, lanes: []uint32{0}, taken: make([]int, 1), limit: 10,
	}
	q.push(&record{queued: time.Now(), size: 1})
	p.collect()
	r := all.join(0, 50*time.Millisecond)
	answered := make(chan error, 1)
	go func() {
		<-r.due
		answered <- r.hand(t.Context(), bus.Part{Partition: 1}) // The test's end ends it, too.
	}()
	q.push(&record{queued: time.Now(), size: 1, awaited: true})
	with, ok := p.company(t.Context()) // Returns while the others' request is not answered.
	if with != nil || !ok || len(p.batch) != 2 {
		t.Fatalf("%d records go with others: %t, %t; want 2 that go alone", len(p.batch), with != nil, ok)
	}
	close(to.release)
	err := <-answered
	if err != nil {
		t.Errorf("the others' batch: %v", err)
	}
}
