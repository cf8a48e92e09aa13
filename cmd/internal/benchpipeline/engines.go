package benchpipeline

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap"
)

// role is what a process does that is measured beside.
type role string

const (
	roleBroker     role = "broker"
	roleClickHouse role = "clickhouse"

	roleVariable    = "VIGIL_BENCH_ROLE"
	libraryVariable = "VIGIL_BENCH_LIBRARY"

	// tick is the unit of CPU times in /proc: Linux counts 100 per second.
	tick = 10 * time.Millisecond
)

// Serve plays the role that the environment asks for, until standard input ends.
// It reports whether there was one: then the process has nothing else to do.
func Serve() (served bool, err error) {
	switch role(os.Getenv(roleVariable)) {
	case roleBroker:
		return true, serveBroker()
	case roleClickHouse:
		return true, serveClickHouse(os.Getenv(libraryVariable))
	}
	return false, nil
}

func serveBroker() error {
	b, err := broker.Start(broker.Options{Partitions: 1})
	if err != nil {
		return err
	}
	defer b.Close()
	return untilEnd(b.Addr())
}

func serveClickHouse(library string) (err error) {
	dir, err := os.MkdirTemp("", "vigil-pipeline-")
	if err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := olap.Start(olap.Options{Dir: dir, Library: library})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return untilEnd(s.Addr())
}

// untilEnd says where the process serves and waits for the end of its input.
func untilEnd(addr string) error {
	_, err := fmt.Println(addr)
	if err != nil {
		return fmt.Errorf("say address: %w", err)
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	if err != nil {
		return fmt.Errorf("wait for the end: %w", err)
	}
	return nil
}

// engine is a process with a role.
type engine struct {
	addr string
	cmd  *exec.Cmd
	in   io.Closer // Its end is the process's.
}

// launch starts this program in a role.
func launch(ctx context.Context, as role, library string) (*engine, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", as, err)
	}
	e := &engine{cmd: exec.CommandContext(ctx, self)} //nolint:gosec // Ourselves.
	e.cmd.Env = append(os.Environ(), roleVariable+"="+string(as), libraryVariable+"="+library)
	e.cmd.Stderr = os.Stderr
	e.in, err = e.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", as, err)
	}
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", as, err)
	}
	err = e.cmd.Start()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", as, err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: no address: %w", as, err), e.stop())
	}
	e.addr = strings.TrimSpace(line)
	return e, nil
}

// stop ends the process and waits for it.
func (e *engine) stop() error {
	err := errors.Join(e.in.Close(), e.cmd.Wait())
	if err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// cpu is what the process has spent on processors; 0 where there is no /proc.
func (e *engine) cpu() time.Duration {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(e.cmd.Process.Pid) + "/stat")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), ") ") // The name before it may hold blanks.
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	user, errUser := strconv.ParseInt(fields[11], 10, 64)
	system, errSystem := strconv.ParseInt(fields[12], 10, 64)
	if errUser != nil || errSystem != nil {
		return 0
	}
	return time.Duration(user+system) * tick
}
