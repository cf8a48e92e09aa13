package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vigil-gateway/vigil/cmd/internal/devstack"
)

// childEnv makes the test binary a demo: the embedded ClickHouse takes one
// directory per process, so each demo is a process.
const childEnv = "VIGIL_TEST_DEMO_ATTACKERS"

// TestMain fails if a test leaves a goroutine behind.
func TestMain(m *testing.M) {
	if attackers := os.Getenv(childEnv); attackers != "" {
		os.Exit(child(attackers))
	}
	goleak.VerifyTestMain(m)
}

// child shows one demo and returns the exit code.
func child(attackers string) int {
	n, err := strconv.Atoi(attackers)
	if err != nil {
		return 2
	}
	library, err := devstack.FindLibrary("")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	dir, err := os.MkdirTemp("", "vigil-demo-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	sum, err := Run(context.Background(), Options{
		Dir: dir, Library: library, Seed: 20261122, Users: 50, Attackers: n, Once: true,
		JSON: os.Stdout, Text: os.Stderr, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	_ = os.RemoveAll(dir)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 2
	case !sum.OK():
		return 1
	}
	return 0
}

// line is any line of the NDJSON.
type line struct {
	Event    string   `json:"event"`
	Kind     string   `json:"kind"`
	Action   string   `json:"action"`
	Evidence []Reason `json:"evidence"`
	summary  Summary  // Of the last line.
}

// show runs a demo to its end and returns its NDJSON.
func show(t *testing.T, attackers int) []line {
	t.Helper()
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+strconv.Itoa(attackers))
	var out, story bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &story
	err := cmd.Run()
	if err != nil {
		t.Fatalf("demo: %v\n%s\n%s", err, &story, &out)
	}
	var lines []line
	in := bufio.NewScanner(&out)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var l line
		err := json.Unmarshal(in.Bytes(), &l)
		if err != nil {
			t.Fatalf("not NDJSON: %s: %v", in.Text(), err)
		}
		if l.Event == "summary" {
			err = json.Unmarshal(in.Bytes(), &l.summary)
			if err != nil {
				t.Fatalf("not a summary: %s: %v", in.Text(), err)
			}
		}
		lines = append(lines, l)
	}
	if len(lines) < 2 || lines[0].Event != "ready" || lines[len(lines)-1].Event != "summary" {
		t.Fatalf("the first line is not ready or the last one not the summary:\n%s", &out)
	}
	return lines
}

// TestDemoStopsEveryAttacker runs the whole product against four attackers.
func TestDemoStopsEveryAttacker(t *testing.T) {
	lines := show(t, 4)
	kinds := map[string]int{}
	for _, l := range lines {
		kinds[l.Event]++
		switch l.Event {
		case "cut":
			kinds[l.Kind]++
		case "verdict":
			if l.Action == "" || len(l.Evidence) == 0 || l.Evidence[0].Signal == "" || l.Evidence[0].Text == "" || l.Evidence[0].Nats == 0 {
				t.Errorf("a verdict does not say why: %+v", l)
			}
		}
	}
	for _, want := range []string{"verdict", "websocket", "download", "request"} {
		if kinds[want] == 0 {
			t.Errorf("no %s among %v", want, kinds)
		}
	}
	sum := lines[len(lines)-1].summary
	if sum.Attackers != 4 || sum.Caught != 4 || sum.HonestSessions < 30 || sum.HonestInterrupted != 0 || sum.Requests == 0 || sum.Rows != sum.Requests {
		t.Errorf("summary is %+v", sum)
	}
	if sum.EventToCutMS.P50 <= 0 || sum.EventToCutMS.P99 < sum.EventToCutMS.P50 {
		t.Errorf("event to cut is %+v", sum.EventToCutMS)
	}
}

// TestDemoLeavesHonestPeopleAlone runs the same people without an attacker: no
// verdict may appear.
func TestDemoLeavesHonestPeopleAlone(t *testing.T) {
	lines := show(t, 0)
	if len(lines) != 2 {
		t.Errorf("%d lines between ready and summary, the first is %+v", len(lines)-2, lines[1])
	}
	sum := lines[len(lines)-1].summary
	if sum.Verdicts != 0 || sum.HonestSessions < 30 || sum.HonestInterrupted != 0 || sum.Rows != sum.Requests {
		t.Errorf("summary is %+v", sum)
	}
}

// TestSummaryOK holds the exit code to each promise.
func TestSummaryOK(t *testing.T) {
	good := Summary{Attackers: 4, Caught: 4, HonestSessions: 50, Requests: 9, Rows: 9, Verdicts: 5}
	tests := map[string]struct {
		change func(*Summary)
		want   bool
	}{
		"all is well":                   {change: func(*Summary) {}, want: true},
		"one got away":                  {change: func(s *Summary) { s.Caught = 3 }},
		"an honest session interrupted": {change: func(s *Summary) { s.HonestInterrupted = 1 }},
		"a row is missing":              {change: func(s *Summary) { s.Rows-- }},
		"a row is double":               {change: func(s *Summary) { s.Rows++ }},
		"a verdict without attackers":   {change: func(s *Summary) { s.Attackers, s.Caught = 0, 0 }},
		"nobody attacked":               {change: func(s *Summary) { s.Attackers, s.Caught, s.Verdicts = 0, 0, 0 }, want: true},
	}
	for name, tt := range tests {
		s := good
		tt.change(&s)
		if s.OK() != tt.want {
			t.Errorf("%s: OK is %v", name, s.OK())
		}
	}
}
