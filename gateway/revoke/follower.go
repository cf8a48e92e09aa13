package revoke

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/gateway/bus"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/fetch"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// applier is where verdicts take effect: a session table. Its methods may be called
// by several goroutines at once.
type applier interface {
	Apply(v *verdict.Verdict, arrived time.Time)
	// Withdraw takes back exactly what Apply was given.
	Withdraw(v *verdict.Verdict)
	// Sessions is how many known sessions a target has; nil is all of the tenant.
	Sessions(tenant string, target *verdict.Target) int
}

// Options are what a [Follower] depends on. All but Access and Positions are required.
type Options struct {
	Config Config
	// Brokers are the addresses of the cluster, host:port, at least one.
	Brokers []string
	// Access says how they are reached and as whom; nil is plain text, as nobody.
	Access *access.Access
	// Gateway is this gateway's id, by which the brokers know it.
	Gateway string
	// Positions hear how far this gateway's events are scored, after the verdicts that
	// they brought about are in force; nil for nobody.
	Positions positions
	// Keys verify the records; [Follower.SwapKeys] replaces them.
	Keys   *verdict.KeySet
	Table  applier
	Logger *slog.Logger
	Meter  metric.Meter
	Now    func() time.Time
}

// Follower follows the verdicts.
type Follower struct {
	cfg      Config
	table    applier
	log      *slog.Logger
	now      func() time.Time
	keys     *verdict.Ring
	trust    sync.RWMutex // Read from the check of a signature to its effect, written while keys are replaced.
	client   *bus.Client
	ledger   *ledger
	file     *file
	beats    *beats
	fuse     *fuse
	throttle *fetch.Throttle
	gaps     gaps
	metrics  metrics

	load     sync.Once
	loadErr  error
	caughtUp atomic.Bool
	again    atomic.Uint64 // Moves on when all partitions have to be read from their beginning.
	counts   counts

	mu         sync.Mutex
	complained map[string]struct{} // What has been logged once.
	aheadSaid  time.Time           // When it was last said that a verdict is dated ahead of the clock.
	due        time.Time           // When the first verdict comes due that waits for its date; zero for none.
	behind     int                 // Partitions that are not caught up; -1 until they are known.
}

// counts are what has been seen since the start.
type counts struct {
	applied, repeated, damaged, missing, ahead atomic.Uint64
	refused                                    [15]atomic.Uint64 // By reason.
}

// New returns a follower that has not read anything yet.
func New(o Options) (*Follower, error) {
	err := o.validate()
	if err != nil {
		return nil, fmt.Errorf("revoke: %w", err)
	}
	l := newLedger(o.Config.VerdictsMax)
	f := &Follower{
		cfg:        o.Config,
		table:      o.Table,
		log:        o.Logger,
		now:        o.Now,
		ledger:     l,
		file:       newFile(o.Config.Dir, o.Config.FileBytesMax, l),
		beats:      newBeats(o.Positions, o.Now()),
		fuse:       newFuse(o.Config.Fuse, o.Config.Dir, o.Table.Sessions),
		gaps:       gaps{last: make(map[voice]order)},
		keys:       verdict.NewRing(o.Keys, o.Now),
		complained: make(map[string]struct{}),
		behind:     -1,
	}
	f.client = bus.New(bus.Options{Brokers: o.Brokers, Access: o.Access, Gateway: o.Gateway, Topics: []string{topic.Verdicts}, Timeout: o.Config.RequestTimeout})
	f.throttle, err = fetch.NewThrottle("vigil.revoke", f.client.ID(), o.Logger, o.Meter)
	if err != nil {
		return nil, fmt.Errorf("revoke: %w", err)
	}
	f.metrics, err = newMetrics(o.Meter, f)
	if err != nil {
		return nil, fmt.Errorf("revoke: %w", err)
	}
	return f, nil
}

func (o *Options) validate() error {
	var errs []error
	if len(o.Brokers) == 0 {
		errs = append(errs, errors.New("brokers: name at least one"))
	}
	if o.Gateway == "" {
		errs = append(errs, errors.New("gateway: must be set"))
	}
	if o.Keys == nil || o.Table == nil {
		errs = append(errs, errors.New("keys and table: must be set"))
	}
	if o.Logger == nil || o.Meter == nil || o.Now == nil {
		errs = append(errs, errors.New("logger, meter and clock: must be set"))
	}
	return errors.Join(append(errs, o.Config.Validate())...)
}

