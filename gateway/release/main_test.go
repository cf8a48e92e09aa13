package release_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain sees that no wait leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
