package evidence

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// TestSayfIsSprintf compares sentences with those of package fmt.
func TestSayfIsSprintf(t *testing.T) {
	k := new(Collector)
	tests := map[string]struct {
		format string
		args   []any
	}{
		"a text and a number":            {"%s in %d requests", []any{"AS3320", uint64(12)}},
		"whole numbers of every kind":    {"%d %d %d %d", []any{-3, int64(-4), uint32(5), uint64(6)}},
		"an hour":                        {"%02d %02d %02d", []any{7, 12, 0}},
		"numbers without a fraction":     {"%.0f %.0f %.0f", []any{2.5, 3.5, -0.4}},
		"numbers with one digit after":   {"%.1f TiB", []any{1.25}},
		"a number that is huge":          {"%.0f", []any{1e300}},
		"numbers that are none":          {"%.0f %.0f", []any{math.NaN(), math.Inf(1)}},
		"per cent":                       {"%.0f %% variation", []any{3.0}},
		"a text that looks like a verb":  {"%s%s", []any{"%d", "%"}},
		"a text outside ASCII":           {"von %s", []any{"Zürich"}},
		"an empty sentence":              {"", nil},
		"two sentences one in the other": {"%s sent", []any{k.humanSize(1536)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := fmt.Sprintf(tt.format, tt.args...)
			if got := k.sayf(tt.format, tt.args...); got != want {
				t.Errorf("sayf() = %q, want %q", got, want)
			}
		})
	}
}

// TestSentencesStay writes more than fits and reads what was written before.
func TestSentencesStay(t *testing.T) {
	k := new(Collector)
	var all []string
	for i := range 1000 {
		all = append(all, k.sayf("sentence %d of %s", i, "many"))
	}
	for i, got := range all {
		if want := fmt.Sprintf("sentence %d of many", i); got != want {
			t.Fatalf("sentence %d became %q", i, got)
		}
	}
	allocations := testing.AllocsPerRun(100, func() {
		k.text = k.text[:0]
		k.sayf("first request from %s for this subject in %d requests; usual: %s", "DE", uint64(12), "FR")
		k.ago(int64(time.Hour))
		k.humanSize(3e9)
	})
	if allocations != 0 {
		t.Errorf("%g allocations, want none", allocations)
	}
}

func TestAgoIsADuration(t *testing.T) {
	k := new(Collector)
	for _, ns := range []int64{-1, 0, 1, 499e6, 500e6, 1e9, 59.5e9, 60e9, 3599.6e9, 3600e9, 86400e9 + 61e9} {
		want := time.Duration(max(0, ns)).Round(time.Second).String()
		if got := k.ago(ns); got != want {
			t.Errorf("ago(%d) = %q, want %q", ns, got, want)
		}
	}
}

// TestPrefixesAreNamedOncePerAddress asks for prefixes in turn, without allocating.
func TestPrefixesAreNamedOncePerAddress(t *testing.T) {
	var n Names
	tests := []struct{ address, want string }{
		{"192.0.2.7", "192.0.2.0/24"},
		{"", ""},
		{"2001:db8:1:2::3", "2001:db8:1::/48"},
		{"::ffff:198.51.100.9", "198.51.100.0/24"},
		{"nowhere", ""},
		{"fe80::1%eth0", "fe80::/48"},
		{"192.0.2.7", "192.0.2.0/24"},
	}
	got := testing.AllocsPerRun(10, func() {
		for _, tt := range tests {
			for range 2 {
				if got := n.Prefix(tt.address); got != tt.want {
					t.Errorf("Prefix(%q) = %q, want %q", tt.address, got, tt.want)
				}
			}
		}
	})
	if got > 2 { // The word that is no address makes an error, and the zone is interned.
		t.Errorf("%g allocations, want at most 2", got)
	}
}
