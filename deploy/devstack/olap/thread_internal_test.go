//go:build linux

package olap

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// TestAThreadYieldsAndOthersDoNot compares the engine's thread with the test's own.
func TestAThreadYieldsAndOthersDoNot(t *testing.T) {
	const self = "/proc/thread-self/stat"
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, engines := niceOf(t, self), 0
	th := newThread()
	defer th.close()
	th.do(func() { engines = niceOf(t, self) })
	if engines <= before && before < nicest {
		t.Errorf("the engine's thread has niceness %d and the test's own %d: it does not yield", engines, before)
	}
	if after := niceOf(t, self); after != before {
		t.Errorf("the test's thread has niceness %d, before %d", after, before)
	}
}

func TestAPanicOnAThreadIsTheCallers(t *testing.T) {
	th := newThread()
	defer th.close()
	defer func() {
		if p := recover(); p != "broken" {
			t.Errorf("recovered %v, want broken", p)
		}
		alive := false
		th.do(func() { alive = true })
		if !alive {
			t.Error("the thread does nothing any more")
		}
	}()
	th.do(func() { panic("broken") })
}

func niceOf(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ")
	n, err := strconv.Atoi(strings.Fields(after)[16])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
