package benchpipeline_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/vigil-gateway/vigil/cmd/internal/benchpipeline"
)

// TestMain plays a role where a measurement has started this binary for one.
func TestMain(m *testing.M) {
	served, err := benchpipeline.Serve()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if served {
		return
	}
	os.Exit(m.Run())
}
