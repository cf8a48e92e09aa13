//go:build e2e

package e2e_test

import (
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// seedOf is VIGIL_SEED, else any; a failure prints it.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("VIGIL_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("VIGIL_SEED: %v", err)
		}
	}
	t.Logf("VIGIL_SEED=%d", seed)
	return seed
}

// kills is how often a program is killed in one run.
const kills = 5

// TestKillAnalyzer kills the analyzer at random instants of load, also while
// it still starts. Afterwards verdicts go on, every event was scored exactly
// once, and no verdict has two effects. On Apache Kafka, because the embedded
// cluster keeps members for ever that died while they joined.
func TestKillAnalyzer(t *testing.T) {
	seed := seedOf(t)
	random := rand.New(rand.NewPCG(seed, 0))
	s := newSite(t, newApacheKafka(t))
	s.open(t)
	leave := s.browse(t, seed, 80, 2)
	s.theft(t)
	for range kills {
		instant := time.NewTimer(100*time.Millisecond + time.Duration(random.Int64N(int64(5*time.Second))))
		<-instant.C
		s.analyzer.kill()
		s.launchAnalyzer(t)
	}
	s.awaitLaunched(t)
	s.awaitReady(t, s.analyzer)
	s.theft(t)
	leave()
	s.ledger.check(t, http.StatusSwitchingProtocols, http.StatusOK, http.StatusUnauthorized)
	s.reckon(t)
	if first, last := s.number(t, "SELECT min(epoch) FROM db.verdicts"), s.number(t, "SELECT max(epoch) FROM db.verdicts"); last <= first {
		t.Errorf("verdicts have epochs %d to %d after %d starts", first, last, kills+1)
	}
	if n := s.number(t, "SELECT count() FROM db.enforcements WHERE verdict_id NOT IN (SELECT id FROM db.verdicts)"); n != 0 {
		t.Errorf("%d enforcements are of verdicts that were never stored", n)
	}
}

// TestKillGateway kills the gateway at random instants of load, right after it
// has learnt of a verdict. Whatever it had been told is in force before the
// first request that it serves again.
func TestKillGateway(t *testing.T) {
	seed := seedOf(t)
	random := rand.New(rand.NewPCG(seed, 0))
	s := newSite(t, newEmbeddedKafka(t))
	s.open(t)
	other := s.somebody()
	s.expect(t, other, "/me", http.StatusOK)
	var victims []*person
	for i := range kills {
		leave := s.browse(t, seed+uint64(i), 20, 5)
		byTopic := i%2 == 1
		if byTopic {
			victims = append(victims, s.theft(t)) // Told by the topic.
		} else {
			victims = append(victims, s.reported(t)) // Told by an operator.
		}
		instant := time.NewTimer(time.Duration(random.Int64N(int64(50 * time.Millisecond))))
		<-instant.C
		s.gateway.kill()
		leave()
		without := !byTopic || i == 1 // Once also what only the topic had told.
		if without {
			s.kafka.Crash()
		}
		s.startGateway(t)
		for _, p := range victims {
			s.refused(t, p)
		}
		if without {
			s.expect(t, other, "/static/app.js", http.StatusOK)
			s.kafka.Return(t)
		}
		s.awaitReady(t, s.gateway)
		s.awaitReady(t, s.analyzer)
		s.expect(t, other, "/me", http.StatusOK)
	}
	victim := victims[0]
	await(t, "the verdict on the topic", func() bool {
		return s.number(t, "SELECT count() FROM db.verdicts WHERE authority = 'operator' AND target_id = '"+victim.session()+"'") > 0
	})

	// Without its file it learns the verdict from the topic, and lets nobody in before.
	s.gateway.kill()
	s.forget(t)
	s.startGateway(t)
	s.expect(t, victim, "/me", http.StatusUnauthorized, http.StatusServiceUnavailable)
	s.awaitReady(t, s.gateway)
	s.refused(t, victim)

	// With neither, only what is public is served.
	s.gateway.kill()
	s.forget(t)
	s.kafka.Crash()
	s.startGateway(t)
	s.expect(t, victim, "/me", http.StatusServiceUnavailable)
	s.expect(t, victim, "/static/app.js", http.StatusOK)
	s.kafka.Return(t)
	s.awaitReady(t, s.gateway)
	s.refused(t, victim)
}

// reported is a person who worked and whose session an operator has ended.
func (s *site) reported(t *testing.T) *person {
	t.Helper()
	p := s.somebody()
	s.expect(t, p, "/me", http.StatusOK)
	s.revoke(t, p)
	s.refused(t, p)
	return p
}

// revoke ends a person's session as an operator does, who says it again where somebody
// has not accepted it: a broker that has just come back may have no leaders yet.
func (s *site) revoke(t *testing.T, p *person) {
	t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		_, err := s.tryVigil(t, "revoke", "session", p.session(), "--reason", "reported stolen", "--operator-key-file", s.keys.OperatorKey,
			"--operator-kid", "operator-1", "--gateway-admin", s.gateway.ready["admin"], "--analyzer-admin", s.analyzer.ready["admin"],
			"--admin-token-file", s.keys.AdminToken, "--tenant", "default")
		if err == nil {
			return
		}
		if time.Now().After(late) {
			t.Fatal(err)
		}
	}
}

// forget removes what the gateway remembers of verdicts.
func (s *site) forget(t *testing.T) {
	t.Helper()
	err := os.RemoveAll(filepath.Join(s.dir, "gateway-state"))
	if err != nil {
		t.Fatal(err)
	}
}

// expect asks for a page on a connection of its own and checks the status.
func (s *site) expect(t *testing.T, p *person, path string, want ...int) {
	t.Helper()
	p.http.CloseIdleConnections()
	status, body := p.get(path)
	if !slices.Contains(want, status) {
		t.Fatalf("%s: status %d, want %v: %s", path, status, want, body)
	}
}

// refused checks that a person's request is refused by the verdict about him.
func (s *site) refused(t *testing.T, p *person) {
	t.Helper()
	p.http.CloseIdleConnections()
	status, body := p.get("/me")
	if status != http.StatusUnauthorized || !strings.Contains(body, "session_revoked") && !strings.Contains(body, "step_up_required") {
		t.Fatalf("the revoked session's request: status %d: %s", status, body)
	}
}

// launchAnalyzer starts the analyzer and does not wait for it.
func (s *site) launchAnalyzer(t *testing.T) {
	t.Helper()
	s.analyzer, s.said = launch(t, s.dir, "vigil-analyzer", "--config", filepath.Join(s.dir, "analyzer.yaml"))
}

// awaitLaunched waits until the analyzer that was launched says where it serves.
func (s *site) awaitLaunched(t *testing.T) {
	t.Helper()
	s.analyzer.listen(t, s.said)
}
