//go:build linux

package benchgateway

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a program that runs on given processors until stop.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // Closed when it has ended.
	err  error         // How it ended; read after done.
}

// start runs a program on one processor, its output in a file of dir. It dies
// with this process. first gets the first line of its standard output.
func start(dir, name string, processor int, program string, args ...string) (p *process, first <-chan string, err error) {
	p = &process{name: name, log: filepath.Join(dir, name+".out"), done: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer func() { _ = log.Close() }()     // The process has its own handle.
	p.cmd = exec.Command(program, args...) //nolint:gosec,noctx // What the operator asks for; stop ends it in its own way.
	p.cmd.Stderr = log
	p.cmd.WaitDelay = time.Second // A child of it may hold its output for longer.
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	line := make(chan string, 1)
	p.cmd.Stdout = &firstLine{line: line}
	started := make(chan error)
	go p.keep(processor, started)
	err = <-started
	if err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, line, nil
}

// firstLine hands out the first line that is written, and drops the others.
type firstLine struct {
	line chan<- string
	have strings.Builder
	sent bool
}

func (f *firstLine) Write(b []byte) (int, error) {
	if f.sent {
		return len(b), nil
	}
	_, _ = f.have.Write(b)
	text, _, whole := strings.Cut(f.have.String(), "\n")
	if whole {
		f.sent = true
		f.line <- text
	}
	return len(b), nil
}

// keep starts the program from a thread that runs where it shall run, and waits
// for its end on the same.
func (p *process) keep(processor int, started chan<- error) {
	runtime.LockOSThread() // Never unlocked: the thread ends with the goroutine.
	defer close(p.done)
	err := pin(0, processor)
	if err == nil {
		err = p.cmd.Start()
	}
	started <- err
	if err == nil {
		p.err = p.cmd.Wait()
	}
}

// stop asks the program to end, and kills what does not.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM) // It may have ended already.
	late := time.NewTimer(stopMax)
	defer late.Stop()
	select {
	case <-p.done:
	case <-late.C:
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
		return fmt.Errorf("%s did not end: %s", p.name, p.tail())
	}
	return nil
}

// ended says why a program that should run does not.
func (p *process) ended() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended: %w: %s", p.name, errors.Join(p.err, errors.New("it should run")), p.tail())
	default:
		return nil
	}
}

// tail is the end of what the program has logged.
func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-tailBytes):])
}

// processor returns the time that the program and its children have had on a
// processor, in user and in system mode.
func (p *process) processor() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range family(p.cmd.Process.Pid) {
		var ts unix.Timespec
		// The clock of another process, as clock_getcpuclockid(3) makes its number.
		err := unix.ClockGettime(int32(^pid)<<3|2, &ts)
		if err != nil {
			return 0, fmt.Errorf("read processor time of %s: %w", p.name, err)
		}
		sum += time.Duration(ts.Nano())
	}
	return sum, nil
}

// family lists a process and all that descend from it.
func family(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[i])) // The pattern is well formed.
		for _, name := range tasks {
			b, err := os.ReadFile(name) //nolint:gosec // Of /proc.
			if err != nil {
				continue // The thread has ended.
			}
			for f := range strings.FieldsSeq(string(b)) {
				child, err := strconv.Atoi(f)
				if err == nil {
					all = append(all, child)
				}
			}
		}
	}
	return all
}

// yieldAll lets the program and its children run only when nothing else wants
// the processor, from now on.
func (p *process) yieldAll() error {
	for _, pid := range family(p.cmd.Process.Pid) {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid)) // The pattern is well formed.
		for _, name := range tasks {
			thread, err := strconv.Atoi(filepath.Base(name))
			if err != nil {
				return fmt.Errorf("list threads of %s: %w", p.name, err)
			}
			err = unix.SchedSetAttr(thread, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0)
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("let %s yield: %w", p.name, err)
			}
		}
	}
	return nil
}

// resident returns the bytes of memory that the program and its children hold.
func (p *process) resident() (int64, error) {
	var pages int64
	for _, pid := range family(p.cmd.Process.Pid) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			return 0, fmt.Errorf("read memory of %s: %w", p.name, err)
		}
		f := strings.Fields(string(b))
		if len(f) < 2 {
			return 0, fmt.Errorf("read memory of %s: %q", p.name, b)
		}
		n, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read memory of %s: %w", p.name, err)
		}
		pages += n
	}
	return pages * int64(os.Getpagesize()), nil
}

// processors lists those that this process may use.
func processors() ([]int, error) {
	var set unix.CPUSet
	err := unix.SchedGetaffinity(0, &set)
	if err != nil {
		return nil, fmt.Errorf("list processors: %w", err)
	}
	var all []int
	for i := range 8 * len(set) * 8 {
		if set.IsSet(i) {
			all = append(all, i)
		}
	}
	return all, nil
}

// pin keeps a thread on one processor; 0 is the calling one.
func pin(thread, processor int) error {
	var set unix.CPUSet
	set.Set(processor)
	err := unix.SchedSetaffinity(thread, &set)
	if err != nil {
		return fmt.Errorf("keep to processor %d: %w", processor, err)
	}
	return nil
}

// pinSelf keeps every thread of this process on one processor; those that come
// later inherit it.
func pinSelf(processor int) error {
	tasks, _ := filepath.Glob("/proc/self/task/*") // The pattern is well formed.
	for _, name := range tasks {
		thread, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			return fmt.Errorf("list threads: %w", err)
		}
		err = pin(thread, processor)
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}
