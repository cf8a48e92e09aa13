package main

import (
	"fmt"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/scorer/labels"
)

// noteMax bounds the note of a label, in bytes.
const noteMax = 1000

const labelLong = `Say whether a verdict was right, or list what was said.

A label is stored with the verdict's analytics. It changes nothing by itself:
"vigil query precision" shows what each model was worth by it, and what the list
gives with -o json is what "vigil calibrate --labels" reads. The latest label of
a verdict is its only one; every one is kept.`

// labelOptions are the flags of vigil label.
type labelOptions struct {
	by, note string
	since    time.Duration
}

// labelRow is a verdict with the latest that was said about it.
type labelRow struct {
	verdictRow

	Label string    `json:"label" ch:"label"`
	By    string    `json:"by" ch:"label_by"`
	At    time.Time `json:"at" ch:"labelled"`
	Note  string    `json:"-" ch:"note"`
}

// newLabelCommand stores what people say about verdicts.
func newLabelCommand(env app.Env) *cobra.Command {
	var o labelOptions
	c := &cobra.Command{
		Use:   "label [VERDICT " + labels.FalseAlarm + "|" + labels.Confirmed + "]",
		Short: "Say whether a verdict was a false alarm; without arguments, list what was said",
		Long:  labelLong,
		Example: `  vigil label VG-AAAA-AAAA false_alarm --note "on call that night"
  vigil label 0197c1d2-… confirmed
  vigil label -o json | jq -c '.[]' >labels.ndjson`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 0 && len(args) != 2 {
				return app.Usage("needs a verdict's id or support code and %s or %s, or nothing", labels.FalseAlarm, labels.Confirmed)
			}
			return nil
		},
	}
	l := newLink(c, env, clickhouseParts())
	f := c.Flags()
	f.StringVar(&o.by, "by", "", "who says so (default: the user of this machine)")
	f.StringVar(&o.note, "note", "", "why")
	durationVar(f, &o.since, "since", 30*24*time.Hour, "how far back the list goes, by the verdict's time")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		run, err := l.read()
		if err != nil {
			return err
		}
		db, err := open(cmd.Context(), run)
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		if len(args) == 0 {
			return o.list(cmd, env, db, run.Tenant)
		}
		return o.add(cmd, env, db, run.Tenant, l.directory(), args[0], args[1])
	}
	return c
}

func (o *labelOptions) add(c *cobra.Command, env app.Env, db database, tenant, dir, name, says string) error {
	if says != labels.FalseAlarm && says != labels.Confirmed {
		return app.Usage("a verdict is %s or %s, not %q", labels.FalseAlarm, labels.Confirmed, clean(shorten(says, 80)))
	}
	if len(o.note) > noteMax {
		return app.Usage("--note: %d B, at most %d B", len(o.note), noteMax)
	}
	by := o.by
	if by == "" {
		u, err := user.Current()
		if err != nil {
			return app.Usage("--by: say who labels, this machine does not know: %w", err)
		}
		by = u.Username
	}
	var found []struct {
		ID string `ch:"id"`
	}
	err := db.Select(c.Context(), &found, "SELECT DISTINCT id FROM verdicts WHERE tenant = ? AND (id = ? OR support_code = upper(?)) LIMIT 2", tenant, name, name)
	if err != nil {
		return fmt.Errorf("look the verdict up: %w", err)
	}
	if len(found) != 1 {
		many := "no verdict has"
		if len(found) > 1 {
			many = "more than one verdict has"
		}
		return &app.ExitError{Code: app.ExitFindings, Err: fmt.Errorf("%s the id or support code %q; \"%s\" lists them", many, clean(shorten(name, 80)), hint(dir, "verdicts"))}
	}
	now := env.Now().UTC()
	err = db.Exec(c.Context(), "INSERT INTO labels (tenant, time, verdict_id, label, label_by, note, ingested_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
		tenant, now, found[0].ID, says, by, o.note, now)
	if err != nil {
		return fmt.Errorf("store the label: %w", err)
	}
	say(env.Stderr, "verdict %s is labelled %s by %s\n", found[0].ID, says, clean(by))
	return nil
}

func (o *labelOptions) list(c *cobra.Command, env app.Env, db database, tenant string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	rows := []labelRow{}
	err = db.Select(c.Context(), &rows, "SELECT "+verdictColumns+`, l.label AS label, l.label_by AS label_by, l.labelled AS labelled, l.note AS note
FROM (SELECT * FROM verdicts FINAL WHERE tenant = ? AND verdicts.time >= ?) AS v INNER JOIN (
    SELECT verdict_id, argMax(toString(labels.label), labels.time) AS label, argMax(labels.label_by, labels.time) AS label_by, argMax(labels.note, labels.time) AS note, max(labels.time) AS labelled
    FROM labels WHERE tenant = ? GROUP BY verdict_id
) AS l ON l.verdict_id = v.id ORDER BY labelled DESC, id LIMIT ?`, tenant, env.Now().Add(-o.since), tenant, labels.LabelsMax)
	if err != nil {
		return fmt.Errorf("read labels: %w", err)
	}
	cells := make([][]string, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		r.Evidence = r.reasons()
		cells = append(cells, []string{r.At.UTC().Format(time.DateTime), r.SupportCode, r.Label, clean(r.By), r.Action, r.TargetKind + " " + shorten(r.TargetID, 40), clean(shorten(r.Note, 80))})
	}
	if asJSON {
		return writeJSON(env.Stdout, rows)
	}
	if len(rows) == 0 {
		sayln(env.Stderr, "no verdict has a label")
		return nil
	}
	return newPrinter(c, env).table([]string{"LABELLED (UTC)", "SUPPORT CODE", "LABEL", "BY", "ACTION", "TARGET", "NOTE"}, cells)
}
