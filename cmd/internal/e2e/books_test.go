//go:build e2e

package e2e_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// books are what both sides of a gateway have seen of requests, by their ids.
type books struct {
	mu       sync.Mutex
	served   map[string]bool // The upstream was called.
	answered map[string]bool // The client has an answer.
	strict   map[string]bool // Of either, those of strict routes.
	broken   int             // The client has none: the gateway died, or was not there.
	torn     int             // Ends in the middle that gateways have found in their spools.
}

func newBooks() books {
	return books{served: make(map[string]bool), answered: make(map[string]bool), strict: make(map[string]bool)}
}

// serve writes down that the upstream was called.
func (b *books) serve(id, path string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.served[id] = true
	b.sort(id, path)
}

// answer writes down what became of a request at its client.
func (b *books) answer(id, path string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.broken++
		return
	}
	b.answered[id] = true
	b.sort(id, path)
}

// sort is for who holds the lock.
func (b *books) sort(id, path string) {
	if strings.HasPrefix(path, "/strict/") {
		b.strict[id] = true
	}
}

// examine asks a gateway that has just begun what it has found in its spool.
func (b *books) examine(t *testing.T, gateway *process) {
	t.Helper()
	text := gateway.counter(t, "vigil_spool_torn", "")
	if text == "" {
		return // Nothing was counted.
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.torn += int(n)
}

// uncounted is a number that nobody has looked for.
const uncounted = -1

// sheet is the balance of the books of client, upstream and analytics.
type sheet struct {
	*books

	rows       map[string]int    // By request id.
	unfinished int               // Rows of requests whose gateway died before their end.
	losses     map[string]uint64 // Numbers that are counted as lost, by cause.
	missing    uint64            // Numbers that are missing without a word.
	copies     int               // Records that came twice, and count once.
	others     int               // Requests that are in no book, such as those of a theft that is staged afterwards.
}

// check prints the balance and says where it does not come out even.
//
// Each row is of a request that a book knows, or of one that the client saw broken
// off. Of strict routes every request has its row. Of the others, each without a row
// is counted as lost; what is counted beyond them are numbers that a gateway had given
// to requests and died before it had noted which, and before anybody was answered: as
// many as the client saw broken off, at most.
func (s *sheet) check(t *testing.T) {
	t.Helper()
	known := union(s.served, s.answered)
	absent, absentStrict, unknown, twice, lost := 0, 0, 0, 0, uint64(0)
	for id := range known {
		switch {
		case s.rows[id] > 0:
		case s.strict[id]:
			absentStrict++
		default:
			absent++
		}
	}
	for id, n := range s.rows {
		if !known[id] {
			unknown++
		}
		if n > 1 {
			twice++
		}
	}
	var table strings.Builder
	line := func(what string, n any) { fmt.Fprintf(&table, "\n  %-52s %8v", what, n) }
	line("answered, says the client", len(s.answered))
	line("broken off, says the client", s.broken)
	line("served, says the upstream", len(s.served))
	line("known to either", len(known))
	line("  of them on strict routes", len(s.strict))
	line("rows", len(s.rows))
	line("  of requests known to either", len(s.rows)-unknown)
	line("  of requests that were broken off", unknown)
	line("  without their end: the gateway was killed", s.unfinished)
	line("without a row, strict routes", absentStrict)
	line("without a row, other routes", absent)
	for _, cause := range slices.Sorted(maps.Keys(s.losses)) {
		line("counted as lost: "+cause, s.losses[cause])
		lost += s.losses[cause]
	}
	line("counted as lost", lost)
	line("  of them of requests that nobody knows", int(lost)-absent)
	line("missing without a word", s.missing)
	line("two rows", twice)
	if s.copies != uncounted {
		line("records that came twice and count once", s.copies)
	}
	line("torn ends found in spools", s.torn)
	t.Logf("the books:%s", table.String())

	if len(s.rows)+absent+absentStrict != len(known)+unknown {
		t.Errorf("%d rows and %d requests without one are not %d requests", len(s.rows), absent+absentStrict, len(known)+unknown)
	}
	if absentStrict > 0 {
		t.Errorf("%d requests of strict routes have no row", absentStrict)
	}
	if most := s.broken + s.others; int(lost) < absent || int(lost)-absent+unknown > most {
		t.Errorf("%d requests have no row and %d are counted as lost; with %d rows of requests that nobody knows that is more than %d that were broken off", absent, lost, unknown, most)
	}
	if s.missing > 0 {
		t.Errorf("%d numbers are missing without a word", s.missing)
	}
	if twice > 0 {
		t.Errorf("%d requests have two rows", twice)
	}
}
