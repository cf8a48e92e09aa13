package store_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
)

// The embedded engine keeps no users, so this says only that ClickHouse takes the
// file's grammar and knows its settings.
func TestUsersFileIsClickHouse(t *testing.T) {
	text, err := os.ReadFile("../../deploy/clickhouse/users.sql")
	if err != nil {
		t.Fatal(err)
	}
	sql := regexp.MustCompile(`(?m)^--.*$`).ReplaceAllString(string(text), "")
	n := 0
	for statement := range strings.SplitSeq(sql, ";") {
		statement = strings.TrimSpace(statement)
		if statement == "" {
			continue
		}
		n++
		if got := olaptest.Exec(t, "EXPLAIN AST "+statement); got == "" {
			t.Errorf("%s: no syntax tree", statement)
		}
	}
	if n < 10 {
		t.Errorf("%d statements", n)
	}
	for _, m := range regexp.MustCompile(`(?m)^    ([a-z_]+) = `).FindAllStringSubmatch(sql, -1) {
		if got := strings.TrimSpace(olaptest.Exec(t, "SELECT count() FROM system.settings WHERE name = '"+m[1]+"'")); got != "1" {
			t.Errorf("ClickHouse has no setting %s", m[1])
		}
	}
	for _, grant := range regexp.MustCompile(`GRANT (.*) ON (\S+) TO vigil_(\w+)_role`).FindAllStringSubmatch(sql, -1) {
		if grant[3] == "analyst" && grant[1] != "SELECT" || grant[3] == "writer" && grant[1] != "INSERT" {
			t.Errorf("%s: more than the least", grant[0])
		}
	}
}
