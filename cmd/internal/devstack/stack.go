package devstack

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/cmd/internal/config"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/cmd/internal/keys"
	"github.com/vigil-gateway/vigil/cmd/internal/telemetry"
	"github.com/vigil-gateway/vigil/cmd/internal/topics"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap"
	"github.com/vigil-gateway/vigil/deploy/devstack/upstream"
	schema "github.com/vigil-gateway/vigil/schemas/clickhouse"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// Ready is the first line on the standard output of "vigil up".
type Ready struct {
	Event      string `json:"event"`
	Gateway    string `json:"gateway"`
	Console    string `json:"console"`
	Kafka      string `json:"kafka"`
	ClickHouse string `json:"clickhouse"`
}

// Stack is an installation that runs.
type Stack struct {
	options  Options
	places   Places
	run      runfile.Run
	config   Config
	names    event.Names
	parts    *parts
	idp      *idp.Provider
	upstream *upstream.Server
	olap     *olap.Server
	verdicts int
}

// Start starts everything and returns when the gateway serves with every live
// verdict in force. The error wraps [ErrLocked] where another process runs the
// installation, [ErrOptions] where o or the configuration is at fault.
func Start(ctx context.Context, o Options) (*Stack, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("directory %s: %w", o.Dir, err)
	}
	// Before anything is made: what was asked wrongly must leave nothing behind.
	last, err := runfile.Read(dir)
	if err != nil && !errors.Is(err, runfile.ErrNone) {
		return nil, optionsError{err}
	}
	o = o.recall(last)
	err = o.validate()
	if err != nil {
		return nil, err
	}
	_, err = os.Stat(dir)
	fresh := errors.Is(err, fs.ErrNotExist)
	s := &Stack{options: o, places: placesOf(dir), parts: newParts(o.Logger)}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"directory", s.openDir},
		{"gateway's address", s.tryListen},
		{"sample service", s.startSamples},
		{"kafka", s.startKafka},
		{"clickhouse", s.startClickHouse},
		{"configuration", s.configure},
		{"analyzer", s.startAnalyzer},
		{"gateway", s.startGateway},
		{"run file", s.writeRun},
	} {
		began := time.Now()
		patience := sayLater(o.Logger, step.name, patienceMax)
		err = step.do(ctx)
		patience.Stop()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			err = errors.Join(named(step.name, err), s.parts.stop())
			if fresh && asked(err) {
				err = errors.Join(err, os.RemoveAll(dir))
			}
			return nil, err
		}
		o.Logger.DebugContext(ctx, "started", "part", step.name, "took", time.Since(began))
	}
	return s, nil
}

// patienceMax is how long a part may take to start without a word; it is many
// times what each takes on a machine that has nothing else to do.
const patienceMax = 5 * time.Second

// sayLater says after a while which part it is that still starts, unless it is
// stopped before.
func sayLater(logger *slog.Logger, step string, after time.Duration) *time.Timer {
	return time.AfterFunc(after, func() { logger.Warn("still starting", "part", step, "for", after) })
}

// asked reports whether the fault lies in what was asked for.
func asked(err error) bool {
	_, faults := errors.AsType[config.Faults](err)
	return faults || errors.Is(err, ErrOptions)
}

// named says which part did not start; what was asked wrongly names its own place.
func named(step string, err error) error {
	if asked(err) {
		return err
	}
	return fmt.Errorf("start %s: %w", step, err)
}

// Run is what the run file says.
func (s *Stack) Run() runfile.Run { return s.run }

// Ready is the ready line.
func (s *Stack) Ready() Ready {
	return Ready{Event: "ready", Gateway: s.run.Gateway, Console: s.run.Console, Kafka: strings.Join(s.run.Kafka, ","), ClickHouse: s.run.ClickHouse}
}

// Places are the installation's files.
func (s *Stack) Places() Places { return s.places }

// IDP is the sample provider; nil where another is used.
func (s *Stack) IDP() *idp.Provider { return s.idp }

// Upstream is the sample service; nil where another is used.
func (s *Stack) Upstream() *upstream.Server { return s.upstream }

// UpstreamFault is why nobody can connect to the service behind the gateway now; nil
// where one can. It may come later: that it is away is no fault of the installation.
func (s *Stack) UpstreamFault(ctx context.Context) error {
	u, err := url.Parse(s.run.Upstream)
	if err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), cmp.Or(map[string]string{"https": "443"}[u.Scheme], "80"))
	}
	ctx, cancel := context.WithTimeout(ctx, upstreamTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err //nolint:wrapcheck // Names the address.
	}
	return conn.Close()
}

