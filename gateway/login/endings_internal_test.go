package login

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A disk that was full for a moment leaves half a line. What is kept after that must not
// become a part of it: who has signed out would be back after a restart.
func TestAnEndingBehindHalfALineIsKept(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	file := filepath.Join(t.TempDir(), "endings")
	e, _, err := openEndings(file, now)
	if err != nil {
		t.Fatal(err)
	}
	one := ending{Kind: "session", ID: "s", At: now.Unix(), Until: now.Unix() + 60}
	good := e.out
	e.out, err = os.Open(file) // Cannot be written to.
	if err != nil {
		t.Fatal(err)
	}
	if e.add(one) == nil {
		t.Fatal("a file that cannot be written to was written to")
	}
	_ = e.out.Close()
	e.out = good
	_, err = good.WriteString(`{"kind":"sess`)
	if err != nil {
		t.Fatal(err)
	}
	err = e.add(one)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := readEndings(file, now)
	if err != nil || len(kept) != 1 {
		t.Errorf("%d endings are kept, %v; want the one that was said to be", len(kept), err)
	}
	err = e.close()
	if err != nil {
		t.Fatal(err)
	}
}
