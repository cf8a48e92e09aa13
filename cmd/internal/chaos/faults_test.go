package chaos_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	root       = "../../.."
	faultsFile = "testdata/faults.txt"
	tableFile  = "testdata/faults.md"
	faultCount = 34
)

// fault is one row of the list.
type fault struct {
	id, what, expected, seen string
	tests                    []testName
}

// testName is a test or a fuzz target of a package's folder.
type testName struct{ folder, name string }

// faults reads the list: blocks that a blank line ends, each of a title and three fields.
func faults(t *testing.T) []fault {
	t.Helper()
	b, err := os.ReadFile(faultsFile)
	if err != nil {
		t.Fatal(err)
	}
	var all []fault
	for block := range strings.SplitSeq(string(b), "\n\n") {
		lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(block), "\n"), func(line string) bool { return strings.HasPrefix(line, "#") || line == "" })
		if len(lines) == 0 {
			continue
		}
		f := fault{}
		f.id, f.what, _ = strings.Cut(lines[0], " ")
		for _, line := range lines[1:] {
			key, text, found := strings.Cut(line, ": ")
			switch {
			case found && key == "expected":
				f.expected = text
			case found && key == "seen":
				f.seen = text
			case found && key == "tests":
				f.tests = testNames(t, text)
			default:
				t.Fatalf("%s: %s is no field: %q", faultsFile, f.id, line)
			}
		}
		all = append(all, f)
	}
	return all
}

func testNames(t *testing.T, text string) []testName {
	t.Helper()
	var names []testName
	for one := range strings.SplitSeq(text, ";") {
		folder, name, found := strings.Cut(strings.TrimSpace(one), " ")
		if !found {
			t.Fatalf("%s: %q is not a folder and a test", faultsFile, one)
		}
		names = append(names, testName{folder, name})
	}
	return names
}

func TestEveryFaultHasItsTests(t *testing.T) {
	all := faults(t)
	there := make(map[string][]string) // Folder to its tests, whatever their build tags.
	for i, f := range all {
		if want := fmt.Sprint("F", i+1); f.id != want {
			t.Errorf("fault %d is called %s, want %s", i+1, f.id, want)
		}
		if f.what == "" || f.expected == "" || f.seen == "" || len(f.tests) == 0 {
			t.Errorf("%s lacks a field: %+v", f.id, f)
		}
		for _, test := range f.tests {
			if there[test.folder] == nil {
				there[test.folder] = testsIn(t, test.folder)
			}
			if !slices.Contains(there[test.folder], test.name) {
				t.Errorf("%s: %s has no test %s", f.id, test.folder, test.name)
			}
		}
	}
	if len(all) != faultCount {
		t.Errorf("%d faults are listed, want %d", len(all), faultCount)
	}
}

// testsIn are the names of the tests and fuzz targets in a folder.
func testsIn(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("no tests in %s: %v", folder, err)
	}
	var names []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && fn.Recv == nil && (strings.HasPrefix(fn.Name.Name, "Test") || strings.HasPrefix(fn.Name.Name, "Fuzz")) {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}

// The table of the README is the list. A golden keeps it ready to be copied.
func TestTheTableIsTheList(t *testing.T) {
	var b strings.Builder
	b.WriteString("| | Fault | Must happen | Seen | Tests |\n|---|---|---|---|---|\n")
	for _, f := range faults(t) {
		var tests []string
		for _, test := range f.tests {
			tests = append(tests, "`"+test.folder+"` "+test.name)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", f.id, f.what, f.expected, f.seen, strings.Join(tests, "<br>"))
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		err := os.WriteFile(tableFile, []byte(b.String()), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(golden), b.String()); diff != "" {
		t.Errorf("the table is not the list (-golden +list):\n%s", diff)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(readme), "\n| F1 |") && !strings.Contains(string(readme), b.String()) {
		t.Errorf("the README's table of faults is not that of %s", tableFile)
	}
}
