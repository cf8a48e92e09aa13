package people_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/devstack"
	"github.com/vigil-gateway/vigil/cmd/internal/people"
)

// TestCensusComesBack writes who lives somewhere, and reads the same people.
func TestCensusComesBack(t *testing.T) {
	dir := t.TempDir()
	_, err := people.ReadCensus(dir)
	if !errors.Is(err, people.ErrNobody) {
		t.Errorf("an empty directory: %v", err)
	}
	want := people.Census{Seed: 7, Count: 12, Made: now, Issuer: "http://127.0.0.1:2"}
	err = want.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err := people.ReadCensus(dir)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatalf("%v %s", err, diff)
	}
	a, b := want.Population(), got.Population()
	for i := range a.People {
		if a.People[i].Name != b.People[i].Name || a.People[i].Password != b.People[i].Password {
			t.Errorf("person %d is %s, was %s", i, b.People[i].Name, a.People[i].Name)
		}
	}
}

// TestCensusIsChecked reads what nobody wrote.
func TestCensusIsChecked(t *testing.T) {
	for name, text := range map[string]string{"no JSON": "{", "nobody": `{"count":0}`, "too many": `{"count":1000000}`} {
		dir := t.TempDir()
		err := os.WriteFile(filepath.Join(dir, "people.json"), []byte(text), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, err = people.ReadCensus(dir)
		if err == nil || errors.Is(err, people.ErrNobody) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

// TestSettleKeepsWhatWasAsked checks that people move in beside what is there.
func TestSettleKeepsWhatWasAsked(t *testing.T) {
	p := people.NewPopulation(7, 10, now)
	o := devstack.DefaultOptions()
	o.Users = map[string]string{"guest": "secret"}
	o.Configure = func(c *devstack.Config) error {
		if len(c.Gateway.Origin.Networks) != len(p.World.Networks) {
			t.Errorf("%d networks are known before the last word", len(c.Gateway.Origin.Networks))
		}
		c.Gateway.ID = "mine"
		return nil
	}
	p.Settle(&o, nil)
	var c devstack.Config
	err := o.Configure(&c)
	if err != nil || c.Gateway.ID != "mine" || c.Gateway.Listen.ProxyProtocol.Require || len(c.Gateway.Listen.ProxyProtocol.Trusted) != 1 {
		t.Errorf("configured %+v: %v", c.Gateway.Listen.ProxyProtocol, err)
	}
	if len(o.Users) != 11 || o.Users["guest"] != "secret" || o.Users[p.People[3].Name] != p.People[3].Password {
		t.Errorf("users are %v", o.Users)
	}
	if !o.Sample || o.Prepare == nil {
		t.Error("they do not live with the sample service")
	}
}
