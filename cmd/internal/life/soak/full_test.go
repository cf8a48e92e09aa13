//go:build soak

package soak_test

import (
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"testing"

	"github.com/vigil-gateway/vigil/analyzer"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// setting is an environment variable, or what the full size needs: 5,000
// subjects make more than 30,000 clean subject-days in nine days, which is what
// a claim of at most one revocation per 10,000 needs (rule of three).
func setting(t *testing.T, name string, full int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return full
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func kinds() []string {
	return []string{event.SubjectHuman, event.SubjectService, event.SubjectAgent, model.KindAddress}
}

// TestSoakScorer is the soak at full size, run by "make soak-scorer": first the
// clean lives, then half as many with attackers mixed in.
func TestSoakScorer(t *testing.T) {
	seed := uint64(setting(t, "SOAK_SEED", 1))
	subjects, warmup, days := setting(t, "SOAK_SUBJECTS", 5000), setting(t, "SOAK_WARMUP", 14), setting(t, "SOAK_DAYS", 9)
	attacks := setting(t, "SOAK_ATTACKS", 20)
	file := os.Getenv("SOAK_JSON")
	calm := plan(seed, subjects, warmup, days, 0)
	stormy := plan(seed+1, max(100, subjects/2), warmup, days, attacks)
	if name := os.Getenv("SOAK_MODEL"); name != "" {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		calm.Model, err = model.ParseWith(name, b, analyzer.Beside(name))
		if err != nil {
			t.Fatal(err)
		}
		stormy.Model = calm.Model
	}
	t.Run("clean lives", func(t *testing.T) {
		r := measure(t, calm)
		save(t, file, "clean", r)
		err := errors.Join(r.Promised(kinds()...), r.OneUnit(kinds()...))
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("with attackers", func(t *testing.T) {
		save(t, file, "attacks", measure(t, stormy))
	})
}

// save writes a report as JSON to file-part.json, if a file is wanted.
func save(t *testing.T, file, part string, r any) {
	t.Helper()
	if file == "" {
		return
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(file+"-"+part+".json", append(b, '\n'), 0o600)
	if err != nil {
		t.Fatal(err)
	}
}
