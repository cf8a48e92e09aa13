package panther

import (
	"fmt"
	"github.com/vigil-gateway/vigil/scorer/model"
	"os"
	"testing"
)

func TestZZ(t *testing.T) {
	b, _ := os.ReadFile("../../../../testdata/models/panther.yaml")
	m, err := model.Parse("p", b)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run("/work/shared/data", model.Default(), m)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(r.String())
}