// OLAP is the embedded ClickHouse, for tests that hurt it.
func (s *Stack) OLAP() *olap.Server { return s.olap }

// Names are the installation's pseudonyms.
func (s *Stack) Names() event.Names { return s.names }

// Config is the configuration that runs.
func (s *Stack) Config() Config { return s.config }

// Verdicts is how many verdicts of earlier runs the gateway held when it began
// to serve.
func (s *Stack) Verdicts() int { return s.verdicts }

// Failed gives the error of the first part that ended by itself.
func (s *Stack) Failed() <-chan error { return s.parts.failed }

// Stop ends everything, the gateway first. What was served is in ClickHouse
// then, or in Kafka for the next start to store.
func (s *Stack) Stop() error {
	return s.parts.stop()
}

// openDir takes the directory, makes what is missing in it, and reads the run
// file of the last time for its ports.
func (s *Stack) openDir(context.Context) error {
	err := os.MkdirAll(s.places.Dir, 0o700)
	if err != nil {
		return optionsError{fmt.Errorf("make directory: %w", err)}
	}
	lockFile, err := lock(s.places.Dir)
	if err != nil {
		return err
	}
	s.parts.add("lock", lockFile.Close)
	err = furnish(s.places)
	if err != nil {
		return err
	}
	s.run, err = runfile.Read(s.places.Dir)
	if err != nil && !errors.Is(err, runfile.ErrNone) {
		return err
	}
	key, err := os.ReadFile(s.places.TenantKey)
	if err != nil {
		return fmt.Errorf("read tenant key: %w", err)
	}
	s.names, err = event.NewNames(key)
	if err != nil {
		return fmt.Errorf("read tenant key: %w", err)
	}
	return nil
}

// tryListen finds out whether the gateway could listen where it was told to,
// before the parts that take long are started.
func (s *Stack) tryListen(ctx context.Context) error {
	if s.options.Listen == "" {
		return nil
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", s.options.Listen)
	if err != nil {
		return optionsError{fmt.Errorf("--listen: nobody can listen there now: %w; name another address, or leave it out for a free port", err)}
	}
	return ln.Close()
}

// startSamples runs the provider and the service that nobody else brought.
func (s *Stack) startSamples(context.Context) error {
	o := s.options
	if o.Upstream != "" {
		s.run.Issuer, s.run.Upstream, s.run.Audience, s.run.OwnService = o.Issuer, o.Upstream, o.Audience, true
		return nil
	}
	if s.run.OwnService { // Its ports are not the samples'.
		s.run.Issuer, s.run.Upstream, s.run.Audience, s.run.OwnService = "", "", "", false
	}
	address, err := keepPort(hostPort(s.run.Issuer))
	if err != nil {
		return err
	}
	s.idp, err = idp.Start(idp.Options{
		Addr: address, Dir: s.places.IDP, Audience: SampleAudience, Logger: s.options.Logger, Now: time.Now,
	})
	if err != nil {
		return err
	}
	s.parts.add("identity provider", s.idp.Close)
	address, err = keepPort(hostPort(s.run.Upstream))
	if err != nil {
		return err
	}
	s.upstream, err = upstream.Start(upstream.Options{
		Addr: address, Users: s.options.Users, Rate: s.options.DownloadRate, Logger: s.options.Logger,
	})
	if err != nil {
		return err
	}
	s.parts.add("upstream", s.upstream.Close)
	s.run.Issuer, s.run.Upstream = s.idp.Issuer(), s.upstream.URL()
	return nil
}

// SampleAudience is that of tokens for the sample upstream.
const SampleAudience = "vigil-sample"

// startKafka runs the embedded broker, or takes the one that is named, and
// makes the topics.
func (s *Stack) startKafka(ctx context.Context) error {
	if len(s.options.Kafka) > 0 {
		s.run.Kafka = s.options.Kafka
	} else {
		last := ""
		if len(s.run.Kafka) == 1 && loopback(s.run.Kafka[0]) {
			last = s.run.Kafka[0]
		}
		address, err := keepPort(last)
		if err != nil {
			return err
		}
		b, err := broker.Start(broker.Options{Addr: address, Dir: s.places.Kafka, Partitions: s.options.Partitions, Topics: []topic.Spec{}})
		if err != nil {
			return err
		}
		s.parts.add("kafka", func() error { b.Close(); return nil })
		s.run.Kafka = []string{b.Addr()}
	}
	o := topics.Options{Brokers: s.run.Kafka, Specs: topic.All(s.options.Partitions)}
	_, err := topics.Ensure(ctx, o)
	if err != nil {
		return err
	}
	state, err := topics.Plan(ctx, o)
	if err != nil {
		return err
	}
	s.run.Partitions = state.Partitions[topic.Requests]
	return nil
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && host == "127.0.0.1"
}

// clickHouseUser and clickHouseDatabase are those of the embedded engine.
const (
	clickHouseUser     = "vigil"
	clickHouseDatabase = "vigil"
)

// startClickHouse runs the embedded engine and brings its tables up to date.
func (s *Stack) startClickHouse(ctx context.Context) error {
	password, err := os.ReadFile(s.places.ClickHousePassword)
	if err != nil {
		return fmt.Errorf("read password: %w", err)
	}
	address, err := keepPort(hostPort(s.run.ClickHouse))
	if err != nil {
		return err
	}
	s.olap, err = olap.Start(olap.Options{
		Dir: s.places.ClickHouse, Library: s.options.Library, Addr: address,
		Username: clickHouseUser, Password: strings.TrimSpace(string(password)),
	})
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrNoLibrary, err)
	}
	if err != nil {
		return err
	}
	s.parts.add("clickhouse", s.olap.Close)
	s.run.ClickHouse = s.olap.URL()
	s.run.ClickHouseDatabase, s.run.ClickHouseUser, s.run.ClickHousePasswordFile = clickHouseDatabase, clickHouseUser, s.places.ClickHousePassword
	_, err = store.Migrate(ctx, s.storeConfig())
	for errors.Is(err, schema.ErrBusy) && ctx.Err() == nil { // The engine is ours alone: whoever began was killed, and his turn lapses.
		time.Sleep(time.Second)
		_, err = store.Migrate(ctx, s.storeConfig())
	}
	return err
}

