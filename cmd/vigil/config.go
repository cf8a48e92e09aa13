package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/config"
)

// configOptions are the flags that the config commands share.
type configOptions struct {
	role    string
	set     []string
	noEnv   bool
	noFiles bool
}

func (o *configOptions) addTo(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.role, "role", "", "what the file configures: gateway or analyzer (default: seen from its keys)")
	f.StringArrayVar(&o.set, "set", nil, "set one key, as vigil-gateway --set does; may be repeated")
	f.BoolVar(&o.noEnv, "no-env", false, "leave VIGIL_… environment variables out")
	f.BoolVar(&o.noFiles, "no-files", false, "do not open the files that keys name")
}

func (o *configOptions) sources(env app.Env, file string) config.Sources {
	s := config.Sources{File: file, Set: o.set, SkipFiles: o.noFiles}
	if !o.noEnv {
		s.Env = env.Environ
	}
	return s
}

// newConfigCommand looks after configuration files.
func newConfigCommand(env app.Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check, print and begin configuration files",
		Args:  noSuchCommand,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newConfigValidateCommand(env), newConfigPrintCommand(env), newConfigSchemaCommand(env), newConfigInitCommand(env))
	return c
}

func newConfigValidateCommand(env app.Env) *cobra.Command {
	var o configOptions
	c := &cobra.Command{
		Use:   "validate FILE…",
		Short: "Say everything that is wrong with a configuration, at once",
		Long: `Say everything that is wrong with a configuration, at once, each fault as
file:line:column: key: what is wrong. Exit code 2 where there is any. The files
that keys name (keys, key set, certificates, risk model) are opened as the
service opens them, unless --no-files is given.

A risk model is checked like a configuration. Exceptions that have expired are
warned of. --role model says that a file is a model where its keys do not show it.`,
		Args: someArgs("the configuration files", 0),
	}
	o.addTo(c)
	c.RunE = func(cmd *cobra.Command, files []string) error { return validate(cmd, env, o, files) }
	return c
}

// report is what -o json says about one file.
type report struct {
	File     string         `json:"file"`
	Role     string         `json:"role"`
	OK       bool           `json:"ok"`
	Warnings []string       `json:"warnings,omitempty"`
	Faults   []config.Fault `json:"faults,omitempty"`
}

func validate(c *cobra.Command, env app.Env, o configOptions, files []string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	bad, keyless := false, false
	for _, file := range files {
		r, err := checkerFor(o.role, file, env)
		if err != nil {
			return err
		}
		warnings, err := r.check(o.sources(env, file))
		one := report{File: file, Role: r.name, OK: err == nil, Warnings: warnings}
		var faults config.Faults
		if err != nil && !errors.As(err, &faults) { // It cannot be read; the others may.
			faults = config.Faults{{Source: file, Text: err.Error()}}
			err = faults
		}
		one.Faults = faults
		bad, keyless = bad || err != nil, keyless || slices.ContainsFunc(faults, madeByInit)
		if asJSON {
			err = writeJSON(env.Stdout, one)
			if err != nil {
				return err
			}
			continue
		}
		for _, w := range warnings {
			say(env.Stderr, "warning: %s\n", w)
		}
		if err != nil {
			sayln(env.Stderr, err)
			continue
		}
		say(env.Stdout, "%s: ok (%s)\n", file, r.name)
	}
	if keyless && !asJSON {
		say(env.Stderr, "\"%s\" makes the keys and secrets that are missing, and says which file is for whom\n", hint("", "keys init DIR"))
	}
	if bad {
		return &app.ExitError{Code: app.ExitUsage}
	}
	return nil
}

// madeByInit reports whether what is wrong is that a file is not named, or not
// there, that "vigil keys init" makes.
func madeByInit(f config.Fault) bool {
	return slices.Contains([]string{"tenant_key_file", "keys.key_set_file", "keys.root_public_file", "announce.key_file"}, f.Key) &&
		(strings.HasSuffix(f.Text, "is required") || strings.HasSuffix(f.Text, "does not exist"))
}

func newConfigPrintCommand(env app.Env) *cobra.Command {
	var o configOptions
	var p printOptions
	c := &cobra.Command{
		Use:   "print FILE",
		Short: "Print what a configuration comes to, and where each value is from",
		Long: `Print what file, environment and flags come to, as YAML that can be loaded.

Secrets do not appear: a configuration names only the files that hold them.`,
		Example: "  vigil config print --effective --origin gateway.yaml",
		Args:    oneArg("the configuration file"),
	}
	o.addTo(c)
	c.Flags().BoolVar(&p.effective, "effective", false, "also the values that nobody set")
	c.Flags().BoolVar(&p.origin, "origin", false, "say behind each value where it is from")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		asJSON, err := wantsJSON(cmd)
		if err != nil {
			return err
		}
		p.json = asJSON
		r, err := roleFor(o.role, args[0])
		if err != nil {
			return err
		}
		err = r.print(env.Stdout, o.sources(env, args[0]), p)
		var faults config.Faults
		if err != nil && !errors.As(err, &faults) {
			return app.Usage("%w", err)
		}
		return err
	}
	return c
}

func newConfigSchemaCommand(env app.Env) *cobra.Command {
	return &cobra.Command{
		Use:       "schema gateway|analyzer",
		Short:     "Print the JSON Schema of a configuration, for editors",
		Args:      roleArg(""),
		ValidArgs: roleNames(),
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := roleFor(args[0], "")
			if err != nil {
				return err
			}
			b, err := r.schema()
			if err != nil {
				return err
			}
			_, err = env.Stdout.Write(b)
			return err
		},
	}
}

func newConfigInitCommand(env app.Env) *cobra.Command {
	return &cobra.Command{
		Use:       "init gateway|analyzer",
		Short:     "Print a commented configuration to begin with",
		Long:      "Print a commented configuration to begin with. A risk model is begun with\n\"vigil model init\".",
		Example:   "  vigil config init gateway >gateway.yaml",
		Args:      roleArg("; a risk model is begun with \"vigil model init\""),
		ValidArgs: roleNames(),
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := roleFor(args[0], "")
			if err != nil {
				return err
			}
			return r.init(env.Stdout)
		},
	}
}

// roleArg asks for one role; more is what else to say to who names another.
func roleArg(more string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		err := oneArg("the role, gateway or analyzer")(c, args)
		if err == nil && !slices.Contains(roleNames(), args[0]) {
			err = fmt.Errorf("the role is gateway or analyzer, not %q%s", args[0], more)
		}
		return err
	}
}
