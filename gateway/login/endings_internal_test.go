package login

import (
	"errors"
	"fmt"
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

// One who signs in and out without end has his share of the file, and others have room; so
// it is after a restart, and what is over counts no more.
func TestEndingsHaveAShareEach(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	file := filepath.Join(t.TempDir(), "endings")
	e, _, err := openEndings(file, now)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	by := func(who string, at time.Time) error {
		n++
		return e.add(ending{Kind: "session", ID: fmt.Sprint("s", n), At: at.Unix(), Until: at.Add(time.Hour).Unix(), By: who})
	}
	expect := func(why string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", why, err, want)
		}
	}
	for range endingsPersonMax {
		expect("the share of one", by("mallory", now), nil)
	}
	expect("beyond it", by("mallory", now), errEndingsShare)
	expect("another person", by("alice", now), nil)
	for range endingsPersonMax + 1 {
		expect("a provider that names nobody", by("provider:work", now), nil)
		expect("those of nobody", by("", now), nil)
	}
	err = e.close()
	if err != nil {
		t.Fatal(err)
	}
	e, kept, err := openEndings(file, now)
	if err != nil || len(kept) != 3*endingsPersonMax+3 {
		t.Fatalf("%d endings are kept, %v", len(kept), err)
	}
	expect("after a restart", by("mallory", now), errEndingsShare)
	later := now.Add(time.Hour)
	expect("once his are over", by("mallory", later), nil)
	err = e.close()
	if err != nil {
		t.Fatal(err)
	}
}
