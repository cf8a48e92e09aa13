package poison_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/life/poison"
	"github.com/vigil-gateway/vigil/scorer/model"
)

func options(subjects, settled int) poison.Options {
	return poison.Options{
		Seed: 1, Start: time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC), Subjects: subjects, Settled: settled, Model: model.Default(), Storms: true,
	}
}

func measure(t *testing.T, o poison.Options) *poison.Report {
	t.Helper()
	r, err := poison.Run(o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	err = r.Print(&b)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(b.String())
	return r
}
