package scenario_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/scenario"
)

func newPair() (*scorer.Pair, error) {
	return scorer.NewPair(scorer.Options{Model: model.Default(), OfflineClock: true})
}

// TestParseReportsEveryFault reads a story with every kind of mistake.
func TestParseReportsEveryFault(t *testing.T) {
	const text = `place home country=DE asn=x
place away at=home
actor ana subject=ana at=office
actor wait subject=x
actor
set ben session=s1
now please
ana status=abc hue=3 what
carl /x
wait soon
repeat many every 1s
  ana /{i} /{j}
end
repeat 3 every 1s
  ana in=1x
expect ana freeze
expect dora revoke
expect ana step_up 12..9 -scan.paths geo.new_country
expect ana
`
	want := []string{
		`s.txt:1: asn: "x" is no number`,
		`s.txt:2: a place cannot be at another`,
		`s.txt:3: no place is called office`,
		`s.txt:4: wait means something else: choose another name`,
		`s.txt:5: want: actor NAME key=value …`,
		`s.txt:6: nobody is called ben`,
		`s.txt:7: now stands alone`,
		`s.txt:8: status: "abc" is no number`,
		`s.txt:8: no field is called hue`,
		`s.txt:8: what is "what"?`,
		`s.txt:9: nobody is called carl`,
		`s.txt:10: "soon" is no duration such as 90s, 30m, 12h or 30d`,
		`s.txt:11: want: repeat N every DURATION … end`,
		`s.txt:12: {j} outside of a loop`,
		`s.txt:15: "1x" is no duration such as 90s, 30m, 12h or 30d`,
		`s.txt:16: freeze is no action: must be one of nothing, throttle, read_only, step_up, revoke, block`,
		`s.txt:17: nobody is called dora`,
		`s.txt:18: 12..9 is no range of nats such as 9.5..12`,
		`s.txt:19: want: expect NAME ACTION [SIGNAL] [-SIGNAL] [LOW..HIGH]`,
		`s.txt:19: a repeat has no end`,
	}
	_, err := scenario.Parse("s.txt", text)
	if err == nil {
		t.Fatal("Parse accepted a broken story")
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

func TestParseBoundsLoops(t *testing.T) {
	loops := strings.Repeat("repeat 1000 every 1s\n", 3) + "ana\n" + strings.Repeat("end\n", 3)
	tests := map[string]struct{ text, want string }{
		"loops of loops":      {"actor ana\n" + loops, "has more than 1000000 events"},
		"loops that are deep": {"actor ana\n" + strings.Repeat("repeat 1 every 1s\n", 9) + "ana\n" + strings.Repeat("end\n", 9), "at most 8 deep"},
		"nothing at all":      {"# A comment.", "has no event"},
		"more than is read":   {strings.Repeat(" ", scenario.BytesMax+1), "at most 1048576 B are read"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := scenario.Parse("s.txt", tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse error = %v, want %q", err, tt.want)
			}
		})
	}
}

// TestExpectations plays a prober and expects rightly and wrongly.
func TestExpectations(t *testing.T) {
	const story = "actor eve address=203.0.113.5 ua=curl status=404\neve /vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php\n"
	tests := map[string]struct {
		expect string
		want   []string
	}{
		"as it came": {"expect eve throttle scan.paths 8..10 -geo.new_country", nil},
		"nothing is expected of who is not mentioned": {"", []string{"eve: got throttle, want nothing"}},
		"another action":             {"expect eve block", []string{"eve: got throttle, want block"}},
		"another band":               {"expect eve throttle 20..30", []string{"eve: reached 9.00 nats, want 20 to 30"}},
		"evidence that is not there": {"expect eve throttle geo.new_country", []string{"eve: geo.new_country found nothing, want evidence"}},
		"evidence that is there":     {"expect eve throttle -scan.paths", []string{"eve: scan.paths found something, want none"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := scenario.Parse("s.txt", story+tt.expect)
			if err != nil {
				t.Fatal(err)
			}
			o, err := scenario.Play(s, scenario.Options{NewPair: newPair})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, o.Failures()); diff != "" {
				t.Errorf("failures (-want +got):\n%s", diff)
			}
			if s.Events() != 1 || o.Signals["scan.paths"] != 1 {
				t.Errorf("%d events, signals %v", s.Events(), o.Signals)
			}
		})
	}
}
