package entity_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

const day = 24 * time.Hour

// learning is what the model that ships says.
func learning() *entity.Learning { return &model.Default().Learning }

// settled is a subject with ten sessions from home.
func settled() *entity.Subject {
	s := &entity.Subject{}
	for i := range 10 {
		show(s, i-10, false, "home")
	}
	return s
}

// show lets a session from a network teach on a day.
func show(s *entity.Subject, on int, proven bool, network string) {
	var p entity.Pending
	p.Note(entity.Networks, network)
	p.Note(entity.Countries, "country of "+network)
	p.Note(entity.Devices, "device at "+network)
	p.Note(entity.Prefixes, "prefix of "+network)
	if proven {
		p.Prove(entity.Networks, network)
		p.Prove(entity.Countries, "country of "+network)
		p.Prove(entity.Devices, "device at "+network)
	}
	s.Learn(&p, int64(1e18)+int64(time.Duration(on)*day), learning(), false)
}

// TestQuietThiefIsNoHabit shows a network that is new on some days and asks
// whether it is known in the end.
func TestQuietThiefIsNoHabit(t *testing.T) {
	tests := map[string]struct {
		days   []int
		proven bool
		want   bool
	}{
		"one clean session teaches nothing new":                   {[]int{0}, false, false},
		"every day for a fortnight less a day is too short":       {[]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, false, false},
		"a hundred sessions of two days are two days":             {[]int{0, 0, 0, 0, 0, 0, 20, 20, 20, 20, 20}, false, false},
		"three days fourteen apart in all are a habit":            {[]int{0, 3, 14}, false, true},
		"one session in which the person proved who he is":        {[]int{0}, true, true},
		"the fifteenth day of a new office":                       {[]int{0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 14}, false, true},
		"a proof does not vouch for what was shown before it":     {nil, true, false},
		"two days months apart, as an attacker may have patience": {[]int{0, 90}, false, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := settled()
			for _, d := range tt.days {
				show(s, d, tt.proven, "new")
			}
			for kind, value := range map[entity.Kind]string{
				entity.Networks: "new", entity.Countries: "country of new", entity.Devices: "device at new", entity.Prefixes: "prefix of new",
			} {
				if got := s.Kinds[kind].Has(value); got != tt.want {
					t.Errorf("%s is known: %v, want %v", value, got, tt.want)
				}
			}
			if !s.Kinds[entity.Networks].Has("home") {
				t.Error("home is forgotten")
			}
		})
	}
}

// TestQuietThiefDoesNotMakeHisOwnNewsUsual shows one new network every day: that
// something is new must not become the habit.
func TestQuietThiefDoesNotMakeHisOwnNewsUsual(t *testing.T) {
	s := settled()
	before := s.Kinds[entity.Networks].PNew(2)
	for d := range 13 {
		show(s, d, false, "new")
	}
	if after := s.Kinds[entity.Networks].PNew(2); after > 2*before+0.1 {
		t.Errorf("news are expected with %.3f, were with %.3f", after, before)
	}
}

// TestOneNewValueADay shows three browsers on one day, and the next on another.
func TestOneNewValueADay(t *testing.T) {
	s := settled()
	teach := func(on int, family string) float64 {
		var p entity.Pending
		p.Note(entity.Families, family)
		s.Learn(&p, int64(1e18)+int64(time.Duration(on)*day), learning(), false)
		return s.Kinds[entity.Families].N(family)
	}
	teach(0, "usual")
	for i, want := range []float64{1, 0.25, 0.25} {
		if got := teach(1, fmt.Sprint("new", i)); got != want {
			t.Errorf("the new value number %d of the day counts %g, want %g", i+1, got, want)
		}
	}
	if got := teach(2, "another"); got != 1 {
		t.Errorf("the first new value of the next day counts %g, want 1", got)
	}
}

// TestInfluenceIsCapped lets one subject, and many subjects of one prefix, teach
// a thousand deltas a day.
func TestInfluenceIsCapped(t *testing.T) {
	var s entity.Subject
	var f entity.Influence
	now := int64(1e18)
	own, prefix := 0.0, 0.0
	l := learning()
	for i := range 1000 {
		own += s.Weight(now, l)
		prefix += f.Weight(7, uint64(i), now, l)
	}
	if own > 50 || own < 8 {
		t.Errorf("a thousand deltas of one subject weigh %.0f, want 8 to 50", own)
	}
	if prefix > 260 || prefix < 64 {
		t.Errorf("a thousand deltas of one prefix weigh %.0f, want 64 to 260", prefix)
	}
	if w := f.Weight(8, 0, now, l); w != 1 {
		t.Errorf("the first delta of another prefix weighs %g", w)
	}
	if w := s.Weight(now+int64(day), l); w != 1 {
		t.Errorf("the first delta of the next day weighs %g", w)
	}
}

