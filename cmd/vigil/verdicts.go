package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
)

// verdictRow is a verdict as ClickHouse has it.
type verdictRow struct {
	Time         time.Time `json:"time" ch:"time"`
	ID           string    `json:"id" ch:"id"`
	Epoch        uint64    `json:"epoch" ch:"epoch"`
	Seq          uint64    `json:"seq" ch:"seq"`
	Authority    string    `json:"authority" ch:"authority"`
	TargetKind   string    `json:"target_kind" ch:"target_kind"`
	TargetID     string    `json:"target_id" ch:"target_id"`
	Subject      string    `json:"subject,omitempty" ch:"subject"`
	Action       string    `json:"action" ch:"action"`
	Until        time.Time `json:"until" ch:"until"`
	Score        float64   `json:"score" ch:"score"`
	Model        string    `json:"model,omitempty" ch:"model"`
	Signals      []string  `json:"-" ch:"evidence_signal"`
	Groups       []string  `json:"-" ch:"evidence_group"`
	Nats         []float64 `json:"-" ch:"evidence_nats"`
	Hard         []bool    `json:"-" ch:"evidence_hard"`
	Texts        []string  `json:"-" ch:"evidence_text"`
	Origin       string    `json:"origin" ch:"origin"`
	CauseEventID string    `json:"cause_event_id,omitempty" ch:"cause_event_id"`
	PublicText   string    `json:"public_text,omitempty" ch:"public_text"`
	OperatorText string    `json:"operator_text,omitempty" ch:"operator_text"`
	SupportCode  string    `json:"support_code" ch:"support_code"`

	Evidence []evidenceRow `json:"evidence"`
}

// evidenceRow is one reason of a verdict.
type evidenceRow struct {
	Signal string  `json:"signal"`
	Group  string  `json:"group"`
	Nats   float64 `json:"nats"`
	Hard   bool    `json:"hard,omitempty"`
	Text   string  `json:"text"`
}

const verdictColumns = `time, id, epoch, seq, toString(authority) AS authority, toString(target_kind) AS target_kind, target_id, subject,
    toString(action) AS action, until, score, toString(model) AS model, CAST(evidence_signal, 'Array(String)') AS evidence_signal,
    CAST(evidence_group, 'Array(String)') AS evidence_group, evidence_nats, evidence_hard, evidence_text,
    toString(origin) AS origin, cause_event_id, public_text, operator_text, support_code`

// inForce leaves verdicts that hold now: not lapsed, the last word of their
// authority about their target, and not voided by an operator's clear. The
// clears of a verdict outlive it, and so do they in a gateway.
const inForce = ` AND until > now64(6) AND action != 'observe' AND (target_kind, target_id, authority, epoch, seq) IN (
    SELECT target_kind, target_id, authority, max((epoch, seq)).1, max((epoch, seq)).2
    FROM verdicts WHERE tenant = ? GROUP BY target_kind, target_id, authority
) AND id NOT IN (
    SELECT v.id FROM verdicts AS v FINAL INNER JOIN (
        SELECT target_kind, target_id, cleared, max((to_epoch, to_seq)) AS up_to
        FROM verdicts ARRAY JOIN clears_authority AS cleared, clears_epoch AS to_epoch, clears_seq AS to_seq
        WHERE tenant = ? GROUP BY target_kind, target_id, cleared
    ) AS c ON v.target_kind = c.target_kind AND v.target_id = c.target_id AND v.authority = c.cleared
    WHERE v.tenant = ? AND (v.epoch, v.seq) <= c.up_to)`

// verdictsOptions are the flags of vigil verdicts.
type verdictsOptions struct {
	since        time.Duration
	limit        int
	live, follow bool
	held         bool
	id           string
}

// followPause is the pause between two looks with --follow.
const followPause = time.Second

// newVerdictsCommand lists verdicts.
func newVerdictsCommand(env app.Env) *cobra.Command {
	var o verdictsOptions
	c := &cobra.Command{
		Use:   "verdicts",
		Short: "List verdicts with their reasons, or follow them as they come",
		Long: `List verdicts with their reasons, or follow them as they come.

With --held, say instead what has not gone out: where verdicts by one group of
evidence would end more than their share of a tenant's sessions, or come faster
than they may, the analyzer holds the rest until a person lets them go (vigil
release); restarts do not lose them. Analyzers are asked
for it, not ClickHouse, and answer for all tenants.`,
		Example: `  vigil verdicts --live
  vigil verdicts --held
  vigil verdicts --follow -o json | jq .target_id`,
		Args: cobra.NoArgs,
	}
	l := newLink(c, env, clickhouseParts(), analyzerParts())
	f := c.Flags()
	durationVar(f, &o.since, "since", 24*time.Hour, "how far back")
	f.IntVar(&o.limit, "limit", 50, "how many, the newest first")
	f.BoolVar(&o.live, "live", false, "only those that hold now")
	f.BoolVarP(&o.follow, "follow", "f", false, "go on and print new ones as they come; with -o json one per line")
	f.StringVar(&o.id, "for", "", "only those about this session, subject or other target, by its id")
	f.BoolVar(&o.held, "held", false, "only what waits for a person before it goes out")
	for _, other := range []string{"since", "limit", "live", "follow", "for"} {
		c.MarkFlagsMutuallyExclusive("held", other)
	}
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.held {
			return listHeld(cmd, env, l)
		}
		return verdicts(cmd, env, l, o)
	}
	return c
}

