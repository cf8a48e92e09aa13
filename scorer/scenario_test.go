package scorer_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
)

// TestScenarios plays every scenario of testdata/scenarios, whose language is
// described there, and compares what the scorer says with the golden beside it.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../testdata/scenarios/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 60 {
		t.Fatalf("found %d scenarios, want at least 60", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := newStory(t)
			s.play(string(b))
			golden := strings.TrimSuffix(file, ".txt") + ".golden"
			if os.Getenv("UPDATE_GOLDEN") != "" {
				err = os.WriteFile(golden, []byte(s.out.String()), 0o644)
				if err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), s.out.String()); diff != "" {
				t.Errorf("the scorer says something else (-want +got); UPDATE_GOLDEN=1 accepts it:\n%s", diff)
			}
			s.check()

			again := newStory(t)
			again.restarts = true
			again.play(string(b))
			if diff := cmp.Diff(s.out.String(), again.out.String()); diff != "" {
				t.Errorf("restarts from snapshots change what the scorer says (-without +with):\n%s", diff)
			}
		})
	}
}

// story plays one scenario.
type story struct {
	t      *testing.T
	engine *scorer.Engine
	out    strings.Builder
	now    time.Time
	actors map[string][]string
	places map[string][]string
	loops  []int
	offset int64
	quiet  bool
	// restarts replaces the engine by one restored from its snapshot before
	// each event that is not history.
	restarts bool
	early    int
	expect   map[string]string
	reached  map[string]string
}

func newStory(t *testing.T) *story {
	t.Helper()
	return &story{
		t: t, engine: newEngine(t, true), now: start, actors: map[string][]string{}, places: map[string][]string{},
		expect: map[string]string{}, reached: map[string]string{},
	}
}

var agents = map[string]string{
	"chrome":  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
	"chrome2": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/121.0.0.0 Safari/537.36",
	"firefox": "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
	"iphone":  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1",
	"android": "Mozilla/5.0 (Linux; Android 13; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
	"bot":     "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
	"python":  "python-requests/2.31.0",
	"curl":    "curl/8.5.0",
}

func (s *story) play(text string) {
	var lines []string
	scan := bufio.NewScanner(strings.NewReader(text))
	for scan.Scan() {
		line, _, _ := strings.Cut(scan.Text(), "#")
		lines = append(lines, strings.TrimSpace(line))
	}
	s.run(lines, 1)
}

func (s *story) run(lines []string, number int) {
	for i := 0; i < len(lines); i++ {
		words := strings.Fields(lines[i])
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "place":
			s.places[words[1]] = words[2:]
		case "actor":
			s.actors[words[1]] = words[2:]
		case "set":
			s.actors[words[1]] = append(append([]string{}, s.actors[words[1]]...), words[2:]...)
		case "history":
			s.quiet = true
		case "now":
			s.quiet = false
			fmt.Fprintf(&s.out, "history: %d records, %d proposals\n", s.offset, s.early)
		case "expect":
			s.expect[words[1]] = words[2]
		case "wait":
			s.now = s.now.Add(s.duration(words[1]))
		case "repeat":
			end := match(lines, i)
			if end < 0 || len(words) != 4 || words[2] != "every" {
				s.t.Fatalf("line %d: want: repeat N every DURATION … end", number+i)
			}
			n, err := strconv.Atoi(words[1])
			if err != nil {
				s.t.Fatalf("line %d: %v", number+i, err)
			}
			for k := range n {
				begin := s.now
				s.loops = append(s.loops, k+1)
				s.run(lines[i+1:end], number+i+1)
				s.loops = s.loops[:len(s.loops)-1]
				s.now = begin.Add(s.duration(words[3]))
			}
			i = end
		default:
			s.event(words, number+i)
		}
	}
}

func match(lines []string, from int) int {
	depth := 0
	for i := from; i < len(lines); i++ {
		word, _, _ := strings.Cut(lines[i], " ")
		switch word {
		case "repeat":
			depth++
		case "end":
			depth--
			if depth == 0 {
				return i
			}
		}
	}
	return -1
}

