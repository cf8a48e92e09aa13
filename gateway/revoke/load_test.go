package revoke_test

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/gateway/revoke"
)

// writeFile writes a verdict file of envelopes.
func writeFile(tb testing.TB, dir string, envelopes [][]byte) {
	tb.Helper()
	var text []byte
	for _, e := range envelopes {
		body := append(fmt.Appendf(nil, "%d ", time.Now().Add(time.Hour).Unix()), e...)
		text = append(fmt.Appendf(text, "v1 %08x ", crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))), body...)
		text = append(text, '\n')
	}
	err := os.WriteFile(filepath.Join(dir, revoke.FileName), text, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
}

// TestAStartTakesTheNewestOfManyLines has more lines than are checked at once: those of
// one session come in any order, and one that is forged has the highest number.
func TestAStartTakesTheNewestOfManyLines(t *testing.T) {
	r, dir := newRing(t), t.TempDir()
	var lines [][]byte
	var want []string
	for n := range 300 {
		lines = append(lines, sign(t, r.analyzer, revocation(fmt.Sprint("s", n), 1)))
		want = append(want, fmt.Sprintf("s%d-1", n))
	}
	for _, seq := range []uint64{5, 9, 7} {
		at := int(seq) * 30
		lines = slices.Insert(lines, at, sign(t, r.analyzer, revocation("often", seq)))
	}
	lines = append(lines, sign(t, r.forger, revocation("often", 11)))
	writeFile(t, dir, lines)
	f := newFollower(t, "127.0.0.1:1", dir, r)
	err := f.Load()
	if err != nil {
		t.Fatal(err)
	}
	got := slices.DeleteFunc(f.table.ids(), func(id string) bool { return id == "often-9" })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("in force, in the order of the file (-want +got):\n%s", diff)
	}
	if n := len(f.table.ids()) - len(got); n != 1 {
		t.Errorf("the newest verdict about the session is applied %d times", n)
	}
}
