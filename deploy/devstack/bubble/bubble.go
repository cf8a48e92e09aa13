package bubble

import (
	"testing"
	"testing/synctest"
)

// Test is [synctest.Test].
func Test(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	defer oneAtATime()()
	synctest.Test(t, f)
}

// Wait is [synctest.Wait].
func Wait() { synctest.Wait() }
