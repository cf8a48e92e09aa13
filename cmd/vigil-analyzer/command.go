package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/analyzer"
	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/config"
	"github.com/vigil-gateway/vigil/cmd/internal/telemetry"
)

const long = `vigil-analyzer scores every event that gateways emit and answers with signed
verdicts: the policy decision point of Vigil.

It prints one JSON line with its addresses on standard output when it serves,
and logs to standard error. SIGHUP, or a change of its files, reloads the risk
model; SIGINT and SIGTERM end it after what it works on is committed.

  vigil config init analyzer     prints a commented configuration to begin with
  vigil config validate FILE     says everything that is wrong with one`

func newCommand(env app.Env) *cobra.Command {
	return app.NewServeCommand(env, app.Role[config.Analyzer]{
		Name: "vigil-analyzer", Short: "Score events and announce verdicts", Long: long,
		Defaults: config.DefaultAnalyzer(), Written: config.AnalyzerWritten(),
		Observe: func(c config.Analyzer) (telemetry.Config, telemetry.Log, string) {
			return c.Telemetry, c.Log, c.Ingest.Group
		},
		New: open,
	})
}

func open(_ context.Context, p app.Parts[config.Analyzer]) (app.Service[config.Analyzer], error) {
	a, err := analyzer.New(analyzer.Options{
		Config: p.Config.Config, Logger: p.Telemetry.Logger(),
		Meter: p.Telemetry.Meter("vigil/analyzer"), Tracer: p.Telemetry.Tracer("vigil/analyzer"),
		Now: p.Env.Now, Metrics: p.Telemetry.Metrics(),
	})
	if err != nil {
		return app.Service[config.Analyzer]{}, err
	}
	return app.Service[config.Analyzer]{
		Run:       a.Run,
		Addresses: []app.Address{{Name: "admin", URL: "http://" + a.AdminAddr().String()}},
		Reload:    func(ctx context.Context, c config.Analyzer) error { return a.Reload(ctx, c.Config) },
	}, nil
}
