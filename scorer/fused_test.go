package scorer_test

import (
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// TestNothingIsFused compiles the scorer for a processor that multiplies and
// adds with one rounding, and reads the instructions: package exact promises
// the same bits everywhere, and Go may fuse across statements where no
// conversion to float64 forbids it.
func TestNothingIsFused(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("compiles the scorer for arm64, as without the race detector")
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-S", "./...")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	listing, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("compile for arm64: %v\n%.2000s", err, listing)
	}
	if !regexp.MustCompile(`\bFMULD\b`).Match(listing) {
		t.Fatal("the listing shows no multiplication: has its form changed?")
	}
	fused := regexp.MustCompile(`\(([^()\s]*/scorer/[^()\s]+\.go:\d+)\)\s+FN?M(?:ADD|SUB)[SD]\b`)
	for _, m := range fused.FindAllSubmatch(listing, -1) {
		t.Errorf("%s: a product is fused with a sum; write float64(a*b)", m[1])
	}
}