// TestNetworkIsCapped lets many prefixes of one network teach.
func TestNetworkIsCapped(t *testing.T) {
	var f entity.Influence
	l, sum := learning(), 0.0
	for i := range 10 * l.NetworkDeltas {
		sum += f.Weight(uint64(i), 3, int64(1e18), l)
	}
	if most := 4 * float64(l.NetworkDeltas); sum > most {
		t.Errorf("the deltas of one network weigh %.0f, want at most %.0f", sum, most)
	}
}

// TestForgingGatewayTeachesLittle lets three gateways report a day's ordinary
// sessions and a fourth a flood of them.
func TestForgingGatewayTeachesLittle(t *testing.T) {
	var g entity.Gateways
	l, now := learning(), int64(1e18)
	for _, name := range []string{"a", "b", "c", "forger"} {
		g.Seen(name, 0, true, 0, now)
	}
	honest, forged := 0.0, 0.0
	for range 200 {
		for _, name := range []string{"a", "b", "c"} {
			honest += g.Weight(name, now, l)
		}
		for range 100 {
			forged += g.Weight("forger", now, l)
		}
	}
	if honest < 500 {
		t.Errorf("600 honest deltas weigh %.0f: the flood took their influence", honest)
	}
	if most := honest * 5 * l.GatewayExcess / 3; forged > most {
		t.Errorf("20,000 forged deltas weigh %.0f beside %.0f honest ones, want at most %.0f", forged, honest, most)
	}
	if w := g.Weight("a", now+int64(day), l); w != 1 {
		t.Errorf("the first delta of the next day weighs %g", w)
	}
}

// TestSubjectSurvivesASnapshot codes a subject with everything in it.
func TestSubjectSurvivesASnapshot(t *testing.T) {
	s := settled()
	for i := range 20 {
		show(s, i, false, fmt.Sprint("café ", i))
	}
	s.Weight(int64(1e18), learning())
	if len(s.Candidates) > entity.CandidatesMax {
		t.Errorf("%d candidates wait", len(s.Candidates))
	}
	w := snapshot.Writer()
	s.Code(w)
	var back entity.Subject
	r := snapshot.Reader(w.Bytes())
	back.Code(r)
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	again := snapshot.Writer()
	back.Code(again)
	if string(again.Bytes()) != string(w.Bytes()) {
		t.Error("a subject that was read writes other bytes")
	}
}

// TestWhatIsFollowedIsBounded shows more of everything than is remembered.
func TestWhatIsFollowedIsBounded(t *testing.T) {
	var tenant entity.Tenant
	var gateways entity.Gateways
	var s entity.Suspicion
	size := func(code func(*snapshot.Codec)) int {
		w := snapshot.Writer()
		code(w)
		return len(w.Bytes())
	}
	grow := func(from, to int) {
		for i := from; i < to; i++ {
			h := uint64(i) * 0x9E3779B97F4A7C15
			tenant.Arrivals.Note(h, h, h, int64(i))
			tenant.Sizes.Learn(h, i%40, 1)
			gateways.Seen(fmt.Sprintf("g%07d", i), 0, true, 1, int64(1e18)+int64(i))
			s.Mark(i).Peak = float64(i)
		}
	}
	grow(0, 3000)
	before, gates := size(tenant.Code), size(gateways.Code)
	grow(3000, 9000)
	if after := size(tenant.Code); after > before+before/10 {
		t.Errorf("a tenant grew from %d B to %d B", before, after)
	}
	if after := size(gateways.Code); after > gates+gates/10 {
		t.Errorf("gateways grew from %d B to %d B", gates, after)
	}
	if len(s.Marks) > entity.MarksMax || s.Peak(8999) != 8999 {
		t.Errorf("%d marks, the newest says %g", len(s.Marks), s.Peak(8999))
	}
}

// TestHabitGrowsByOneBucketASpan lets somebody take eight times more every day.
func TestHabitGrowsByOneBucketASpan(t *testing.T) {
	s := settled()
	for d, bucket := range []int{10, 13, 16, 19, 22} {
		var p entity.Pending
		for range 40 {
			p.Samples.Add(entity.MinuteBytes, bucket)
		}
		s.Learn(&p, int64(1e18)+int64(time.Duration(d)*day), learning(), false)
	}
	if top := s.MinuteBytes.Top(0.5); top != 11 {
		t.Errorf("the largest bucket is %d after four days, want 11", top)
	}
}

// Of a life that has just begun what is missing in front of its first record is lost;
// of one that is older it may have been before our time.
func TestWhatIsMissingAtALivesBeginning(t *testing.T) {
	now := int64(1e18)
	for name, tt := range map[string]struct {
		epoch uint64
		want  float64
	}{
		"a life that has just begun":   {uint64(now) - 1e9, 3},
		"a life that is an hour old":   {uint64(now) - 3600e9, 0},
		"a number that is no time":     {1 << 63, 0},
		"a gateway without any epochs": {0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var g entity.Gateways
			if got := g.Seen("g", tt.epoch, true, 3, now).Missing(now); got != tt.want {
				t.Errorf("%v records are missing, want %v", got, tt.want)
			}
		})
	}
}
