package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
)

const rootLong = `Vigil is a zero-trust API gateway that never stops checking.

Its gateway emits an event for every request, its analyzer scores each event,
and a verdict ends a session while it is being used: the next request is
refused and the stream that is open is cut, within milliseconds.

This is the operator's tool. To see Vigil work:          vigil demo
To run it in front of a service of yours:                vigil up --upstream URL --issuer URL --audience NAME
To try the scoring on a log that you have:               vigil score --input combined --by address <access.log`

// Groups of commands in the help.
const (
	groupRun  = "run"
	groupLook = "look"
	groupAct  = "act"
	groupTune = "tune"
	groupSet  = "set"
)

// newRootCommand is vigil with all its commands.
func newRootCommand(env app.Env) *cobra.Command {
	root := &cobra.Command{
		Use:     "vigil",
		Short:   "A zero-trust API gateway that never stops checking",
		Long:    rootLong,
		Version: app.Version().Version,
		Args:    noSuchCommand,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("vigil {{.Version}}\n")
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run:"},
		&cobra.Group{ID: groupLook, Title: "Look:"},
		&cobra.Group{ID: groupAct, Title: "Act:"},
		&cobra.Group{ID: groupTune, Title: "Measure and tune:"},
		&cobra.Group{ID: groupSet, Title: "Set up:"},
	)
	for _, group := range []struct {
		id       string
		commands []func(app.Env) *cobra.Command
	}{
		{groupRun, []func(app.Env) *cobra.Command{newUpCommand, newDemoCommand, newScoreCommand}},
		{groupLook, []func(app.Env) *cobra.Command{newVerdictsCommand, newExplainCommand, newQueryCommand, newIncidentsCommand, newCoverageCommand, newVerifyCommand}},
		{groupAct, []func(app.Env) *cobra.Command{newRevokeCommand, newRestoreCommand, newReleaseCommand, newLabelCommand, newEpochCommand}},
		{groupTune, []func(app.Env) *cobra.Command{newModelCommand, newTestCommand, newCalibrateCommand, newDetectCommand, newBenchCommand, newAttackCommand}},
		{groupSet, []func(app.Env) *cobra.Command{newDoctorCommand, newConfigCommand, newKeysCommand, newTopicsCommand, newMigrateCommand, newDeadCommand, newVersionCommand}},
	} {
		for _, newCommand := range group.commands {
			c := newCommand(env)
			c.GroupID = group.id
			root.AddCommand(c)
		}
	}
	root.SetHelpCommandGroupID(groupSet)
	root.SetCompletionCommandGroupID(groupSet)
	root.SetFlagErrorFunc(flagError)
	root.PersistentFlags().StringP("output", "o", outputTable, "form of the result: table or json")
	root.PersistentFlags().Bool("no-color", false, "no colours, also on a terminal (as does the variable NO_COLOR)")
	return root
}

// noSuchCommand refuses arguments of a command that only has commands below
// it, and says which one was probably meant.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	c.SuggestionsMinimumDistance = 2
	guess := ""
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		guess = fmt.Sprintf("; did you mean %q?", near[0])
	}
	return fmt.Errorf("unknown command %q for %q%s", args[0], c.CommandPath(), guess)
}

// flagError adds to a flag that stands where only a command below has it that
// such a command is to be named.
func flagError(c *cobra.Command, err error) error {
	var below []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			below = append(below, sub.Name())
		}
	}
	if len(below) == 0 || !c.HasParent() {
		return err
	}
	return fmt.Errorf("%w; name one of %s first", err, strings.Join(below, ", "))
}

// oneArg asks for exactly one argument, and says what it is where it is missing.
func oneArg(what string) cobra.PositionalArgs { return argsBetween(what, 1, 1) }

// someArgs asks for one to most arguments; most 0 is no limit.
func someArgs(what string, most int) cobra.PositionalArgs { return argsBetween(what, 1, most) }

// exactArgs asks for what a command needs, no less and no more.
func exactArgs(what string, n int) cobra.PositionalArgs { return argsBetween(what, n, n) }

// atMostOne takes one argument or none, and says what it would be.
func atMostOne(what string) cobra.PositionalArgs { return argsBetween(what, 0, 1) }

// argsBetween asks for least to most arguments and says what they are; most 0 is no limit.
func argsBetween(what string, least, most int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return fmt.Errorf("name %s", what)
		case most > 0 && len(args) > most:
			return fmt.Errorf("%q is too much: name only %s", args[most], what)
		}
		return nil
	}
}
