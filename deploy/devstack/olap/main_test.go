package olap_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
)

// TestMain ends the shared engine and looks for goroutines that it left.
func TestMain(m *testing.M) {
	code := m.Run()
	err := olaptest.Close()
	if err == nil && code == 0 {
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