// Load puts the verdicts of the last run in force. A missing file is an empty
// one; damaged lines and a torn end are counted and logged; the error means
// that the file cannot be used at all. It loads once, whoever calls first.
func (f *Follower) Load() error {
	f.load.Do(func() { f.loadErr = f.loadFile() })
	return f.loadErr
}

// loadFile reads the file twice: first all signatures are checked and it is found
// which record of a key is the newest, then those are applied. So no more than one
// record at a time is in memory.
func (f *Follower) loadFile() error {
	now := f.now()
	keys := f.keys.Listed() // What was believed when it came goes on being in force, though its key may have ended.
	refused, live := 0, 0
	apply := func(v *verdict.Verdict) {
		if v.Live(now) || len(v.Clears) > 0 {
			live++
			dated(v, now)
			f.table.Apply(v, now)
		}
	}
	type place struct {
		at   int64
		keep time.Time
	}
	some := verdict.Opener[place]{Keys: keys, Take: func(raw []byte, p place, m verdict.Message, err error) {
		if err != nil || m.Verdict == nil {
			refused++ // Signed by a key that is gone, for instance.
			return
		}
		out, _ := f.ledger.fold(record{verdict: m.Verdict, raw: raw, keep: p.keep, at: p.at}, now)
		if out == full {
			apply(m.Verdict)
		}
	}}
	damaged, torn, err := f.file.load(func(at int64, keep time.Time, raw []byte) {
		some.Add(bytes.Clone(raw), place{at, keep})
	})
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	some.Flush()
	err = f.file.live(func(raw []byte) {
		v, err := verified(raw)
		if err != nil {
			refused++ // Cannot happen: it was verified a moment ago.
			return
		}
		apply(v)
	})
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	err = f.fuse.load()
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	f.counts.damaged.Add(uint64(damaged + torn))
	if damaged+torn+refused > 0 {
		f.log.Warn("verdict file has lines without effect", "damaged", damaged, "torn", torn, "refused", refused)
	}
	f.log.Info("verdicts of the last run are in force", "verdicts", live)
	return nil
}

// verified decodes the verdict of an envelope whose signature has been checked.
func verified(envelope []byte) (*verdict.Verdict, error) {
	_, rest, _ := bytes.Cut(envelope, []byte{'.'})
	encoded, _, _ := bytes.Cut(rest, []byte{'.'})
	payload := make([]byte, base64.RawURLEncoding.DecodedLen(len(encoded)))
	_, err := base64.RawURLEncoding.Decode(payload, encoded)
	if err != nil {
		return nil, fmt.Errorf("decode verdict: %w", err)
	}
	v := new(verdict.Verdict)
	err = v.UnmarshalVT(payload)
	if err != nil {
		return nil, fmt.Errorf("decode verdict: %w", err)
	}
	return v, nil
}

// Run follows the topic until ctx ends; it returns early only where the
// verdict file cannot be used. While Kafka is away it goes on trying.
func (f *Follower) Run(ctx context.Context) error {
	err := f.Load()
	if err != nil {
		return err
	}
	var work sync.WaitGroup
	stop := context.AfterFunc(ctx, f.client.Close)
	defer stop()
	work.Go(func() { f.persist(ctx) })
	work.Go(func() { f.follow(ctx) })
	work.Wait()
	f.client.Close()
	err = f.file.close()
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	return nil
}

// persist commits what was added to the file until ctx ends.
func (f *Follower) persist(ctx context.Context) {
	sweep := time.NewTicker(sweepInterval)
	defer sweep.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			f.sweep()
		case <-f.file.wake:
		}
		err := f.file.commit()
		if (err != nil) != failing {
			failing = err != nil
			if failing {
				f.log.ErrorContext(ctx, "verdicts are enforced but not saved", "error", err)
			} else {
				f.log.InfoContext(ctx, "verdicts are saved again")
			}
		}
	}
}

// sweep forgets what has lapsed, and asks again for what has come due.
func (f *Follower) sweep() {
	now := f.now()
	f.ledger.sweep(now)
	f.retry(now)
}

