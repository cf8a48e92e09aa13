package devstack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/vigil-gateway/vigil/analyzer"
	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/config"
	"github.com/vigil-gateway/vigil/cmd/internal/keys"
	"github.com/vigil-gateway/vigil/cmd/internal/telemetry"
	"github.com/vigil-gateway/vigil/gateway"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/schemas/seal"
)

// GatewayID names the one gateway of an installation.
const GatewayID = "gateway-1"

// configure puts the configuration of both roles together, then lets the
// caller have the last word.
func (s *Stack) configure(ctx context.Context) error {
	s.config.Telemetry = telemetry.DefaultConfig()
	err := errors.Join(s.configureGateway(), s.configureAnalyzer())
	if err != nil {
		return err
	}
	if s.options.Configure != nil {
		err = s.options.Configure(&s.config)
		if err != nil {
			return err
		}
	}
	err = s.config.Validate()
	if err != nil {
		return optionsError{err}
	}
	if s.options.Prepare == nil {
		return nil
	}
	file, err := s.options.Prepare(ctx, Prepared{
		Places: s.places, Names: s.names, Issuer: s.run.Issuer, Host: s.config.Gateway.Listen.Address,
		Config: &s.config,
	})
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	if file != "" {
		s.config.Analyzer.State.WarmStart = file
	}
	return nil
}

func (s *Stack) configureGateway() error {
	c := gateway.DefaultConfig()
	c.ID, c.Tenant, c.TenantKeyFile = GatewayID, Tenant, s.places.TenantKey
	c.Kafka.Brokers = s.run.Kafka
	c.Keys = gateway.Keys{KeySetFile: s.places.KeySet, RootPublicFile: s.places.RootPublic}
	c.Revoke.Dir = filepath.Join(s.places.State, "gateway")
	if s.places.seals() {
		c.Emit.KeyFile = keys.GatewayKey(s.places.Dir, GatewayID)
	}
	c.Admin.TokenFile = s.places.AdminToken
	c.Listen.Address = s.options.Listen
	c.Listen.DrainTimeout = drainTimeout
	var err error
	if c.Listen.Address == "" {
		c.Listen.Address, err = keepPort(hostPort(s.run.Gateway))
		if err != nil {
			return err
		}
	}
	c.Admin.Address, err = keepPort(hostPort(s.run.GatewayAdmin))
	if err != nil {
		return err
	}
	issuer := identity.Issuer{Issuer: s.run.Issuer}
	if s.idp != nil {
		c.Routes = SampleRoutes(s.run.Upstream)
		issuer.JWKSURL, issuer.Audiences = s.idp.JWKSURL(), []string{SampleAudience}
		// One person signs in and works a whole day with one token of the sample.
		c.Identity.AllowPrivate = true
	} else {
		c.Routes = WholeRoutes(s.run.Upstream)
		if s.options.Audience != "" {
			issuer.Audiences = []string{s.options.Audience}
		}
		c.Identity.AllowPrivate = onLoopback(s.run.Issuer)
	}
	c.Identity.Issuers = []identity.Issuer{issuer}
	s.config.Gateway = c
	return nil
}

func (s *Stack) configureAnalyzer() error {
	c := analyzer.DefaultConfig()
	c.TenantKeyFile = s.places.TenantKey
	c.Kafka.Brokers = s.run.Kafka
	c.Keys = analyzer.Keys{KeySetFile: s.places.KeySet, RootPublicFile: s.places.RootPublic}
	c.Announce.KeyFile, c.Announce.KeyID = s.places.AnalyzerKey, keys.AnalyzerKid
	c.State.Dir = filepath.Join(s.places.State, "analyzer")
	if s.places.seals() {
		c.Ingest.Unsigned = seal.Refuse
	}
	c.Admin.TokenFile = s.places.AdminToken
	c.Store = s.storeConfig()
	var err error
	c.Admin.Address, err = keepPort(hostPort(s.run.Console))
	if err != nil {
		return err
	}
	c.Model.File, err = modelFile(s.places, s.options.Mode)
	if err != nil {
		return err
	}
	s.config.Analyzer = c
	return nil
}

