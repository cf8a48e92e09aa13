package scorer_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/scenario"
)

// drawEvent draws an event of a few subjects, addresses and clients, so that
// they meet; at is when it happens.
func drawEvent(t *rapid.T, tenant string, at time.Time) *event.RequestEvent {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	e := &event.RequestEvent{
		Kind: pick("kind", event.KindRequest, event.KindRequest, event.KindRequest, event.KindSession), Tenant: tenant, Time: timestamppb.New(at),
		Phase: pick("phase", "", event.PhaseComplete, event.PhaseComplete, event.PhaseOpen, event.PhaseTick, event.PhaseClose), RequestId: pick("request", "r1", "r2", "r3"),
		Subject: pick("subject", "", "u1", "u2"), Address: pick("address", "", "198.51.100.7", "203.0.113.5", "2001:db8::1", "no address"),
		Country: pick("country", "", "DE", "BR"), Asn: uint32(pickNumber(t, "asn", 0, 0, 3320, 64500)), UserAgent: pick("agent", "", scenario.Agent("chrome"), scenario.Agent("python"), scenario.Agent("iphone")),
		Method: pick("method", "GET", "POST"), Path: pick("path", "", "/login", "/.env", "/a/1", "/a/2", "/../../etc/passwd"),
		Template: pick("template", "", "/a/{id}"), Resource: pick("resource", "", "1", "2", "3", "4", "99999999999999999999"),
		Status: uint32(rapid.SampledFrom([]int{0, 200, 401, 404}).Draw(t, "status")), AuthOutcome: pick("outcome", "", "", "", event.AuthFailure, event.AuthMFAFailure, event.AuthSuccess),
		Account: pick("account", "", "x", "y", "z"), BytesOut: rapid.Uint64().Draw(t, "bytes"), Device: pick("device", "", "", "d1", "d2"),
		TokenId: pick("token", "", "t1", "t2"), Reason: pick("reason", "", "", "login", "refresh", "step_up", "logout"), Ja4: pick("ja4", "", "t13d1516h2_8daaf6152771_02713d6af862", "t13d1812h1_85036bcba153_d41ae481755e", "none"),
		WafScore: float64(pickNumber(t, "waf", 0, 0, 0, 5, 40)), Sensitivity: pick("sensitivity", "", "low", "high", "critical"), SubjectKind: pick("kindof", "", event.SubjectHuman, event.SubjectService),
		Attributes: map[string]string{event.AttributeQuery: pick("query", "", "q=1&page=2", "q=%27%22&&=&x")}, NetworkTags: []string{pick("tag", "", "", "vpn", "tor", "hosting")},
		Binding: pick("binding", "", "", "", event.BindingNone, event.BindingDPoP),
	}
	if e.Subject != "" {
		e.Session = e.Subject + pick("session", "", "-s1", "-s2")
		if e.Session == e.Subject {
			e.Session = ""
		}
	}
	if rapid.Bool().Draw(t, "located") {
		lat, lon := rapid.Float64().Draw(t, "lat"), rapid.Float64().Draw(t, "lon")
		e.Latitude, e.Longitude, e.AccuracyRadiusKm = &lat, &lon, rapid.Float64().Draw(t, "radius")
	}
	return e
}

func pickNumber(t *rapid.T, label string, from ...int) int {
	return rapid.SampledFrom(from).Draw(t, label)
}

func drawRecords(t *rapid.T, most int) []scorer.Record {
	n := rapid.IntRange(1, most).Draw(t, "n")
	at := start
	var seq uint64
	records := make([]scorer.Record, n)
	for i := range records {
		at = at.Add(time.Duration(rapid.Int64Range(-int64(10*time.Second), int64(20*time.Minute)).Draw(t, "step")))
		e := drawEvent(t, "default", at)
		if rapid.IntRange(0, 4).Draw(t, "tick") == 0 {
			e = &event.RequestEvent{Kind: event.KindTick, Time: timestamppb.New(at)}
		}
		seq += uint64(rapid.IntRange(1, 2).Draw(t, "gap"))
		e.Id, e.Gateway, e.Epoch, e.Seq = fmt.Sprint("e", i), "g1", 1, seq
		records[i] = scorer.Record{Event: e, Topic: "vigil.requests", Partition: 3, Offset: int64(i)}
	}
	return records
}

