//go:build embedded

package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/benchgateway"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack"
)

const benchGatewayLong = `Measure the gateway beside HAProxy, nginx and Envoy.

All of them do the same work in the same run: 64 connections, each request with
one of many tokens, answers of 1,024 bytes. What is measured has a processor of
its own; service, generator and engines share another. A figure is the ratio of
two measurements of one repetition, and h is what HAProxy takes that verifies
every token (jwt_verify RS256).

The gateway runs its default configuration, and every request must be a row in
ClickHouse at the end. The exit code says whether it was measured and accounted
for, not whether goals were met: the table does.`

// newBenchGatewayCommand measures the gateway that ships.
func newBenchGatewayCommand(env app.Env) *cobra.Command {
	o := benchgateway.DefaultOptions()
	var file string
	c := &cobra.Command{
		Use:     "gateway",
		Short:   "Measure the gateway beside HAProxy, nginx and Envoy",
		Long:    benchGatewayLong,
		Example: "  vigil bench gateway --repetitions 7 --json gateway.json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return benchGateway(cmd, env, o, file) },
	}
	c.AddCommand(newBenchFloorCommand(env))
	f := c.Flags()
	f.IntVar(&o.Repetitions, "repetitions", o.Repetitions, fmt.Sprintf("how often everything is measured, 1 to %d", benchgateway.RepetitionsMax))
	f.IntVar(&o.Seconds, "seconds", o.Seconds, fmt.Sprintf("how long each measurement lasts, 1 to %d", benchgateway.SecondsMax))
	f.IntVar(&o.Tokens, "tokens", o.Tokens, "tokens in use")
	f.IntVar(&o.Revoked, "revoked", o.Revoked, "sessions that the gateway holds as revoked")
	f.IntVar(&o.New, "new", o.New, "tokens of each measurement with new ones only")
	f.IntVar(&o.Rate, "rate", o.Rate, "requests per second of the latencies")
	f.StringSliceVar(&o.Parts, "parts", nil, "what is measured: warm, cold, latency, hit; without it all")
	f.StringVar(&o.Gateway, "gateway", "", "vigil-gateway to measure; without it the one beside this program")
	f.StringVar(&o.Silent, "silent", "", "the same, built with -tags unrecorded; without it events are not measured")
	f.StringArrayVar(&o.Beside, "beside", nil, "another vigil-gateway to measure in the same run; may be repeated")
	f.StringVar(&o.Envoy, "envoy", "", "Envoy; without it the one on the path")
	f.StringVar(&o.Library, "chdb", "", "path of libchdb.so; without it the one that \"make engines\" fetched")
	f.StringVar(&file, "json", "", "file to write every measurement to, as JSON")
	return c
}

// newBenchFloorCommand serves as the floor of the measurements, which start it.
func newBenchFloorCommand(env app.Env) *cobra.Command {
	return &cobra.Command{
		Use:    "floor URL",
		Short:  "Serve like a gateway that does nothing, to be measured",
		Args:   cobra.ExactArgs(1),
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := url.Parse(args[0])
			if err != nil {
				return app.Usage("%w", err)
			}
			return benchgateway.Floor(cmd.Context(), to, env.Stdout)
		},
	}
}

func benchGateway(c *cobra.Command, env app.Env, o benchgateway.Options, file string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	o.Library, err = devstack.FindLibrary(o.Library)
	if err != nil {
		return usageIfAsked(err)
	}
	o.Up, err = os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if o.Gateway == "" {
		o.Gateway = filepath.Join(filepath.Dir(o.Up), "vigil-gateway")
	}
	for name, to := range map[string]*string{"haproxy": &o.HAProxy, "nginx": &o.Nginx, "envoy": &o.Envoy} {
		if *to != "" {
			continue
		}
		path, err := exec.LookPath(name)
		if err == nil { // What is not there is said by Validate, or in the table.
			*to = path
		}
	}
	err = o.Validate()
	if err != nil {
		return app.Usage("%w", err)
	}
	o.Progress = env.Stderr
	report, err := benchgateway.Run(c.Context(), o)
	if err != nil {
		return err
	}
	if file != "" {
		b, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return fmt.Errorf("encode report: %w", err)
		}
		err = os.WriteFile(file, append(b, '\n'), 0o600)
		if err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	if asJSON {
		err = writeJSON(env.Stdout, report)
	} else {
		err = printGateway(newPrinter(c, env), &report)
	}
	if err == nil && !report.Whole() {
		err = &app.ExitError{Code: app.ExitFindings, Err: fmt.Errorf("not every request is a row in ClickHouse")}
	}
	return err
}

func printGateway(p printer, r *benchgateway.Report) error {
	say(p.w, "%s, %s; %d repetitions\nset: %s; all else by default (digest %s)\n\n",
		r.Time.Format("2006-01-02 15:04"), r.Machine, r.Options.Repetitions, r.Configuration, r.Digest)
	err := p.table([]string{"GOAL", "ASKED", "NOW", ""}, r.Goals())
	if err != nil {
		return err
	}
	sayln(p.w)
	return p.table([]string{"TARGET", "PROCESSOR PER REQUEST", "", "ADDED P50", "ADDED P99"}, r.Targets())
}
