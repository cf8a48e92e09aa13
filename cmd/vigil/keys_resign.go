package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

const resignLong = `Sign what operators have said, and what holds, anew with the key that signs now.

After an operator's key was rotated, gateways that start without their files believe
what the old key has signed only until it ends. This sends every revocation of an
operator that has not lapsed, and every restore of the last 90 days, once more to
all gateways and an analyzer: the same verdict at the same place in the order, so
that nothing else changes.

Exit code 1 says that some of it was not accepted everywhere.`

// clearsKept is how long a restore counts at a gateway.
const clearsKept = 90 * 24 * time.Hour

// newKeysResignCommand signs operators' verdicts anew.
func newKeysResignCommand(env app.Env) *cobra.Command {
	c := &cobra.Command{
		Use:     "resign",
		Short:   "Sign what operators have said anew after their key was rotated",
		Long:    resignLong,
		Example: "  vigil keys resign --data /etc/vigil",
		Args:    cobra.NoArgs,
	}
	l := newLink(c, env, clickhouseParts(), adminParts())
	c.RunE = func(c *cobra.Command, _ []string) error { return resign(c, env, l) }
	return c
}

func resign(c *cobra.Command, env app.Env, l *link) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	run, err := l.read()
	if err != nil {
		return err
	}
	signer, err := operator(run, env.Now())
	if err != nil {
		return err
	}
	words, err := operatorsWords(c.Context(), run, signer.Kid(), env.Now())
	if err != nil {
		return err
	}
	var all []delivery
	if len(words) > 0 { // Where there is nothing to say nobody has to be reachable.
		all, err = deliver(c.Context(), env, run, words...)
		if err != nil {
			return err
		}
	}
	if asJSON {
		err = writeJSON(env.Stdout, map[string]any{"kid": signer.Kid(), "verdicts": len(words), "deliveries": append([]delivery{}, all...)})
		if err != nil {
			return err
		}
	} else {
		say(env.Stdout, "%d verdicts signed anew by %s\n", len(words), signer.Kid())
	}
	if len(words) == 0 {
		return nil
	}
	sayUnaccepted(env.Stderr, all)
	return outcome(all)
}

// wordRow is an operator's verdict as ClickHouse has it.
type wordRow struct {
	ID           string    `ch:"id"`
	Time         time.Time `ch:"time"`
	Epoch        uint64    `ch:"epoch"`
	Seq          uint64    `ch:"seq"`
	SignedBy     string    `ch:"signed_by"`
	Kind         string    `ch:"kind"`
	Target       string    `ch:"target"`
	Action       string    `ch:"action"`
	Until        time.Time `ch:"until"`
	NotBefore    time.Time `ch:"not_before"`
	Authorities  []string  `ch:"authorities"`
	Epochs       []uint64  `ch:"epochs"`
	Seqs         []uint64  `ch:"seqs"`
	Origin       string    `ch:"origin"`
	PublicText   string    `ch:"public_text"`
	OperatorText string    `ch:"operator_text"`
	SupportCode  string    `ch:"support_code"`
	Subject      string    `ch:"subject"`
}

// operatorsWords are the last words about each target that still count and that
// another key than kid has signed.
func operatorsWords(ctx context.Context, run runfile.Run, kid string, now time.Time) ([]*verdict.Verdict, error) {
	db, err := open(ctx, run)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	var rows []wordRow
	err = db.Select(ctx, &rows, `SELECT * FROM (
  SELECT id, time, epoch, seq, toString(kid) AS signed_by, toString(target_kind) AS kind, target_id AS target, toString(action) AS action, until, not_before,
    arrayMap(x -> toString(x), clears_authority) AS authorities, clears_epoch AS epochs, clears_seq AS seqs,
    toString(origin) AS origin, public_text, operator_text, support_code, subject
  FROM verdicts FINAL WHERE tenant = ? AND authority = 'operator' ORDER BY epoch DESC, seq DESC LIMIT 1 BY target_kind, target_id)
WHERE signed_by != ? AND (until > ? OR notEmpty(authorities) AND time > ?) ORDER BY epoch, seq`,
		run.Tenant, kid, now, now.Add(-clearsKept))
	if err != nil {
		return nil, fmt.Errorf("look up what operators have said: %w", err)
	}
	words := make([]*verdict.Verdict, 0, len(rows))
	for _, r := range rows {
		words = append(words, r.verdict(run.Tenant))
	}
	return words, nil
}

func (r *wordRow) verdict(tenant string) *verdict.Verdict {
	v := &verdict.Verdict{
		Id: r.ID, Time: timestamppb.New(r.Time), Epoch: r.Epoch, Seq: r.Seq, Authority: verdict.AuthorityOperator, Tenant: tenant,
		Target: &verdict.Target{Kind: r.Kind, Id: r.Target}, Action: r.Action, Until: timestamppb.New(r.Until), Origin: r.Origin,
		PublicText: r.PublicText, OperatorText: r.OperatorText, SupportCode: r.SupportCode, Subject: r.Subject,
	}
	if r.NotBefore.Unix() > 0 {
		v.NotBefore = timestamppb.New(r.NotBefore)
	}
	for i := range r.Authorities {
		v.Clears = append(v.Clears, &verdict.Clear{Authority: r.Authorities[i], Epoch: r.Epochs[i], Seq: r.Seqs[i]})
	}
	return v
}
