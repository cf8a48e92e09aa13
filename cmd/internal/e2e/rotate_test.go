//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Times of a rotation here: files are read again within ten seconds.
const (
	rotationLead    = 12 * time.Second
	rotationOverlap = 10 * time.Second
)

// TestKeysAreRotatedUnderLoad rotates the analyzer's key twice while people browse,
// the owner of a stolen token keeps trying, and new thefts happen. Neither program is
// restarted, nobody who was ended gets in for a moment, each new theft is ended by
// the key that signs then; and a gateway that has never been here enforces, after the
// first keys have ended, what was said under them.
func TestKeysAreRotatedUnderLoad(t *testing.T) {
	s := newSite(t, newEmbeddedKafka(t))
	s.open(t)
	leave := s.browse(t, 1, 20, 5)
	victims := []*person{s.theft(t)}
	hammer := newHammer(t, victims[0])
	for round := range 2 {
		want := "analyzer-" + strconv.Itoa(round+2)
		said := s.vigil(t, "keys", "rotate", "analyzer", s.dir, "--lead", rotationLead.String(), "--overlap", rotationOverlap.String())
		rotated := time.Now()
		await(t, "the gateway has the key set, without a restart", func() bool { return s.keySet(t) == round+2 })
		if took := time.Since(rotated); took > rotationLead {
			t.Fatalf("the key set came %v after the rotation: too late for this test's lead", took)
		}
		victims = append(victims, s.theft(t)) // Under the old key, or the new one.
		await(t, want+" signs for all partitions of both stages", func() bool {
			return s.analyzer.logged(t, "signed by the key that signs now", `"kid":"`+want+`"`) >= 2*partitions
		})
		victims = append(victims, s.theft(t)) // Under the new key.
		until := time.NewTimer(time.Until(rotated.Add(rotationLead + rotationOverlap + time.Second)))
		<-until.C
		t.Logf("rotation %d:\n%s", round+1, said)
	}
	leave()
	hammer.stop(t)
	for i, v := range victims {
		status, body := v.get("/me")
		if status != http.StatusUnauthorized {
			t.Errorf("victim %d: status %d: %s", i, status, body)
		}
	}
	if n, m := s.gateway.logged(t, "gateway starts"), s.analyzer.logged(t, "analyzer starts"); n != 1 || m != 1 {
		t.Errorf("the gateway has started %d times and the analyzer %d times, want once each", n, m)
	}
	if got := s.gateway.counter(t, "vigil_revoke_missing", ""); got != "0" {
		t.Errorf("%s records are missing at the gateway", got)
	}
	s.vigil(t, "keys", "verify", s.dir, "--against", filepath.Join(s.dir, "gateway-state", "keys.jws"), "--within", "1s")
	t.Log(s.vigil(t, "keys", "show", s.dir))

	// A gateway without any memory: both first keys have ended.
	s.gateway.stop(t)
	err := os.RemoveAll(filepath.Join(s.dir, "gateway-state"))
	if err != nil {
		t.Fatal(err)
	}
	s.startGateway(t)
	s.awaitReady(t, s.gateway)
	for i, v := range victims {
		v.connect()
		status, body := v.get("/me")
		if status != http.StatusUnauthorized {
			t.Errorf("victim %d at a new gateway: status %d: %s", i, status, body)
		}
	}
	s.ledger.check(t, http.StatusSwitchingProtocols, http.StatusOK, http.StatusUnauthorized)
	kids := s.ask(t, "SELECT DISTINCT toString(kid) FROM db.verdicts ORDER BY 1 FORMAT TSV")
	t.Logf("keys of the verdicts in ClickHouse: %q", kids)
	if lost := s.number(t, "SELECT count() FROM db.verdicts WHERE kid = ''"); lost != 0 {
		t.Errorf("%d verdicts without a key", lost)
	}
}

// keySet is the version of the key set that the gateway believes.
func (s *site) keySet(t *testing.T) int {
	t.Helper()
	_, body := s.gateway.ask("/readyz?verbose")
	var said struct {
		Revoke struct {
			KeySet int `json:"key_set_version"`
		} `json:"revoke"`
	}
	err := json.Unmarshal([]byte(body), &said)
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return said.Revoke.KeySet
}

// hammer keeps asking as somebody whose session was ended.
type hammer struct {
	stop func(t *testing.T)
}

func newHammer(t *testing.T, victim *person) *hammer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	asked, let := 0, 0
	work.Go(func() {
		pace(ctx, 100, func() {
			status, _ := victim.get("/me")
			asked++
			if status != http.StatusUnauthorized {
				let++
			}
		})
		victim.http.CloseIdleConnections()
	})
	stop := sync.OnceFunc(func() { cancel(); work.Wait() })
	t.Cleanup(stop)
	return &hammer{func(t *testing.T) {
		t.Helper()
		stop()
		t.Logf("the victim of the first theft asked %d times and was let in %d times", asked, let)
		if let != 0 || asked < 1000 {
			t.Errorf("he asked %d times and was let in %d times, want never", asked, let)
		}
	}}
}