// onLoopback reports whether a URL is of this machine, where no TLS is asked for.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(hostPort(address))
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Stack) startAnalyzer(ctx context.Context) error {
	t, err := s.observe(ctx, "vigil-analyzer")
	if err != nil {
		return err
	}
	a, err := analyzer.New(analyzer.Options{
		Config: s.config.Analyzer, Logger: s.logger("analyzer"), Meter: t.Meter("vigil/analyzer"), Tracer: t.Tracer("vigil/analyzer"),
		Now: time.Now, Metrics: t.Metrics(),
	})
	if err != nil {
		return err
	}
	s.parts.run("analyzer", a.Run)
	err = followKeys(s, t, s.config.Analyzer, a.Reload, s.places.AnalyzerKey)
	if err != nil {
		return err
	}
	s.run.Console = "http://" + a.AdminAddr().String()
	_, err = s.waitReady(ctx, "analyzer", s.run.Console)
	return err
}

func (s *Stack) startGateway(ctx context.Context) error {
	t, err := s.observe(ctx, "vigil-gateway")
	if err != nil {
		return err
	}
	g, err := gateway.New(gateway.Options{
		Config: s.config.Gateway, Logger: s.logger("gateway"), Meter: t.Meter("vigil/gateway"), Tracer: t.Tracer("vigil/gateway"),
		Now: time.Now, Metrics: t.Metrics(),
	})
	if err != nil {
		return err
	}
	s.parts.run("gateway", g.Run)
	err = followKeys(s, t, s.config.Gateway, g.Reload)
	if err != nil {
		return err
	}
	scheme := "http://"
	if s.config.Gateway.Listen.TLS.CertFile != "" {
		scheme = "https://"
	}
	s.run.Gateway, s.run.GatewayAdmin = scheme+g.Addr().String(), "http://"+g.AdminAddr().String()
	s.verdicts, err = s.waitReady(ctx, "gateway", s.run.GatewayAdmin)
	return err
}

// followKeys has a role read its keys again when the key set, or one of files,
// changes, so that "vigil keys rotate" needs no restart here either.
func followKeys[T any](s *Stack, t *telemetry.Telemetry, c T, swap func(context.Context, T) error, files ...string) error {
	files = append(files, s.places.KeySet, s.places.RootPublic)
	r, err := config.NewReloader(config.ReloaderOptions[T]{
		Load: func() (config.Loaded[T], error) { return config.Fixed(c, files...), nil },
		Swap: swap, Files: files, Interval: keysEvery, Logger: s.logger("keys"), Meter: t.Meter("vigil/config"),
	})
	if err != nil {
		return err
	}
	s.parts.run("keys", r.Run)
	return nil
}

// observe sets up the telemetry of one role; its log is the installation's.
func (s *Stack) observe(ctx context.Context, service string) (*telemetry.Telemetry, error) {
	t, err := telemetry.Setup(ctx, telemetry.Options{
		Config: s.config.Telemetry, Log: telemetry.DefaultLog(), Service: service, Version: app.Version().Version,
		Instance: GatewayID, Stderr: os.Stderr, Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	s.parts.add(service+" telemetry", func() error {
		ctx := context.WithoutCancel(ctx)
		err := t.Shutdown(ctx)
		if err != nil {
			s.options.Logger.WarnContext(ctx, "telemetry not delivered", "service", service, "error", err)
		}
		return nil // A collector that is away must not look like a loss of data.
	})
	return t, nil
}

// waitReady asks a role's admin port until it is ready, and returns how many
// verdicts it then holds; an analyzer holds none.
func (s *Stack) waitReady(ctx context.Context, name, admin string) (verdicts int, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	pause := time.NewTicker(readyEvery)
	defer pause.Stop()
	last := errors.New("no answer")
	for {
		verdicts, err = askReady(ctx, client, admin)
		if err == nil {
			return verdicts, nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case err = <-s.parts.failed:
			return 0, err
		case <-ctx.Done():
			return 0, fmt.Errorf("%s is not ready: %w", name, last)
		case <-pause.C:
		}
	}
}

// askReady asks an admin port once.
func askReady(ctx context.Context, client *http.Client, admin string) (verdicts int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/readyz?verbose", nil)
	if err != nil {
		return 0, fmt.Errorf("ask admin port: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask admin port: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d", resp.StatusCode)
	}
	var answer struct {
		Verdicts int `json:"verdicts"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, readyBytesMax)).Decode(&answer)
	if err != nil {
		return 0, fmt.Errorf("read answer of admin port: %w", err)
	}
	return answer.Verdicts, nil
}
