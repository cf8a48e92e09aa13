package announce

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Whoever shares an address is slowed down while its block waits, nobody is asked
// for a second factor whom nobody knows; and neither holds as long as what waits.
func TestWhatIsSaidMeanwhileEndsNoSession(t *testing.T) {
	clock := time.Date(2026, 11, 28, 1, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		authority, action, want string
		holds                   time.Duration
	}{
		"a session's revoke":                    {verdict.AuthoritySubject, verdict.ActionRevoke, verdict.ActionStepUp, 30 * time.Minute},
		"a session's block":                     {verdict.AuthoritySubject, verdict.ActionBlock, verdict.ActionStepUp, 30 * time.Minute},
		"an address's block":                    {verdict.AuthorityFacet, verdict.ActionBlock, verdict.ActionThrottle, 30 * time.Minute},
		"a block that lapses in twenty minutes": {verdict.AuthorityFacet, verdict.ActionBlock, verdict.ActionThrottle, 20 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			life := 12 * time.Hour
			if tt.holds < provisionalFor {
				life = tt.holds
			}
			v := &verdict.Verdict{
				Id: "v", Authority: tt.authority, Action: tt.action, Until: timestamppb.New(clock.Add(life)), NotBefore: timestamppb.New(clock),
				Cause: &verdict.Cause{Offset: 7}, PublicText: "ended", OperatorText: "why",
			}
			w := provisional(v, clock)
			if w.Action != tt.want || !w.Until.AsTime().Equal(clock.Add(tt.holds)) || (w.NotBefore != nil) != (tt.want == verdict.ActionStepUp) {
				t.Errorf("meanwhile: %v", w)
			}
			if w.PublicText == v.PublicText || w.PublicText == "" || w.SupportCode == "" || w.Id == v.Id {
				t.Errorf("it speaks as what waits: %v", w)
			}
			if judgedBy(w) != 6 || judgedBy(v) != 7 {
				t.Errorf("judged by %d and %d: what waits could never be released", judgedBy(w), judgedBy(v))
			}
		})
	}
}
