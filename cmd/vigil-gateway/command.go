package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/config"
	"github.com/vigil-gateway/vigil/cmd/internal/garbage"
	"github.com/vigil-gateway/vigil/cmd/internal/telemetry"
	"github.com/vigil-gateway/vigil/gateway"
)

const long = `vigil-gateway stands in front of services: the policy enforcement point of Vigil.
It checks every request, emits an event for each, follows the analyzer's signed
verdicts and cuts the requests and streams that one of them ends.

It prints one JSON line with its addresses on standard output when it serves,
and logs to standard error. SIGHUP, or a change of its files, reloads routes
and issuers without touching what is open; SIGINT and SIGTERM drain it.

  vigil config init gateway      prints a commented configuration to begin with
  vigil config validate FILE     says everything that is wrong with one`

func newCommand(env app.Env) *cobra.Command {
	return app.NewServeCommand(env, app.Role[config.Gateway]{
		Name: "vigil-gateway", Short: "Check every request and cut what a verdict ends", Long: long,
		Defaults: config.DefaultGateway(), Written: config.GatewayWritten(),
		Observe: func(c config.Gateway) (telemetry.Config, telemetry.Log, string) { return c.Telemetry, c.Log, c.ID },
		New:     open,
	})
}

func open(_ context.Context, p app.Parts[config.Gateway]) (app.Service[config.Gateway], error) {
	g, err := gateway.New(gateway.Options{
		Config: p.Config.Config, Logger: p.Telemetry.Logger(),
		Meter: p.Telemetry.Meter("vigil/gateway"), Tracer: p.Telemetry.Tracer("vigil/gateway"),
		Now: p.Env.Now, Metrics: p.Telemetry.Metrics(),
	})
	if err != nil {
		return app.Service[config.Gateway]{}, err
	}
	scheme := func(certFile string) string {
		if certFile != "" {
			return "https://"
		}
		return "http://"
	}
	return app.Service[config.Gateway]{
		Run: func(ctx context.Context) error {
			go garbage.Keep(ctx)
			return g.Run(ctx)
		},
		Addresses: []app.Address{
			{Name: "gateway", URL: scheme(p.Config.Listen.TLS.CertFile) + g.Addr().String()},
			{Name: "admin", URL: scheme(p.Config.Admin.TLS.CertFile) + g.AdminAddr().String()},
		},
		Reload: func(ctx context.Context, c config.Gateway) error { return g.Reload(ctx, c.Config) },
	}, nil
}
