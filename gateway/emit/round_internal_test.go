package emit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
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
	all := newRounds(to, "topic", nil)
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
	all := newRounds(&scripted{err: fmt.Errorf("moved: %w", bus.ErrApart)}, "topic", nil)
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

// signing is a signer, and a batch of a partition for it.
func signing(t *testing.T) (s *seal.Signer, draft func(partition int) *seal.Batch) {
	t.Helper()
	s, err := seal.NewSigner("gw-1", "k", ed25519.NewKeyFromSeed(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return s, func(partition int) *seal.Batch {
		return s.Draft(&seal.Chain{Epoch: 7, Partition: int32(partition)}, time.Unix(0, 1), nil)
	}
}

// signature is the one in a header, whichever version that is.
func signature(header []byte) string { return string(header[61:125]) }

func TestPartitionsOfARoundShareASignature(t *testing.T) {
	to := new(scripted)
	signer, draft := signing(t)
	all := newRounds(to, "topic", signer)
	signatures := make([]string, 5)
	var work sync.WaitGroup
	for p := range signatures {
		r := all.join(7, 20*time.Millisecond)
		work.Go(func() {
			<-r.due
			if p == 2 { // Somebody waits for what it has.
				r.leave(t.Context())
				return
			}
			b := draft(p)
			err := r.sign(t.Context(), b)
			if err != nil {
				t.Errorf("sign of partition %d: %v", p, err)
				return
			}
			signatures[p] = signature(b.Header)
			_ = r.hand(t.Context(), bus.Part{Partition: p}) // Of 1 the broker says what scripted does.
		})
	}
	work.Wait()
	one := signatures[0]
	if diff := cmp.Diff([]string{one, one, "", one, one}, signatures); diff != "" || one == "" {
		t.Errorf("signatures (-want +got):\n%s", diff)
	}
	if len(to.calls) != 1 || len(to.calls[0]) != 4 {
		t.Errorf("requests for %v, want one of four partitions", to.calls)
	}
}

// Whoever is the last that the others have waited for may be one that leaves.
func TestRoundIsSignedWhenItsLastPartitionLeaves(t *testing.T) {
	signer, draft := signing(t)
	bubble.Test(t, func(t *testing.T) {
		all := newRounds(new(scripted), "topic", signer)
		r := all.join(7, time.Millisecond)
		all.join(7, time.Millisecond)
		<-r.due
		b := draft(0)
		signed := make(chan error, 1)
		go func() { signed <- r.sign(t.Context(), b) }()
		bubble.Wait() // Until it waits.
		r.leave(t.Context())
		bubble.Wait()
		select {
		case err := <-signed:
			if err != nil || b.Header == nil {
				t.Errorf("sign = %v, header %q", err, b.Header)
			}
		default:
			t.Error("still waits for who has left")
		}
	})
}

// A partition that ends while it waits for the others is not waited for by them.
func TestPartitionThatEndsBeforeItsRoundIsSignedHasLeft(t *testing.T) {
	to := new(scripted)
	signer, draft := signing(t)
	all := newRounds(to, "topic", signer)
	r := all.join(7, time.Millisecond)
	all.join(7, time.Millisecond)
	<-r.due
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := r.sign(ended, draft(0))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("sign of the partition that ends = %v", err)
	}
	b := draft(2)
	err = r.sign(t.Context(), b)
	if err == nil {
		err = r.hand(t.Context(), bus.Part{Partition: 2})
	}
	if err != nil || b.Header == nil {
		t.Errorf("the other partition: %v, header %q", err, b.Header)
	}
	if diff := cmp.Diff([][]int{{2}}, to.calls); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestRoundTakesNoMorePartitionsThanOneSignatureIsOf(t *testing.T) {
	all := newRounds(new(scripted), "topic", nil)
	full := all.join(1, time.Hour)
	for range seal.RoundMax - 1 {
		if all.join(1, time.Hour) != full {
			t.Fatal("another round before the first is full")
		}
	}
	next := all.join(1, time.Hour)
	if next == full {
		t.Fatalf("a round of %d partitions", full.left)
	}
	all.close(1, full)
	if all.join(1, time.Hour) != next {
		t.Error("that the full one is due has ended the next")
	}
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
	all, q := newRounds(to, "topic", nil), newRing(1, 10, 1<<20, nil, nil)
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
