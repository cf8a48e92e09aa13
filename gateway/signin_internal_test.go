package gateway

import (
	"testing"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// A refresh token is given back where a verdict has ended its session, and only there.
func TestVerdictsThatTakeTheRefreshToken(t *testing.T) {
	for name, tt := range map[string]struct {
		action, kind string
		want         bool
	}{
		"a session is revoked":     {verdict.ActionRevoke, verdict.TargetSession, true},
		"a session is blocked":     {verdict.ActionBlock, verdict.TargetSession, true},
		"a person is blocked":      {verdict.ActionBlock, verdict.TargetSubject, true},
		"an account is revoked":    {verdict.ActionRevoke, verdict.TargetAccount, true},
		"a person has to step up":  {verdict.ActionStepUp, verdict.TargetSubject, false},
		"an address is blocked":    {verdict.ActionBlock, verdict.TargetAddress, false},
		"nobody has said anything": {"", "", false},
	} {
		v := &verdict.Verdict{Action: tt.action, Target: &verdict.Target{Kind: tt.kind}}
		if got := isFinal(v); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
