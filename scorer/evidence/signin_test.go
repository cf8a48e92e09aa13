package evidence_test

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/evidence"
)

// happened is a session event.
func happened(reason, outcome string, e *event.RequestEvent) *event.RequestEvent {
	return with(e, func(e *event.RequestEvent) {
		e.Kind, e.Reason, e.AuthOutcome, e.Status = event.KindSession, reason, outcome, 0
	})
}

// shown is a request with a token.
func shown(token string, e *event.RequestEvent) *event.RequestEvent {
	return with(e, func(e *event.RequestEvent) { e.TokenId = token })
}

// dead is a request that a gateway refuses because the session was signed out.
func dead(e *event.RequestEvent) *event.RequestEvent {
	return with(shown("a", e), func(e *event.RequestEvent) {
		e.Decision, e.Status, e.Reason = event.DecisionDeny, 401, "session_revoked"
	})
}

func credentialCases() map[string]signalCase {
	out := step{0, happened(event.ReasonLogout, "", berlin())}
	refused := func(n int) []step {
		return many(n, time.Minute, func(int) *event.RequestEvent { return happened("", event.AuthMFAFailure, berlin()) })
	}
	accepted := step{time.Minute, happened(event.ReasonStepUp, event.AuthSuccess, berlin())}
	refresh := func(in time.Duration, e *event.RequestEvent) step {
		return step{in, happened(event.ReasonRefresh, "", e)}
	}
	otherNetwork := func(agent string) *event.RequestEvent { return from("DE", 8881, 52.6, 13.3, agent) }
	return map[string]signalCase{
		"a session is used after it was signed out":       {evidence.UseAfterSignOut, false, []step{out, {time.Minute, berlin()}}, 20, 20, false},
		"a request that was on its way at sign-out":       {evidence.UseAfterSignOut, false, []step{out, {30 * time.Second, berlin()}}, 0, 0, false},
		"a refused request after sign-out is no use":      {evidence.UseAfterSignOut, false, []step{out, {time.Hour, with(berlin(), func(e *event.RequestEvent) { e.Decision, e.Status = event.DecisionDeny, 401 })}}, 0, 0, false},
		"a sign-in after sign-out begins again":           {evidence.UseAfterSignOut, false, []step{out, {time.Minute, happened(event.ReasonLogin, event.AuthSuccess, berlin())}, {time.Minute, berlin()}}, 0, 0, false},
		"a newer sign-in elsewhere is known by its time":  {evidence.UseAfterSignOut, false, []step{out, {time.Hour, with(berlin(), func(e *event.RequestEvent) { e.AuthTime = timestamppb.New(time.Unix(2e9, 0)) })}}, 0, 0, false},
		"a stream that still ticks after sign-out":        {evidence.UseAfterSignOut, false, []step{out, {time.Hour, with(berlin(), func(e *event.RequestEvent) { e.Phase = event.PhaseTick })}}, 0, 0, false},
		"a copy is refused after sign-out":                {evidence.RefreshAnomaly, false, []step{{0, shown("a", berlin())}, out, {time.Hour, dead(otherNetwork("curl/8"))}}, 6, 6, true},
		"a laptop asks on in a café after sign-out":       {evidence.RefreshAnomaly, false, []step{{0, shown("a", berlin())}, out, {time.Hour, dead(otherNetwork(chrome))}}, 2, 2, true},
		"a second window asks on after sign-out":          {evidence.RefreshAnomaly, false, []step{{0, shown("a", berlin())}, out, {time.Hour, dead(berlin())}}, 0, 0, true},
		"a refusal from elsewhere before sign-out":        {evidence.RefreshAnomaly, false, []step{{0, shown("a", berlin())}, {time.Hour, dead(otherNetwork("curl/8"))}}, 0, 0, true},
		"eight refused second factors, then one accepted": {evidence.MFAFatigue, false, append(refused(8), accepted), 10, 12, true},
		"eight refused second factors":                    {evidence.MFAFatigue, false, refused(8), 4, 5, true},
		"two codes that had just changed":                 {evidence.MFAFatigue, false, append(refused(2), accepted), 0, 0, true},
		"refused second factors of last week":             {evidence.MFAFatigue, false, append(refused(8), step{7 * 24 * time.Hour, accepted.ev}), 0, 0, true},
		"refused factors of an account without a subject": {evidence.MFAFatigue, true, many(8, time.Minute, func(int) *event.RequestEvent { return signIn(event.AuthMFAFailure, "alice") }), 4, 5, true},
		"an old token from elsewhere by another client":   {evidence.RefreshAnomaly, false, []step{{0, shown("a", berlin())}, {0, shown("b", berlin())}, {3 * time.Minute, shown("a", otherNetwork("curl/8"))}}, 6, 6, true},
		"an old token from elsewhere by the same client":  {evidence.RefreshAnomaly, false, []step{{0, shown("a", berlin())}, {0, shown("b", berlin())}, {3 * time.Minute, shown("a", otherNetwork(chrome))}}, 2, 2, true},
		"an old token in another tab":                     {evidence.RefreshAnomaly, false, []step{{0, shown("a", berlin())}, {0, shown("b", berlin())}, {time.Hour, shown("a", berlin())}}, 0, 0, true},
		"an old token within its grace":                   {evidence.RefreshAnomaly, false, []step{{0, shown("a", berlin())}, {0, shown("b", berlin())}, {2 * time.Minute, shown("a", otherNetwork("curl/8"))}}, 0, 0, true},
		"refreshes from two places by two clients":        {evidence.RefreshAnomaly, false, []step{refresh(0, berlin()), refresh(time.Minute, otherNetwork("curl/8"))}, 8, 8, true},
		"refreshes from two places by one client":         {evidence.RefreshAnomaly, false, []step{refresh(0, berlin()), refresh(time.Minute, otherNetwork(chrome))}, 2, 2, true},
		"refreshes from two places hours apart":           {evidence.RefreshAnomaly, false, []step{refresh(0, berlin()), refresh(2*time.Hour, otherNetwork("curl/8"))}, 0, 0, true},
	}
}
