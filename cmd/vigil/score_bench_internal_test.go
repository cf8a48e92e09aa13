//go:build bench

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/cost"
	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// benchEvents is how many events are scored each time, of as many people as
// make them in about a day.
const (
	benchEvents   = 200_000
	benchSubjects = 1500
)

// TestScorePerSecond prints how many events "vigil score" takes from JSON to
// JSON in a second on one core, and what encoding/json alone takes for the same
// lines. It asserts nothing about times, which are the machine's.
func TestScorePerSecond(t *testing.T) {
	runtime.GOMAXPROCS(1)
	dir := t.TempDir()
	in, state := filepath.Join(dir, "events.ndjson"), filepath.Join(dir, "history.state")
	size := writeLife(t, in)
	t.Logf("%d events of %d B", benchEvents, size/benchEvents)
	for round := range 2 {
		err := os.RemoveAll(state) // Or every event would be a duplicate.
		if err != nil {
			t.Fatal(err)
		}
		perSecond(t, fmt.Sprint("encoding/json there and back, round ", round), func() { thereAndBack(t, in) })
		perSecond(t, fmt.Sprint("vigil score, round ", round), func() { runScore(t, in) })
		perSecond(t, fmt.Sprint("vigil score --state, round ", round), func() { runScore(t, in, "--state", state) })
	}
	info, err := os.Stat(state)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the state has %d B", info.Size())
}

func perSecond(t *testing.T, what string, do func()) {
	t.Helper()
	begin, cpu := time.Now(), cost.CPU()
	do()
	took, busy := time.Since(begin), cost.CPU()-cpu
	t.Logf("%-42s %8.0f events/s of processor time, %5.0f ns each; %.0f events/s by the clock", what, benchEvents/busy.Seconds(), float64(busy.Nanoseconds())/benchEvents, benchEvents/took.Seconds())
}

// writeLife writes people's events with attackers among them.
func writeLife(t *testing.T, name string) int {
	t.Helper()
	world, err := life.New(life.Options{
		Seed: 1, Start: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC), Days: 14, Subjects: benchSubjects, Attacks: 5, AttackDay: 0,
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, size := bufio.NewWriter(f), 0
	ev := new(event.RequestEvent)
	for range benchEvents {
		_, more := world.Next(ev)
		if !more {
			t.Fatal("the history is too short")
		}
		line, err := event.EncodeJSON(ev)
		if err == nil {
			_, err = w.Write(append(line, '\n'))
		}
		if err != nil {
			t.Fatal(err)
		}
		size += len(line) + 1
	}
	err = w.Flush()
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// thereAndBack is the least that a program without a decoder of its own does.
func thereAndBack(t *testing.T, name string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		type plain event.RequestEvent
		e := struct {
			Time     *time.Time `json:"time,omitempty"`
			AuthTime *time.Time `json:"auth_time,omitempty"`
			*plain
		}{plain: new(plain)}
		err = json.Unmarshal(line, &e)
		if err == nil {
			_, err = json.Marshal(&e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func runScore(t *testing.T, in string, flags ...string) {
	t.Helper()
	env := app.Env{Args: append([]string{"score"}, append(flags, in)...), Stdin: bytes.NewReader(nil), Stdout: io.Discard, Stderr: io.Discard, Now: time.Now}
	code := app.Execute(t.Context(), env, newRootCommand(env))
	if code != app.ExitOK {
		t.Fatalf("exit code %d", code)
	}
}
