package clickhouse_test

import (
	"errors"
	"strings"
	"testing"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/vigil-gateway/vigil/schemas/clickhouse"
)

const clusterGolden = "../../testdata/clickhouse/cluster.golden.sql"

// The whole schema as it goes to a cluster. ClickHouse itself reads every
// statement; the embedded engine has no Keeper, so none is executed.
func TestClusterGolden(t *testing.T) {
	conn := open(t)
	f := clickhouse.Form{Cluster: "{cluster}", Replicated: true}
	var b strings.Builder
	for _, m := range clickhouse.Migrations() {
		for _, statement := range m.Statements {
			rendered := f.Render(statement)
			var tree, text string
			err := conn.QueryRow(t.Context(), "EXPLAIN AST "+rendered).Scan(&tree)
			if err != nil || tree == "" {
				t.Errorf("ClickHouse cannot read it: %v\n%s", err, rendered)
			}
			err = conn.QueryRow(t.Context(), "SELECT formatQuery({ddl:String})", ch.Named("ddl", rendered)).Scan(&text)
			if err != nil {
				t.Errorf("ClickHouse cannot format it: %v\n%s", err, rendered)
			}
			b.WriteString(text + ";\n\n")
			checkRendered(t, rendered)
		}
	}
	compare(t, clusterGolden, b.String())
}

// checkRendered finds what would stay on one node, or would have no replica.
func checkRendered(t *testing.T, statement string) {
	t.Helper()
	if !strings.Contains(statement, "ON CLUSTER '{cluster}'") {
		t.Errorf("goes to one node alone:\n%s", statement)
	}
	if strings.Contains(statement, "MergeTree") != strings.Contains(statement, "ENGINE = Replicated") {
		t.Errorf("has no replicas:\n%s", statement)
	}
	if strings.Contains(statement, "non_replicated") {
		t.Errorf("keeps its tokens on one node:\n%s", statement)
	}
}

func TestRenderChangesOnlyWhatTheFormAsks(t *testing.T) {
	const table = "CREATE TABLE IF NOT EXISTS a\n(\n    x UInt8\n)\nENGINE = ReplacingMergeTree(x)\nORDER BY x\nSETTINGS non_replicated_deduplication_window = 10"
	tests := map[string]struct {
		form            clickhouse.Form
		statement, want string
	}{
		"one server is as written": {statement: table, want: table},
		"a replica keeps the engine's own argument": {
			form: clickhouse.Form{Replicated: true}, statement: table,
			want: "CREATE TABLE IF NOT EXISTS a\n(\n    x UInt8\n)\nENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', x)\nORDER BY x\n" +
				"SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800",
		},
		"a view with a target goes to the cluster before it is said": {
			form: clickhouse.Form{Cluster: "prod", Replicated: true}, statement: "CREATE MATERIALIZED VIEW IF NOT EXISTS v TO a AS\nSELECT x FROM b",
			want: "CREATE MATERIALIZED VIEW IF NOT EXISTS v ON CLUSTER 'prod' TO a AS\nSELECT x FROM b",
		},
		"a database too": {
			form: clickhouse.Form{Cluster: "prod", Replicated: true}, statement: "CREATE DATABASE IF NOT EXISTS d",
			want: "CREATE DATABASE IF NOT EXISTS d ON CLUSTER 'prod'",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.form.Render(tt.statement); got != tt.want {
				t.Errorf("Render =\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestFormIsChecked(t *testing.T) {
	tests := map[string]struct {
		form clickhouse.Form
		want string
	}{
		"one server":                         {},
		"replicas":                           {form: clickhouse.Form{Replicated: true}},
		"a cluster of replicas":              {form: clickhouse.Form{Cluster: "prod-1", Replicated: true}},
		"a cluster by its macro":             {form: clickhouse.Form{Cluster: "{cluster}", Replicated: true}},
		"a cluster without replicas":         {form: clickhouse.Form{Cluster: "prod"}, want: "needs replicated"},
		"a name that leaves its quotes":      {form: clickhouse.Form{Cluster: "a' SYNC; DROP", Replicated: true}, want: "plain name"},
		"a macro that is not closed":         {form: clickhouse.Form{Cluster: "{cluster", Replicated: true}, want: "plain name"},
		"every fault is told, not the first": {form: clickhouse.Form{Cluster: "a b"}, want: "needs replicated"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := tt.form.Validate()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate = %v, want %q", err, tt.want)
			}
		})
	}
}

// A database stands in one form: plain tables beside replicas would be on one
// node alone.
func TestAnotherFormIsRefused(t *testing.T) {
	conn := open(t)
	migrate(t, conn, len(clickhouse.Migrations()))
	_, err := clickhouse.Migrate(t.Context(), conn, clickhouse.Form{Replicated: true})
	if !errors.Is(err, clickhouse.ErrForm) {
		t.Errorf("Migrate of plain tables as replicas = %v, want %v", err, clickhouse.ErrForm)
	}
}
