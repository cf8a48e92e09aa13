//go:build embedded

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/attack"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/cmd/internal/people"
)

const benchAttacksLong = `Measure what attackers get before they are stopped.

A "vigil up --enforce" of its own is started on free ports and in a directory
that is removed at the end, with people who have thirty days of history; then
every scenario of "vigil attack" is played so many times, each time on somebody
else. The exit code says whether it was measured, not whether promises were
kept: the table does.`

// benchAttacksOptions are the flags of vigil bench attacks.
type benchAttacksOptions struct {
	attackOptions

	library, file string
}

// newBenchAttacksCommand measures every scenario on an installation of its own.
func newBenchAttacksCommand(env app.Env) *cobra.Command {
	var o benchAttacksOptions
	c := &cobra.Command{
		Use:     "attacks",
		Short:   "Measure what attackers get before they are stopped",
		Long:    benchAttacksLong,
		Example: "  vigil bench attacks --rounds 5 --json attacks.json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return benchAttacks(cmd, env, o) },
	}
	c.Flags().IntVar(&o.rounds, "rounds", 20, "how often each scenario is played, 1 to 62")
	c.Flags().Uint64Var(&o.seed, "seed", 0, "choose the victims and places of this seed; 0 takes a new one")
	c.Flags().StringVar(&o.file, "json", "", "file to write every round to, as JSON")
	c.Flags().StringVar(&o.library, "chdb", "", "path of libchdb.so; without it the one that \"make engines\" fetched")
	return c
}

// victimsPerRound is how many people a round of all scenarios takes, and some
// who stay or are turned away.
const victimsPerRound = 8

func benchAttacks(c *cobra.Command, env app.Env, o benchAttacksOptions) (err error) {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if o.rounds < 1 || o.rounds > people.CountMax/victimsPerRound {
		return app.Usage("--rounds: must be between 1 and %d, is %d", people.CountMax/victimsPerRound, o.rounds)
	}
	library, err := devstack.FindLibrary(o.library)
	if err != nil {
		return usageIfAsked(err)
	}
	dir, err := os.MkdirTemp("", "vigil-attacks-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	count := max(30, victimsPerRound*o.rounds)
	say(env.Stderr, "starting an installation with %d people and their history\n", count)
	running, stop, err := upBeside(c.Context(), dir, library, count)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	run, err := runfile.Read(dir)
	if err != nil {
		return err
	}
	reports, err := rehearse(running, env, dir, run, o.attackOptions, attack.Scenarios(), o.write)
	switch {
	case len(reports) == 0:
		return err
	case asJSON:
		return errors.Join(err, writeJSON(env.Stdout, reports))
	}
	return errors.Join(err, newPrinter(c, env).attacks(reports))
}

// write writes what was measured until now to the file that was asked for, if any.
func (o benchAttacksOptions) write(reports []attack.Report) error {
	if o.file == "" {
		return nil
	}
	b, err := json.MarshalIndent(reports, "", "  ")
	if err != nil {
		return fmt.Errorf("encode reports: %w", err)
	}
	err = os.WriteFile(o.file, append(b, '\n'), 0o600)
	if err != nil {
		return fmt.Errorf("write reports: %w", err)
	}
	return nil
}

// upStopMax bounds how long an installation may take to end, and upStartMax how long
// to serve: people with a history of weeks are made first.
const (
	upStopMax  = time.Minute
	upStartMax = 10 * time.Minute
)

// errEnded means that an installation ended by itself.
var errEnded = errors.New("vigil up has ended by itself")

// upBeside runs this program as "vigil up" in a process of its own, so that the
// attackers do not share its scheduler, and returns what ends it. running is done
// as soon as it has ended: a closed door must not be taken for a verdict.
func upBeside(ctx context.Context, dir, library string, count int) (running context.Context, stop func() error, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("find this program: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, program, "up", "--enforce", "--people", strconv.Itoa(count), "--data", dir, "--chdb", library) //nolint:gosec // This program itself.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = upStopMax
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this process to pass on.
	out, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, nil, fmt.Errorf("start vigil up: %w", err)
	}
	var log bytes.Buffer
	cmd.Stderr = &log
	err = cmd.Start()
	if err != nil {
		cancel()
		return nil, nil, fmt.Errorf("start vigil up: %w", err)
	}
	running, ended := context.WithCancelCause(ctx)
	slow := time.AfterFunc(upStartMax, cancel)
	ready := bufio.NewScanner(out).Scan()
	slow.Stop()
	over := make(chan error, 1)
	go func() {
		_, _ = io.Copy(io.Discard, out) // It says nothing more; if it did, nobody must keep it waiting.
		over <- cmd.Wait()
		ended(errEnded)
	}()
	stop = func() error {
		cancel()
		err := <-over
		if errors.Is(err, context.Canceled) {
			return nil // As it was asked to.
		}
		if err != nil {
			return fmt.Errorf("vigil up: %w: %s", err, log.String())
		}
		return nil
	}
	if !ready {
		return nil, nil, errors.Join(errors.New("vigil up did not start"), stop())
	}
	return running, stop, nil
}
