package demo

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestCauseComesFirst checks that what a client saw waits for the verdict that
// caused it, and is not lost where none comes.
func TestCauseComesFirst(t *testing.T) {
	var out bytes.Buffer
	s := &story{text: &out, begun: time.Now(), who: func(string) string { return "" }}
	s.attackEnded(&attacker{number: 1, kind: "walk", ended: true, caught: true, started: time.Now()})
	s.release(time.Now().Add(-holdFor))
	s.verdict(VerdictLine{Target: "session", TargetID: "x", Action: "revoke"})
	s.release(time.Now().Add(time.Hour))
	verdict, stopped := strings.Index(out.String(), "VERDICT"), strings.Index(out.String(), "STOPPED")
	if verdict < 0 || stopped < verdict {
		t.Errorf("the story is\n%s", out.String())
	}
}
