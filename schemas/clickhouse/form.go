package clickhouse

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Form is how the schema stands: on one server, or as replicas in a cluster.
// The zero Form is one server.
type Form struct {
	// Cluster is the cluster whose every node gets each statement, a plain name
	// or a macro such as {cluster}; it needs Replicated.
	Cluster string
	// Replicated makes every table a replica of the same table on the other nodes
	// of its shard. ClickHouse Keeper and the macros {shard} and {replica} are needed.
	Replicated bool
}

// Coordinates of a replicated table in Keeper. They hold no uuid, so that a
// node that comes later becomes a replica by the same statement. The journal
// is one for all shards: each node would otherwise be migrated again.
const (
	tablePlace   = `'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'`
	journalPlace = `'/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}'`
)

// Deduplication in Keeper. Its own memory in time is an hour by default in some
// versions, which is less than an outage.
const replicatedWindow = "replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800"

var (
	clusterName = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_-]{0,62}|\{[a-z_]{1,62}\})$`)
	target      = regexp.MustCompile(`^(CREATE (?:TABLE|MATERIALIZED VIEW|VIEW) IF NOT EXISTS \w+|CREATE DATABASE IF NOT EXISTS \w+|ALTER TABLE \w+)`)
	engine      = regexp.MustCompile(`(?m)^ENGINE = (\w*MergeTree)(?:\(([^)]*)\))?`)
	window      = regexp.MustCompile(`\bnon_replicated_deduplication_window = \d+`)
)

// Validate reports every fault at once.
func (f Form) Validate() error {
	var errs []error
	if f.Cluster != "" && !clusterName.MatchString(f.Cluster) {
		errs = append(errs, fmt.Errorf("cluster: must be a plain name or a macro such as {cluster}, is %q", f.Cluster))
	}
	if f.Cluster != "" && !f.Replicated {
		errs = append(errs, errors.New("cluster: needs replicated: tables that are no replicas share no journal"))
	}
	return errors.Join(errs...)
}

// Render returns a statement of a migration as it is executed in this form.
func (f Form) Render(statement string) string { return f.render(statement, tablePlace) }

func (f Form) render(statement, place string) string {
	if f.Cluster != "" {
		statement = target.ReplaceAllString(statement, "${1} ON CLUSTER '"+f.Cluster+"'")
	}
	if !f.Replicated {
		return statement
	}
	statement = engine.ReplaceAllStringFunc(statement, func(clause string) string {
		match := engine.FindStringSubmatch(clause)
		arguments := []string{place}
		if match[2] != "" {
			arguments = append(arguments, match[2])
		}
		return "ENGINE = Replicated" + match[1] + "(" + strings.Join(arguments, ", ") + ")"
	})
	return window.ReplaceAllString(statement, replicatedWindow)
}
