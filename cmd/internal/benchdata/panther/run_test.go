package panther_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/benchdata/panther"
	"github.com/vigil-gateway/vigil/scorer/model"
)

const (
	root    = "../../../../"
	shipped = root + "testdata/bench"
)

func operatorModel(t *testing.T) *model.Model {
	t.Helper()
	m, err := panther.OperatorModel()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMappedTestsComeOutRight(t *testing.T) {
	r, err := panther.Run(shipped, model.Default(), operatorModel(t))
	if err != nil {
		t.Fatal(err)
	}
	total := r.Total()
	if total.Tests != 973 || total.Mapped != 319 || total.Own != 31 {
		t.Errorf("%d tests, %d mapped, %d by own signals; the set has 973, mapped are 319 and 31", total.Tests, total.Mapped, total.Own)
	}
	var wrong []string
	for _, w := range r.Wrong {
		wrong = append(wrong, w.Rule+": "+w.Test)
	}
	// Another network of the same country and another client: evidence, and no
	// action by one request.
	want := []string{"Okta.PotentiallyStolenSession: Different device & ASN"}
	if diff := cmp.Diff(want, wrong); diff != "" {
		t.Errorf("did not come out as expected (-want +got):\n%s\n%s", diff, &r)
	}
}

func TestWithoutTheOperatorsRulesPositiveTestsAreWrong(t *testing.T) {
	r, err := panther.Run(shipped, model.Default(), model.Default())
	if err != nil {
		t.Fatal(err)
	}
	total := r.Total()
	if right := total.Right - total.OwnRight; right >= (total.Mapped-total.Own)/2 || right == 0 {
		t.Errorf("%d of %d right, want the negative ones only", right, total.Mapped-total.Own)
	}
}

func TestTheOperatorsRulesAreThoseThatShip(t *testing.T) {
	here, err := os.ReadFile("panther.yaml")
	if err != nil {
		t.Fatal(err)
	}
	there, err := os.ReadFile(root + "testdata/models/panther.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(here, there) {
		t.Error("testdata/models/panther.yaml differs from the one here: copy it")
	}
}

func TestNoSet(t *testing.T) {
	_, err := panther.Run(t.TempDir(), model.Default(), model.Default())
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Run without a set = %v, want %v", err, fs.ErrNotExist)
	}
}
