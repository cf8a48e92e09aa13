package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/config"
)

// Env is the world of a command: tests bring their own.
type Env struct {
	Args    []string // Without the program's name.
	Environ []string // As os.Environ gives it.
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Now     func() time.Time
}

// OSEnv is the process's own world.
func OSEnv() Env {
	return Env{Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Now: time.Now}
}

// Lookup returns an environment variable, "" where it is not set.
func (e Env) Lookup(name string) string {
	for _, pair := range e.Environ {
		value, found := strings.CutPrefix(pair, name+"=")
		if found {
			return value
		}
	}
	return ""
}

// Main runs a command until it ends or a signal ends it, and returns the exit
// code. Errors are written to standard error, one fault per line.
func Main(env Env, command func(Env) *cobra.Command) int {
	twoAtOnce(env)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // A second signal ends the process at once.
	return Execute(ctx, env, command(env))
}

// twoAtOnce lets the runtime run two goroutines at once where there is one processor.
// Whoever waits for a disk keeps his right to run until the runtime's monitor takes it,
// which looks every 10 ms when little happens; all others stand still meanwhile. An
// operator who sets GOMAXPROCS is obeyed.
func twoAtOnce(env Env) {
	if runtime.GOMAXPROCS(0) == 1 && env.Lookup("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2)
	}
}

// Execute is Main with a context of one's own.
func Execute(ctx context.Context, env Env, c *cobra.Command) int {
	c.SetArgs(protect(c, env.Args))
	c.SetIn(env.Stdin)
	c.SetOut(env.Stdout)
	c.SetErr(env.Stderr)
	c.SilenceErrors, c.SilenceUsage = true, true
	ran := false
	markRun(c, &ran)
	at, err := c.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	code := CodeOf(err)
	if !ran && code == ExitFindings {
		code = ExitUsage // Flags or arguments were refused before the command began.
		err = fmt.Errorf("%w; see \"%s --help\"", err, at.CommandPath())
	}
	if err.Error() != "" && !errors.Is(err, context.Canceled) {
		_, _ = fmt.Fprintln(env.Stderr, withName(c.Name(), err))
	}
	return code
}

// markRun notes that a command's own function has begun, so that what cobra
// refuses before is told from what the command reports. It hands the arguments on
// as they were given.
func markRun(c *cobra.Command, ran *bool) {
	for _, sub := range c.Commands() {
		markRun(sub, ran)
	}
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			unprotect(args)
			return check(cmd, args)
		}
	}
	inner := c.RunE
	if inner == nil {
		return
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		*ran = true
		unprotect(args)
		return inner(cmd, args)
	}
}

// withName puts the program's name before a message; faults with a place of
// their own stay as editors expect them.
func withName(name string, err error) string {
	_, ok := errors.AsType[config.Faults](err)
	if ok {
		return err.Error()
	}
	return name + ": " + err.Error()
}
