package analyzer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/analyzer/epochs"
	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/analyzer/standby"
	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/facet"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// Options are what an [Analyzer] depends on. All but Metrics are required.
type Options struct {
	Config Config
	Logger *slog.Logger
	Meter  metric.Meter
	Tracer trace.Tracer
	Now    func() time.Time
	// Metrics is the page for Prometheus; nil leaves it out.
	Metrics http.Handler
}

// Analyzer is one process of the decision point.
type Analyzer struct {
	config    Config
	logger    *slog.Logger
	now       func() time.Time
	metrics   *metrics
	writer    *announce.Writer
	announcer *announce.Announcer
	keys      *verdict.Ring
	signing   *announce.Signing
	epochs    *epochs.Exchange
	kept      *state.Store
	archive   *store.Archive  // nil for none.
	standby   *standby.Keeper // nil where this is no standby.
	ingest    *ingest.Ingest
	facets    *ingest.Ingest // The second stage.
	storing   store.Options
	store     atomic.Pointer[store.Store]
	listener  net.Listener
	admin     *http.Server
	token     []byte // nil where the admin port changes nothing.
}

// New reads keys and model and opens the admin port. It connects to nothing.
func New(o Options) (made *Analyzer, err error) {
	err = o.Config.Validate()
	if err != nil {
		return nil, fmt.Errorf("analyzer: %w", err)
	}
	a := &Analyzer{config: o.Config, logger: o.Logger, now: o.Now}
	defer func() {
		if err != nil && a.archive != nil {
			err = errors.Join(err, a.archive.Close())
		}
	}()
	a.metrics, err = newMetrics(o.Meter)
	if err != nil {
		return nil, fmt.Errorf("analyzer: metrics: %w", err)
	}
	err = a.scoring(o)
	if err != nil {
		return nil, fmt.Errorf("analyzer: %w", err)
	}
	err = a.openAdmin(o.Metrics)
	if err != nil {
		return nil, fmt.Errorf("analyzer: %w", err)
	}
	rows, err := store.New(a.storing) // Last: only its Run ends what it begins.
	if err != nil {
		return nil, errors.Join(fmt.Errorf("analyzer: %w", err), a.listener.Close())
	}
	a.store.Store(rows)
	return a, nil
}

// scoring builds the path from event to verdict.
func (a *Analyzer) scoring(o Options) error {
	c := a.config
	m, err := loadModel(c.Model)
	if err != nil {
		return err
	}
	key, _, err := keyfile.TenantKey(c.TenantKeyFile)
	if err != nil {
		return err
	}
	err = a.openKeys()
	if err != nil {
		return err
	}
	via, err := access.Open(c.Kafka.Config, tlsfile.Options{Now: o.Now, Changed: tlsfile.Logged(a.logger, "kafka")})
	if err != nil {
		return under("kafka", err)
	}
	a.writer, err = announce.NewWriter(via, c.Kafka.Brokers, o.Logger, o.Meter)
	if err != nil {
		return err
	}
	a.announcer, err = announce.New(announce.Options{
		Config: c.Announce, Writer: a.writer, Signer: a.signing, Keys: a.keys,
		Logger: o.Logger, Meter: o.Meter, Tracer: o.Tracer, Now: o.Now,
	})
	if err != nil {
		return err
	}
	a.epochs, err = epochs.New(epochs.Options{
		Config: c.Epochs, Brokers: c.Kafka.Brokers, Access: via, Writer: a.writer, Signer: a.signing, Keys: a.keys,
		Logger: o.Logger, Meter: o.Meter, Now: o.Now,
	})
	if err != nil {
		return err
	}
	err = a.keeping(o)
	if err != nil {
		return err
	}
	stage := ingest.Options{
		Config: c.Ingest, Brokers: c.Kafka.Brokers, Access: via, Stage: announce.SubjectStage(), Model: m, NewEngine: newEngine,
		Lanes: topic.Lanes{Count: uint32(c.Lanes), Seed: topic.SeedOf(key)}, State: a.kept, Keep: c.State, Profiles: scorer.ReadProfiles,
		Standby: c.Standby.Workers, Began: o.Now(), Announcer: a.announcer, Seals: listed{a.keys}, Epochs: a.epochs, Writer: a.writer, Logger: o.Logger, Meter: o.Meter, Tracer: o.Tracer, Now: o.Now,
	}
	if a.standby != nil {
		stage.Copies = a.standby
	}
	a.ingest, err = ingest.New(stage)
	if err != nil {
		return err
	}
	// Facets share nothing, are no subjects, and no gateway writes them.
	stage.Epochs, stage.Profiles, stage.Seals = nil, nil, nil
	stage.Stage, stage.NewEngine = announce.FacetStage(), newFacetEngine
	stage.Config.Group += facetGroup
	a.facets, err = ingest.New(stage)
	if err != nil {
		return err
	}
	a.storing = store.Options{
		Config: c.storing(), Access: via, Keys: listed{a.keys}, Seals: listed{a.keys}, Unsigned: c.Ingest.Unsigned, Logger: o.Logger, Meter: o.Meter, Tracer: o.Tracer, Now: o.Now,
	}
	return nil
}

