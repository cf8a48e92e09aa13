//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// TestOperatorCutsWhileKafkaIsDown has an operator end a session while there is no
// broker: the open stream is cut and the next request refused by every gateway that
// he can reach, and his restore lets the person in again. The tool says that the
// analyzer cannot relay it to gateways that he did not name.
func TestOperatorCutsWhileKafkaIsDown(t *testing.T) {
	s := newSite(t, newEmbeddedKafka(t))
	s.open(t)
	thief, other := s.somebody(), s.somebody()
	ended, stays := thief.watch(t.Context(), t), other.watch(t.Context(), t)
	s.expect(t, thief, "/me", http.StatusOK)
	s.kafka.Crash()
	s.sayWithoutBroker(t, "revoke", thief)
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
	// ClickHouse has not heard of it, so he says himself what he lifts: his own word,
	// which a later one replaces, and nothing of the analyzer's.
	s.sayWithoutBroker(t, "restore", thief, "--up-to", "subject=0:0")
	s.expect(t, thief, "/me", http.StatusOK)
	s.kafka.Return(t)
	s.awaitReady(t, s.gateway)
	s.expect(t, thief, "/me", http.StatusOK)
}

// sayWithoutBroker has an operator say a word about a person's session that the
// gateway takes and the analyzer cannot relay.
func (s *site) sayWithoutBroker(t *testing.T, word string, p *person, more ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args := append([]string{
		word, "session", p.session(), "--reason", "reported", "--operator-key-file", s.keys.OperatorKey,
		"--operator-kid", "operator-1", "--gateway-admin", s.gateway.ready["admin"], "--analyzer-admin", s.analyzer.ready["admin"],
		"--admin-token-file", s.keys.AdminToken, "--tenant", "default",
	}, more...)
	cmd := exec.CommandContext(ctx, binary(t, "vigil"), args...)
	cmd.Dir, cmd.Env = s.dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir}
	out, err := cmd.CombinedOutput()
	exit, ended := errors.AsType[*exec.ExitError](err)
	if !ended || exit.ExitCode() != 1 || !strings.Contains(string(out), "gateway "+s.gateway.ready["admin"]+" accepted it") ||
		!strings.Contains(string(out), "kafka is unreachable") {
		t.Fatalf("vigil %s: %v\n%s", word, err, out)
	}
}
