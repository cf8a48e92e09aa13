package keys_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/keys"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const (
	lead    = time.Hour
	overlap = 24 * time.Hour
)

func installed(t *testing.T) keys.Files {
	t.Helper()
	files, err := keys.Init(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func rotate(t *testing.T, files keys.Files, class verdict.Class, now time.Time, change ...func(*keys.Rotation)) verdict.KeyList {
	t.Helper()
	r := keys.Rotation{Class: class, KeyFile: files.KeyFile(class), RootKey: files.RootKey, Now: now, Lead: lead, Overlap: overlap}
	for _, c := range change {
		c(&r)
	}
	list, err := files.Rotate(r)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// signs is the id of the key that a class signs with at a time.
func signs(t *testing.T, files keys.Files, class verdict.Class, now time.Time) string {
	t.Helper()
	set, err := keyfile.KeySet(files.RootPublic, files.KeySet)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(files.KeyFile(class))
	if err != nil {
		t.Fatal(err)
	}
	private, err := verdict.ParsePrivateKeys(b)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := set.Signer(class, private, now)
	if err != nil {
		t.Fatal(err)
	}
	return signer.Kid()
}

// Each class has somebody who signs at every moment of two rotations, and the key
// that he signs with is always believed.
func TestRotateHandsOver(t *testing.T) {
	for _, class := range []verdict.Class{verdict.ClassAnalyzer, verdict.ClassOperator} {
		files := installed(t)
		first := rotate(t, files, class, noon)
		if first.Version != 2 {
			t.Errorf("version %d after a rotation, want 2", first.Version)
		}
		second := noon.Add(2 * lead)
		rotate(t, files, class, second)
		name := string(class)
		for at, want := range map[time.Duration]string{
			0: name + "-1", lead - time.Second: name + "-1", lead: name + "-2", 3*lead - time.Second: name + "-2", 3 * lead: name + "-3",
			90 * 24 * time.Hour: name + "-3",
		} {
			if got := signs(t, files, class, noon.Add(at)); got != want {
				t.Errorf("%s signs %v after noon, want %s", got, at, want)
			}
		}
		set, err := keyfile.KeySet(files.RootPublic, files.KeySet)
		if err != nil {
			t.Fatal(err)
		}
		ends := make(map[string]time.Time)
		for _, k := range set.List().Keys {
			ends[k.ID] = k.Until
		}
		if got := ends[name+"-1"]; !got.Equal(noon.Add(lead + overlap)) {
			t.Errorf("the first key ends at %v: a second rotation must not prolong it", got)
		}
		if got := ends[name+"-2"]; !got.Equal(second.Add(lead + overlap)) {
			t.Errorf("the second key ends at %v, want %v", got, second.Add(lead+overlap))
		}
		const years = 2 * 365 * 24 * time.Hour
		last := rotate(t, files, class, noon.Add(years))
		if got := signs(t, files, class, noon.Add(years+lead)); got != name+"-4" || len(last.Keys) != 3 {
			t.Errorf("%s signs after two years, of %d keys; want %s-4 of the three that are not long ended", got, len(last.Keys), name)
		}
	}
}

// A first key of a class signs at once, and leaves the others alone.
func TestRotateMakesAFirstKey(t *testing.T) {
	files := installed(t)
	list := rotate(t, files, verdict.ClassFeed, noon)
	if got := signs(t, files, verdict.ClassFeed, noon); got != "feed-1" {
		t.Errorf("%s signs for a feed", got)
	}
	for _, k := range list.Keys {
		if !k.Until.IsZero() {
			t.Errorf("%s ends at %v though it is another class's", k.ID, k.Until)
		}
	}
}

// A second operator has a key of his own, whose rotation does not end the first's.
func TestRotateReplacesItsHoldersKeysAlone(t *testing.T) {
	files := installed(t)
	other := files.OperatorKey + ".other"
	theirs := func(r *keys.Rotation) { r.KeyFile = other }
	rotate(t, files, verdict.ClassOperator, noon, theirs)
	list := rotate(t, files, verdict.ClassOperator, noon, theirs)
	for _, k := range list.Keys {
		if k.ID == "operator-1" && !k.Until.IsZero() || k.ID == "operator-2" && k.Until.IsZero() {
			t.Errorf("%s ends at %v", k.ID, k.Until)
		}
	}
}

// A compromised key is listed no longer, and its successor signs at once.
func TestRotateOutACompromisedKey(t *testing.T) {
	files := installed(t)
	list := rotate(t, files, verdict.ClassAnalyzer, noon, func(r *keys.Rotation) { r.Compromised = true })
	for _, k := range list.Keys {
		if k.ID == "analyzer-1" {
			t.Error("the compromised key is listed")
		}
	}
	if got := signs(t, files, verdict.ClassAnalyzer, noon); got == "analyzer-1" {
		t.Errorf("%s signs", got)
	}
}

// While a key waits to sign nobody makes a further one by calling twice: nothing is
// changed then, and the error says until when. A stolen key waits for nothing, nor
// does another class.
func TestRotateTwice(t *testing.T) {
	files := installed(t)
	rotate(t, files, verdict.ClassAnalyzer, noon)
	before, err := os.ReadFile(files.AnalyzerKey)
	if err != nil {
		t.Fatal(err)
	}
	r := keys.Rotation{Class: verdict.ClassAnalyzer, KeyFile: files.AnalyzerKey, RootKey: files.RootKey, Now: noon.Add(lead - time.Second), Lead: lead, Overlap: overlap}
	_, err = files.Rotate(r)
	if err == nil || !strings.Contains(err.Error(), "analyzer-2 is there already and signs from "+noon.Add(lead).Format(time.RFC3339)) {
		t.Errorf("Rotate() while a key waits = %v", err)
	}
	after, err := os.ReadFile(files.AnalyzerKey)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the key file has changed (%v)", err)
	}
	rotate(t, files, verdict.ClassOperator, noon)
	list := rotate(t, files, verdict.ClassAnalyzer, noon, func(r *keys.Rotation) { r.Compromised = true })
	if list.Version != 4 {
		t.Errorf("version %d, want 4", list.Version)
	}
}

// The key set leads whoever knows the first root to the one that signs now, over as
// many rotations as its lines have room for.
func TestRotateRoot(t *testing.T) {
	files := installed(t)
	firstRoot, err := os.ReadFile(files.RootPublic)
	if err != nil {
		t.Fatal(err)
	}
	first, err := verdict.ParsePublicKey(firstRoot)
	if err != nil {
		t.Fatal(err)
	}
	at := noon
	for range 3 {
		_, err = files.RotateRoot(files.RootKey, at)
		if err != nil {
			t.Fatal(err)
		}
		rotate(t, files, verdict.ClassAnalyzer, at)
		at = at.Add(lead) // Before that, its key waits.
		file, err := os.ReadFile(files.KeySet)
		if err != nil {
			t.Fatal(err)
		}
		knowsFirst, err := verdict.OpenKeySet(first, file)
		if err != nil {
			t.Fatal(err)
		}
		knowsLast, err := keyfile.KeySet(files.RootPublic, files.KeySet)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(knowsFirst.Root(), knowsLast.Root()) || knowsFirst.List().Version != knowsLast.List().Version {
			t.Errorf("who knows the first root believes version %d, who knows the last %d", knowsFirst.List().Version, knowsLast.List().Version)
		}
	}
	for range 6 {
		_, err = files.RotateRoot(files.RootKey, at)
		if err != nil {
			t.Fatal(err)
		}
	}
	rotate(t, files, verdict.ClassAnalyzer, at)
	for _, retired := range []string{files.RootKey + ".retired"} {
		r := keys.Rotation{Class: verdict.ClassAnalyzer, KeyFile: files.AnalyzerKey, RootKey: retired, Now: at}
		_, err = files.Rotate(r)
		if !errors.Is(err, keys.ErrRoot) {
			t.Errorf("Rotate() by the root before = %v, want ErrRoot", err)
		}
	}
}

// What is wrong is said with its place and with what to do.
func TestCheckNamesWhatIsWrong(t *testing.T) {
	tests := map[string]struct {
		breaks func(t *testing.T, files keys.Files) (against string)
		now    time.Time
		want   []string // Each in one fault, in order.
	}{
		"a new installation": {func(*testing.T, keys.Files) string { return "" }, noon, nil},
		"a rotated one": {func(t *testing.T, files keys.Files) string {
			t.Helper()
			rotate(t, files, verdict.ClassAnalyzer, noon)
			return ""
		}, noon, nil},
		"a key set of another root": {func(t *testing.T, files keys.Files) string {
			t.Helper()
			swap(t, installed(t).KeySet, files.KeySet)
			return ""
		}, noon, []string{"install the key set and the root's public key"}},
		"a key file of another installation": {func(t *testing.T, files keys.Files) string {
			t.Helper()
			swap(t, installed(t).AnalyzerKey, files.AnalyzerKey)
			return ""
		}, noon, []string{"analyzer.pem: none of 1 keys is listed"}},
		"a key that ends within the week and has no successor": {func(t *testing.T, files keys.Files) string {
			t.Helper()
			old, err := os.ReadFile(files.AnalyzerKey)
			if err != nil {
				t.Fatal(err)
			}
			rotate(t, files, verdict.ClassAnalyzer, noon)
			err = os.WriteFile(files.AnalyzerKey, old, 0o600) // The new key did not get here.
			if err != nil {
				t.Fatal(err)
			}
			return ""
		}, noon, []string{"no key signs in 168h0m0s"}},
		"a key set that was restored from a backup": {func(t *testing.T, files keys.Files) string {
			t.Helper()
			kept := files.KeySet + ".kept"
			backup := files.KeySet + ".backup"
			swap(t, files.KeySet, backup)
			rotate(t, files, verdict.ClassAnalyzer, noon)
			swap(t, files.KeySet, kept)
			swap(t, backup, files.KeySet)
			return kept
		}, noon, []string{"install the latest key set"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := installed(t)
			against := tt.breaks(t, files)
			faults, err := files.Check(tt.now, 7*24*time.Hour, against)
			if err != nil {
				t.Fatal(err)
			}
			if len(faults) != len(tt.want) {
				t.Fatalf("faults %q, want %q", faults, tt.want)
			}
			for i, want := range tt.want {
				if !strings.Contains(faults[i], want) {
					t.Errorf("fault %q, want one with %q", faults[i], want)
				}
			}
		})
	}
}

// swap copies a file over another.
func swap(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(to, b, 0o600)
	if err != nil {
		t.Fatal(err)
	}
}

// Init after a rotation, with the root taken offline, changes nothing.
func TestInitKeepsWhatWasRotated(t *testing.T) {
	dir := t.TempDir()
	files, err := keys.Init(dir)
	if err != nil {
		t.Fatal(err)
	}
	rotate(t, files, verdict.ClassAnalyzer, noon)
	before, err := os.ReadFile(files.KeySet)
	if err != nil {
		t.Fatal(err)
	}
	err = os.Remove(files.RootKey)
	if err != nil {
		t.Fatal(err)
	}
	_, err = keys.Init(dir)
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(files.KeySet)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("Init has changed the key set: %v", err)
	}
	_, err = os.Stat(files.RootKey)
	if err == nil {
		t.Error("Init has made another root")
	}
}
