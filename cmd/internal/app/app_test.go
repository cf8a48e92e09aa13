package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/config"
	"github.com/vigil-gateway/vigil/cmd/internal/telemetry"
)

// TestMain fails where a goroutine is left behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCodeOf pins the exit codes, which scripts rely on.
func TestCodeOf(t *testing.T) {
	tests := map[string]struct {
		err  error
		want int
	}{
		"nothing":               {nil, 0},
		"stopped by a signal":   {fmt.Errorf("run: %w", context.Canceled), 0},
		"any other error":       {errors.New("x"), 1},
		"findings":              {app.Findings(), 1},
		"wrong usage, wrapped":  {fmt.Errorf("a: %w", app.Usage("x")), 2},
		"faulty configuration":  {fmt.Errorf("a: %w", config.Faults{{Text: "x"}}), 2},
		"marked as unreachable": {app.Unreachable(errors.New("x")), 4},
		"a missing file":        {fmt.Errorf("a: %w", &fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}), 1},
		"nobody listens":        {fmt.Errorf("a: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}), 4},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := app.CodeOf(tt.err); got != tt.want {
				t.Errorf("CodeOf(%v) = %d, want %d", tt.err, got, tt.want)
			}
		})
	}
}

// On one processor nobody waits for another's disk, unless an operator has it so.
func TestMainRunsTwoAtOnce(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	tests := map[string]struct {
		processors int
		environ    []string
		want       int
	}{
		"one processor":        {processors: 1, want: 2},
		"one, asked for":       {processors: 1, environ: []string{"GOMAXPROCS=1"}, want: 1},
		"several stay as many": {processors: 3, want: 3},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			runtime.GOMAXPROCS(tt.processors)
			got := 0
			code := app.Main(app.Env{Environ: tt.environ}, func(app.Env) *cobra.Command {
				return &cobra.Command{Use: "prog", Run: func(*cobra.Command, []string) { got = runtime.GOMAXPROCS(0) }}
			})
			if code != app.ExitOK || got != tt.want {
				t.Errorf("Main() = %d with %d at once, want %d", code, got, tt.want)
			}
		})
	}
}

// TestExecuteTellsUsageFromFailure checks what a person is told, and with which exit code.
func TestExecuteTellsUsageFromFailure(t *testing.T) {
	command := func(err error) *cobra.Command {
		root := &cobra.Command{Use: "prog"}
		root.AddCommand(&cobra.Command{Use: "do", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return err }})
		return root
	}
	tests := map[string]struct {
		args       []string
		err        error
		wantCode   int
		wantStderr string
	}{
		"ok":             {[]string{"do"}, nil, 0, ""},
		"failure":        {[]string{"do"}, errors.New("broke"), 1, "prog: broke\n"},
		"findings":       {[]string{"do"}, app.Findings(), 1, ""},
		"wrong argument": {[]string{"do", "x"}, nil, 2, "prog: unknown command \"x\" for \"prog do\"; see \"prog do --help\"\n"},
		"wrong flag":     {[]string{"do", "--x"}, nil, 2, "prog: unknown flag: --x; see \"prog do --help\"\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := app.Execute(t.Context(), app.Env{Args: tt.args, Stdout: &out, Stderr: &errs, Now: time.Now}, command(tt.err))
			if code != tt.wantCode {
				t.Errorf("exit code %d, want %d", code, tt.wantCode)
			}
			if diff := cmp.Diff(tt.wantStderr, errs.String()); diff != "" {
				t.Errorf("stderr (-want +got):\n%s", diff)
			}
		})
	}
}

type roleConfig struct {
	Name string `mapstructure:"name"`
}

// A role tells where it serves on the first line of its output, runs until its
// context ends, and takes its configuration from file, environment and flags.
func TestServe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	err := os.WriteFile(file, []byte("name: file\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var out, errs bytes.Buffer
	env := app.Env{Args: []string{"--config", file, "--set", "name=flag"}, Environ: []string{"VIGIL_NAME=env"}, Stdout: &out, Stderr: &errs, Now: time.Now}
	var got string
	code := app.Execute(ctx, env, app.NewServeCommand(env, role(func(c roleConfig) app.Service[roleConfig] {
		got = c.Name
		return app.Service[roleConfig]{
			Run:       func(ctx context.Context) error { stop(); <-ctx.Done(); return nil },
			Addresses: []app.Address{{Name: "gateway", URL: "http://127.0.0.1:1"}, {Name: "admin", URL: "http://127.0.0.1:2"}},
		}
	})))
	if code != 0 {
		t.Fatalf("exit code %d, stderr %s", code, errs.String())
	}
	if got != "flag" {
		t.Errorf("name is %q, want that of the flag", got)
	}
	want := `{"event":"ready","gateway":"http://127.0.0.1:1","admin":"http://127.0.0.1:2"}` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("stdout (-want +got):\n%s", diff)
	}
	var line map[string]any
	err = json.Unmarshal([]byte(strings.SplitN(errs.String(), "\n", 2)[0]), &line)
	if err != nil || line["msg"] != "serving" || line["gateway"] != "http://127.0.0.1:1" {
		t.Errorf("log is %q (%v)", errs.String(), err)
	}
	if !strings.Contains(errs.String(), `"msg":"stopping: `) {
		t.Errorf("nothing says that it stops: %s", errs.String())
	}
}

