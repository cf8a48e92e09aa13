package keys_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/keys"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// listed are the kids of the key set in dir.
func listed(t *testing.T, dir string) []string {
	t.Helper()
	p := keys.In(dir)
	set, err := keyfile.KeySet(p.RootPublic, p.KeySet)
	if err != nil {
		t.Fatal(err)
	}
	var kids []string
	for _, k := range set.Keys() {
		kids = append(kids, k.ID)
	}
	return kids
}

func add(t *testing.T, dir, id string, want bool) {
	t.Helper()
	added, err := keys.AddGateway(dir, id, time.Now())
	if err != nil || added != want {
		t.Errorf("AddGateway(%q) = %t, %v, want %t", id, added, err, want)
	}
}

func TestGatewaysAreAddedToTheKeySet(t *testing.T) {
	dir := t.TempDir()
	_, err := keys.Init(dir)
	if err != nil {
		t.Fatal(err)
	}
	add(t, dir, "a", true)
	add(t, dir, "b.2", true)
	add(t, dir, "a", false)
	err = os.Remove(keys.GatewayKey(dir, "a")) // Lost, or stolen: the next one has another id.
	if err != nil {
		t.Fatal(err)
	}
	add(t, dir, "a", true)
	want := []string{keys.AnalyzerKid, "gateway-a", "gateway-a-2", "gateway-b.2", keys.OperatorKid}
	if diff := cmp.Diff(want, listed(t, dir)); diff != "" {
		t.Errorf("key set (-want +got):\n%s", diff)
	}
	fi, err := os.Stat(keys.GatewayKey(dir, "a"))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("key file = %v, %v", fi, err)
	}
	set, err := keyfile.KeySet(keys.In(dir).RootPublic, keys.In(dir).KeySet)
	if err != nil {
		t.Fatal(err)
	}
	k, ok := set.Gateway("gateway-a-2")
	if first, _ := set.Gateway("gateway-a"); !first.From.IsZero() || k.From.IsZero() {
		t.Errorf("the first key is valid from %v, the second from %v", first.From, k.From)
	}
	if !ok || k.Class != verdict.ClassGateway || k.Gateway != "a" || !set.Seals("a") || set.Seals("c") || set.Seals("") {
		t.Errorf("key = %+v, %t", k, ok)
	}
	if _, ok := set.Gateway(keys.AnalyzerKid); ok {
		t.Error("an analyzer's key is taken for a gateway's")
	}
}

func TestGatewayIsNotAddedWithoutTheRoot(t *testing.T) {
	dir := t.TempDir()
	_, err := keys.Init(dir)
	if err != nil {
		t.Fatal(err)
	}
	add(t, dir, "a", true)
	err = os.Remove(keys.In(dir).RootKey)
	if err != nil {
		t.Fatal(err)
	}
	add(t, dir, "a", false) // It is there already.
	_, err = keys.AddGateway(dir, "b", time.Now())
	if !errors.Is(err, keys.ErrRootOffline) {
		t.Errorf("AddGateway = %v, want ErrRootOffline", err)
	}
	_, err = os.Stat(keys.In(dir).RootKey)
	if err == nil {
		t.Error("a new root key was made")
	}
	for _, id := range []string{"", "../x", "a/b", "-a"} {
		_, err = keys.AddGateway(dir, id, time.Now())
		if err == nil {
			t.Errorf("AddGateway(%q) = nil", id)
		}
	}
}
