package emit

import (
	"context"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/gateway/bus"
	"github.com/vigil-gateway/vigil/schemas/seal"
)

// rounds let the partitions of one broker share a request: to send one costs as much
// as to make thirty events. They share its signature, too, where batches are sealed,
// which costs as much as ten. A partition still has one batch in flight at a time, and
// what a request of several fails with each partition deals with by itself.
type rounds struct {
	client producer
	topic  string
	signer *seal.Signer // Nil where nothing is sealed.

	mu   sync.Mutex
	open map[int]*round // By broker: those that still take partitions in.
}

// producer is [bus.Client] as far as rounds need it.
type producer interface {
	Produce(ctx context.Context, topic string, parts []bus.Part) ([]error, error)
}

// round is one shared request.
type round struct {
	of  *rounds
	due chan struct{} // Its linger is over: hand over what there is.

	unsigned int           // Partitions that have neither drafted a batch nor left. Guarded by rounds.mu.
	drafts   []*seal.Batch // Guarded by rounds.mu until unsigned is 0.
	signed   chan struct{}

	left  int        // Partitions that have neither handed over nor left. Guarded by rounds.mu.
	parts []bus.Part // Guarded by rounds.mu until left is 0.

	done chan struct{}
	errs []error // Of parts, nil where err is not. Read after done.
	err  error
}

func newRounds(client producer, topic string, signer *seal.Signer) *rounds {
	return &rounds{client: client, topic: topic, signer: signer, open: make(map[int]*round)}
}

// join takes a partition into the next request to a broker, which is due after wait
// at the latest. The partition must hand over, after [round.sign] where batches are
// sealed, or leave.
func (s *rounds) join(broker int, wait time.Duration) *round {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.open[broker]
	if r == nil || r.left == seal.RoundMax {
		r = &round{of: s, due: make(chan struct{}), signed: make(chan struct{}), done: make(chan struct{})}
		s.open[broker] = r
		time.AfterFunc(wait, func() { s.close(broker, r) })
	}
	r.left++
	r.unsigned++
	return r
}

// close lets nobody else in.
func (s *rounds) close(broker int, r *round) {
	s.mu.Lock()
	if s.open[broker] == r { // Else it is full, and another has begun.
		delete(s.open, broker)
	}
	s.mu.Unlock()
	close(r.due)
}

// sign has a partition's batch signed with those of the others. It is called once the
// round is due, and before [round.hand]. The error is that of ctx, and the partition has
// left then.
func (r *round) sign(ctx context.Context, b *seal.Batch) error {
	r.of.mu.Lock()
	r.drafts = append(r.drafts, b)
	last := r.drafted()
	r.of.mu.Unlock()
	if last {
		r.signAll()
	}
	select {
	case <-r.signed:
		return nil
	case <-ctx.Done():
		r.quit(ctx)
		return ctx.Err() //nolint:wrapcheck // The sender's own end.
	}
}

// drafted notes that one partition fewer is waited for, and reports whether that was the
// last one. rounds.mu is held.
func (r *round) drafted() bool {
	r.unsigned--
	return r.unsigned == 0 && len(r.drafts) > 0
}

func (r *round) signAll() {
	r.of.signer.Sign(r.drafts)
	close(r.signed)
}

// hand sends a partition's batch with those of the others, and returns what has
// become of it. It is called once the round is due. The error wraps [bus.ErrApart]
// where nothing was sent, because the partitions have different brokers by now.
func (r *round) hand(ctx context.Context, part bus.Part) error {
	r.of.mu.Lock()
	at := len(r.parts)
	r.parts = append(r.parts, part)
	r.left--
	last := r.left == 0
	r.of.mu.Unlock()
	if last {
		r.send(ctx)
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // The sender's own end.
	}
	if r.err != nil {
		return r.err
	}
	return r.errs[at]
}

// leave takes a partition out that sends nothing with the others: its sender ends, or
// its batch goes alone. It does not wait for theirs.
func (r *round) leave(ctx context.Context) {
	r.of.mu.Lock()
	last := r.drafted()
	r.of.mu.Unlock()
	if last {
		r.signAll()
	}
	r.quit(ctx)
}

// quit is leave for a partition whose batch has been drafted.
func (r *round) quit(ctx context.Context) {
	r.of.mu.Lock()
	r.left--
	last := r.left == 0 && len(r.parts) > 0
	r.of.mu.Unlock()
	if last {
		go r.send(ctx) // Whoever has handed over waits for it, unless ctx ends, which ends it, too.
	}
}

func (r *round) send(ctx context.Context) {
	r.errs, r.err = r.of.client.Produce(ctx, r.of.topic, r.parts)
	close(r.done)
}
