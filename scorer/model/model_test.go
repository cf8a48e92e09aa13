package model_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/scorer/model"
)

// TestDefaultShipsAsTestdata keeps the two copies of the file together.
func TestDefaultShipsAsTestdata(t *testing.T) {
	b, err := os.ReadFile("../../testdata/models/default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, model.DefaultYAML()) {
		t.Error("testdata/models/default.yaml differs from scorer/model/default.yaml: copy it")
	}
	m, err := model.Parse("default.yaml", b)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	if m.Digest() != model.Default().Digest() || m.Mode != model.ModeObserve {
		t.Errorf("digest %s mode %s, want %s and observe", m.Digest(), m.Mode, model.Default().Digest())
	}
}

// TestParseReportsEveryFault reads one file with every kind of mistake.
func TestParseReportsEveryFault(t *testing.T) {
	const file = `version: 2
mod: enforce
signals:
  - {id: geo.new_contry, on: true}
  - {id: scan.paths, on: maybe, wight: 2}
  - {id: net.new_network, weight: -1}
  - {id: net.new_network}
learning: {quarantine: 30, confidence: NaN}
ladders:
  - kind: human
    rungs:
      - {action: revoke, threshold: 10, for: 1h}
      - {action: step_up, threshold: 12, for: 1h}
      - {action: block, threshold: 9}
limits: {sessions_max: 1.5, sessions_max: 2}
session: [1]
`
	want := []string{
		`m.yaml:1:10: version: 2 must be between 1 and 1`,
		`m.yaml:2:1: mod: unknown key (did you mean mode?)`,
		`m.yaml:4:10: signals[0].id: "geo.new_contry" is unknown (did you mean geo.new_country?)`,
		`m.yaml:5:26: signals[1].on: "maybe" must be true or false`,
		`m.yaml:5:33: signals[1].wight: unknown key (did you mean weight?)`,
		`m.yaml:6:35: signals[2].weight: -1 must be between 0 and 10`,
		`m.yaml:7:10: signals[3].id: "net.new_network" is given twice`,
		`m.yaml:8:24: learning.quarantine: "30" must be a duration such as 90s, 30m, 12h or 30d: a unit is missing (did you mean 30s?)`,
		`m.yaml:8:40: learning.confidence: NaN must be between 0 and 1000000`,
		`m.yaml:14:9: ladders[0].rungs[2].for: is missing`,
		`m.yaml:13:9: ladders[0].rungs[1].action: step_up must come before revoke: weakest first, each once`,
		`m.yaml:14:9: ladders[0].rungs[2].threshold: 9 is below the 12 of the weaker step_up`,
		`m.yaml:15:24: limits.sessions_max: 1.5 must be a whole number`,
		`m.yaml:15:29: limits.sessions_max: is given twice`,
		`m.yaml:16:10: session: must be a mapping of keys to values`,
	}
	_, err := model.Parse("m.yaml", []byte(file))
	if err == nil {
		t.Fatal("Parse accepted a broken file")
	}
	got := strings.Split(err.Error(), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

// TestFaultsOfTheWholeFileHaveALine reads files of which no single value is wrong, or
// which are no YAML.
func TestFaultsOfTheWholeFileHaveALine(t *testing.T) {
	const long = "ladders:\n  - kind: human\n    rungs:\n      - {action: step_up, tail: {start: 5, scale: 30, shape: 0.4, beyond: 50, days: 1000}, for: 1h}\n      - {action: revoke, threshold: 9, for: 1h}\n"
	tests := map[string]struct{ file, want string }{
		"a tab in the first line":   {"\tmode: observe\n", "m.yaml:1:1: found character that cannot start any token: YAML takes no tab to indent with, and a text that begins so must be quoted"},
		"a tab in another line":     {"mode: observe\nsignals:\n\t- {id: scan.paths}\n", "m.yaml:3:1: found character that cannot start any token: YAML takes no tab to indent with, and a text that begins so must be quoted"},
		"a colon in a text":         {"mode: observe\nname: a: b\n", "m.yaml:2:1: mapping values are not allowed in this context"},
		"what is no text":           {"name: \"\xff\"\n", "m.yaml:1:1: invalid leading UTF-8 octet"},
		"a group that is shut":      {"mode: observe\ngroups: [{id: time, clip: 0}]\n", "m.yaml:2:9: groups: the clip of group time is 0, so that these can say nothing: turn them off instead: time.unusual_hour"},
		"a budget that is too long": {long, "m.yaml:2:3: budget: keeping that of step_up for human takes 72.78"},
		"signals by name":           {"mode: observe\nsignals: {scan.paths: {on: false}}\n", "m.yaml:2:10: signals: must be a list, with entries such as {id: geo.new_country, …}"},
		"a signal without a key":    {"signals:\n  - scan.paths\n", "m.yaml:2:5: signals[0]: must be an entry such as {id: geo.new_country, …}"},
		"a number of many digits":   {"limits: {sessions_max: 1e9}\n", "m.yaml:1:24: limits.sessions_max: 1e9 must be between 1 and 16777216"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := model.Parse("m.yaml", []byte(tt.file))
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("says %v\nwant one line that begins with %s", err, tt.want)
			}
		})
	}
}

// TestShortFileOverridesOnlyWhatItNames reads files of one line.
func TestShortFileOverridesOnlyWhatItNames(t *testing.T) {
	m, err := model.Parse("m.yaml", []byte("name: mine\nsignals: [{id: scan.paths, on: false}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if m.Digest() == model.Default().Digest() {
		t.Error("turning a signal off did not change the digest")
	}
	renamed, err := model.Parse("m.yaml", []byte("name: other\n"))
	if err != nil {
		t.Fatal(err)
	}
	if renamed.Digest() != model.Default().Digest() {
		t.Error("a name alone changed the digest")
	}
	if model.Default().WithMode(model.ModeEnforce).Digest() == model.Default().Digest() {
		t.Error("enforce has the digest of observe")
	}
}

// beside reads a file that a model of testdata/models names.
func beside(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join("../../testdata/models", name))
}

// TestFiles reads the models of testdata/models: what is good loads, and what is
// bad is refused with what its first lines say.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("../../testdata/models/*.*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(b)) {
				said, ok := strings.CutPrefix(line, "# want: ")
				if ok {
					want = append(want, strings.TrimSpace(said))
				}
			}
			if strings.HasSuffix(file, ".bad.yaml") && len(want) == 0 {
				t.Error("a bad file says what must be said about it")
			}
			var got []string
			_, err = model.ParseWith("", b, beside)
			if err != nil {
				for said := range strings.Lines(err.Error()) {
					got = append(got, strings.TrimPrefix(strings.TrimSpace(said), ":"))
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}
