package model_test

import (
	"io/fs"
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
	trees := make(map[string][]byte)
	for _, name := range []string{"lightgbm-numeric.txt", "xgboost-numeric.json", "lightgbm-forest.rows.json"} {
		trees["../trees/"+name], err = os.ReadFile(filepath.Join("../../testdata/trees", name))
		if err != nil {
			f.Fatal(err)
		}
	}
	f.Add([]byte("models: [{id: trees.a, kind: trees, file: ../trees/xgboost-numeric.json, format: xgboost, features: [bytes_out, {name: bytes_out}, {from: x}], text: t, owner: o, calibration: {points: [{margin: .nan, nats: -1}]}}]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := model.ParseWith("f", b, func(name string) ([]byte, error) {
			file, ok := trees[name]
			if !ok {
				return nil, fs.ErrNotExist
			}
			return file, nil
		})
		if (m == nil) == (err == nil) {
			t.Fatalf("model %v, error %v", m, err)
		}
	})
}
