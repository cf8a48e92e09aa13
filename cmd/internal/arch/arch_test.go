package arch_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../../.."
	module = "github.com/vigil-gateway/vigil/"
)

// mayImport is the whole import graph of the top-level folders. Every arrow
// points from deciding to describing, so a reader can always move one way.
var mayImport = map[string][]string{
	"schemas":  {},
	"scorer":   {"schemas"},
	"gateway":  {"schemas"},
	"analyzer": {"schemas", "scorer"},
	"deploy":   {"schemas"},
	"cmd":      {"schemas", "scorer", "gateway", "analyzer", "deploy"},
}

// homes names the only packages that may import each costly library, so that
// its traps are known in one place and it can be replaced there.
var homes = map[string][]string{
	"github.com/ClickHouse/clickhouse-go/v2": {"analyzer/store", "analyzer/query", "deploy/devstack/olap"},
	"github.com/lestrrat-go/jwx/v2":          {"gateway/identity", "gateway/login", "gateway/assertion", "schemas/verdict", "deploy/devstack/idp"},
	"github.com/segmentio/kafka-go":          {"schemas/access", "schemas/fetch", "gateway/bus", "gateway/emit", "gateway/revoke", "analyzer/ingest", "analyzer/announce", "analyzer/epochs", "analyzer/store", "analyzer/verify", "cmd/internal/topics", "cmd/internal/doctor", "cmd/internal/benchpipeline"},
	"github.com/spf13/viper":                 {"cmd/internal/config"},
	"go.opentelemetry.io/otel/sdk":           {"cmd/internal/telemetry"},
	"go.opentelemetry.io/otel/exporters":     {"cmd/internal/telemetry"},
	"github.com/twmb/franz-go/pkg/kfake":     {"deploy/devstack/broker"},
	"github.com/ebitengine/purego":           {"deploy/devstack/olap"},
	"cel.dev/cel-go":                         {"scorer/rules"},
}

// rootEntries may stand in the root beside dot-files.
var rootEntries = []string{
	"gateway", "analyzer", "scorer", "schemas", "cmd", "deploy", "testdata",
	"go.mod", "go.sum", "README.md", "LICENSE", "Makefile", "CHANGELOG.md",
}

// notInProduction may not be reached from a production main: it is the embedded
// engines, which exist for trying and testing Vigil.
var notInProduction = []string{
	"github.com/twmb/franz-go/pkg/kfake",
	"github.com/ebitengine/purego",
	module + "deploy/devstack",
}

// noPackage are names that say nothing about what is inside.
var noPackage = []string{
	"util", "utils", "helper", "helpers", "common", "base", "core", "manager",
	"impl", "data", "info", "misc", "types", "errors", "log",
}

// file is one parsed Go file of ours.
type file struct {
	name string // Relative to the root, with slashes.
	pkg  string // Its folder.
	ast  *ast.File
}

func (f file) test() bool { return strings.HasSuffix(f.name, "_test.go") }

func (f file) imports() []string {
	var paths []string
	for _, spec := range f.ast.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

func TestImports(t *testing.T) {
	for _, f := range parse(t) {
		if f.test() {
			continue
		}
		from, _, _ := strings.Cut(f.pkg, "/")
		for _, imp := range f.imports() {
			if rel, ours := strings.CutPrefix(imp, module); ours {
				to, _, _ := strings.Cut(rel, "/")
				if to != from && !slices.Contains(mayImport[from], to) {
					t.Errorf("%s: %s may not import %s", f.name, from, to)
				}
			}
			for lib, allowed := range homes {
				if within(imp, lib) && !slices.Contains(allowed, f.pkg) {
					t.Errorf("%s: only %v may import %s", f.name, allowed, lib)
				}
			}
		}
	}
}

func TestRootEntries(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name()[0] != '.' && e.Name() != "bin" && !slices.Contains(rootEntries, e.Name()) {
			t.Errorf("%s may not stand in the root: allowed are %v and dot-files", e.Name(), rootEntries)
		}
	}
}

