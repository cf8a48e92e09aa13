package panther

import (
	"fmt"
	"strings"
)

// Total is the sum over all families.
func (r *Report) Total() Family {
	total := Family{Name: "all"}
	for _, f := range r.Families {
		total.Tests += f.Tests
		total.Mapped += f.Mapped
		total.Own += f.Own
		total.Right += f.Right
		total.OwnRight += f.OwnRight
	}
	return total
}

// String is the counts of each family, and what came out otherwise.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-28s %6s %7s %6s %9s %14s %9s\n", "family", "tests", "mapped", "right", "unmapped", "by own signals", "of them right")
	for _, f := range append(r.Families, r.Total()) {
		fmt.Fprintf(&b, "%-28s %6d %7d %6d %9d %14d %9d\n", f.Name, f.Tests, f.Mapped, f.Right, f.Tests-f.Mapped, f.Own, f.OwnRight)
	}
	for _, w := range r.Wrong {
		fmt.Fprintf(&b, "  %s, %q: expected %t, %s says %.1f nats, %s\n", w.Rule, w.Test, w.Expected, w.By, w.Nats, w.Action)
	}
	return b.String()
}