// said is everything a result says, as bytes.
func said(t interface{ Fatal(...any) }, r scorer.Result) string {
	if r.Assessment == nil {
		return fmt.Sprint("nothing ", r.Missing, r.Duplicate)
	}
	b, err := r.Assessment.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	s := fmt.Sprintf("%x %d", b, r.Missing)
	for _, p := range r.Proposals {
		s += fmt.Sprintf(" %s %s %s %s %s %v %v %v", p.ID, p.Action, p.Target, p.Until, p.NotBefore, p.Score, p.OperatorText, p.Evidence)
	}
	return s
}

func fresh(t interface{ Fatal(...any) }, offline bool) *scorer.Engine {
	e, err := scorer.New(scorer.Options{Model: shipped, OfflineClock: offline})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestReplayRestartAndDuplicatesChangeNothing plays random records twice, once with a
// restart in between and every record repeated.
func TestReplayRestartAndDuplicatesChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := drawRecords(t, 60)
		offline := rapid.Bool().Draw(t, "offline")
		cut := rapid.IntRange(0, len(records)).Draw(t, "cut")
		once, again := fresh(t, offline), fresh(t, offline)
		for i, r := range records {
			if i == cut {
				var b, b2 bytes.Buffer
				err := again.Snapshot(&b)
				if err != nil {
					t.Fatal(err)
				}
				again = fresh(t, offline)
				err = again.Restore(bytes.NewReader(b.Bytes()), nil)
				if err != nil {
					t.Fatal(err)
				}
				err = again.Snapshot(&b2)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(b.Bytes(), b2.Bytes()) {
					t.Fatal("a restored engine writes another snapshot")
				}
			}
			want, got := said(t, once.Assess(r)), said(t, again.Assess(r))
			if want != got {
				t.Fatalf("record %d:\n%s\nafter restart at %d:\n%s", i, want, cut, got)
			}
			back := rapid.IntRange(0, i).Draw(t, "back")
			res := again.Assess(records[back])
			if !res.Duplicate || res.Assessment != nil || res.Proposals != nil {
				t.Fatalf("record %d again, after %d: %+v", back, i, res)
			}
		}
	})
}

// TestScoreIsTheSumOfItsEvidence plays random records and adds up.
func TestScoreIsTheSumOfItsEvidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := fresh(t, rapid.Bool().Draw(t, "offline"))
		for _, r := range drawRecords(t, 80) {
			a := e.Assess(r).Assessment
			if a == nil {
				continue
			}
			sum := 0.0
			for _, v := range a.Evidence {
				sum += v.Nats
				if v.Nats == 0 || v.Nats != v.Nats || v.Nats < 0 && v.Signal != "binding.proven_key" || math.IsInf(v.Nats, 0) || v.Text == "" {
					t.Fatalf("evidence %v", v)
				}
			}
			if math.Abs(sum-a.Score) > 1e-9 || math.IsNaN(a.SessionScore) || a.SessionScore < 0 {
				t.Fatalf("score %v, evidence sums to %v, session %v", a.Score, sum, a.SessionScore)
			}
		}
	})
}

