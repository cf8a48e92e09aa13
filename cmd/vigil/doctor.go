package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/cmd/internal/doctor"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// newDoctorCommand examines an installation.
func newDoctorCommand(env app.Env) *cobra.Command {
	var (
		gateways, analyzers, brokers []string
		operator                     access.Config
		strict                       bool
	)
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Examine an installation and say what to do",
		Long: `Examine an installation: configuration and key files, Kafka with topics, grants
and lag, ClickHouse with tables and rights, gateways, analyzers, issuers, clocks
and limits. Each thing is green, yellow or red, and what is not green comes with
what to do about it. It changes nothing.

Without flags it examines what "vigil up" runs, and only its files while nothing
runs. Elsewhere, name what there is; run
it where the services run, as their user, so that it sees their files. Kafka is
asked as each configuration's own principal, and with --kafka as yours.

Exit code 1 where anything is red (--strict: or yellow), 4 where nobody answers.`,
		Example: `  vigil doctor
  vigil doctor --gateway-config gateway.yaml --analyzer-config analyzer.yaml \
    --gateway-admin http://gw-1:9080,http://gw-2:9080 --analyzer-admin http://an-1:8081`,
		Args: cobra.NoArgs,
	}
	l := newLink(c, env, clickhouseParts(), adminURLParts())
	c.Flags().StringSliceVar(&gateways, "gateway-config", nil, "configuration files of gateways")
	c.Flags().StringSliceVar(&analyzers, "analyzer-config", nil, "configuration files of analyzers")
	c.Flags().StringSliceVar(&brokers, "kafka", nil, "brokers to look at topics through, as whom the flags below say, host:port")
	c.Flags().BoolVar(&strict, "strict", false, "exit code 1 where anything is yellow, too")
	addAccessFlags(c, &operator)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		asJSON, err := wantsJSON(cmd)
		if err != nil {
			return err
		}
		in, err := installation(l, env)
		if err != nil {
			return err
		}
		if len(gateways)+len(analyzers) > 0 { // Else those of vigil up.
			in.GatewayFiles, in.AnalyzerFiles = gateways, analyzers
		}
		in.Brokers, in.Operator = brokers, operator
		if len(gateways)+len(analyzers)+len(brokers) > 0 {
			in.Directory = doctor.Directory{}
		}
		if len(in.GatewayFiles)+len(in.AnalyzerFiles)+len(in.GatewayAdmin)+len(in.AnalyzerAdmin)+len(in.Brokers)+len(in.ClickHouse.Addresses) == 0 {
			return missing("gateway-config, --analyzer-config, --gateway-admin, --analyzer-admin, --kafka or --clickhouse")
		}
		facts := doctor.Gather(cmd.Context(), in)
		results := doctor.Judge(facts)
		if asJSON {
			err = writeJSON(env.Stdout, results)
		} else {
			err = newPrinter(cmd, env).results(results)
		}
		switch worst := doctor.Worst(results); {
		case err != nil:
			return err
		case doctor.Unreachable(facts):
			return &app.ExitError{Code: app.ExitUnreachable}
		case worst == doctor.Red || strict && worst == doctor.Yellow:
			return app.Findings()
		}
		return nil
	}
	return c
}

// adminURLParts are the admin ports without the token, which doctor needs not.
func adminURLParts() []part {
	return append([]part{
		{"gateway-admin", "admin ports of all gateways, as URLs with commas between", func(r *runfile.Run) *string { return &r.GatewayAdmin }},
		{"analyzer-admin", "admin ports of all analyzers, as URLs with commas between", func(r *runfile.Run) *string { return &r.Console }},
	}, adminTLSParts()...)
}

// installation is what flags, variables and vigil up tell.
func installation(l *link, env app.Env) (doctor.Installation, error) {
	in := doctor.Installation{Now: env.Now, Processes: make(map[string]int)}
	run, err := l.read()
	if err != nil {
		return in, err
	}
	in.GatewayAdmin, in.AnalyzerAdmin = urls(run.GatewayAdmin), urls(run.Console)
	in.AdminTLS, err = adminTLS(run)
	if err != nil {
		return in, err
	}
	if run.ClickHouse != "" {
		in.ClickHouse, err = storeConfig(run)
		if err != nil {
			return in, err
		}
	}
	dir := cmp.Or(l.directory(), runfile.DirDefault)
	in.Directory = ownDirectory(dir, run)
	if run.Alive() {
		in.Processes["vigil up"] = run.PID
	}
	for name, to := range map[string]*[]string{"gateway.yaml": &in.GatewayFiles, "analyzer.yaml": &in.AnalyzerFiles} {
		file := filepath.Join(dir, name)
		_, err := os.Stat(file)
		if err == nil {
			*to = []string{file}
		}
	}
	return in, nil
}

// ownDirectory is the directory of vigil up, where run is all of that installation
// and of no other.
func ownDirectory(dir string, run runfile.Run) doctor.Directory {
	kept, err := runfile.Read(dir)
	if err != nil || run.GatewayAdmin != kept.GatewayAdmin || run.Console != kept.Console || run.ClickHouse != kept.ClickHouse {
		return doctor.Directory{}
	}
	again := "up"
	if kept.Mode == model.ModeEnforce {
		again = "up --enforce"
	}
	return doctor.Directory{Path: dir, Runs: kept.Alive(), Start: hint(dir, again)}
}

func urls(list string) []string {
	var all []string
	for u := range strings.SplitSeq(list, ",") {
		u = strings.TrimSuffix(strings.TrimSpace(u), "/")
		if u != "" {
			all = append(all, u)
		}
	}
	return all
}

// results writes what was found, hints below.
func (p printer) results(all []doctor.Result) error {
	look := map[doctor.Level]string{doctor.Green: green, doctor.Yellow: amber, doctor.Red: red}
	count := make(map[doctor.Level]int)
	for _, r := range all {
		count[r.Level]++
		_, err := fmt.Fprintf(p.w, "%s %-18s %s\n", p.paint(look[r.Level], fmt.Sprintf("%-6s", r.Level)), r.Check, clean(r.Text))
		if err == nil && r.Hint != "" {
			_, err = fmt.Fprintf(p.w, "       %-18s %s\n", "", p.paint(faint, "→ "+clean(r.Hint)))
		}
		if err != nil {
			return fmt.Errorf("write results: %w", err)
		}
	}
	_, err := fmt.Fprintf(p.w, "%d green, %d yellow, %d red\n", count[doctor.Green], count[doctor.Yellow], count[doctor.Red])
	return err
}
