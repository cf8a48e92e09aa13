package sheet_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/cmd/internal/life/sheet"
)

// TestColumnsAreInLine prints a table below a line of its own.
func TestColumnsAreInLine(t *testing.T) {
	var b strings.Builder
	err := sheet.Print(&b, func(t io.Writer) {
		sheet.Say(t, "a line\n\n")
		sheet.Say(t, "name\tn\n")
		sheet.Say(t, "%s\t%d\n", "somebody", 7)
	})
	if want := "a line\n\nname      n\nsomebody  7\n"; err != nil || b.String() != want {
		t.Errorf("%q, %v; want %q", b.String(), err, want)
	}
	closed, w := io.Pipe()
	_ = closed.Close() // A terminal that has gone.
	err = sheet.Print(w, func(t io.Writer) { sheet.Say(t, "x") })
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("printed to nobody: %v, want %v", err, io.ErrClosedPipe)
	}
}
