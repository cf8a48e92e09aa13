//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// demoMax is how long one demo may take on a machine that is busy.
const demoMax = 6 * time.Minute

// demoLine is one line of "vigil demo -o json", with the fields that are promised.
type demoLine struct {
	Event             string  `json:"event"`
	Gateway           string  `json:"gateway"`
	Subject           *string `json:"subject"`
	Session           *string `json:"session"`
	Action            string  `json:"action"`
	Score             float64 `json:"score"`
	Kind              string  `json:"kind"`
	Attackers         *int    `json:"attackers"`
	Caught            int     `json:"caught"`
	HonestSessions    int     `json:"honest_sessions"`
	HonestInterrupted *int    `json:"honest_interrupted"`
	Requests          int     `json:"requests"`
	Rows              int     `json:"rows"`
	Evidence          []struct {
		Signal string  `json:"signal"`
		Nats   float64 `json:"nats"`
		Text   string  `json:"text"`
	} `json:"evidence"`
	// EventToCutMS is a number in a cut and {"p50","p99"} in the summary.
	EventToCutMS json.RawMessage `json:"event_to_cut_ms"`
}

// demo runs "vigil demo --once -o json" to its end, which must be good.
func demo(t *testing.T, args ...string) []demoLine {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), demoMax)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(t, "vigil"), append([]string{
		"demo", "--once", "-o", "json", "--chdb",
		filepath.Join(checkout(t), ".cache/chdb/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so"),
	}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir()}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // Its goroutines say where it hangs.
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var bad *exec.ExitError
	if err != nil && !errors.As(err, &bad) {
		t.Fatal(err)
	}
	if err != nil {
		t.Errorf("exit: %v\n%s\n%s", err, stdout.String(), stderr.String())
	}
	var lines []demoLine
	for in := bufio.NewScanner(&stdout); in.Scan(); {
		var l demoLine
		err := json.Unmarshal(in.Bytes(), &l)
		if err != nil {
			t.Fatalf("line %d is not JSON: %v: %s", len(lines)+1, err, in.Text())
		}
		lines = append(lines, l)
	}
	if len(lines) < 2 {
		t.Fatalf("%d lines on standard output", len(lines))
	}
	return lines
}

// checkDemo asserts what the demo promises of any seed.
func checkDemo(t *testing.T, lines []demoLine, attackers int) {
	t.Helper()
	if lines[0].Event != "ready" || lines[0].Gateway == "" {
		t.Errorf("first line: %+v, want ready with the gateway's address", lines[0])
	}
	count := map[string]int{}
	for _, l := range lines {
		count[l.Event]++
		switch l.Event {
		case "verdict":
			checkVerdict(t, l)
		case "cut":
			var ms float64
			err := json.Unmarshal(l.EventToCutMS, &ms)
			if err != nil || ms <= 0 || l.Session == nil || !slices.Contains([]string{"websocket", "sse", "download", "upload", "request"}, l.Kind) {
				t.Errorf("cut: %+v, %s ms", l, l.EventToCutMS)
			}
		}
	}
	if count["ready"] != 1 || count["summary"] != 1 {
		t.Errorf("%d ready lines and %d summaries, want one of each", count["ready"], count["summary"])
	}
	if attackers == 0 && count["verdict"]+count["cut"] > 0 {
		t.Errorf("without attackers: %d verdicts and %d cuts", count["verdict"], count["cut"])
	}
	if attackers > 0 && (count["verdict"] == 0 || count["cut"] == 0) {
		t.Errorf("with attackers: %d verdicts and %d cuts", count["verdict"], count["cut"])
	}
	checkSummary(t, lines[len(lines)-1], attackers)
}

func checkVerdict(t *testing.T, l demoLine) {
	t.Helper()
	if l.Subject == nil || l.Session == nil || l.Action == "" || l.Score <= 0 || len(l.Evidence) == 0 {
		t.Errorf("verdict: %+v", l)
	}
	for _, e := range l.Evidence {
		if e.Signal == "" || e.Text == "" || e.Nats <= 0 {
			t.Errorf("verdict's evidence: %+v", e)
		}
	}
}

func checkSummary(t *testing.T, l demoLine, attackers int) {
	t.Helper()
	if l.Event != "summary" || l.Attackers == nil || l.HonestInterrupted == nil {
		t.Fatalf("last line: %+v, want a summary", l)
	}
	if *l.Attackers != attackers || l.Caught != attackers {
		t.Errorf("%d attackers, %d caught, want %d", *l.Attackers, l.Caught, attackers)
	}
	if *l.HonestInterrupted != 0 || l.HonestSessions == 0 {
		t.Errorf("%d of %d honest sessions interrupted, want none of many", *l.HonestInterrupted, l.HonestSessions)
	}
	if l.Rows != l.Requests || l.Requests == 0 {
		t.Errorf("%d requests, %d rows, want as many", l.Requests, l.Rows)
	}
	var ms struct{ P50, P99 *float64 }
	err := json.Unmarshal(l.EventToCutMS, &ms)
	if err != nil || ms.P50 == nil || ms.P99 == nil {
		t.Errorf("summary: event_to_cut_ms %s", l.EventToCutMS)
	}
}

func TestDemoOnEmbeddedKafka(t *testing.T) {
	const attackers = 4 // The default.
	checkDemo(t, demo(t), attackers)
}

func TestDemoOnApacheKafka(t *testing.T) {
	const attackers = 4
	checkDemo(t, demo(t, "--kafka", newApacheKafka(t).Addr()), attackers)
}

func TestDemoWithoutAttackers(t *testing.T) {
	checkDemo(t, demo(t, "--attackers", "0"), 0)
}
