package clickhouse

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var files embed.FS

// Migration is one numbered file.
type Migration struct {
	// Version is the file's number, dense from 1.
	Version uint32
	Name    string
	// SQL is the whole file, Statements its parts in order.
	SQL        string
	Statements []string
	// Checksum is the SHA-256 of SQL in hex.
	Checksum string
}

// Table is one table or view as the migrations leave it.
type Table struct {
	Name string
	// Columns are in order; empty for a view, whose columns are its target's.
	Columns []string
}

var (
	fileName    = regexp.MustCompile(`^(\d{4})_([a-z0-9_]+)\.sql$`)
	createTable = regexp.MustCompile(`CREATE (TABLE|MATERIALIZED VIEW|VIEW) IF NOT EXISTS (\w+)`)
	columnLine  = regexp.MustCompile(`(?m)^    ([a-z0-9_]+) [A-Z]`)
	alterTable  = regexp.MustCompile(`^ALTER TABLE (\w+)`)
	addColumn   = regexp.MustCompile(`ADD COLUMN IF NOT EXISTS (\w+)`)
)

// Migrations returns every migration in order. They are part of the binary: a
// file that is malformed is found by this package's own test.
func Migrations() []Migration {
	entries, err := files.ReadDir("migrations")
	if err != nil {
		panic(fmt.Sprintf("embedded migrations: %v", err))
	}
	all := make([]Migration, 0, len(entries))
	for i, e := range entries {
		match := fileName.FindStringSubmatch(e.Name())
		if match == nil {
			panic(fmt.Sprintf("embedded migration %s: not NNNN_name.sql", e.Name()))
		}
		number, err := strconv.ParseUint(match[1], 10, 32)
		if err != nil || int(number) != i+1 {
			panic(fmt.Sprintf("embedded migration %s: number is not %d", e.Name(), i+1))
		}
		text, err := files.ReadFile(path.Join("migrations", e.Name()))
		if err != nil {
			panic(fmt.Sprintf("embedded migration %s: %v", e.Name(), err))
		}
		sum := sha256.Sum256(text)
		all = append(all, Migration{
			Version: uint32(number), Name: match[2], SQL: string(text),
			Statements: split(string(text)), Checksum: hex.EncodeToString(sum[:]),
		})
	}
	return all
}

// Tables returns what the migrations create, sorted by name.
func Tables() []Table {
	var tables []Table
	for _, m := range Migrations() {
		for _, s := range m.Statements {
			if match := createTable.FindStringSubmatch(s); match != nil {
				t := Table{Name: match[2]}
				if match[1] == "TABLE" {
					for _, column := range columnLine.FindAllStringSubmatch(s, -1) {
						t.Columns = append(t.Columns, column[1])
					}
				}
				tables = append(tables, t)
			}
			if match := alterTable.FindStringSubmatch(s); match != nil {
				i := slices.IndexFunc(tables, func(t Table) bool { return t.Name == match[1] })
				tables[i].alter(s)
			}
		}
	}
	slices.SortFunc(tables, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
	return tables
}

// alter takes in the columns that one ALTER TABLE adds.
func (t *Table) alter(statement string) {
	for _, match := range addColumn.FindAllStringSubmatch(statement, -1) {
		t.Columns = append(t.Columns, match[1])
	}
}

// split cuts a file at the lines that end with a semicolon, which is how our
// own files are written, and drops lines of comment.
func split(text string) []string {
	var statements []string
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "--") || strings.TrimSpace(line) == "" {
			continue
		}
		b.WriteString(line)
		if s := strings.TrimSpace(b.String()); strings.HasSuffix(s, ";") {
			statements = append(statements, strings.TrimSuffix(s, ";"))
			b.Reset()
		}
	}
	if b.Len() > 0 {
		statements = append(statements, strings.TrimSpace(b.String()))
	}
	return statements
}
