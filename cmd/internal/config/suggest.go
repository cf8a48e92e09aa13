package config

import (
	"fmt"
	"regexp"
	"strings"
)

// distance is the optimal string alignment distance: inserts, deletes,
// substitutions and swaps of neighbours, the mistakes that fingers make.
func distance(a, b string) int {
	ra, rb := []rune(a), []rune(b)
	rows := make([][]int, len(ra)+1)
	for i := range rows {
		rows[i] = make([]int, len(rb)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(ra); i++ {
		for j := 1; j <= len(rb); j++ {
			cost := 1
			if ra[i-1] == rb[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && ra[i-1] == rb[j-2] && ra[i-2] == rb[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(ra)][len(rb)]
}

// nearest is the name of known that was probably meant, "" where none is
// near: at most a third of the letters may differ.
func nearest(name string, known []string) string {
	if len(name) > 128 {
		return "" // Not a slip of the fingers, and the table below is quadratic.
	}
	best, at := "", distanceMax+1
	plain := squash(name)
	for _, k := range known {
		d := distance(strings.ToLower(name), strings.ToLower(k))
		if squash(k) == plain {
			d = 0 // Only case, dashes or underscores differ.
		}
		if d < at && d <= max(1, len(k)/3) {
			best, at = k, d
		}
	}
	return best
}

func squash(s string) string {
	return strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(s))
}

// DidYouMean is the end of a sentence that offers the nearest of the known names,
// "" where none is near.
func DidYouMean(name string, known []string) string {
	guess := nearest(name, known)
	if guess == "" || guess == name {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", guess)
}

var oneOf = regexp.MustCompile(`one of (.+)$`)

// offered are the words that a validation message offers after "one of".
func offered(text string) []string {
	m := oneOf.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	list := m[1]
	for _, end := range []string{", is ", ", not ", ", got ", "; ", " (", " but "} {
		before, _, found := strings.Cut(list, end)
		if found {
			list = before
		}
	}
	list = strings.ReplaceAll(list, " or ", ", ")
	list = strings.ReplaceAll(list, " and ", ", ")
	var words []string
	for w := range strings.SplitSeq(list, ",") {
		w = strings.Trim(strings.TrimSpace(w), `"'.[]`+"`")
		if w != "" && !strings.Contains(w, " ") {
			words = append(words, w)
		}
	}
	return words
}
