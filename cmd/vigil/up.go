//go:build embedded

package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/cmd/internal/people"
	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
)

const upLong = `Run gateway, analyzer, Kafka and ClickHouse in one process.

The first line on standard output is JSON with the addresses, printed when the
gateway serves. Everything is kept in one directory (--data): the Kafka log,
ClickHouse, keys, secrets, state and ports; the other commands find it there,
and the next "vigil up" on it goes on where this one stops. Ctrl-C ends it.

Without --upstream a sample service and a sample identity provider run too, and
a curl command with a valid token is printed. A service of yours needs three:
--upstream, --issuer and --audience, and --config for everything else. The
directory remembers them, and a later "vigil up" on it goes on with them;
--sample goes back to the samples. Of a --config that changes only the keys are
read again while it runs.

With --people the sample service has that many invented users, each with thirty
days of history that the risk model has learned from: somebody for
"vigil attack" to try things on. They move into a new directory only and stay.

The risk model observes: it scores and records, and asks for nothing. With
--enforce it acts. Verdicts of earlier runs and of operators hold either way.`

// upOptions are the flags of vigil up.
type upOptions struct {
	stack   devstack.Options
	config  string
	people  int
	enforce bool
	verbose bool
}

// newUpCommand is the whole product in one process.
func newUpCommand(env app.Env) *cobra.Command {
	o := upOptions{stack: devstack.DefaultOptions()}
	c := &cobra.Command{
		Use:   "up",
		Short: "Run gateway, analyzer, Kafka and ClickHouse in one process",
		Long:  upLong,
		Example: `  vigil up
  vigil up --upstream http://127.0.0.1:3000 --issuer https://login.example.com --audience shop
  vigil up --enforce --people 60 --data rehearsal
  vigil up --data /var/lib/vigil --listen 0.0.0.0:8080 --enforce`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return up(cmd.Context(), env, o) },
	}
	f := c.Flags()
	f.StringVar(&o.stack.Dir, "data", runfile.DirDefault, "directory of the installation")
	f.StringVarP(&o.config, "config", "c", "", "configuration file (YAML) with sections gateway and analyzer; what it leaves out stays as up sets it; without it that of the last run")
	f.StringVar(&o.stack.Upstream, "upstream", "", "URL of a service to put the gateway before; without it that of the last run, else a sample")
	f.StringVar(&o.stack.Issuer, "issuer", "", "URL of the identity provider whose tokens that service takes")
	f.StringVar(&o.stack.Audience, "audience", "", "audience that its tokens must name")
	f.BoolVar(&o.stack.Sample, "sample", false, "run the samples, also where the last run had a service of yours")
	f.StringVar(&o.stack.Listen, "listen", "", "address of the gateway; without it a free port of 127.0.0.1, kept for the next time")
	f.StringSliceVar(&o.stack.Kafka, "kafka", nil, "brokers of a Kafka cluster to use instead of the embedded one")
	f.IntVar(&o.stack.Partitions, "partitions", o.stack.Partitions, "partitions of vigil.requests in a new installation")
	f.StringVar(&o.stack.Library, "chdb", "", "path of libchdb.so; without it the one that \"make engines\" fetched")
	f.IntVar(&o.people, "people", 0, fmt.Sprintf("invented users of the sample service with thirty days of history, 10 to %d, in a new directory", people.CountMax))
	f.BoolVar(&o.enforce, "enforce", false, "let verdicts act; without it the model observes")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log more")
	return c
}

func up(ctx context.Context, env app.Env, o upOptions) error {
	library, err := devstack.FindLibrary(o.stack.Library)
	if err != nil {
		return usageIfAsked(err)
	}
	o.stack.Library, o.stack.Logger = library, stackLogger(env.Stderr, o.verbose)
	if o.enforce {
		o.stack.Mode = devstack.ModeEnforce
	}
	o.stack.Users = map[string]string{sampleUser: samplePassword}
	err = o.configure(env)
	if err != nil {
		return err
	}
	err = o.settle()
	if err != nil {
		return err
	}
	stack, err := devstack.Start(ctx, o.stack)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	if err != nil {
		return usageIfAsked(err)
	}
	line, err := json.Marshal(stack.Ready())
	if err != nil {
		return errors.Join(fmt.Errorf("encode ready line: %w", err), stack.Stop())
	}
	_, err = fmt.Fprintf(env.Stdout, "%s\n", line)
	if err != nil {
		return errors.Join(fmt.Errorf("write ready line: %w", err), stack.Stop())
	}
	welcome(env.Stderr, stack, o.stack.Dir)
	err = stack.UpstreamFault(ctx)
	if err != nil && ctx.Err() == nil {
		_, _ = fmt.Fprintf(env.Stderr, "\nYour service does not answer yet, so clients get 502 until it does: %s\n", err)
	}
	select {
	case <-ctx.Done():
		_, _ = fmt.Fprintln(env.Stderr, "\nStopping; everything that was served is kept.")
	case err = <-stack.Failed():
	}
	return errors.Join(err, stack.Stop())
}

