//go:build embedded

package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/attack"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/cmd/internal/people"
	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
)

const attackLong = `Attack the invented users of a running "vigil up" and measure what was got.

It needs an installation that acts and in which somebody lives:

  vigil up --enforce --people 60 --data rehearsal

Without a scenario the scenarios are listed; "all" plays every one. A person
works as usual first, with a token of the sample identity provider, then the
attack begins. What counts is what the attacker's own client was given after
the first event that a person would call suspicious, also what was on its way
while the verdict was. He is stopped when he comes back and finds the door shut.

Only the sample service of a "vigil up" on this machine is attacked, nobody is
attacked twice, and what the model has learned of them is not undone: use an
installation for it that is for nothing else.

Exit code 0 means that the promise was kept in what is listed, 1 that it was not.`

// attackOptions are the flags of vigil attack.
type attackOptions struct {
	rounds int
	seed   uint64
}

// newAttackCommand measures what an attacker gets.
func newAttackCommand(env app.Env) *cobra.Command {
	var o attackOptions
	c := &cobra.Command{
		Use:   "attack [SCENARIO]",
		Short: "Attack the invented users of vigil up and measure what was got",
		Long:  attackLong,
		Example: `  vigil attack
  vigil attack thief --data rehearsal
  vigil attack all --rounds 5 --data rehearsal -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("%q is too much: name only one scenario", args[1])
			}
			return nil
		},
	}
	c.Flags().IntVar(&o.rounds, "rounds", 1, "how often each scenario is played, each time on somebody else, 1 to 100")
	c.Flags().Uint64Var(&o.seed, "seed", 0, "choose the victims and places of this seed; 0 takes a new one")
	l := newLink(c, env)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return listScenarios(cmd, env)
		}
		return runAttack(cmd, env, l, o, args[0])
	}
	return c
}

// listScenarios says what can be played.
func listScenarios(c *cobra.Command, env app.Env) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	all := attack.Scenarios()
	if asJSON {
		return writeJSON(env.Stdout, all)
	}
	var rows [][]string
	for _, s := range all {
		rows = append(rows, []string{s.Name, s.Promise.String(), s.Story})
	}
	return newPrinter(c, env).table([]string{"SCENARIO", "PROMISED", "THE ATTACKER"}, rows)
}

func runAttack(c *cobra.Command, env app.Env, l *link, o attackOptions, name string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	scenarios := attack.Scenarios()
	if name != "all" {
		s, known := attack.Find(name)
		if !known {
			return app.Usage("no scenario %q; \"vigil attack\" lists them", name)
		}
		scenarios = []attack.Scenario{s}
	}
	if o.rounds < 1 || o.rounds > 100 {
		return app.Usage("--rounds: must be between 1 and 100, is %d", o.rounds)
	}
	run, err := l.read()
	if err != nil {
		return err
	}
	dir := l.directory()
	if dir == "" {
		dir = runfile.DirDefault
	}
	reports, err := rehearse(c.Context(), env, dir, run, o, scenarios, nil)
	if err != nil && len(reports) == 0 {
		return err
	}
	if asJSON {
		err = errors.Join(err, writeJSON(env.Stdout, reports))
	} else {
		err = errors.Join(err, newPrinter(c, env).attacks(reports))
	}
	if err != nil {
		return err
	}
	for i := range reports {
		if !reports[i].Kept {
			return app.Findings()
		}
	}
	return nil
}

// rehearse plays scenarios on the installation in dir, if it is one to attack. What
// was measured before an error is returned with it. after, which may be nil, is
// called with all reports after each scenario.
func rehearse(
	ctx context.Context, env app.Env, dir string, run runfile.Run, o attackOptions, scenarios []attack.Scenario, after func([]attack.Report) error,
) (reports []attack.Report, err error) {
	census, err := attackable(dir, run)
	if err != nil {
		return nil, err
	}
	mint, err := idp.OpenMinter(filepath.Join(dir, devstack.FolderIDP), run.Issuer, devstack.SampleAudience, env.Now)
	if err != nil {
		return nil, app.Usage("sign in as one of the people: %w", err)
	}
	pseudonyms, err := names(run)
	if err != nil {
		return nil, err
	}
	db, err := open(ctx, run)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for o.seed == 0 {
		var b [4]byte
		_, _ = rand.Read(b[:]) // Never fails; see its documentation.
		o.seed = uint64(binary.BigEndian.Uint32(b[:]))
	}
	say(env.Stderr, "seed %d: --seed %d attacks in the same way again, those whom nobody has attacked yet\n", o.seed, o.seed)
	campaign, err := attack.New(ctx, attack.Options{
		Gateway: run.Gateway, Population: census.Population(), Minter: mint, Names: pseudonyms, Issuer: run.Issuer,
		Books: attackBooks{db: db, tenant: run.Tenant}, Seed: o.seed, Rounds: o.rounds,
		Progress: func(r attack.Round) { say(env.Stderr, "%s\n", roundLine(r)) },
		TurnedAway: func(r attack.Round, who string) {
			say(env.Stderr, "%-13s %3d  turned away before anybody attacked: %s\n", r.Scenario, r.Number, clean(who))
		},
	})
	if err != nil {
		return nil, err
	}
	for i, s := range scenarios {
		began := env.Now()
		say(env.Stderr, "%s, scenario %d of %d, rounds: %d: %s\n", s.Name, i+1, len(scenarios), o.rounds, s.Story)
		r, err := campaign.Run(ctx, s)
		if errors.Is(err, attack.ErrNobodyLeft) {
			return reports, app.Usage("%w; start a new installation with more --people", err)
		}
		if err != nil {
			return reports, err
		}
		say(env.Stderr, "%s took %v: %s; %d honest people turned away before anybody attacked\n",
			s.Name, env.Now().Sub(began).Round(time.Second), stoppedText(&r), r.TurnedAway)
		reports = append(reports, r)
		if after == nil {
			continue
		}
		err = after(reports)
		if err != nil {
			return reports, err
		}
	}
	return reports, nil
}

// attackable refuses everything but the samples of an installation that runs on
// this machine, acts, and has people.
func attackable(dir string, run runfile.Run) (people.Census, error) {
	again := hint(dir, "up --enforce --people 60")
	census, err := people.ReadCensus(dir)
	switch {
	case run.Gateway == "":
		return census, app.Usage("no installation in %s: start one with %q, or name the directory of one with --data", dir, again)
	case run.OwnService:
		return census, app.Usage("%s is in front of a service of yours: only the sample service may be attacked", dir)
	case !local(run.Gateway) || !local(run.Issuer) || !local(run.ClickHouse):
		return census, app.Usage("the gateway of %s is not on this machine's loopback: only that may be attacked", dir)
	case errors.Is(err, people.ErrNobody):
		return census, app.Usage("%s: %w: attacks need people with a history; start a new installation with \"vigil up --enforce --people 60 --data DIR\"", dir, err)
	case err != nil:
		return census, app.Usage("%s: %w", dir, err)
	case !run.Alive():
		return census, app.Unreachable(fmt.Errorf("the installation in %s does not run: start it with %q", dir, hint(dir, "up --enforce")))
	case run.Mode != devstack.ModeEnforce:
		return census, app.Usage("the risk model of %s only observes: it would stop nobody; start it with %q", dir, hint(dir, "up --enforce"))
	case census.Issuer != run.Issuer:
		return census, app.Usage("the identity provider of %s has moved from %s to %s, so nobody knows its people any more: start a new installation", dir, census.Issuer, run.Issuer)
	}
	return census, nil
}

// local reports whether a URL is of this machine's loopback.
func local(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback()
}
