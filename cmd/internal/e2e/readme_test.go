//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
)

// commandMax is how long one command of the README may take.
const commandMax = 6 * time.Minute

// instead says how the test runs commands that it cannot run as they stand.
// An empty text leaves the command out.
func instead() map[string]string {
	return map[string]string{
		"make up":   "",                        // Runs already, as the README says, in another terminal.
		"make demo": "make demo ARGS='--once'", // Would go on until Ctrl-C.
		"make test": "",                        // Runs this test.
	}
}

// TestReadme does what the README says, word by word, in a copy of the
// checkout in which nothing has run yet: "make up" in one terminal, and every
// line of every block that is marked sh in another.
func TestReadme(t *testing.T) {
	dir := freshCopy(t)
	text, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := commands(string(text))
	if len(lines) == 0 {
		t.Fatal("README.md has no block marked sh: its commands would rot")
	}
	up, stop := makeUp(t, dir)
	tryCurls(t, dir, up)
	for _, line := range lines {
		as, special := instead()[line]
		if special && as == "" {
			continue
		}
		if !special {
			as = line
		}
		ctx, cancel := context.WithTimeout(t.Context(), commandMax)
		cmd := shell(ctx, dir, as)
		began := time.Now()
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			t.Errorf("$ %s\n%v\n%s", as, err, out)
			continue
		}
		t.Logf("$ %s (%.1f s, %d B)", as, time.Since(began).Seconds(), len(out))
	}
	stop()
}

// commands are the lines of the blocks marked sh. A line that ends in a
// backslash goes on; a comment behind two blanks is no part of its command.
func commands(markdown string) []string {
	var lines []string
	inside, more := false, false
	for line := range strings.Lines(markdown) {
		line = strings.TrimRight(line, " \r\n")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```sh" && !inside
			continue
		case !inside || strings.HasPrefix(strings.TrimSpace(line), "#"):
			continue
		}
		line, _, _ = strings.Cut(line, "  #")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		text, unfinished := strings.CutSuffix(line, `\`)
		if more {
			lines[len(lines)-1] += " " + text
		} else {
			lines = append(lines, text)
		}
		more = unfinished
	}
	return lines
}

// freshCopy is a copy of the checkout's sources, with the engines that were
// fetched already.
func freshCopy(t *testing.T) string {
	t.Helper()
	from, to := checkout(t), t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// A developer's own installation in .vigil stays where it is.
	out, err := shell(ctx, from, "git ls-files -z --cached --others --exclude-standard -- . ':!.vigil' | tar --create --null --files-from - --ignore-failed-read | tar --extract --directory '"+to+"'").CombinedOutput()
	if err != nil {
		t.Fatalf("copy the checkout: %v\n%s", err, out)
	}
	err = os.Symlink(filepath.Join(from, ".cache"), filepath.Join(to, ".cache"))
	if err != nil && !errors.Is(err, fs.ErrExist) { // It is a link in the checkout too, and has come along.
		t.Fatal(err)
	}
	return to
}

// tryCurls runs the two commands that "make up" prints: the first has a token.
func tryCurls(t *testing.T, dir string, up *terminal) {
	t.Helper()
	var curls []string
	await(t, "make up prints two curl commands", func() bool {
		curls = nil
		for line := range strings.Lines(up.text()) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") {
				curls = append(curls, line)
			}
		}
		return len(curls) == 2
	})
	for i, want := range []string{"HTTP/1.1 200 ", "HTTP/1.1 401 "} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		out, err := shell(ctx, dir, curls[i]+" --no-progress-meter").CombinedOutput()
		cancel()
		if err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("$ %s\n%v\n%s\nwant %s", curls[i], err, out, want)
		}
	}
}

// shell runs a line as a person at a terminal would, who sees it when a part
// of a pipe fails; that head has read enough (141) is no failure.
func shell(ctx context.Context, dir, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", line+"\nend=$?; [ $end -eq 141 ] || exit $end")
	cmd.Dir = dir
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { // Or a make in it would take itself for a part of "make test".
		return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS=")
	})
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd
}

// makeUp runs "make up" until it says that it serves. stop interrupts it as
// Ctrl-C does, and expects a clean end. Only vigil gets the signal: make would
// die of it as well and hide with what code vigil has ended.
func makeUp(t *testing.T, dir string) (up *terminal, stop func()) {
	t.Helper()
	// Not the test's context: it ends before the clean-up.
	cmd := shell(context.WithoutCancel(t.Context()), dir, "make up")
	ready := &firstLine{line: make(chan string, 1)}
	up = &terminal{}
	cmd.Stdout, cmd.Stderr = ready, up
	err := cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	wait := func(most time.Duration) error {
		select {
		case err := <-ended:
			ended <- err
			return err
		case <-time.After(most):
			return errors.New("does not end")
		}
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // It has ended, unless the test failed.
		_ = wait(patience)
	})
	select {
	case line := <-ready.line:
		if !strings.HasPrefix(line, `{"event":"ready","gateway":"http://`) {
			t.Fatalf("first line of make up: %q", line)
		}
	case err := <-ended:
		ended <- err
		t.Fatalf("make up: %v\n%s", err, up.text())
	case <-time.After(commandMax):
		t.Fatal("make up does not say that it serves")
	}
	return up, func() {
		run, err := runfile.Read(filepath.Join(dir, runfile.DirDefault))
		if err != nil {
			t.Fatal(err)
		}
		err = syscall.Kill(run.PID, syscall.SIGINT)
		if err != nil {
			t.Fatal(err)
		}
		err = wait(patience)
		if err != nil {
			t.Errorf("make up, after Ctrl-C: %v\n%s", err, up.text())
		}
	}
}

// firstLine keeps the first line that is written to it.
type firstLine struct {
	text []byte
	line chan string
	done bool
}

// Write implements [io.Writer] for one writer at a time.
func (f *firstLine) Write(b []byte) (int, error) {
	if f.done {
		return len(b), nil
	}
	f.text = append(f.text, b...)
	line, _, whole := bytes.Cut(f.text, []byte("\n"))
	if whole {
		f.done = true
		f.line <- string(line)
	}
	return len(b), nil
}

// terminal keeps what is written to it, for anybody to read meanwhile.
type terminal struct {
	mu sync.Mutex
	b  []byte
}

// Write implements [io.Writer].
func (w *terminal) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b = append(w.b, b...)
	return len(b), nil
}

func (w *terminal) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.b)
}