func verdicts(c *cobra.Command, env app.Env, l *link, o verdictsOptions) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if o.limit < 1 || o.since <= 0 {
		return app.Usage("--limit and --since must be above 0")
	}
	run, err := l.read()
	if err != nil {
		return err
	}
	db, err := open(c.Context(), run)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	rows, err := o.rows(c.Context(), db, run, env.Now().Add(-o.since))
	if err != nil {
		return err
	}
	p := newPrinter(c, env)
	if !o.follow {
		if asJSON {
			return writeJSON(env.Stdout, rows)
		}
		if len(rows) == 0 {
			sayln(env.Stderr, "no verdicts within that time; a model that only observes announces none")
			return nil
		}
		return p.verdicts(rows, true)
	}
	slices.Reverse(rows)
	return o.followFrom(c.Context(), env, db, run, rows, func(rows []verdictRow, first bool) error {
		if !asJSON {
			return p.verdicts(rows, first)
		}
		for i := range rows {
			err := writeJSON(env.Stdout, &rows[i])
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// followFrom prints rows and then what comes. Rows are stored a little after
// their time, so each look reaches back a minute and leaves out what was seen.
func (o *verdictsOptions) followFrom(ctx context.Context, env app.Env, db database, run runfile.Run, rows []verdictRow, show func([]verdictRow, bool) error) error {
	const reach = time.Minute
	seen := make(map[string]time.Time)
	first := true
	tick := time.NewTicker(followPause)
	defer tick.Stop()
	for {
		var fresh []verdictRow
		for _, r := range rows {
			key := fmt.Sprint(r.ID, r.Epoch, r.Seq)
			_, known := seen[key]
			if !known {
				fresh = append(fresh, r)
			}
			seen[key] = r.Time
		}
		if first || len(fresh) > 0 {
			err := show(fresh, first)
			if err != nil {
				return err
			}
		}
		first = false
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		since := env.Now().Add(-reach)
		for key, at := range seen {
			if at.Before(since.Add(-reach)) {
				delete(seen, key)
			}
		}
		var err error
		rows, err = o.rows(ctx, db, run, since)
		if ctx.Err() != nil {
			return nil // Ctrl-C is how one stops following.
		}
		if err != nil {
			return err
		}
		slices.Reverse(rows)
	}
}

// rows reads verdicts, the newest first.
func (o *verdictsOptions) rows(ctx context.Context, db database, run runfile.Run, since time.Time) ([]verdictRow, error) {
	where, args := "tenant = ? AND verdicts.time >= ?", []any{run.Tenant, since}
	if o.live {
		where += inForce
		args = append(args, run.Tenant, run.Tenant, run.Tenant)
	}
	if o.id != "" {
		where += " AND (target_id = ? OR subject = ?)"
		args = append(args, o.id, o.id)
	}
	return selectVerdicts(ctx, db, where+fmt.Sprintf(" ORDER BY verdicts.time DESC LIMIT %d", o.limit), args...)
}

func selectVerdicts(ctx context.Context, db database, where string, args ...any) ([]verdictRow, error) {
	rows := []verdictRow{}
	err := db.Select(ctx, &rows, "SELECT "+verdictColumns+" FROM verdicts FINAL WHERE "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read verdicts: %w", err)
	}
	for i := range rows {
		rows[i].Evidence = rows[i].reasons()
	}
	return rows, nil
}

// reasons are the evidence of the columns.
func (r *verdictRow) reasons() []evidenceRow {
	var all []evidenceRow
	for j := range min(len(r.Signals), len(r.Groups), len(r.Nats), len(r.Hard), len(r.Texts)) {
		all = append(all, evidenceRow{r.Signals[j], r.Groups[j], r.Nats[j], r.Hard[j], r.Texts[j]})
	}
	return all
}

// why is the first reason of a verdict in words.
func (r *verdictRow) why() string {
	if len(r.Evidence) == 0 {
		return clean(r.OperatorText)
	}
	var parts []string
	for _, e := range r.Evidence[:min(2, len(r.Evidence))] {
		parts = append(parts, fmt.Sprintf("%s %+.1f (%s)", e.Signal, e.Nats, clean(e.Text)))
	}
	return strings.Join(parts, "; ")
}

func (p printer) verdicts(rows []verdictRow, header bool) error {
	cells := make([][]string, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		cells = append(cells, []string{
			r.Time.UTC().Format(time.DateTime), r.Action, r.TargetKind, clean(r.TargetID), nats(r.Score), r.Until.UTC().Format(time.DateTime), r.Origin, r.SupportCode, r.why(),
		})
	}
	head := []string{"TIME (UTC)", "ACTION", "KIND", "TARGET", "SCORE", "UNTIL (UTC)", "FROM", "SUPPORT CODE", "WHY (nats)"}
	if !header {
		return p.rows(cells)
	}
	return p.table(head, cells)
}
