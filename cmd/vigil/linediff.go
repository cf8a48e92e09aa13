package main

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of a diff for people.
const (
	// diffContext is how many equal lines stand around a change.
	diffContext = 2
	// diffShown bounds the lines that are printed.
	diffShown = 60
	// diffCells bounds the table of the comparison; texts that differ in more
	// are compared line by line from where they part.
	diffCells = 4 << 20
)

// lineDiff says how two texts differ: lines of the first alone begin with -, of
// the second alone with +, and a few that both have stand around them. Nothing
// where they are equal.
func lineDiff(a, b string) []string {
	if a == b {
		return nil
	}
	x, y := strings.Split(strings.TrimSuffix(a, "\n"), "\n"), strings.Split(strings.TrimSuffix(b, "\n"), "\n")
	head := 0
	for head < len(x) && head < len(y) && x[head] == y[head] {
		head++
	}
	tail := 0
	for tail < len(x)-head && tail < len(y)-head && x[len(x)-1-tail] == y[len(y)-1-tail] {
		tail++
	}
	var all []string
	for _, line := range x[:head] {
		all = append(all, "  "+line)
	}
	all = append(all, middle(x[head:len(x)-tail], y[head:len(y)-tail])...)
	for _, line := range x[len(x)-tail:] {
		all = append(all, "  "+line)
	}
	return excerpt(all)
}

// middle compares by the longest common subsequence.
func middle(x, y []string) []string {
	var out []string
	if len(x)*len(y) > diffCells {
		for _, line := range x {
			out = append(out, "- "+line)
		}
		for _, line := range y {
			out = append(out, "+ "+line)
		}
		return out
	}
	common := make([][]int, len(x)+1) // Of x[i:] and y[j:].
	for i := range common {
		common[i] = make([]int, len(y)+1)
	}
	for i, line := range slices.Backward(x) {
		for j := len(y) - 1; j >= 0; j-- {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if line == y[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	i, j := 0, 0
	for i < len(x) || j < len(y) {
		switch {
		case i < len(x) && j < len(y) && x[i] == y[j]:
			out = append(out, "  "+x[i])
			i, j = i+1, j+1
		case j == len(y) || i < len(x) && common[i+1][j] >= common[i][j+1]:
			out = append(out, "- "+x[i])
			i++
		default:
			out = append(out, "+ "+y[j])
			j++
		}
	}
	return out
}

// excerpt keeps the changes and a little of what is around them.
func excerpt(all []string) []string {
	changed := func(line string) bool { return !strings.HasPrefix(line, "  ") }
	var out []string
	left := 0
	for i, line := range all {
		around := all[max(0, i-diffContext):min(len(all), i+diffContext+1)]
		if !slices.ContainsFunc(around, changed) {
			left++
			continue
		}
		if left > 0 {
			out = append(out, fmt.Sprintf("  … %d equal lines", left))
			left = 0
		}
		out = append(out, line)
		if len(out) >= diffShown {
			return append(out, fmt.Sprintf("  … and %d more lines", len(all)-i-1))
		}
	}
	return out
}
