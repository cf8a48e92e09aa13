package attacklog_test

import (
	"errors"
	"io/fs"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/benchdata/attacklog"
	"github.com/vigil-gateway/vigil/scorer/model"
)

const shipped = "../../../../testdata/bench/crowdsec-hub-tests"

// floors are what was measured on the logs that ship when they were last
// raised: a test that turns red has found a regression.
func TestSourcesAreActedOn(t *testing.T) {
	r, err := attacklog.Run(shipped, model.Default())
	if err != nil {
		t.Fatal(err)
	}
	floors := map[string]attacklog.Tally{
		attacklog.KindHTTP:     {Sources: 50, AsAsked: 48, InTime: 47},
		attacklog.KindFirewall: {Sources: 2, AsAsked: 2, InTime: 1},
		attacklog.KindSignIn:   {Sources: 42, AsAsked: 39, InTime: 38},
	}
	for _, tally := range r.Tallies() {
		floor, ok := floors[tally.Kind]
		if ok && (tally.Sources != floor.Sources || tally.AsAsked < floor.AsAsked || tally.InTime < floor.InTime) {
			t.Errorf("%+v; floor %+v\n%s", tally, floor, &r)
		}
	}
	if len(r.Unread) > 0 {
		t.Errorf("logs of which no line is read: %v", r.Unread)
	}
	want := []string{"bind9-refused", "palo-alto-threat"}
	if diff := cmp.Diff(want, r.Unmapped); diff != "" {
		t.Errorf("logs that tell of nothing that a gateway sees (-want +got):\n%s", diff)
	}
	// Six names tried by one address within a minute, which the hub lets pass.
	if len(r.Wrong) != 1 || r.Wrong[0].Test != "zoneminder-bf" {
		t.Errorf("acted on and not expected: %+v", r.Wrong)
	}
}

func TestEverythingMissesWithoutSignals(t *testing.T) {
	m, err := model.Parse("off.yaml", []byte("version: 1\nname: off\nsignals:\n"+
		"  - {id: scan.paths, on: false}\n  - {id: scan.not_found_share, on: false}\n"+
		"  - {id: credential.failures_by_address, on: false}\n  - {id: credential.login_rate, on: false}\n"+
		"  - {id: payload.waf, on: false}\n"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := attacklog.Run(shipped, m)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(r.Sources, func(s attacklog.Source) bool { return s.Test == "ssh-bf" })
	if at < 0 || r.Sources[at].Result != attacklog.Missed || r.Sources[at].AsAsked() {
		t.Errorf("guessing of passwords without the signals about it: %+v", r.Sources)
	}
}

func TestNoSet(t *testing.T) {
	_, err := attacklog.Run(t.TempDir(), model.Default())
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Run without a set = %v, want %v", err, fs.ErrNotExist)
	}
}
