package geography

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/gateway/origin"
)

// Result is how many look-ups of a database were exact.
type Result struct {
	Name  string `json:"name"`
	Asked int    `json:"asked"`
	Exact int    `json:"exact"`
	// Wrong says what came out otherwise.
	Wrong []string `json:"wrong"`
}

// Results are those of several databases.
type Results []Result

// String says for each database how many look-ups were exact, and which were
// not.
func (r Results) String() string {
	var b strings.Builder
	for _, k := range r {
		fmt.Fprintf(&b, "%-26s %4d look-ups, %4d exact\n", k.Name, k.Asked, k.Exact)
		for _, w := range k.Wrong {
			fmt.Fprintf(&b, "  %s\n", w)
		}
	}
	return b.String()
}

// Run checks the databases in dir. The error wraps [fs.ErrNotExist] where one
// or its source is not there.
func Run(ctx context.Context, dir string) (Results, error) {
	var results Results
	for _, name := range Names() {
		r, err := check(ctx, dir, name)
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

func check(ctx context.Context, dir, name string) (Result, error) {
	facts, err := readSource(dir, name)
	if err != nil {
		return Result{}, err
	}
	c := origin.DefaultConfig()
	c.Databases = []string{filepath.Join(dir, name+".mmdb")}
	resolver, err := origin.New(origin.Options{Config: c, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}})
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", name, err)
	}
	r := Result{Name: name}
	for i := range facts {
		a := facts[i].prefix.Addr()
		want, got := around(facts, a), resolver.Lookup(ctx, a)
		r.Asked++
		if want.matches(&got) {
			r.Exact++
			continue
		}
		r.Wrong = append(r.Wrong, fmt.Sprintf("%s: %+v, source %+v", a, got, *want))
	}
	err = resolver.Close()
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

// matches compares exactly: nothing is converted or computed on the way.
func (f *fact) matches(o *origin.Origin) bool {
	if (f.Location != nil) != o.HasLocation {
		return false
	}
	if f.Location != nil && (f.Location.Latitude != o.Latitude || f.Location.Longitude != o.Longitude || f.Location.Radius != o.AccuracyKM) {
		return false
	}
	return f.Country.Code == o.Country && f.ASN == o.ASN && f.Org == o.ASOrg && slices.Equal(f.tags(), o.Tags)
}