// storeConfig says where the embedded ClickHouse is.
func (s *Stack) storeConfig() store.Config {
	c := store.DefaultConfig()
	c.Brokers = s.run.Kafka
	c.Addresses, c.Protocol = []string{s.olap.Addr()}, store.ProtocolHTTP
	c.Database, c.Username, c.PasswordFile = clickHouseDatabase, clickHouseUser, s.places.ClickHousePassword
	return c
}

// writeRun tells the other commands where everything is.
func (s *Stack) writeRun(context.Context) error {
	s.run.PID, s.run.Mode = os.Getpid(), s.config.Mode()
	s.run.Tenant, s.run.TenantKeyFile = Tenant, s.places.TenantKey
	s.run.AdminTokenFile, s.run.ConfigFile = s.places.AdminToken, s.options.ConfigFile
	s.run.OperatorKeyFile, s.run.OperatorKid = s.places.OperatorKey, keys.OperatorKid
	s.run.KeySetFile, s.run.RootFile = s.places.KeySet, s.places.RootPublic
	err := errors.Join(runfile.Write(s.places.Dir, s.run), s.writeConfig())
	if err != nil {
		return err
	}
	s.parts.add("run file", func() error {
		s.run.PID = 0
		return runfile.Write(s.places.Dir, s.run)
	})
	return nil
}

// writeConfig leaves the gateway's configuration as it runs beside the run
// file, for "vigil coverage" and for whoever wants to begin from it.
func (s *Stack) writeConfig() error {
	var b bytes.Buffer
	err := config.Dump(&b, config.Gateway{Config: s.config.Gateway, Telemetry: s.config.Telemetry, Log: telemetry.DefaultLog()})
	if err != nil {
		return fmt.Errorf("write gateway configuration: %w", err)
	}
	err = os.WriteFile(filepath.Join(s.places.Dir, "gateway.yaml"), b.Bytes(), 0o600)
	if err != nil {
		return fmt.Errorf("write gateway configuration: %w", err)
	}
	b.Reset()
	err = config.Dump(&b, config.Analyzer{Config: s.config.Analyzer, Telemetry: s.config.Telemetry, Log: telemetry.DefaultLog()})
	if err != nil {
		return fmt.Errorf("write analyzer configuration: %w", err)
	}
	err = os.WriteFile(filepath.Join(s.places.Dir, "analyzer.yaml"), b.Bytes(), 0o600)
	if err != nil {
		return fmt.Errorf("write analyzer configuration: %w", err)
	}
	return nil
}

// logger is the log of one part.
func (s *Stack) logger(part string) *slog.Logger { return s.options.Logger.With("part", part) }