// CaughtUp reports that every partition was read to the end that it had when
// it was first seen. It stays true.
func (f *Follower) CaughtUp() bool { return f.caughtUp.Load() }

// SwapKeys replaces the keys that verify records, after the key set file has
// changed. What was signed by a key that is listed no longer is taken back, and all
// that is in the topic is read again: some of it may have been refused for a key
// that was not known. What a key has signed that has ended stays. The error wraps
// [verdict.ErrRollback], and then nothing has changed.
func (f *Follower) SwapKeys(keys *verdict.KeySet) error {
	f.trust.Lock()
	defer f.trust.Unlock()
	before := f.keys.Listed()
	changed, err := f.keys.Swap(keys)
	if err != nil || !changed {
		return err //nolint:wrapcheck // Says it all.
	}
	var gone []string
	for _, old := range before.List().Keys {
		if !slices.ContainsFunc(keys.List().Keys, func(k verdict.Key) bool { return k.ID == old.ID && bytes.Equal(k.Public, old.Public) }) {
			gone = append(gone, old.ID)
		}
	}
	f.log.Info("key set in force", "version", keys.List().Version, "keys", len(keys.List().Keys), "gone", gone)
	if len(gone) > 0 {
		f.takeBack(gone)
	}
	f.again.Add(1)
	return nil
}

// takeBack ends what keys have signed that nobody believes any more, and whoever
// holds one of them: also the places in the order that it took from others.
func (f *Follower) takeBack(kids []string) {
	f.beats.takeBack(kids)
	err := f.file.commit()
	n := 0
	if err == nil {
		err = f.file.visit(f.ledger.signedBy(kids), func(p place, raw []byte) {
			v, err := verified(raw)
			if err == nil && f.ledger.drop(p, raw) {
				f.table.Withdraw(v)
				n++
			}
		})
	}
	if err != nil {
		f.log.Error("verdicts of keys that are gone are in force until the next start", "kids", kids, "error", err)
	}
	f.log.Warn("verdicts of keys that are gone are taken back", "kids", kids, "verdicts", n)
}

// Staleness is how long the analyzer's subject stage, on which postures rest, has been
// silent in the partition where it has been silent longest, counted from the follower's
// start where it never spoke.
func (f *Follower) Staleness(now time.Time) time.Duration {
	return f.beats.staleness(now)[verdict.AuthoritySubject]
}

// Stats are a follower's figures at one moment.
type Stats struct {
	// Verdicts are remembered; Unsaved were enforced but are not remembered.
	Verdicts  int
	Unsaved   uint64
	FileBytes int64
	// Applied, Repeated and Damaged count since the start: records that took
	// effect, that said what was known, and lines of the file that are not what
	// was written.
	Applied, Repeated, Damaged uint64
	// Refused counts by reason.
	Refused  map[string]uint64
	CaughtUp bool
	// Staleness is for each of the analyzer's stages, by its authority, how long it has
	// been silent in the partition where it has been silent longest. The facet stage is
	// in it once it has spoken.
	Staleness map[string]time.Duration
	// Ahead is how many verdicts were dated more than a minute ahead of this gateway's clock.
	Ahead uint64
	// Missing is how many records of the analyzer never came, by its own numbering.
	Missing uint64
	// Blown says since when the fuses of which tenants hold verdicts.
	Blown map[string]time.Time
	// KeySet is the version of the key set in force.
	KeySet uint64
}

// Stats returns the figures of this moment.
func (f *Follower) Stats() Stats {
	keys, _ := f.ledger.size()
	refused := make(map[string]uint64)
	for i, r := range reasons() {
		n := f.counts.refused[i].Load()
		if n > 0 {
			refused[r.name] = n
		}
	}
	return Stats{
		Verdicts: keys, Unsaved: f.file.lost(), FileBytes: f.file.size.Load(),
		Applied: f.counts.applied.Load(), Repeated: f.counts.repeated.Load(),
		Refused: refused, Damaged: f.counts.damaged.Load(),
		CaughtUp: f.CaughtUp(), Staleness: f.beats.staleness(f.now()),
		Ahead: f.counts.ahead.Load(), Missing: f.counts.missing.Load(), Blown: f.fuse.blown(), KeySet: f.keys.Listed().List().Version,
	}
}
