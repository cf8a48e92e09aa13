package life_test

import (
	"go/parser"
	"go/token"
	"hash/fnv"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/event"
)

var monday = time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC)

func options() life.Options {
	o := life.Options{Seed: 3, Start: monday, Days: 16, Subjects: 200, AttackDay: 6}
	if raceEnabled {
		o.Subjects = 50 // Ten times slower, and nothing here is concurrent.
	}
	return o
}

// history calls each for every event.
func history(t *testing.T, o life.Options, each func(*event.RequestEvent, life.Label)) *life.World {
	t.Helper()
	w, err := life.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ev := new(event.RequestEvent)
	for {
		label, more := w.Next(ev)
		if !more {
			return w
		}
		each(ev, label)
	}
}

// TestEvents looks at each event of a history: that it comes in order and holds
// together, as a gateway's would.
func TestEvents(t *testing.T) {
	o := options()
	o.Attacks = 3
	var last time.Time
	seqs := map[string]uint64{}
	ids := map[string]bool{}
	owners := map[string]string{}
	history(t, o, func(ev *event.RequestEvent, label life.Label) {
		at := ev.GetTime().AsTime()
		seqs[ev.GetGateway()]++
		session := ev.GetTenant() + ev.GetSession()
		switch {
		case at.Before(last) || at.Before(o.Start) || !at.Before(o.Start.AddDate(0, 0, o.Days)):
			t.Fatalf("an event at %v after one at %v", at, last)
		case seqs[ev.GetGateway()] != ev.GetSeq():
			t.Fatalf("%s sends number %d, want %d", ev.GetGateway(), ev.GetSeq(), seqs[ev.GetGateway()])
		case ids[ev.GetId()]:
			t.Fatalf("id %s comes twice", ev.GetId())
		case ev.GetTenant() == "" || ev.GetAddress() == "" || ev.GetCountry() == "" || ev.GetPath() == "" || ev.GetStatus() == 0 || ev.GetMethod() == "":
			t.Fatalf("an event lacks what every gateway knows: %v", ev)
		case (ev.GetSubject() == "") != (ev.GetSession() == ""):
			t.Fatalf("subject and session come together: %v", ev)
		case ev.GetSession() != "" && owners[session] != "" && owners[session] != ev.GetSubject():
			t.Fatalf("one session of two subjects: %v", ev)
		case strings.Contains(ev.GetTemplate(), "{id}") != (ev.GetResource() != ""):
			t.Fatalf("template and resource disagree: %v", ev)
		case strings.Contains(ev.GetPath(), "{"):
			t.Fatalf("the path is a template: %v", ev)
		case ev.GetAuthTime() != nil && ev.GetAuthTime().AsTime().After(at.Add(4*time.Hour)):
			t.Fatalf("authenticated in the future: %v", ev)
		case label.Suspicious && label.Attack < 0:
			t.Fatalf("a suspicious event of no attack: %v", ev)
		}
		last = at
		ids[ev.GetId()] = true
		owners[session] = ev.GetSubject()
	})
}

// TestSmallestWorld lives and is attacked although hardly anybody is there.
func TestSmallestWorld(t *testing.T) {
	for seed := range uint64(10) {
		o := life.Options{Seed: seed, Start: monday, Days: 3, Subjects: life.SubjectsMin, Attacks: 5}
		n := 0
		history(t, o, func(*event.RequestEvent, life.Label) { n++ })
		if n == 0 {
			t.Errorf("seed %d: nothing happens", seed)
		}
	}
}

// digest hashes what every subject does, address by address and path by path.
func digest(t *testing.T, o life.Options) (subjects map[string]uint64, attacked map[string]bool) {
	t.Helper()
	subjects = map[string]uint64{}
	w := history(t, o, func(ev *event.RequestEvent, _ life.Label) {
		if ev.GetSubject() == "" {
			return
		}
		h := fnv.New64a()
		for _, s := range []string{ev.GetTime().AsTime().String(), ev.GetAddress(), ev.GetPath(), ev.GetUserAgent(), ev.GetSession(), ev.GetTokenId(), ev.GetCountry()} {
			_, _ = h.Write([]byte(s))
		}
		subjects[ev.GetSubject()] = subjects[ev.GetSubject()]*31 + h.Sum64()
	})
	attacked = map[string]bool{}
	for _, a := range w.Attacks() {
		attacked[a.Subject] = true
	}
	return subjects, attacked
}

func TestSeedDecidesEverything(t *testing.T) {
	o := options()
	o.Days = 5
	first, _ := digest(t, o)
	again, _ := digest(t, o)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the same seed gives another history (-first +again):\n%s", diff)
	}
	o.Seed++
	other, _ := digest(t, o)
	for subject, h := range other {
		if first[subject] == h {
			t.Errorf("another seed gives %s the same life", subject)
		}
	}
}

func TestAttackersChangeNobodyElse(t *testing.T) {
	o := options()
	o.Days, o.AttackDay = 7, 2
	calm, _ := digest(t, o)
	o.Attacks = 2
	stormy, attacked := digest(t, o)
	changed := 0
	for subject, h := range calm {
		if stormy[subject] == h {
			continue
		}
		changed++
		if !attacked[subject] {
			t.Errorf("%s lives otherwise although nobody attacks him", subject)
		}
	}
	if changed == 0 {
		t.Error("no attack changed anything")
	}
}

