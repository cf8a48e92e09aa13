package scenario_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/scenario"
)

// FuzzParse reads anything and plays what is short.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../../testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal("no scenarios to begin with", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := scenario.Parse("f", text)
		if (s == nil) == (err == nil) {
			t.Fatalf("script %v, error %v", s, err)
		}
		if err != nil || s.Events() > 200 {
			return
		}
		_, err = scenario.Play(s, scenario.Options{NewPair: newPair})
		if err != nil {
			t.Logf("cannot be played: %v", err) // Such as a loop's count outside of one.
		}
	})
}
