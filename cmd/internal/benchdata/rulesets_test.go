package benchdata_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/vigil-gateway/vigil/cmd/internal/benchdata"
)

func TestSplit(t *testing.T) {
	tests := map[string]struct {
		names        []string
		tables, sets int
		wantErr      bool
	}{
		"no name is everything":        {nil, len(benchdata.Entries()), len(benchdata.RuleSets()), false},
		"a table":                      {[]string{"smtp"}, 1, 0, false},
		"a rule set":                   {[]string{"panther-tests"}, 0, 1, false},
		"one of each":                  {[]string{"maxmind-testdata", "http"}, 1, 1, false},
		"a name that nobody has":       {[]string{"panther-tests", "nosuch"}, 0, 0, true},
		"a rule set is not half named": {[]string{"panther"}, 0, 0, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tables, sets, err := benchdata.Split(tt.names)
			if (err != nil) != tt.wantErr || len(tables) != tt.tables || len(sets) != tt.sets {
				t.Errorf("Split = %d tables, %d sets, %v; want %d, %d", len(tables), len(sets), err, tt.tables, tt.sets)
			}
		})
	}
}

func TestRuleSetsAreMeasured(t *testing.T) {
	met := map[string]bool{"elastic-examples": true, "maxmind-testdata": true, "panther-tests": false, "crowdsec-hub-tests": false}
	for _, s := range benchdata.RuleSets() {
		t.Run(s.Name, func(t *testing.T) {
			f, err := s.Run(t.Context(), shipped)
			if err != nil {
				t.Fatal(err)
			}
			if f.Set != s.Name || f.Asked == "" || f.Now == "" || f.Detail.String() == "" || f.Met != met[s.Name] {
				t.Errorf("%+v, want met %t", f, met[s.Name])
			}
			_, err = s.Run(t.Context(), t.TempDir())
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Run without the set = %v, want %v", err, fs.ErrNotExist)
			}
		})
	}
}
