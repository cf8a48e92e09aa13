package falsealarm_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/vigil-gateway/vigil/cmd/internal/benchdata/falsealarm"
	"github.com/vigil-gateway/vigil/scorer/model"
)

const shipped = "../../../../testdata/bench"

func TestNobodyButScannersIsActedOn(t *testing.T) {
	r, err := falsealarm.Run(shipped, model.Default())
	if err != nil {
		t.Fatal(err)
	}
	if r.Events != 10000 || r.Addresses != 1753 || r.Unread != 0 {
		t.Errorf("%d events of %d addresses, %d lines unread; the log has 10000 of 1753", r.Events, r.Addresses, r.Unread)
	}
	if len(r.Others) > 0 || len(r.Scanners) < 5 {
		t.Errorf("acted on: %s", &r)
	}
}

func TestAlarmsAreCounted(t *testing.T) {
	m, err := model.Parse("low.yaml", []byte("version: 1\nname: low\nladders:\n  - kind: address\n    rungs:\n      - {action: throttle, threshold: 5.5, for: 10m}\n"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := falsealarm.Run(shipped, m)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Others) == 0 || r.PerThousand() > 3 {
		t.Errorf("%.1f alarms per 1,000 addresses with a low threshold: %s", r.PerThousand(), &r)
	}
}

func TestNoSet(t *testing.T) {
	_, err := falsealarm.Run(t.TempDir(), model.Default())
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Run without a set = %v, want %v", err, fs.ErrNotExist)
	}
}
