//go:build e2e

package e2e_test

import (
	"net/http"
	"testing"

	"github.com/coder/websocket"
)

// TestOperatorCutsWhileKafkaIsDown has an operator end a session while there is no
// broker: the open stream is cut and the next request refused by every gateway that
// he can reach, and his restore lets the person in again, still without a broker.
func TestOperatorCutsWhileKafkaIsDown(t *testing.T) {
	s := newSite(t, newEmbeddedKafka(t))
	s.open(t)
	thief, other := s.somebody(), s.somebody()
	ended, stays := thief.watch(t.Context(), t), other.watch(t.Context(), t)
	s.expect(t, thief, "/me", http.StatusOK)
	s.kafka.Crash()
	s.revoke(t, thief)
	if got := websocket.CloseStatus(<-ended); got != websocket.StatusPolicyViolation {
		t.Errorf("the open stream was closed with %d, want 1008", got)
	}
	s.refused(t, thief)
	s.expect(t, other, "/me", http.StatusOK)
	select {
	case err := <-stays:
		t.Errorf("the neighbour's stream ended: %v", err)
	default:
	}

	s.vigil(t, "restore", "session", thief.session(), "--reason", "found again", "--operator-key-file", s.keys.OperatorKey,
		"--operator-kid", "operator-1", "--gateway-admin", s.gateway.ready["admin"], "--analyzer-admin", s.analyzer.ready["admin"],
		"--admin-token-file", s.keys.AdminToken, "--tenant", "default")
	s.expect(t, thief, "/me", http.StatusOK)

	// What was said without the broker is known to the analyzer once it is back.
	s.kafka.Return(t)
	s.awaitReady(t, s.gateway)
	await(t, "the operator's word on the topic", func() bool {
		return s.number(t, "SELECT count() FROM db.verdicts WHERE authority = 'operator' AND target_id = '"+thief.session()+"'") > 0
	})
	s.expect(t, thief, "/me", http.StatusOK)
}
