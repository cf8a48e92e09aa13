package main

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

const revokeLong = `Stop trusting a session, subject or anything else that requests share.

The verdict is signed with the operator's key and sent to every known gateway,
where it takes effect at once, also while Kafka is down, and to an analyzer,
which relays it to all other gateways. Requests are refused and open streams
are cut until --for has passed or "vigil restore" lifts it.

With --not-before now, only what was authenticated before this moment is
touched: a person who signs in again is let in.

` + namesHelp

// revokeOptions are the flags of vigil revoke.
type revokeOptions struct {
	names          rawNames
	action, reason string
	notBefore      string
	duration       time.Duration
	dryRun         bool
}

// forMax bounds --for: a verdict is no place for what should be for ever.
const forMax = 366 * 24 * time.Hour

// newRevokeCommand ends trust by an operator's word.
func newRevokeCommand(env app.Env) *cobra.Command {
	var o revokeOptions
	c := &cobra.Command{
		Use:   "revoke KIND [ID]",
		Short: "Stop trusting a session, subject or address, now",
		Long:  revokeLong,
		Example: `  vigil revoke session f3Zq…  --reason "reported stolen"
  vigil revoke subject --issuer https://idp.example --sub alice --not-before now
  vigil revoke address 192.0.2.7 --action block --for 24h --dry-run`,
		Args: someArgs("KIND (such as session) and its ID or raw name", 2),
	}
	l := newLink(c, env, clickhouseParts(), adminParts())
	o.names.addTo(c)
	f := c.Flags()
	f.StringVar(&o.action, "action", verdict.ActionRevoke, "what gateways do: throttle, read_only, step_up, revoke or block")
	durationVar(f, &o.duration, "for", time.Hour, "how long, such as 30m, 24h or 7d")
	f.StringVar(&o.reason, "reason", "", "why, for other operators; clients never see it")
	f.StringVar(&o.notBefore, "not-before", "", "touch only what was authenticated before: now, or a time in RFC 3339")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be touched and send nothing")
	c.RunE = func(cmd *cobra.Command, args []string) error { return revoke(cmd, env, l, o, args) }
	return c
}

func revoke(c *cobra.Command, env app.Env, l *link, o revokeOptions, args []string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	run, err := l.read()
	if err != nil {
		return err
	}
	v, err := o.verdict(env, run, args)
	if err != nil {
		return err
	}
	touched := touch(c.Context(), env, run, v.Target)
	if o.dryRun {
		if asJSON {
			return writeJSON(env.Stdout, map[string]any{"dry_run": true, "target": v.Target, "action": v.Action, "until": v.Until.AsTime(), "touches": touched})
		}
		say(env.Stdout, "would %s %s %s until %s\n%s\n", v.Action, v.Target.Kind, v.Target.Id, v.Until.AsTime().Format(time.RFC3339), touched)
		return nil
	}
	return send(c.Context(), env, run, v, asJSON, touched)
}

// send delivers a verdict and says what became of it.
func send(ctx context.Context, env app.Env, run runfile.Run, v *verdict.Verdict, asJSON bool, touched *touches) error {
	all, err := deliver(ctx, env, run, v)
	if err != nil {
		return err
	}
	if asJSON {
		err = writeJSON(env.Stdout, map[string]any{
			"verdict": v.Id, "target": v.Target, "action": v.Action, "until": v.Until.AsTime(),
			"support_code": v.SupportCode, "touches": touched, "deliveries": all,
		})
		if err != nil {
			return err
		}
		sayUnaccepted(env.Stderr, all)
		return outcome(all)
	}
	action := v.Action
	if action == verdict.ActionObserve { // What lifts others asks for nothing itself.
		action = "restore"
	}
	say(env.Stdout, "%s %s %s until %s (verdict %s, support code %s)\n",
		action, v.Target.Kind, v.Target.Id, v.Until.AsTime().Format(time.RFC3339), v.Id, v.SupportCode)
	if touched != nil {
		sayln(env.Stdout, touched)
	}
	printDeliveries(env.Stdout, all)
	sayUnaccepted(env.Stderr, all)
	return outcome(all)
}

func (o *revokeOptions) verdict(env app.Env, run runfile.Run, args []string) (*verdict.Verdict, error) {
	strength := verdict.Strength(o.action)
	if strength < 1 {
		return nil, app.Usage("--action: must be one of %s, is %q", strings.Join(ladder()[1:], ", "), o.action)
	}
	if o.duration <= 0 || o.duration > forMax {
		return nil, app.Usage("--for: must be above 0 and at most %s, is %s", forMax, o.duration)
	}
	t, err := o.names.target(run, args)
	if err != nil {
		return nil, err
	}
	now := env.Now()
	v := operatorVerdict(now, run.Tenant, t)
	v.Action = o.action
	v.Until = timestamppb.New(now.Add(o.duration))
	v.OperatorText = o.reason
	v.PublicText = "An operator has ended this access."
	switch o.notBefore {
	case "":
	case "now":
		v.NotBefore = v.Time
	default:
		at, err := time.Parse(time.RFC3339, o.notBefore)
		if err != nil {
			return nil, app.Usage("--not-before: needs now or a time such as 2026-01-31T12:00:00Z, is %q", o.notBefore)
		}
		v.NotBefore = timestamppb.New(at)
	}
	return v, nil
}

// operatorVerdict is an operator's verdict without action. Its epoch is the
// second and its sequence number the nanosecond, so that what an operator says
// later wins, from whichever machine he says it.
func operatorVerdict(now time.Time, tenant string, t *verdict.Target) *verdict.Verdict {
	id := uuid.Must(uuid.NewV7()).String()
	return &verdict.Verdict{
		Id: id, Time: timestamppb.New(now), Epoch: uint64(now.Unix()), Seq: uint64(now.Nanosecond()) + 1,
		Authority: verdict.AuthorityOperator, Tenant: tenant, Target: t, Origin: "operator",
		SupportCode: event.SupportCode(id),
	}
}
