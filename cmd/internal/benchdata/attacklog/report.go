package attacklog

import (
	"cmp"
	"fmt"
	"strings"
)

func compare(a, b *Source) int {
	return cmp.Or(cmp.Compare(a.Test, b.Test), cmp.Compare(a.Address, b.Address))
}

// Tally counts the sources of one kind of log.
type Tally struct {
	Kind     string `json:"kind"`
	Sources  int    `json:"sources"`
	Acted    int    `json:"acted"`
	Positive int    `json:"positive"`
	Missed   int    `json:"missed"`
	// AsAsked counts those that were acted on, or noticed where no more is asked,
	// and InTime those of them that were no later than by the project's own bucket.
	AsAsked int `json:"as_asked"`
	InTime  int `json:"in_time"`
}

// Tallies counts the sources of each kind, and of all.
func (r *Report) Tallies() []Tally {
	tallies := []Tally{{Kind: KindHTTP}, {Kind: KindFirewall}, {Kind: KindSignIn}, {Kind: "all"}}
	for i := range r.Sources {
		s := &r.Sources[i]
		for k := range tallies {
			t := &tallies[k]
			if t.Kind != s.Kind && k < len(tallies)-1 {
				continue
			}
			t.Sources++
			if s.AsAsked() {
				t.AsAsked++
			}
			if s.InTime() {
				t.InTime++
			}
			switch s.Result {
			case Acted:
				t.Acted++
			case Positive:
				t.Positive++
			default:
				t.Missed++
			}
		}
	}
	return tallies
}

// String is the report in lines: the counts, and each source that was not
// acted on in time.
func (r *Report) String() string {
	var b strings.Builder
	shared := 0
	for i := range r.Sources {
		if r.Sources[i].ByFacet {
			shared++
		}
	}
	fmt.Fprintf(&b, "%d sources are acted on only for what they share with others\n", shared)
	for _, t := range r.Tallies() {
		fmt.Fprintf(&b, "%-9s %3d sources, %3d as asked (%d by the bucket's size): %d acted on, %d positive, %d missed\n", t.Kind, t.Sources, t.AsAsked, t.InTime, t.Acted, t.Positive, t.Missed)
	}
	for i := range r.Sources {
		if s := &r.Sources[i]; !s.InTime() {
			fmt.Fprintf(&b, "  %-36s %-9s %-18s %-8s %5.1f nats, after %d, bucket %d, %d events\n", s.Test, s.Kind, s.Address, s.Result, s.Nats, s.After, s.Bucket, s.Events)
		}
	}
	for i := range r.Wrong {
		s := &r.Wrong[i]
		fmt.Fprintf(&b, "  %-36s %-9s %-18s not expected, %5.1f nats, after %d of %d\n", s.Test, s.Kind, s.Address, s.Nats, s.After, s.Events)
	}
	fmt.Fprintf(&b, "unmapped: %s\nunread: %s\n%d of %d lines unread\n", strings.Join(r.Unmapped, " "), strings.Join(r.Unread, " "), r.LinesUnread, r.Lines)
	return b.String()
}