// configure has the configuration file of this run, else that of the last one, put over
// what up sets: a gateway that came back without it would stand open.
func (o *upOptions) configure(env app.Env) error {
	of := ""
	if o.config == "" && !o.stack.Sample {
		last, err := runfile.Read(o.stack.Dir)
		if err == nil {
			o.config, of = last.ConfigFile, " of the last run (--config names another, --sample goes without)"
		}
	}
	if o.config == "" {
		return nil
	}
	_, err := os.Stat(o.config) // Said before anything is started.
	if err != nil {
		return app.Usage("--config%s: %w", of, err)
	}
	o.stack.ConfigFile, err = filepath.Abs(o.config)
	if err != nil {
		return fmt.Errorf("find --config: %w", err)
	}
	o.stack.Configure = devstack.FromFile(o.config, env.Environ)
	return nil
}

// settle brings the invented people in: those of the last run, or new ones into
// a new directory.
func (o *upOptions) settle() error {
	dir := o.stack.Dir
	census, err := people.ReadCensus(dir)
	fresh := errors.Is(err, people.ErrNobody)
	_, notRun := runfile.Read(dir)
	own := o.stack.Upstream != "" || o.stack.Issuer != "" || o.stack.Audience != ""
	switch {
	case fresh && o.people == 0 || own && o.people == 0:
		return nil
	case err != nil && !fresh:
		return app.Usage("%s: %w", dir, err)
	case own:
		return app.Usage("--people: they use the sample service, and cannot go with --upstream, --issuer and --audience")
	case !fresh && o.people != 0 && o.people != census.Count:
		return app.Usage("--people: %d live in %s already, and stay", census.Count, dir)
	case fresh && (o.people < peopleMin || o.people > people.CountMax):
		return app.Usage("--people: must be between %d and %d, is %d", peopleMin, people.CountMax, o.people)
	case fresh && !errors.Is(notRun, runfile.ErrNone):
		return app.Usage("--people: %s has learned from others already; name a new directory with --data", dir)
	case fresh:
		var b [4]byte
		_, _ = rand.Read(b[:]) // Never fails; see its documentation.
		census = people.Census{Seed: uint64(binary.BigEndian.Uint32(b[:])), Count: o.people, Made: time.Now().UTC()}
	}
	census.Population().Settle(&o.stack, nil)
	learn := o.stack.Prepare
	o.stack.Prepare = func(ctx context.Context, at devstack.Prepared) (string, error) {
		file, err := learn(ctx, at)
		if fresh {
			census.Issuer = at.Issuer
		}
		return file, errors.Join(err, census.Write(at.Places.Dir))
	}
	return nil
}

// peopleMin is how many people are a company: fewer are no peers of each other.
const peopleMin = 10

// usageIfAsked makes exit code 2 of what was asked wrongly.
func usageIfAsked(err error) error {
	if errors.Is(err, devstack.ErrOptions) {
		return &app.ExitError{Code: app.ExitUsage, Err: err}
	}
	return err
}

// The one user of the sample upstream in "vigil up".
const (
	sampleUser     = "ana"
	samplePassword = "correct horse battery staple"
)

// welcome tells a newcomer what to do next.
func welcome(w io.Writer, s *devstack.Stack, dir string) {
	r := s.Run()
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	say("\nVigil is up. Data are in %s; Ctrl-C stops it, the next \"%s\" goes on.", s.Places().Dir, hint(dir, "up"))
	say("%s", posture(s, dir))
	say("\n  gateway     %s  →  %s\n  admin       %s\n  console     %s\n  kafka       %s\n  clickhouse  %s\n  issuer      %s",
		r.Gateway, r.Upstream, r.GatewayAdmin, r.Console, strings.Join(r.Kafka, ","), r.ClickHouse, r.Issuer)
	if r.ConfigFile != "" {
		say("  config      %s", r.ConfigFile)
	}
	p := s.IDP()
	if p == nil {
		say("\nTokens of %s are taken, as in\n  curl -i -H \"Authorization: Bearer $TOKEN\" %s/", r.Issuer, r.Gateway)
		say("\nWhich routes have no policy yet, and which requests no identity, says %s.", hint(dir, "coverage"))
		return
	}
	now := time.Now()
	token := p.Mint(idp.Claims{
		Subject: sampleUser, SessionID: fmt.Sprintf("up-%d", now.UnixNano()), ClientID: "curl", Scope: "app",
		ACR: "urn:vigil:sample:password", AMR: []string{"pwd"}, AuthTime: now, Expires: now.Add(12 * time.Hour),
	})
	say("\nThis answers 200 as long as no verdict speaks of %s, with a token of the sample identity provider (valid for 12 hours):", sampleUser)
	say("  curl -i -H 'Authorization: Bearer %s' %s/accounts/1234", token, r.Gateway)
	say("\nThis answers 401 and says why:")
	say("  curl -i %s/accounts/1234", r.Gateway)
	say("\nThen look: %s, %s", hint(dir, "query"), hint(dir, "verdicts"))
}

// posture says what the risk model does, and what holds from before.
func posture(s *devstack.Stack, dir string) string {
	text := "The risk model ACTS: a verdict ends a session while it is being used."
	if s.Config().Mode() == devstack.ModeObserve {
		text = "The risk model only OBSERVES: it scores and records, and asks for nothing. --enforce lets it act."
	}
	if n := s.Verdicts(); n > 0 {
		text += fmt.Sprintf("\nThe gateway holds %d of earlier runs' verdicts: they stay in force until they lapse or are restored; see %s.",
			n, hint(dir, "verdicts --live"))
	}
	return text
}

// stackLogger logs to people: warnings and worse, or more with --verbose.
func stackLogger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}