// TestEverythingHappens looks for every circumstance and every attack in a
// history that is long enough, so that none is only promised.
func TestEverythingHappens(t *testing.T) {
	o := options()
	o.Subjects, o.Attacks = 600, 3
	traits := map[life.Trait]int{}
	attacks := map[string]int{}
	templates := map[string]map[string]bool{}
	outcomes, phases, kinds := map[string]int{}, map[string]int{}, map[string]int{}
	missing := 0
	var w *life.World
	var suspicious []int
	w = history(t, o, func(ev *event.RequestEvent, label life.Label) {
		for _, trait := range life.Traits() {
			if label.Traits&trait != 0 {
				traits[trait]++
			}
		}
		if label.Suspicious {
			suspicious = append(suspicious, label.Attack)
		}
		if templates[ev.GetTenant()] == nil {
			templates[ev.GetTenant()] = map[string]bool{}
		}
		templates[ev.GetTenant()][ev.GetTemplate()] = true
		outcomes[ev.GetAuthOutcome()]++
		phases[ev.GetPhase()]++
		kinds[ev.GetSubjectKind()]++
		if ev.Latitude == nil {
			missing++
		}
	})
	for _, trait := range life.Traits() {
		if traits[trait] == 0 {
			t.Errorf("nothing ever happens with %q", trait)
		}
	}
	for _, n := range suspicious {
		attacks[w.Attacks()[n].Kind]++
	}
	for _, kind := range life.AttackKinds() {
		if attacks[kind] < 5 {
			t.Errorf("%s has %d suspicious events", kind, attacks[kind])
		}
	}
	for tenant, seen := range templates {
		if len(seen) < 90 || len(seen) > 200 {
			t.Errorf("%s has %d templates, want about 120", tenant, len(seen))
		}
	}
	for _, outcome := range []string{event.AuthNone, event.AuthSuccess, event.AuthFailure, event.AuthMFAFailure} {
		if outcomes[outcome] == 0 {
			t.Errorf("no event has the outcome %s", outcome)
		}
	}
	if got := slices.Sorted(maps.Keys(phases)); len(got) != 4 {
		t.Errorf("phases %v, want four", got)
	}
	if got := slices.Sorted(maps.Keys(kinds)); len(got) != 4 {
		t.Errorf("kinds of subject %v, want three and none", got)
	}
	if missing == 0 {
		t.Error("every event has coordinates")
	}
}

// TestSessionsAreReported looks for what a provider says about sessions, and
// that no honest session goes on once its owner has signed out: what other windows
// still ask is refused, and then they sign in.
func TestSessionsAreReported(t *testing.T) {
	reasons, refused := map[string]int{}, map[string]int{}
	ended, asked, back := map[string]bool{}, map[string]bool{}, map[string]bool{}
	o := options()
	o.Subjects *= 3
	history(t, o, func(ev *event.RequestEvent, label life.Label) {
		session := ev.GetTenant() + ev.GetSession()
		if label.Traits&life.SecondWindow != 0 && ev.GetDecision() != event.DecisionPermit {
			refused[ev.GetReason()]++
			if ev.GetSession() != "" && !ended[session] {
				t.Fatalf("refused before it was signed out: %v", ev)
			}
			asked[ev.GetSubject()] = true
		}
		switch {
		case ev.GetKind() == event.KindSession:
			reasons[ev.GetReason()]++
			if ev.GetDecision() != event.DecisionPermit || ev.GetSession() == "" {
				t.Fatalf("a report that is none: %v", ev)
			}
			if ev.GetReason() == event.ReasonLogout {
				ended[session] = true
			}
			back[ev.GetSubject()] = back[ev.GetSubject()] || ev.GetReason() == event.ReasonLogin && asked[ev.GetSubject()]
		case ended[session] && ev.GetDecision() == event.DecisionPermit:
			t.Fatalf("a session goes on after it was signed out: %v", ev)
		}
	})
	for _, reason := range []string{event.ReasonLogin, event.ReasonRefresh, event.ReasonLogout} {
		if reasons[reason] == 0 {
			t.Errorf("no session event says %s", reason)
		}
	}
	if refused["session_revoked"] == 0 || refused["token_missing"] == 0 || len(back) == 0 {
		t.Errorf("second windows are refused %v, and %d people came back", refused, len(back))
	}
}

// TestScorerIsUnknown keeps the generator from leaning on what it measures.
func TestScorerIsUnknown(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files of this package: %v", len(files), err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			if strings.Contains(imp.Path.Value, "/vigil/scorer") || strings.Contains(imp.Path.Value, "/vigil/analyzer") {
				t.Errorf("%s imports %s", name, imp.Path.Value)
			}
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	tests := map[string]struct {
		change func(*life.Options)
		want   string
	}{
		"a history begins at midnight":        {func(o *life.Options) { o.Start = o.Start.Add(time.Hour) }, "start"},
		"a history has a beginning":           {func(o *life.Options) { o.Start = time.Time{} }, "start"},
		"a history lasts a day":               {func(o *life.Options) { o.Days = 0 }, "days"},
		"a history ends":                      {func(o *life.Options) { o.Days = life.DaysMax + 1 }, "days"},
		"somebody lives":                      {func(o *life.Options) { o.Subjects = 3 }, "subjects"},
		"mankind is too many":                 {func(o *life.Options) { o.Subjects = math.MaxInt32 }, "subjects"},
		"attackers come while somebody lives": {func(o *life.Options) { o.Attacks, o.AttackDay = 1, 16 }, "attack day"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := options()
			tt.change(&o)
			_, err := life.New(o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New(%+v) error = %v, want one about %q", o, err, tt.want)
			}
		})
	}
}

func BenchmarkNext(b *testing.B) {
	o := options()
	o.Days, o.Subjects = life.DaysMax, 1000
	w, err := life.New(o)
	if err != nil {
		b.Fatal(err)
	}
	ev := new(event.RequestEvent)
	b.ReportAllocs()
	for b.Loop() {
		_, more := w.Next(ev)
		if !more {
			b.Fatal("the history has ended")
		}
	}
}