func (s *story) duration(text string) time.Duration {
	days, isDays := strings.CutSuffix(text, "d")
	if isDays {
		n, err := strconv.Atoi(days)
		if err != nil {
			s.t.Fatal(err)
		}
		return time.Duration(n) * 24 * time.Hour
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

var index = regexp.MustCompile(`\{(i|j)([+*]\d+)?\}`)

// number replaces {i} by the innermost loop's count from 1 and {j} by the one
// around it; {i+100} and {i*7} compute.
func (s *story) number(text string) string {
	return index.ReplaceAllStringFunc(text, func(m string) string {
		parts := index.FindStringSubmatch(m)
		depth := len(s.loops) - 1
		if parts[1] == "j" {
			depth--
		}
		if depth < 0 {
			s.t.Fatalf("%s outside of a loop", m)
		}
		n := s.loops[depth]
		if parts[2] != "" {
			k, _ := strconv.Atoi(parts[2][1:])
			if parts[2][0] == '+' {
				n += k
			} else {
				n *= k
			}
		}
		return strconv.Itoa(n)
	})
}

func (s *story) event(words []string, line int) {
	who := words[0]
	fields, known := s.actors[who]
	if !known {
		s.t.Fatalf("line %d: nobody is called %s", line, who)
	}
	e := &event.RequestEvent{Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "default", Method: "GET", Status: 200, Id: fmt.Sprint("e", s.offset)}
	for _, f := range append(append([]string{}, fields...), words[1:]...) {
		s.field(e, s.number(f), line)
	}
	if e.Subject != "" && e.SubjectKind == "" {
		e.SubjectKind = event.SubjectHuman
	}
	e.Time = timestamppb.New(s.now)
	if s.restarts && !s.quiet {
		var b bytes.Buffer
		err := s.engine.Snapshot(&b)
		if err != nil {
			s.t.Fatal(err)
		}
		s.engine = newEngine(s.t, true)
		err = s.engine.Restore(&b, nil)
		if err != nil {
			s.t.Fatal(err)
		}
	}
	res := s.engine.Assess(scorer.Record{Event: e, Topic: "vigil.requests", Offset: s.offset})
	s.offset++
	if s.quiet {
		s.early += len(res.Proposals)
		return
	}
	s.say(who, e, res)
}

func (s *story) field(e *event.RequestEvent, f string, line int) {
	key, value, found := strings.Cut(f, "=")
	switch {
	case strings.HasPrefix(f, "/"):
		e.Path = f
		return
	case !found && strings.ToUpper(f) == f:
		e.Method = f
		return
	case !found:
		s.t.Fatalf("line %d: what is %q?", line, f)
	}
	num := func() float64 {
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			s.t.Fatalf("line %d: %v", line, err)
		}
		return n
	}
	text := map[string]*string{
		"kind": &e.Kind, "phase": &e.Phase, "request": &e.RequestId, "stream": &e.Stream, "subject": &e.Subject, "session": &e.Session,
		"token": &e.TokenId, "device": &e.Device, "binding": &e.Binding, "kindof": &e.SubjectKind, "address": &e.Address, "country": &e.Country,
		"template": &e.Template, "resource": &e.Resource, "sensitivity": &e.Sensitivity, "outcome": &e.AuthOutcome, "account": &e.Account,
		"reason": &e.Reason, "decision": &e.Decision, "ja4": &e.Ja4, "gateway": &e.Gateway, "tenant": &e.Tenant,
	}[key]
	if text != nil {
		*text = value
		return
	}
	switch key {
	case "at":
		for _, f := range s.places[value] {
			s.field(e, f, line)
		}
	case "ua":
		e.UserAgent = value
		if agents[value] != "" {
			e.UserAgent = agents[value]
		}
	case "asn":
		e.Asn = uint32(num())
	case "lat":
		v := num()
		e.Latitude = &v
	case "lon":
		v := num()
		e.Longitude = &v
	case "radius":
		e.AccuracyRadiusKm = num()
	case "waf":
		e.WafScore = num()
	case "epoch":
		e.Epoch = uint64(num())
	case "seq":
		e.Seq = uint64(num())
	case "query":
		e.Attributes = map[string]string{event.AttributeQuery: value}
	case "tag":
		e.NetworkTags = append(e.NetworkTags, value)
	case "status":
		e.Status = uint32(num())
	case "out":
		e.BytesOut = uint64(num())
	case "in":
		s.now = s.now.Add(s.duration(value))
	case "signed-in": // How long ago.
		e.AuthTime = timestamppb.New(s.now.Add(-s.duration(value)))
	default:
		s.t.Fatalf("line %d: no field is called %s", line, key)
	}
}

func (s *story) say(who string, e *event.RequestEvent, res scorer.Result) {
	a := res.Assessment
	if a == nil {
		return
	}
	if len(a.Evidence) > 0 {
		what := e.Path
		if what == "" {
			what = e.Template
		}
		fmt.Fprintf(&s.out, "%s %s %s %s %d: score %.2f, session %.2f, %s\n", e.Time.AsTime().Format("02T15:04:05"), who, e.Method, what, e.Status, a.Score, a.SessionScore, a.Action)
	}
	for _, v := range a.Evidence {
		fmt.Fprintf(&s.out, "    %+.2f %s: %s\n", v.Nats, v.Signal, v.Text)
	}
	for _, p := range res.Proposals {
		fmt.Fprintf(&s.out, "  => %s %s %s for %s at %.2f\n", p.Action, p.Target.Kind, p.Target.Id, p.Until.Sub(s.now), p.Score)
		s.reached[who] = p.Action
	}
}

// check compares the last action against each actor with what the scenario
// expects; who is not mentioned must be left alone.
func (s *story) check() {
	for who := range s.actors {
		want, got := s.expect[who], s.reached[who]
		if want == "" {
			want = "nothing"
		}
		if got == "" {
			got = "nothing"
		}
		if got != want {
			s.t.Errorf("%s got %s, want %s", who, got, want)
		}
	}
}
