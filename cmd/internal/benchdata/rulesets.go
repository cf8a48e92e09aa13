package benchdata

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vigil-gateway/vigil/cmd/internal/benchdata/attacklog"
	"github.com/vigil-gateway/vigil/cmd/internal/benchdata/falsealarm"
	"github.com/vigil-gateway/vigil/cmd/internal/benchdata/geography"
	"github.com/vigil-gateway/vigil/cmd/internal/benchdata/panther"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// A Finding is what came out for one set of rules, logs or files that others
// have made.
type Finding struct {
	Set   string `json:"set"`
	Asked string `json:"asked"`
	// Reference is what the set's own project reaches, by definition or by its
	// own test.
	Reference string `json:"reference"`
	Now       string `json:"now"`
	// Met says that Now is what is asked.
	Met bool `json:"met"`
	// Detail is the set's whole report.
	Detail fmt.Stringer `json:"detail"`
}

// A RuleSet is a set of rules, logs or files that others have made.
type RuleSet struct {
	Name string

	asked, reference string
	run              func(ctx context.Context, dir string) (Finding, error)
}

// Run measures the set below dir. The error wraps [fs.ErrNotExist] where it is
// not there.
func (s RuleSet) Run(ctx context.Context, dir string) (Finding, error) {
	f, err := s.run(ctx, dir)
	f.Set, f.Asked, f.Reference = s.Name, s.asked, s.reference
	return f, err
}

// RuleSets are all of them, in the order in which they are reported.
func RuleSets() []RuleSet {
	return []RuleSet{
		{"panther-tests", "every mapped test right, unmapped counted", "the rules themselves", runPanther},
		{"crowdsec-hub-tests", "95 % of sources acted on, right ones, by the bucket's size", "all, by its own scenarios", runAttackLogs},
		{"elastic-examples", "at most 1 alert per 1,000 addresses beyond known scanners", "–", runFalseAlarms},
		{"maxmind-testdata", "exact", "the databases' sources", runGeography},
	}
}

// Split returns the tables and the rule sets of these names, or all where there
// are none.
func Split(names []string) ([]Entry, []RuleSet, error) {
	if len(names) == 0 {
		return Entries(), RuleSets(), nil
	}
	var sets []RuleSet
	var tables []string
	for _, name := range names {
		at := slices.IndexFunc(RuleSets(), func(s RuleSet) bool { return s.Name == name })
		if at < 0 {
			tables = append(tables, name)
			continue
		}
		sets = append(sets, RuleSets()[at])
	}
	if len(tables) == 0 {
		return nil, sets, nil
	}
	entries, err := Pick(tables)
	if err != nil {
		return nil, nil, fmt.Errorf("%w, %s", err, strings.Join(ruleSetNames(), ", "))
	}
	return entries, sets, nil
}

func ruleSetNames() []string {
	var names []string
	for _, s := range RuleSets() {
		names = append(names, s.Name)
	}
	return names
}

func runPanther(_ context.Context, dir string) (Finding, error) {
	rules, err := panther.OperatorModel()
	if err != nil {
		return Finding{}, err
	}
	r, err := panther.Run(dir, model.Default(), rules)
	if err != nil {
		return Finding{}, err
	}
	t := r.Total()
	return Finding{
		Now: fmt.Sprintf("%d of %d mapped right (own signals %d of %d, operator's rules %d of %d), %d unmapped",
			t.Right, t.Mapped, t.OwnRight, t.Own, t.Right-t.OwnRight, t.Mapped-t.Own, t.Tests-t.Mapped),
		Met: t.Right == t.Mapped, Detail: &r,
	}, nil
}

// attackShare is the share of sources that is asked to be acted on.
const attackShare = 0.95

func runAttackLogs(_ context.Context, dir string) (Finding, error) {
	r, err := attacklog.Run(filepath.Join(dir, "crowdsec-hub-tests"), model.Default())
	if err != nil {
		return Finding{}, err
	}
	tallies := r.Tallies()
	t := tallies[len(tallies)-1]
	var parts []string
	for _, k := range tallies {
		parts = append(parts, fmt.Sprintf("%s %d of %d", k.Kind, k.AsAsked, k.Sources))
	}
	return Finding{
		Now: fmt.Sprintf("%s as asked; %d by the bucket's size, %d positive, %d missed, %d not expected, %d logs unmapped",
			strings.Join(parts, ", "), t.InTime, t.Positive, t.Missed, len(r.Wrong), len(r.Unmapped)),
		Met:    float64(t.InTime) >= attackShare*float64(t.Sources) && len(r.Wrong) == 0,
		Detail: &r,
	}, nil
}

func runFalseAlarms(_ context.Context, dir string) (Finding, error) {
	r, err := falsealarm.Run(dir, model.Default())
	if err != nil {
		return Finding{}, err
	}
	return Finding{
		Now: fmt.Sprintf("%.1f per 1,000 of %d addresses, and %d known scanners", r.PerThousand(), r.Addresses, len(r.Scanners)),
		Met: r.PerThousand() <= 1, Detail: &r,
	}, nil
}

func runGeography(ctx context.Context, dir string) (Finding, error) {
	r, err := geography.Run(ctx, filepath.Join(dir, "maxmind-testdata"))
	if err != nil {
		return Finding{}, err
	}
	var parts []string
	met := true
	for _, k := range r {
		parts = append(parts, fmt.Sprintf("%s %d of %d", k.Name, k.Exact, k.Asked))
		met = met && k.Exact == k.Asked && k.Asked > 0
	}
	return Finding{Now: strings.Join(parts, ", "), Met: met, Detail: r}, nil
}
