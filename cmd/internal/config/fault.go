package config

import (
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a configuration, and where.
type Fault struct {
	// Source is the file, an environment variable or the flag that said so.
	Source string `json:"source"`
	// Line and Column count from 1; both are 0 where Source is not a file.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Key is the dotted path of the value, such as routes[2].upstream.
	Key string `json:"key"`
	// Text says what is wrong and, where that can be guessed, what was meant.
	Text string `json:"text"`
}

// String is the fault in the form file:line:column: key: text.
func (f Fault) String() string {
	var b strings.Builder
	if f.Source != "" {
		b.WriteString(f.Source)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
		}
		b.WriteString(": ")
	}
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	b.WriteString(f.Text)
	return b.String()
}

// Faults is everything that is wrong with a configuration, in the order of
// the file. It is never empty where it is returned as an error.
type Faults []Fault //nolint:errname // Callers range over it; that it is an error comes second.

// Error is one fault per line.
func (f Faults) Error() string {
	lines := make([]string, 0, len(f))
	for _, one := range f[:min(len(f), faultsMax)] {
		lines = append(lines, one.String())
	}
	if len(f) > faultsMax {
		lines = append(lines, fmt.Sprintf("… and %d more faults", len(f)-faultsMax))
	}
	return strings.Join(lines, "\n")
}

// sorted puts faults of the file first, by place, then the others as found.
// The same fault twice, as when an alias is used twice, is reported once.
func (f Faults) sorted() Faults {
	slices.SortStableFunc(f, func(a, b Fault) int {
		switch {
		case (a.Line == 0) != (b.Line == 0):
			if a.Line == 0 {
				return 1
			}
			return -1
		case a.Line != b.Line:
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return slices.Compact(f)
}