// TestOthersDoNotMatter puts records of other tenants between those of one: the
// latter's verdicts stay the same. (Subjects of one tenant share its priors.)
func TestOthersDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		alone, among := fresh(t, true), fresh(t, true)
		at := start
		for i := range rapid.IntRange(1, 60).Draw(t, "n") {
			at = at.Add(time.Duration(rapid.Int64Range(0, int64(5*time.Minute)).Draw(t, "step")))
			if rapid.Bool().Draw(t, "other") {
				among.Assess(scorer.Record{Event: drawEvent(t, "another", at), Topic: "t"})
			}
			r := scorer.Record{Event: drawEvent(t, "default", at), Topic: "t", Offset: int64(i)}
			want, got := said(t, alone.Assess(r)), said(t, among.Assess(r))
			if want != got {
				t.Fatalf("record %d alone:\n%s\namong others:\n%s", i, want, got)
			}
		}
	})
}

// TestRestoreRefusesDamage changes each byte and cuts at each length.
func TestRestoreRefusesDamage(t *testing.T) {
	step := 1
	if raceEnabled {
		step = 16 // Ten times slower, and nothing here is concurrent.
	}
	e := fresh(t, true)
	e.Assess(scorer.Record{Event: &event.RequestEvent{Time: timestamppb.New(start), Subject: "u", Session: "s", Country: "DE"}})
	var b bytes.Buffer
	err := e.Snapshot(&b)
	if err != nil {
		t.Fatal(err)
	}
	whole, other := b.Bytes(), fresh(t, true)
	for i := 0; i < len(whole); i += step {
		bad := bytes.Clone(whole)
		bad[i] ^= 0x40
		err = other.Restore(bytes.NewReader(bad), nil)
		if err == nil {
			t.Fatalf("a snapshot with byte %d changed was accepted", i)
		}
		err = other.Restore(bytes.NewReader(whole[:i]), nil)
		if err == nil {
			t.Fatalf("a snapshot of %d of %d bytes was accepted", i, len(whole))
		}
	}
}

// TestRestoreKeepsWhatItIsAskedTo restores by request key.
func TestRestoreKeepsWhatItIsAskedTo(t *testing.T) {
	e := fresh(t, true)
	for i := range 10 {
		e.Assess(scorer.Record{Event: &event.RequestEvent{Time: timestamppb.New(start), Tenant: "default", Subject: fmt.Sprint("u", i), Session: fmt.Sprint("s", i)}})
		e.Assess(scorer.Record{Event: &event.RequestEvent{Time: timestamppb.New(start), Tenant: "default", Address: fmt.Sprint("192.0.2.", i)}})
	}
	var b bytes.Buffer
	err := e.Snapshot(&b)
	if err != nil {
		t.Fatal(err)
	}
	some := fresh(t, true)
	err = some.Restore(&b, func(key []byte) bool {
		return bytes.Equal(key, topic.RequestKey("default", "u3", "")) || bytes.Equal(key, topic.RequestKey("default", "", "192.0.2.4"))
	})
	if err != nil {
		t.Fatal(err)
	}
	got := some.Stats()
	if got.Sessions != 1 || got.Subjects != 1 || got.Addresses != 1 {
		t.Errorf("kept %+v, want one of each", got)
	}
}

