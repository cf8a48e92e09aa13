package evidence_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

// answered is a finished request for a template with an answer of some size.
func answered(template string, size uint64) *event.RequestEvent {
	return with(berlin(), func(e *event.RequestEvent) { e.Phase, e.Template, e.BytesOut = event.PhaseComplete, template, size })
}

func flagged(template string, score float64) *event.RequestEvent {
	return with(answered(template, 0), func(e *event.RequestEvent) { e.WafScore = score })
}

// opened is a resource of a sensitivity.
func opened(id int, sensitivity string) *event.RequestEvent {
	return with(resource(fmt.Sprint(id*7919%104729), 200), func(e *event.RequestEvent) { e.Sensitivity = sensitivity })
}

// through is a request, or a tick, at a gateway that misses some records.
func through(missing uint64, kind string) *event.RequestEvent {
	return with(berlin(), func(e *event.RequestEvent) { e.Gateway, e.Seq, e.Kind = "g1", missing, kind })
}

func robot(asn uint32, agent string) *event.RequestEvent {
	return with(from("DE", asn, 52.5, 13.4, agent), func(e *event.RequestEvent) { e.SubjectKind = event.SubjectService })
}

func behaviourCases() map[string]signalCase {
	monday := 32 * time.Hour // From the world's Sunday to Monday, 09:46.
	clicks := func(n int, gap func(i int) time.Duration, kind string) []step {
		var steps []step
		for i := range n {
			steps = append(steps, step{gap(i), with(berlin(), func(e *event.RequestEvent) { e.SubjectKind = kind })})
		}
		return steps
	}
	even := func(int) time.Duration { return 10 * time.Second }
	uneven := func(i int) time.Duration { return time.Duration(1+i*i%17) * time.Second }
	searched := func(query string) *event.RequestEvent {
		return with(answered("/search", 0), func(e *event.RequestEvent) { e.Attributes = map[string]string{event.AttributeQuery: query} })
	}
	// What a hundred sessions before have searched for.
	words := many(200, time.Hour, func(i int) *event.RequestEvent { return searched(fmt.Sprint("q=word", i, "&page=", i%9)) })
	after := func(query string) []step { return append(slices.Clip(words), step{0, searched(query)}) }
	// A few things of each of many kinds are no walk.
	spread := func(n int, sensitivity string) []step {
		return many(n, time.Second, func(i int) *event.RequestEvent {
			return with(opened(i, sensitivity), func(e *event.RequestEvent) { e.Template = fmt.Sprintf("/kind%d/{id}", i/3) })
		})
	}
	silent := func(for_ time.Duration) []step {
		return []step{{0, through(0, event.KindTick)}, {for_, through(0, "")}}
	}
	return map[string]signalCase{
		"an answer ten thousand times as large":             {evidence.ResponseSize, false, []step{{0, answered("/accounts/{id}", 100<<20)}}, 3, 20, true},
		"an answer of the usual size":                       {evidence.ResponseSize, false, []step{{0, answered("/accounts/{id}", 10000)}}, 0, 0, true},
		"an answer of a page that nobody knows":             {evidence.ResponseSize, false, []step{{0, answered("/new", 100<<20)}}, 0, 0, true},
		"an answer without a size":                          {evidence.ResponseSize, false, []step{{0, answered("/accounts/{id}", 0)}}, 0, 0, true},
		"an error page has another size":                    {evidence.ResponseSize, false, []step{{0, with(answered("/accounts/{id}", 100<<20), func(e *event.RequestEvent) { e.Status = 500 })}}, 0, 0, true},
		"a Thursday evening of a weekend worker":            {evidence.UnusualHour, false, []step{{monday + 3*24*time.Hour + 11*time.Hour, berlin()}}, 1, 1.7, true},
		"a Monday morning, as always":                       {evidence.UnusualHour, false, []step{{monday, berlin()}}, 0, 0, true},
		"an hour later than always":                         {evidence.UnusualHour, false, []step{{monday + 3*time.Hour, berlin()}}, 0, 0.9, true},
		"the same unusual hour counts once":                 {evidence.UnusualHour, false, []step{{monday + 3*24*time.Hour, berlin()}, {time.Minute, berlin()}}, 0, 0, true},
		"sixty different things within the hour":            {evidence.Breadth, false, spread(62, "normal"), 0.5, 12, true},
		"twenty critical things within the hour":            {evidence.Breadth, false, spread(20, "critical"), 1, 12, true},
		"three things within the hour, as always":           {evidence.Breadth, false, many(3, time.Second, func(i int) *event.RequestEvent { return opened(i, "normal") }), 0, 0, true},
		"one thing over and over is one thing":              {evidence.Breadth, false, many(60, time.Second, func(int) *event.RequestEvent { return opened(1, "critical") }), 0, 0, true},
		"an injection in a parameter of words":              {evidence.ParameterShape, false, after("q=1%27%20or%20char(49)%3d%27a%27;" + strings.Repeat("x", 90)), 2, 9, true},
		"another word":                                      {evidence.ParameterShape, false, after("q=word1000&page=3"), 0, 0, true},
		"the first name with an apostrophe":                 {evidence.ParameterShape, false, after("q=o%27hara"), 0.5, 2, true},
		"a parameter that nobody knows":                     {evidence.ParameterShape, false, after("debug=%27%27%27"), 0, 0, true},
		"the firewall raises fifteen points":                {evidence.WAFScore, false, []step{{0, flagged("/accounts/{id}", 15)}}, 5, 6, false},
		"the firewall raises four points":                   {evidence.WAFScore, false, []step{{0, flagged("/accounts/{id}", 4)}}, 0, 0, false},
		"an editor that always sends what looks like that":  {evidence.WAFScore, false, []step{{0, flagged("/editor", 15)}}, 0, 0.1, false},
		"forty points at an editor that always does":        {evidence.WAFScore, false, []step{{0, flagged("/editor", 40)}}, 0, 0.1, false},
		"forty points at a page that nobody knows":          {evidence.WAFScore, true, []step{{0, flagged("/new", 40)}}, 9, 10, false},
		"ten points at a page that nobody knows":            {evidence.WAFScore, true, []step{{0, flagged("/new", 10)}}, 3, 4, false},
		"fifty records of the gateway are missing":          {evidence.SequenceGap, false, []step{{0, through(0, "")}, {time.Second, through(50, "")}}, 1.4, 1.7, true},
		"what was before the first record is not missing":   {evidence.SequenceGap, false, []step{{0, through(1000, "")}}, 0, 0, true},
		"a gap of two hours ago":                            {evidence.SequenceGap, false, []step{{0, through(0, "")}, {0, through(50, "")}, {2 * time.Hour, through(0, "")}}, 0, 0, true},
		"no gateway is no gap":                              {evidence.SequenceGap, false, []step{{0, with(through(50, ""), func(e *event.RequestEvent) { e.Gateway = "" })}}, 0, 0, true},
		"a gateway that ticks was silent for ten minutes":   {evidence.GatewaySilence, false, silent(10 * time.Minute), 0.8, 1, true},
		"a gateway that ticks was silent for half a minute": {evidence.GatewaySilence, false, silent(30 * time.Second), 0, 0, true},
		"a gateway that never ticks has nothing to say":     {evidence.GatewaySilence, false, []step{{0, through(0, "")}, {time.Hour, through(0, "")}}, 0, 0, true},
		"sixty clicks like a clock":                         {evidence.Beaconing, false, clicks(61, even, ""), 1, 5, true},
		"thirty clicks like a clock are too few":            {evidence.Beaconing, false, clicks(30, even, ""), 0, 0, true},
		"sixty clicks of a person":                          {evidence.Beaconing, false, clicks(61, uneven, ""), 0, 0, true},
		"a robot is a clock":                                {evidence.Beaconing, false, clicks(61, even, event.SubjectService), 0, 0, true},
		"a key on another network by another program":       {evidence.ServiceMoved, false, []step{{0, robot(24940, "python-requests/2.31")}}, 4.5, 10, true},
		"a key on another network by the same program":      {evidence.ServiceMoved, false, []step{{0, robot(24940, chrome)}}, 2, 5, true},
		"a key where it always was":                         {evidence.ServiceMoved, false, []step{{0, robot(3320, chrome)}}, 0, 0, true},
		"a person on another network by another program":    {evidence.ServiceMoved, false, []step{{0, from("DE", 24940, 52.5, 13.4, "curl/8")}}, 0, 0, true},
	}
}

// TestHeavyPeersExcuseNobody lets somebody who reads ten kilobytes a minute fetch
// fifty megabytes, among peers who do that every day.
func TestHeavyPeersExcuseNobody(t *testing.T) {
	fetch := func(ratios bool) float64 {
		w := newWorld(false)
		w.subject.HourBytes = profile.Numeric{} // Without a line of his own.
		w.subject.HourBytes.Add(profile.Bucket(100000), 15)
		for range 300 {
			w.tenant.Subjects.MinuteBytes.Add(profile.Bucket(50<<20), 1)
			w.tenant.Subjects.HourBytes.Add(profile.Bucket(500<<20), 1)
			if ratios { // Three times the own median is usual, a hundred times is rare.
				w.tenant.MinuteRatio.Add(profile.Bucket(entity.Ratio(3, 1)), 1)
				w.tenant.HourRatio.Add(profile.Bucket(entity.Ratio(3, 1)), 1)
			}
		}
		return w.see(step{0, answered("/accounts/{id}", 50<<20)})[evidence.BytesOut].Nats
	}
	without, with := fetch(false), fetch(true)
	if with < 4 || with < without+3 {
		t.Errorf("five thousand times the own measure says %.2f nats, by the peers alone %.2f", with, without)
	}
}
