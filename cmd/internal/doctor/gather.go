package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/cmd/internal/config"
	"github.com/vigil-gateway/vigil/schemas/access"
)

// askTimeout bounds one question to one part of the installation.
const askTimeout = 8 * time.Second

// Installation says where the parts are. What is not named is not examined.
type Installation struct {
	// Directory is that of "vigil up" where nothing else was named. While nothing
	// runs there, files are examined and nobody is asked.
	Directory Directory
	// GatewayFiles and AnalyzerFiles are configuration files.
	GatewayFiles, AnalyzerFiles []string
	// GatewayAdmin and AnalyzerAdmin are base URLs of admin ports.
	GatewayAdmin, AnalyzerAdmin []string
	// AdminTLS is how admin ports are verified and what is shown to them; nil for
	// the system's certificates and nothing.
	AdminTLS *tls.Config
	// Brokers and Operator say how topics are looked at; without brokers that is
	// done as the first analyzer, which may see less.
	Brokers  []string
	Operator access.Config
	// ClickHouse is how tables are looked at; without addresses that is done as the
	// first analyzer.
	ClickHouse store.Config
	// Processes are numbers of processes of this machine, by name.
	Processes map[string]int
	// Now is the wall clock; required.
	Now func() time.Time
}

// examiner is one examination under way.
type examiner struct {
	in        Installation
	gateways  []named[config.Gateway]
	analyzers []named[config.Analyzer]
	client    *http.Client // For issuers.
	admins    *http.Client
}

// named is a configuration with its file.
type named[T any] struct {
	file   string
	config T
}

// Gather looks at everything that is named. What could not be seen is a fact.
func Gather(ctx context.Context, in Installation) Facts {
	e := &examiner{
		in: in, client: &http.Client{Timeout: askTimeout},
		admins: &http.Client{Timeout: askTimeout, Transport: &http.Transport{TLSClientConfig: in.AdminTLS, Proxy: http.ProxyFromEnvironment}},
	}
	defer e.client.CloseIdleConnections()
	defer e.admins.CloseIdleConnections()
	f := Facts{Now: in.Now(), Directory: in.Directory}
	e.load(&f)
	f.Trial = e.trial()
	e.files(&f)
	if f.Directory.stopped() {
		return f
	}
	g, ctx := errgroup.WithContext(ctx)
	var ofAdmin, ofClickHouse []ClockFact
	g.Go(func() error { e.kafka(ctx, &f); return nil }) // Each writes fields of its own.
	g.Go(func() error { ofClickHouse = e.clickHouse(ctx, &f); return nil })
	g.Go(func() error { ofAdmin = e.admin(ctx, &f); return nil })
	g.Go(func() error { e.issuers(ctx, &f); return nil })
	_ = g.Wait() // Nobody fails: what went wrong is among the facts.
	f.Clocks = slices.Concat(ofAdmin, ofClickHouse)
	return f
}

// stopped reports whether there would be something to ask if it ran.
func (d Directory) stopped() bool { return d.Path != "" && !d.Runs }

// Unreachable reports that services were named and none of them answered.
func Unreachable(f Facts) bool {
	asked, answered := 0, 0
	count := func(err error) {
		asked++
		if err == nil {
			answered++
		}
	}
	for _, k := range f.Kafka {
		count(k.Err)
	}
	if f.ClickHouse.Configured {
		count(f.ClickHouse.Err)
	}
	for _, g := range f.Gateways {
		count(g.Err)
	}
	for _, a := range f.Analyzers {
		count(a.Err)
	}
	return f.Directory.stopped() || asked > 0 && answered == 0
}

// load reads the configuration files. One whose files are at fault is examined all
// the same.
func (e *examiner) load(f *Facts) {
	for _, file := range e.in.GatewayFiles {
		c, ok := loadOne(f, file, config.DefaultGateway(), config.GatewayWritten())
		if ok {
			e.gateways = append(e.gateways, named[config.Gateway]{file, c})
		}
	}
	for _, file := range e.in.AnalyzerFiles {
		c, ok := loadOne(f, file, config.DefaultAnalyzer(), config.AnalyzerWritten())
		if ok {
			e.analyzers = append(e.analyzers, named[config.Analyzer]{file, c})
		}
	}
}

func loadOne[T any](f *Facts, file string, defaults T, written []string) (c T, ok bool) {
	fact := ConfigFact{File: file}
	defer func() { f.Configs = append(f.Configs, fact) }()
	l, err := config.Load(config.Sources{File: file, Written: written}, defaults)
	if err == nil {
		return l.Config, true
	}
	faults, ok := errors.AsType[config.Faults](err)
	if ok {
		for _, one := range faults {
			fact.Faults = append(fact.Faults, one.String())
		}
	} else {
		fact.Faults = []string{err.Error()}
	}
	l, err = config.Load(config.Sources{File: file, Written: written, SkipFiles: true}, defaults)
	return l.Config, err == nil
}

// trial reports whether every broker is on loopback and spoken to in plain text.
func (e *examiner) trial() bool {
	all, secure := slices.Clone(e.in.Brokers), e.in.Operator.TLS.Enabled()
	for _, g := range e.gateways {
		all, secure = append(all, g.config.Kafka.Brokers...), secure || g.config.Kafka.TLS.Enabled()
	}
	for _, a := range e.analyzers {
		all, secure = append(all, a.config.Kafka.Brokers...), secure || a.config.Kafka.TLS.Enabled()
	}
	return len(all) > 0 && !secure && !slices.ContainsFunc(all, func(b string) bool { return !loopback(b) })
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
