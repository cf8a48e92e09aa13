package model_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/model"
)

// FuzzParse reads anything, beginning with every model of the house.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../../testdata/models/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal("no models to begin with", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("signals: [{id: scan.paths, max: .inf}]"))
	f.Add([]byte("rules: [{id: rule.a, group: walk, owner: o, text: t, nats: 1/0, expression: '[[1]].all(x, x.all(y, y > 0))'}]"))
	f.Add([]byte("exceptions: [{id: a, from: 2026-01-01, until: 2026-02-01, signals: [rule.a], owner: [x], prefix: ::/0}]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := model.Parse("f", b)
		if (m == nil) == (err == nil) {
			t.Fatalf("model %v, error %v", m, err)
		}
	})
}