func TestProductionMainsLinkNoEmbeddedEngine(t *testing.T) {
	files := parse(t)
	imports := make(map[string][]string) // Package to what it imports, build tag "embedded" left out.
	for _, f := range files {
		if !f.test() && !tagged(f.ast) {
			imports[f.pkg] = append(imports[f.pkg], f.imports()...)
		}
	}
	for _, main := range []string{"cmd/vigil-gateway", "cmd/vigil-analyzer"} {
		if len(imports[main]) == 0 {
			t.Errorf("%s: no such main", main)
		}
		for _, imp := range slices.Sorted(maps.Keys(reach(imports, main))) {
			for _, bad := range notInProduction {
				if within(imp, bad) {
					t.Errorf("%s reaches %s", main, imp)
				}
			}
		}
	}
}

func TestMainsAreShort(t *testing.T) {
	const linesMax = 40
	for _, main := range []string{"cmd/vigil-gateway", "cmd/vigil-analyzer"} {
		b, err := os.ReadFile(filepath.Join(root, main, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), "\n"); n > linesMax {
			t.Errorf("%s/main.go has %d lines, at most %d: move the rest to cmd/internal", main, n, linesMax)
		}
	}
}

func TestPackageDocs(t *testing.T) {
	docs := make(map[string]int)
	for _, f := range parse(t) {
		if f.test() {
			continue
		}
		docs[f.pkg] += 0
		if f.ast.Doc != nil {
			docs[f.pkg]++
		}
		if slices.Contains(noPackage, f.ast.Name.Name) {
			t.Errorf("%s: package name %q says nothing", f.name, f.ast.Name.Name)
		}
	}
	for pkg, n := range docs {
		if n != 1 {
			t.Errorf("%s has %d package comments, want exactly one, in doc.go", pkg, n)
		}
	}
}

func TestScorerKnowsNoWallClock(t *testing.T) {
	for _, f := range parse(t) {
		if f.test() || !within(f.pkg, "scorer") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a goroutine in scorer: its answer must not depend on scheduling", f.name)
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "Tick", "NewTimer"}, n.Sel.Name) {
					t.Errorf("%s: time.%s in scorer: only the stream clock is time there", f.name, n.Sel.Name)
				}
			}
			return true
		})
	}
}

// TestNoTestSkips keeps a missing engine a failure. Only a function that asks
// testing.Short may skip.
func TestNoTestSkips(t *testing.T) {
	for _, f := range parse(t) {
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !f.test() {
				continue
			}
			if calls(fn, "Skip", "Skipf", "SkipNow") && !calls(fn, "Short") {
				t.Errorf("%s: %s skips: a test passes or fails", f.name, fn.Name.Name)
			}
		}
	}
}

func calls(fn *ast.FuncDecl, names ...string) bool {
	found := false
	ast.Inspect(fn, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if ok && slices.Contains(names, sel.Sel.Name) {
			found = true
		}
		return true
	})
	return found
}

// reach is every import path that a package of ours reaches, our own by module path.
func reach(imports map[string][]string, pkg string) map[string]bool {
	seen := make(map[string]bool)
	todo := []string{module + pkg}
	for len(todo) > 0 {
		imp := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[imp] {
			continue
		}
		seen[imp] = true
		if rel, ours := strings.CutPrefix(imp, module); ours {
			todo = append(todo, imports[rel]...)
		}
	}
	return seen
}

// tagged reports whether a file is built only with a tag.
func tagged(f *ast.File) bool {
	for _, group := range f.Comments {
		for _, c := range group.List {
			if c.Pos() < f.Package && strings.HasPrefix(c.Text, "//go:build") && !strings.Contains(c.Text, "!") {
				return true
			}
		}
	}
	return false
}

func within(pkg, dir string) bool {
	return pkg == dir || strings.HasPrefix(pkg, strings.TrimSuffix(dir, "/")+"/")
}

func parse(t *testing.T) []file {
	t.Helper()
	var files []file
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && (d.Name() == "testdata" || d.Name()[0] == '.'):
			return fs.SkipDir
		case filepath.Ext(name) != ".go":
			return nil
		}
		parsed, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		files = append(files, file{name: rel, pkg: path.Dir(rel), ast: parsed})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