// TestStateIsBounded sends a million entities in a minute, one subject among them
// with a quarter of a million sessions.
func TestStateIsBounded(t *testing.T) {
	m, err := model.Parse("small.yaml", []byte("limits: {sessions_max: 1000, subjects_max: 800, addresses_max: 500, tenants_max: 3}"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := scorer.New(scorer.Options{Model: m, OfflineClock: true})
	if err != nil {
		t.Fatal(err)
	}
	n := 1_000_000
	if testing.Short() || raceEnabled {
		n = 50_000
	}
	ev := &event.RequestEvent{Kind: event.KindRequest, Status: 404, Path: "/x", Country: "DE"}
	for i := range n { // A million entities in a minute.
		ev.Time = timestamppb.New(start.Add(time.Duration(i) * time.Minute / time.Duration(n)))
		ev.Tenant = "default"
		ev.Subject, ev.Session, ev.Address = "", "", ""
		switch i % 4 {
		case 0:
			ev.Subject, ev.Session = fmt.Sprint("u", i), fmt.Sprint("s", i)
		case 1:
			ev.Address = fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)
		case 2: // One subject with a quarter of a million sessions.
			ev.Subject, ev.Session = "many", fmt.Sprint("m", i)
		case 3:
			ev.Tenant = fmt.Sprint("t", i)
		}
		e.Assess(scorer.Record{Event: ev, Offset: int64(i)})
	}
	got := e.Stats()
	if got.Sessions != 1000 || got.Subjects != 800 || got.Addresses != 500 || got.Tenants != 3 || got.Evicted == 0 {
		t.Errorf("state is %+v, want every table at its limit", got)
	}
	var size counter
	err = e.Snapshot(&size)
	if err != nil {
		t.Fatal(err)
	}
	if size > 8<<20 {
		t.Errorf("snapshot of 2,300 entities has %d B", size)
	}
}

// TestHostileFieldsStayFinite sends what no gateway sends.
func TestHostileFieldsStayFinite(t *testing.T) {
	e := fresh(t, false)
	nan, inf := math.NaN(), math.Inf(1)
	long := string(bytes.Repeat([]byte("a"), 1<<20))
	events := []*event.RequestEvent{
		{Latitude: &nan, Longitude: &inf, AccuracyRadiusKm: nan, WafScore: inf},
		{Subject: long, Session: long, Path: long, Template: long, Resource: long, UserAgent: long, Address: long, Country: long},
		{BytesOut: math.MaxUint64, DurationUs: math.MaxUint64, Seq: math.MaxUint64},
		{Time: &timestamppb.Timestamp{Seconds: 253402300799}},
		{Time: &timestamppb.Timestamp{Seconds: -62135596800}},
		{Kind: event.KindTick, Time: &timestamppb.Timestamp{Seconds: 253402300799}},
		{Kind: "no such kind", Phase: "no such phase", SubjectKind: "no such kind"},
	}
	for round := range 3 {
		for i, ev := range events {
			if ev.Time == nil {
				ev.Time = timestamppb.New(start.Add(time.Duration(round) * time.Second))
			}
			res := e.Assess(scorer.Record{Event: ev, Offset: int64(i)})
			if a := res.Assessment; a != nil && (math.IsNaN(a.Score) || math.IsInf(a.SessionScore, 0)) {
				t.Errorf("event %d: %v", i, a)
			}
		}
	}
	if res := e.Assess(scorer.Record{}); res.Assessment != nil {
		t.Errorf("no event gave %v", res.Assessment)
	}
	var b bytes.Buffer
	err := e.Snapshot(&b)
	if err != nil {
		t.Fatal(err)
	}
	err = fresh(t, false).Restore(&b, nil)
	if err != nil {
		t.Errorf("restore after hostile events: %v", err)
	}
}

// TestProposalNamesItsAuthority blocks an address, which is a facet.
func TestProposalNamesItsAuthority(t *testing.T) {
	e := fresh(t, true)
	var got *verdict.Target
	for i := range 30 {
		res := e.Assess(scorer.Record{Event: &event.RequestEvent{
			Time: timestamppb.New(start.Add(time.Duration(i) * time.Second)), Tenant: "default", Address: "203.0.113.9", Method: "POST", Path: "/login", Status: 401,
			AuthOutcome: event.AuthFailure, Account: fmt.Sprint(i),
		}, Topic: "t", Offset: int64(i)})
		for _, p := range res.Proposals {
			got = p.Target
			if p.Authority != verdict.AuthorityFacet || !p.NotBefore.IsZero() || !p.Shadow || p.ID != res.Assessment.VerdictId || !p.Until.After(p.EventTime) {
				t.Errorf("proposal %+v", p)
			}
		}
	}
	if got.GetKind() != verdict.TargetAddress || got.GetId() != "203.0.113.9" {
		t.Errorf("target %v, want the address", got)
	}
}

type counter int

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

var _ io.Writer = (*counter)(nil)
