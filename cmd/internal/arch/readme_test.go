package arch_test

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// named is a test as the README names it: `folder` TestName, or (`TestName`) alone.
var named = regexp.MustCompile("`([a-z0-9/]+)` ((?:Test|Fuzz|Benchmark)\\w+)|[`(]((?:Test|Fuzz|Benchmark)[A-Z]\\w+)[`)]")

// A promise whose test was renamed or taken away is one that nobody keeps: every test
// that the README names is there, in the folder that it names, and every row of its
// table of faults names one.
func TestTheReadmeNamesTestsThatExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	there := make(map[string]bool) // "folder Name", and "Name".
	for _, f := range parse(t) {
		if !f.test() {
			continue
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && fn.Recv == nil {
				there[f.pkg+" "+fn.Name.Name], there[fn.Name.Name] = true, true
			}
		}
	}
	rows, row := 0, regexp.MustCompile(`^\| F\d+ \|`)
	for line := range strings.Lines(string(text)) {
		found := named.FindAllStringSubmatch(line, -1)
		if row.MatchString(line) {
			rows++
			if len(found) == 0 {
				t.Errorf("no test is named: %.60s", line)
			}
		}
		for _, m := range found {
			name := m[3]
			if name == "" {
				name = m[1] + " " + m[2]
			}
			if !there[name] {
				t.Errorf("the README names %s, which is not there", name)
			}
		}
	}
	if rows < 34 {
		t.Errorf("the table of faults has %d rows, want 34", rows)
	}
}
