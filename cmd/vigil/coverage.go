package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/config"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/gateway/route"
)

// coverageRow is one thing that nothing looks at.
type coverageRow struct {
	// Finding is no_policy, no_route, no_identity or no_traffic.
	Finding  string `json:"finding"`
	Route    string `json:"route,omitempty"`
	Path     string `json:"path,omitempty"`
	Requests uint64 `json:"requests"`
	Text     string `json:"text"`
}

// newCoverageCommand says what is not looked at.
func newCoverageCommand(env app.Env) *cobra.Command {
	var since time.Duration
	var file string
	c := &cobra.Command{
		Use:   "coverage",
		Short: "Say which routes have no policy and which events no identity",
		Long: `Say which routes have no policy and which events have no identity.

From the gateway's configuration: routes that any valid token passes, because
they ask for no scope, no authentication context and no age of sign-in. From
ClickHouse: requests that met no route, and routes that are used without an
identity although they are not public, or that nobody uses. Exit code 1 where
there is any finding.`,
		Args: cobra.NoArgs,
	}
	l := newLink(c, env, clickhouseParts())
	durationVar(c.Flags(), &since, "since", 24*time.Hour, "how far back to look at requests")
	c.Flags().StringVar(&file, "config", "", "the gateway's configuration (default: gateway.yaml in the directory of --data, where it is)")
	c.RunE = func(cmd *cobra.Command, _ []string) error { return coverage(cmd, env, l, file, since) }
	return c
}

func coverage(c *cobra.Command, env app.Env, l *link, file string, since time.Duration) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	run, err := l.read()
	if err != nil {
		return err
	}
	routes, err := configuredRoutes(env, l, file)
	if err != nil {
		return err
	}
	db, err := open(c.Context(), run)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	seen, err := traffic(c.Context(), db, run, env.Now().Add(-since))
	if err != nil {
		return err
	}
	rows := append(withoutPolicy(routes, seen), trafficFindings(routes, seen)...)
	if asJSON {
		err = writeJSON(env.Stdout, rows)
	} else {
		err = printCoverage(newPrinter(c, env), rows)
	}
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		return app.Findings()
	}
	sayln(env.Stderr, "every route has a policy, and every event that should has an identity")
	return nil
}

// configuredRoutes reads the routes of the gateway's file; none where there is
// no file, so that ClickHouse alone still says something.
func configuredRoutes(env app.Env, l *link, file string) ([]route.Spec, error) {
	if file == "" {
		dir := l.dir
		if dir == "" {
			dir = runfile.DirDefault
		}
		file = filepath.Join(dir, "gateway.yaml")
		_, err := os.Stat(file)
		if err != nil {
			sayln(env.Stderr, "no configuration of a gateway was named (--config): routes are judged by their traffic alone")
			return nil, nil //nolint:nilerr // Nobody named it.
		}
	}
	loaded, err := config.Load(config.Sources{File: file, SkipFiles: true, Written: config.GatewayWritten()}, config.DefaultGateway())
	if err != nil {
		return nil, err
	}
	return loaded.Config.Routes, nil
}

// withoutPolicy finds routes that any valid token passes.
func withoutPolicy(routes []route.Spec, seen []routeTraffic) []coverageRow {
	rows := []coverageRow{}
	requests := make(map[string]uint64)
	for _, s := range seen {
		requests[s.Route] = s.Requests
	}
	for i := range routes {
		r := &routes[i]
		if r.Public || len(r.Scopes) > 0 || len(r.ACR) > 0 || len(r.AMR) > 0 || r.MaxAge > 0 {
			continue
		}
		rows = append(rows, coverageRow{
			Finding: "no_policy", Route: r.ID, Path: r.Host + r.Path, Requests: requests[r.ID],
			Text: "any valid token passes: no scopes, acr or max_age",
		})
	}
	return rows
}

// routeTraffic is what ClickHouse knows of one route.
type routeTraffic struct {
	Route     string `ch:"route"`
	Path      string `ch:"path"`
	Requests  uint64 `ch:"requests"`
	Anonymous uint64 `ch:"anonymous"`
}

// traffic reads what each route served, the busiest first.
func traffic(ctx context.Context, db database, run runfile.Run, since time.Time) ([]routeTraffic, error) {
	var seen []routeTraffic
	err := db.Select(ctx, &seen, `SELECT toString(route) AS route, argMax(concat(host, path), time) AS path, count() AS requests,
    countIf(subject = '' AND decision = 'permit') AS anonymous
FROM requests WHERE tenant = ? AND kind = 'request' AND requests.time >= ? GROUP BY route ORDER BY requests DESC`, run.Tenant, since)
	if err != nil {
		return nil, fmt.Errorf("read requests: %w", err)
	}
	return seen, nil
}

// trafficFindings finds what the traffic shows: requests without a route or an
// identity, and routes that nobody uses.
func trafficFindings(routes []route.Spec, seen []routeTraffic) []coverageRow {
	public, used := make(map[string]bool), make(map[string]bool)
	for i := range routes {
		public[routes[i].ID] = routes[i].Public
	}
	var rows []coverageRow
	for _, s := range seen {
		used[s.Route] = true
		switch {
		case s.Route == "":
			rows = append(rows, coverageRow{Finding: "no_route", Path: s.Path, Requests: s.Requests, Text: "requests met no route; the path is the last one's"})
		case s.Anonymous > 0 && !public[s.Route]:
			rows = append(rows, coverageRow{
				Finding: "no_identity", Route: s.Route, Path: s.Path, Requests: s.Anonymous,
				Text: fmt.Sprintf("%d of %d requests were let through without an identity", s.Anonymous, s.Requests),
			})
		}
	}
	for i := range routes {
		if !used[routes[i].ID] {
			rows = append(rows, coverageRow{Finding: "no_traffic", Route: routes[i].ID, Path: routes[i].Host + routes[i].Path, Text: "nobody used it"})
		}
	}
	return rows
}

func printCoverage(p printer, rows []coverageRow) error {
	if len(rows) == 0 {
		return nil
	}
	cells := make([][]string, 0, len(rows))
	for _, r := range rows {
		cells = append(cells, []string{
			strings.ReplaceAll(r.Finding, "_", " "), orWord(r.Route, "-"), clean(shorten(r.Path, 60)), strconv.FormatUint(r.Requests, 10), r.Text,
		})
	}
	return p.table([]string{"FINDING", "ROUTE", "PATH", "REQUESTS", "WHAT"}, cells)
}