// keeping makes what the scorer's state is kept with.
func (a *Analyzer) keeping(o Options) error {
	c := a.config
	keep := state.Options{Config: c.State, Logger: o.Logger, Meter: o.Meter, Now: o.Now}
	if c.State.ArchiveEvery > 0 {
		archive, err := store.NewArchive(c.storing(), o.Now)
		if err != nil {
			return err
		}
		a.archive, keep.Archive = archive, archive
	}
	kept, err := state.New(keep)
	a.kept = kept
	if err != nil || c.Standby.Workers == 0 {
		return err
	}
	a.standby, err = standby.New(standby.Options{
		Config: c.Standby, Store: kept, Topics: []string{topic.Requests, topic.Facets}, Partitions: a.writer.Partitions,
		Logger: o.Logger, Meter: o.Meter, Now: o.Now,
	})
	return err
}

func (a *Analyzer) closeArchive(ctx context.Context) {
	if a.archive == nil {
		return
	}
	err := a.archive.Close()
	if err != nil {
		a.logger.WarnContext(ctx, "close the archive", "error", err)
	}
}

func newEngine(m *model.Model) (ingest.Engine, error) {
	return scorer.New(scorer.Options{Model: m})
}

func newFacetEngine(m *model.Model) (ingest.Engine, error) { return facet.New(m) }

// AdminAddr is the address of the admin port.
func (a *Analyzer) AdminAddr() net.Addr { return a.listener.Addr() }

// Run works until ctx ends. It returns an error only where going on makes no
// sense; the absence of Kafka or ClickHouse is no such thing. What has not ended a while
// after that is given up, and the error, which wraps [ErrHangs], names it.
func (a *Analyzer) Run(ctx context.Context) error {
	defer a.writer.Close()
	defer a.closeArchive(ctx)
	m := a.ingest.Model()
	a.logger.InfoContext(ctx, "analyzer starts", "admin", a.AdminAddr().String(), "model", m.Digest(), "mode", m.Mode)
	if m.Mode == model.ModeObserve {
		a.logger.WarnContext(ctx, "the model observes: events are scored and recorded, no verdict is announced", "model", m.Digest())
	}
	parts := map[string]func(context.Context) error{
		"epochs": a.epochs.Run, "archive": a.kept.Run, "scoring": a.ingest.Run, "facet stage": a.facets.Run, "admin port": a.serveAdmin,
		"storing": func(ctx context.Context) error { a.storeRows(ctx); return nil },
	}
	if a.standby != nil {
		parts["standby"] = a.standby.Run
	}
	err := together(ctx, a.config.Ingest.RebalanceTimeout+endMax, parts)
	if err != nil {
		return fmt.Errorf("analyzer: %w", err)
	}
	return nil
}

// ErrHangs means that a part of the analyzer did not end when it was asked to.
var ErrHangs = errors.New("does not end")

// together runs parts until the first of them fails or ctx ends, and then until all have
// ended, within patience: a disk that hangs must not keep a process that is to end.
func together(ctx context.Context, patience time.Duration, parts map[string]func(context.Context) error) error {
	var mu sync.Mutex
	running := slices.Sorted(maps.Keys(parts)) // Guarded by mu.
	g, ctx := errgroup.WithContext(ctx)
	for name, run := range parts {
		g.Go(func() error {
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				running = slices.DeleteFunc(running, func(other string) bool { return other == name })
			}()
			return run(ctx)
		})
	}
	ended := make(chan error, 1)
	go func() { ended <- g.Wait() }()
	<-ctx.Done()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case err := <-ended:
		return err
	case <-late.C:
	}
	mu.Lock()
	defer mu.Unlock()
	return fmt.Errorf("%s: %w within %v, and is given up: does the disk hang?", strings.Join(running, ", "), ErrHangs, patience)
}

// storeRows stores until ctx ends. Whatever goes wrong there is begun again and
// never touches scoring.
func (a *Analyzer) storeRows(ctx context.Context) {
	rows := a.store.Load()
	for {
		if rows != nil {
			err := rows.Run(ctx)
			if ctx.Err() != nil {
				return
			}
			a.metrics.stores.Add(ctx, 1)
			a.logger.ErrorContext(ctx, "storing ended and is begun again", "error", err, "after", storeBackoff)
		}
		wait := time.NewTimer(storeBackoff)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return
		}
		var err error
		rows, err = store.New(a.storing)
		if err != nil {
			a.logger.ErrorContext(ctx, "storing cannot be begun again", "error", err)
			continue
		}
		a.store.Store(rows)
	}
}

// Reload puts the model and the keys of c in force. Where any of them is at fault,
// all stay as they are, and the error says why. All other settings take a restart.
func (a *Analyzer) Reload(ctx context.Context, c Config) error {
	result := "ok"
	err := c.Validate()
	var m *model.Model
	if err == nil {
		m, err = loadModel(c.Model)
	}
	if err == nil {
		err = a.reloadKeys(ctx, c)
	}
	if err != nil {
		result = "refused"
	} else {
		a.ingest.SwapModel(m)
		a.facets.SwapModel(m)
		a.logger.InfoContext(ctx, "model in force", "model", m.Digest(), "mode", m.Mode)
	}
	a.metrics.reloads.Add(ctx, 1, metric.WithAttributes(attribute.String("result", result)))
	if err != nil {
		return fmt.Errorf("analyzer: reload: %w", err)
	}
	return nil
}
