package store_test

import (
	"os"
	"path/filepath"
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
		if grant[3] == "analyst" && grant[1] != "SELECT" || grant[3] == "writer" && grant[1] != "INSERT" ||
			strings.Contains(grant[1], "DELETE") && grant[2] != "vigil.snapshots" {
			t.Errorf("%s: more than the least", grant[0])
		}
	}
}

// What the analyzer's statements need is granted to its user, and every role that they
// need is among the user's own.
func TestTheWriterMayDoWhatItsStatementsDo(t *testing.T) {
	text, err := os.ReadFile("../../deploy/clickhouse/users.sql")
	if err != nil {
		t.Fatal(err)
	}
	granted := make(map[string]bool) // "SELECT table"
	for _, grant := range regexp.MustCompile(`GRANT (.*) ON vigil\.(\S+) TO vigil_(writer|incidents|archive)_role;`).FindAllStringSubmatch(string(text), -1) {
		for right := range strings.SplitSeq(grant[1], ", ") {
			granted[right+" "+grant[2]] = true
		}
		for _, of := range []string{"DEFAULT ROLE ", "GRANT "} {
			if !regexp.MustCompile(of + `[a-z_, ]*vigil_` + grant[3] + `_role`).MatchString(string(text)) {
				t.Errorf("the writer has no role vigil_%s_role: %s", grant[3], of)
			}
		}
	}
	tables := make(map[string]bool)
	for _, name := range globbed(t, "../../schemas/clickhouse/migrations/*.sql") {
		for _, m := range regexp.MustCompile(`CREATE (?:TABLE|VIEW|MATERIALIZED VIEW)(?: IF NOT EXISTS)? (\w+)`).FindAllStringSubmatch(name, -1) {
			tables[m[1]] = true
		}
	}
	needed := 0
	needs := func(right, table string) {
		if !tables[table] {
			return // A word in a comment, or a name of the statement's own.
		}
		needed++
		if !granted[right+" "+table] && !granted[right+" *"] {
			t.Errorf("a statement of the analyzer needs %s on %s, which users.sql does not grant", right, table)
		}
	}
	for _, source := range globbed(t, "*.go") {
		if strings.Contains(source, "package store_test") || strings.Contains(source, "type Dead struct") {
			continue // "vigil dead" is the migrator's.
		}
		for _, m := range regexp.MustCompile(`\b(?:FROM|JOIN) (\w+)`).FindAllStringSubmatch(source, -1) {
			needs("SELECT", m[1])
		}
		for _, m := range regexp.MustCompile(`\bALTER TABLE (\w+) DROP`).FindAllStringSubmatch(source, -1) {
			needs("ALTER DELETE", m[1])
		}
		for _, m := range regexp.MustCompile(`newBlock\("(\w+)"`).FindAllStringSubmatch(source, -1) {
			needs("INSERT", m[1])
		}
	}
	if needed < 15 {
		t.Errorf("%d needs found", needed)
	}
}

// globbed are the texts of files.
func globbed(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: no file, %v", pattern, err)
	}
	var texts []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}
