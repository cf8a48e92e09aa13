package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

const restoreLong = `Lift what was said about a session, subject or anything else, at once.

The verdicts that are in force are looked up in ClickHouse; an operator's
verdict that clears exactly these is signed and sent. What the analyzer finds
out later counts again. Where ClickHouse cannot be reached, --up-to says what
is cleared, with the numbers that "vigil verdicts -o json" has shown.

` + namesHelp

// restoreOptions are the flags of vigil restore.
type restoreOptions struct {
	names  rawNames
	reason string
	upTo   []string
	dryRun bool
}

// newRestoreCommand lifts verdicts.
func newRestoreCommand(env app.Env) *cobra.Command {
	var o restoreOptions
	c := &cobra.Command{
		Use:   "restore KIND [ID]",
		Short: "Lift the verdicts about a session, subject or address",
		Long:  restoreLong,
		Example: `  vigil restore session f3Zq…  --reason "was the owner, on a train"
  vigil restore subject --issuer https://idp.example --sub alice`,
		Args: someArgs("KIND (such as session) and its ID or raw name", 2),
	}
	l := newLink(c, env, clickhouseParts(), adminParts())
	o.names.addTo(c)
	f := c.Flags()
	f.StringVar(&o.reason, "reason", "", "why, for other operators")
	f.StringArrayVar(&o.upTo, "up-to", nil, "clear up to AUTHORITY=EPOCH:SEQ, such as subject=3:17, instead of asking ClickHouse; may be repeated")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be lifted and send nothing")
	c.RunE = func(cmd *cobra.Command, args []string) error { return restore(cmd, env, l, o, args) }
	return c
}

// standing is the latest verdict of one authority about a target.
type standing struct {
	Authority string    `json:"authority" ch:"authority"`
	Epoch     uint64    `json:"epoch" ch:"epoch"`
	Seq       uint64    `json:"seq" ch:"seq"`
	Action    string    `json:"action" ch:"action"`
	Until     time.Time `json:"until" ch:"until"`
}

func restore(c *cobra.Command, env app.Env, l *link, o restoreOptions, args []string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	run, err := l.read()
	if err != nil {
		return err
	}
	t, err := o.names.target(run, args)
	if err != nil {
		return err
	}
	found, err := o.standings(c.Context(), run, t)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		say(env.Stderr, "nothing stands against %s %s in tenant %s (--tenant asks another); a verdict shows about a second after it was made\n", t.Kind, t.Id, clean(run.Tenant))
		return app.Findings()
	}
	v := lifting(env.Now(), run.Tenant, t, found)
	v.OperatorText = o.reason
	if !asJSON {
		for _, s := range found {
			say(env.Stdout, "lifts %s of authority %s (epoch %d, seq %d), which held until %s\n",
				s.Action, s.Authority, s.Epoch, s.Seq, s.Until.UTC().Format(time.RFC3339))
		}
	}
	if o.dryRun {
		if asJSON {
			return writeJSON(env.Stdout, map[string]any{"dry_run": true, "target": t, "lifts": found})
		}
		return nil
	}
	return send(c.Context(), env, run, v, asJSON, nil)
}

// standings are the latest verdicts about t, one per authority.
func (o *restoreOptions) standings(ctx context.Context, run runfile.Run, t *verdict.Target) ([]standing, error) {
	var out []standing
	for _, text := range o.upTo {
		authority, numbers, _ := strings.Cut(text, "=")
		epochText, seqText, _ := strings.Cut(numbers, ":")
		epoch, err := strconv.ParseUint(epochText, 10, 64)
		if err != nil {
			return nil, app.Usage("--up-to: needs the form subject=3:17, is %q", text)
		}
		seq, err := strconv.ParseUint(seqText, 10, 64)
		if err != nil {
			return nil, app.Usage("--up-to: needs the form subject=3:17, is %q", text)
		}
		if authority != verdict.AuthoritySubject && authority != verdict.AuthorityFacet && authority != verdict.AuthorityFeed {
			return nil, app.Usage("--up-to: authority must be one of subject, facet, feed, is %q", authority)
		}
		out = append(out, standing{Authority: authority, Epoch: epoch, Seq: seq, Action: "what stands"})
	}
	if len(out) > 0 {
		return out, nil
	}
	db, err := open(ctx, run)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	err = db.Select(ctx, &out, `SELECT toString(v.authority) AS authority, v.epoch AS epoch, v.seq AS seq, toString(v.action) AS action, v.until AS until
FROM (SELECT * FROM verdicts FINAL WHERE tenant = ? AND target_kind = ? AND target_id = ?`+inForce+`) AS v ORDER BY authority`,
		run.Tenant, t.Kind, t.Id, run.Tenant, run.Tenant, run.Tenant)
	if err != nil {
		return nil, fmt.Errorf("look up verdicts: %w", err)
	}
	return out, nil
}

// lifting is the operator's verdict that clears what was found. It replaces an
// earlier one of an operator, because it is later. It lives as long as what it
// clears, so that no gateway forgets the clear first.
func lifting(now time.Time, tenant string, t *verdict.Target, found []standing) *verdict.Verdict {
	v := operatorVerdict(now, tenant, t)
	v.Action = verdict.ActionObserve
	v.PublicText = "An operator has restored this access."
	until := now.Add(time.Hour)
	for _, s := range found {
		if s.Until.After(until) {
			until = s.Until
		}
		if s.Authority != verdict.AuthorityOperator {
			v.Clears = append(v.Clears, &verdict.Clear{Authority: s.Authority, Epoch: s.Epoch, Seq: s.Seq})
		}
	}
	v.Until = timestamppb.New(until)
	return v
}