// TestServeFailures checks the exit code of every way in which a role does not run.
func TestServeFailures(t *testing.T) {
	tests := map[string]struct {
		args []string
		run  error
		code int
		want string
	}{
		"no such file":          {args: []string{"-c", "absent.yaml"}, code: 2, want: "read configuration: open absent.yaml: no such file or directory"},
		"file without its flag": {args: []string{"c.yaml"}, code: 2, want: `"c.yaml" is too much: a configuration file is named by --config FILE`},
		"faulty flag":           {args: []string{"--set", "nam=x"}, code: 2, want: `--set nam: nam: unknown key; did you mean "name"?`},
		"the role gives up":     {run: errors.New("broke"), code: 1, want: "vigil-test: broke"},
		"nothing to reach":      {run: app.Unreachable(errors.New("kafka is away")), code: 4, want: "vigil-test: kafka is away"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			env := app.Env{Args: tt.args, Stdout: &out, Stderr: &errs, Now: time.Now}
			code := app.Execute(t.Context(), env, app.NewServeCommand(env, role(func(roleConfig) app.Service[roleConfig] {
				return app.Service[roleConfig]{Run: func(context.Context) error { return tt.run }}
			})))
			if code != tt.code || !strings.Contains(errs.String(), tt.want) {
				t.Errorf("exit code %d, stderr %q; want %d, %q", code, errs.String(), tt.code, tt.want)
			}
		})
	}
}

func role(open func(roleConfig) app.Service[roleConfig]) app.Role[roleConfig] {
	return app.Role[roleConfig]{
		Name: "vigil-test",
		Observe: func(roleConfig) (telemetry.Config, telemetry.Log, string) {
			return telemetry.DefaultConfig(), telemetry.DefaultLog(), "i"
		},
		New: func(_ context.Context, p app.Parts[roleConfig]) (app.Service[roleConfig], error) {
			return open(p.Config), nil
		},
	}
}

// A pseudonym that begins with a dash is an argument, wherever it stands; whatever else
// begins with one is a flag as ever.
func TestPseudonymsThatBeginWithADash(t *testing.T) {
	const id = "-1dl7UDXjzp-VshComILmw"
	tests := map[string]struct {
		args string
		want string // "" is refused.
	}{
		"alone":                           {"revoke session " + id, "[session " + id + "]  false"},
		"before flags":                    {"revoke session " + id + " --reason stolen --dry-run", "[session " + id + "] stolen true"},
		"after a flag that is a switch":   {"revoke session --dry-run " + id, "[session " + id + "]  true"},
		"after two dashes":                {"revoke session -- " + id, "[session " + id + "]  false"},
		"as the value of a flag":          {"revoke session --reason " + id + " x", "[session x] " + id + " false"},
		"as the value of a short flag":    {"revoke session -r " + id + " x", "[session x] " + id + " false"},
		"with two dashes of its own":      {"revoke session --dl7UDXjzp-VshComILmw", "[session --dl7UDXjzp-VshComILmw]  false"},
		"a flag of as many characters":    {"revoke session x --a-flag-that-is-long-ag", "[session x]  false"},
		"too short for a pseudonym":       {"revoke session -1dl7UDXjzp-VshComILm", ""},
		"an end that no pseudonym has":    {"revoke session -1dl7UDXjzp-VshComILmx", ""},
		"too many, counted as they stand": {"revoke session " + id + " " + id, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := ""
			root := &cobra.Command{Use: "prog"}
			revoke := &cobra.Command{Use: "revoke", Args: cobra.ExactArgs(2)}
			reason := revoke.Flags().StringP("reason", "r", "", "")
			dry := revoke.Flags().Bool("dry-run", false, "")
			revoke.Flags().Bool("a-flag-that-is-long-ag", false, "")
			revoke.RunE = func(_ *cobra.Command, args []string) error {
				got = fmt.Sprint(args, " ", *reason, " ", *dry)
				return nil
			}
			root.AddCommand(revoke)
			code := app.Execute(t.Context(), app.Env{Args: strings.Fields(tt.args), Stdout: new(bytes.Buffer), Stderr: new(bytes.Buffer)}, root)
			if got != tt.want || code != 0 && tt.want != "" {
				t.Errorf("code %d, %q, want %q", code, got, tt.want)
			}
		})
	}
}
