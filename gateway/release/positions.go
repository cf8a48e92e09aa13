package release

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Options are what [Positions] depend on. All are required.
type Options struct {
	Config Config
	// Gateway and Epoch name the life whose lanes these are, as its events do.
	Gateway string
	Epoch   uint64
	// Lanes is how many it has.
	Lanes uint32
	Meter metric.Meter
	Now   func() time.Time
}

// Positions are the lanes of one life of a gateway.
type Positions struct {
	config  Config
	gateway string
	epoch   uint64
	now     func() time.Time
	metrics metrics
	lanes   []lane

	waiting, held atomic.Int64 // Responses that wait, and bytes of them.
}

// lane is one dense sequence of numbers.
type lane struct {
	mu      sync.Mutex
	issued  uint64
	scored  uint64
	marks   marks
	waiters map[*waiter]struct{}
}

// New returns positions of which nothing has been issued.
func New(o Options) (*Positions, error) {
	err := o.Config.Validate()
	if err != nil {
		return nil, fmt.Errorf("release: %w", err)
	}
	if o.Gateway == "" || o.Epoch == 0 || o.Lanes == 0 || o.Meter == nil || o.Now == nil {
		return nil, errors.New("release: gateway, epoch, lanes, meter and now are required")
	}
	p := &Positions{config: o.Config, gateway: o.Gateway, epoch: o.Epoch, now: o.Now, lanes: make([]lane, o.Lanes)}
	for i := range p.lanes {
		p.lanes[i].waiters = make(map[*waiter]struct{})
	}
	p.metrics, err = newMetrics(o.Meter, p)
	if err != nil {
		return nil, fmt.Errorf("release: %w", err)
	}
	return p, nil
}

// Issued notes that a lane has given out its next number.
func (p *Positions) Issued(n uint32, seq uint64, at time.Time) {
	l := &p.lanes[n]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.issued = seq
	l.marks.issued(seq, at)
}

// Scored takes the positions of an authentic heartbeat, and lets those go whose
// numbers are scored. False means that it claims what was never issued, and has
// moved nothing.
func (p *Positions) Scored(list []*verdict.LanePosition) bool {
	for _, at := range list {
		if p.ours(at) && !p.believable(at) {
			return false
		}
	}
	for _, at := range list {
		if p.ours(at) {
			p.lanes[at.GetLane()].advance(at.GetSeq())
		}
	}
	return true
}

// ours reports whether a position is of a lane of this life.
func (p *Positions) ours(at *verdict.LanePosition) bool {
	return at.GetGateway() == p.gateway && at.GetEpoch() == p.epoch
}

func (p *Positions) believable(at *verdict.LanePosition) bool {
	if at.GetLane() >= uint32(len(p.lanes)) {
		return false
	}
	l := &p.lanes[at.GetLane()]
	l.mu.Lock()
	defer l.mu.Unlock()
	return at.GetSeq() <= l.issued
}

// advance moves the lane on, never back.
func (l *lane) advance(through uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if through <= l.scored {
		return
	}
	l.scored = through
	l.marks.scored(through, through == l.issued)
	for w := range l.waiters {
		if w.seq <= through {
			close(w.scored)
			delete(l.waiters, w)
		}
	}
}

// Staleness is the age of a lane's oldest number that is not scored, 0 for none.
func (p *Positions) Staleness(n uint32, now time.Time) time.Duration {
	l := &p.lanes[n]
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marks.age(now)
}

// Stats are the figures of one moment.
type Stats struct {
	// Oldest is the staleness of the lane that is furthest behind, Lagging how many
	// are staler than [LaggingAfter].
	Oldest  time.Duration
	Lagging int
	// Waiting responses are held back, WaitingMax may be; HeldBytes of HeldBytesMax.
	Waiting, WaitingMax     int64
	HeldBytes, HeldBytesMax int64
}

// Stats returns the figures as of now.
func (p *Positions) Stats(now time.Time) Stats {
	s := Stats{
		Waiting: p.waiting.Load(), WaitingMax: int64(p.config.WaitingMax),
		HeldBytes: p.held.Load(), HeldBytesMax: p.config.HeldBytesMax,
	}
	for n := range p.lanes {
		age := p.Staleness(uint32(n), now)
		s.Oldest = max(s.Oldest, age)
		if age > LaggingAfter {
			s.Lagging++
		}
	}
	return s
}
