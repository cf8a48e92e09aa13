//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// patience is how long anything may take on a machine that is busy with
	// other work. A test that waits it out has failed.
	patience = 90 * time.Second
	// glance is the pause between two looks at something that is awaited.
	glance = 25 * time.Millisecond
	// logTail is how much of each log a failed test prints.
	logTail = 6 << 10
)

// checkout is the directory with go.mod above the working directory.
func checkout(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above the working directory")
	return ""
}

// binary is the path of a program that "make build" has put into bin.
func binary(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(checkout(t), "bin", name)
	_, err := os.Stat(path)
	if err != nil {
		t.Fatalf("bin/%s is missing: run make build", name)
	}
	return path
}

// process is one running program of ours, with its log in a file.
type process struct {
	name  string
	log   string
	cmd   *exec.Cmd
	ready map[string]string // What its ready line says.
	done  chan struct{}     // Closed when it has ended.
	err   error             // How it ended; read after done.
}

// launch starts a program and returns at once. It dies with the test binary.
// Its log is appended to, so that it tells of every start.
func launch(t *testing.T, dir, name string, args ...string) (*process, <-chan string) {
	t.Helper()
	p := &process{name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(binary(t, name), args...)
	p.cmd.Stderr = log
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	line, started := make(chan string, 1), make(chan error)
	go p.keep(out, log, line, started)
	err = <-started
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p, line
}

// keep starts the program and waits for its end on one thread: the
// parent-death signal comes when the thread that started it ends.
func (p *process) keep(out io.Reader, log io.Closer, line chan<- string, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.done)
	defer func() { _ = log.Close() }()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	in := bufio.NewScanner(out)
	if in.Scan() {
		line <- in.Text()
	}
	_, _ = io.Copy(io.Discard, out) // Until it ends.
	p.err = p.cmd.Wait()
}

// start runs a program until it has said where it serves.
func start(t *testing.T, dir, name string, args ...string) *process {
	t.Helper()
	p, line := launch(t, dir, name, args...)
	p.listen(t, line)
	return p
}

// listen waits until the program says where it serves.
func (p *process) listen(t *testing.T, line <-chan string) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case text := <-line:
		err := json.Unmarshal([]byte(text), &p.ready)
		if err != nil {
			t.Fatalf("%s: first line %q: %v", p.name, text, err)
		}
	case <-p.done:
		t.Fatalf("%s ended: %v\n%s", p.name, p.err, p.tail())
	case <-deadline.C:
		t.Fatalf("%s does not say where it serves\n%s", p.name, p.tail())
	}
}

// kill ends the program as a crash would and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // It may have ended already.
	<-p.done
}

// stop asks the program to end, and fails where it ends badly.
func (p *process) stop(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case <-p.done:
		if p.err != nil {
			t.Errorf("%s ended badly: %v", p.name, p.err)
		}
	case <-deadline.C:
		t.Errorf("%s does not end", p.name)
		p.kill()
	}
}

// tail is the end of the program's log.
func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return "--- end of the log of " + p.name + "\n" + string(b[max(0, len(b)-logTail):])
}

// logged counts the lines of the log that have every word.
func (p *process) logged(t *testing.T, words ...string) int {
	t.Helper()
	b, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
lines:
	for line := range bytes.Lines(b) {
		for _, w := range words {
			if !bytes.Contains(line, []byte(w)) {
				continue lines
			}
		}
		n++
	}
	return n
}

// ask gets a page of the program's admin port; status 0 is no answer.
func (p *process) ask(path string) (status int, body string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.ready["admin"]+path, nil)
	if err != nil {
		return 0, err.Error()
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

// tell reads /readyz?verbose into v.
func (p *process) tell(v any) error {
	status, body := p.ask("/readyz?verbose")
	if status == 0 {
		return errors.New(body)
	}
	return json.Unmarshal([]byte(body), v)
}

// counter is the sum of a counter's series that have a label text, from /metrics.
func (p *process) counter(t *testing.T, name, label string) string {
	t.Helper()
	status, body := p.ask("/metrics")
	if status != http.StatusOK {
		t.Fatalf("%s: metrics: status %d: %s", p.name, status, body)
	}
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, name) && strings.Contains(line, label) {
			fields := strings.Fields(line)
			return fields[len(fields)-1]
		}
	}
	return ""
}

// await looks until ok says yes, and fails with what is missing otherwise.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(glance) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for: %s", patience, what)
		}
	}
}
