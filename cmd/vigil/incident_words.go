package main

import (
	"context"
	"fmt"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/analyzer/incident"
	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
)

// saidRow is a word about an incident, and whose key signed it.
type saidRow struct {
	Time     time.Time `json:"time" ch:"time"`
	Incident string    `json:"incident" ch:"incident_id"`
	Word     string    `json:"word" ch:"word"`
	Text     string    `json:"text" ch:"text"`
	By       string    `json:"by" ch:"said_by"`
	Envelope string    `json:"-" ch:"envelope"`
	// Signed is the id of the operator's key; empty where the signature is not his, or
	// nobody here knows the keys.
	Signed string `json:"signed"`
}

// foundRow is a verdict of an incident.
type foundRow struct {
	Time       time.Time `json:"time" ch:"time"`
	VerdictID  string    `json:"verdict_id" ch:"verdict_id"`
	Announced  bool      `json:"announced" ch:"announced"`
	Action     string    `json:"action" ch:"action"`
	TargetKind string    `json:"target_kind" ch:"target_kind"`
	TargetID   string    `json:"target_id" ch:"target_id"`
	Score      float64   `json:"score" ch:"score"`
	Signals    []string  `json:"signals" ch:"signals"`
}

// incidentView is what "vigil incidents show" says.
type incidentView struct {
	incidentRow

	Findings []foundRow `json:"findings"`
	Words    []saidRow  `json:"words"`
}

func newIncidentsShowCommand(env app.Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "show INCIDENT",
		Short: "Show what belongs to an incident, and what was said about it",
		Args:  oneArg("INCIDENT, by its id"),
	}
	l := newLink(c, env, clickhouseParts(), []part{
		{"key-set-file", "key set that tells whose key signed a word", func(r *runfile.Run) *string { return &r.KeySetFile }},
		{"root-public-file", "public key that signed the key set (PEM)", func(r *runfile.Run) *string { return &r.RootFile }},
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		asJSON, err := wantsJSON(cmd)
		if err != nil {
			return err
		}
		db, run, err := l.database(cmd.Context())
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		v, err := viewIncident(cmd.Context(), db, run, args[0])
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(env.Stdout, v)
		}
		return newPrinter(cmd, env).incident(v)
	}
	return c
}

func viewIncident(ctx context.Context, db database, run runfile.Run, id string) (*incidentView, error) {
	row, err := findIncident(ctx, db, run.Tenant, id)
	if err != nil {
		return nil, err
	}
	v := &incidentView{incidentRow: *row, Findings: []foundRow{}, Words: []saidRow{}}
	ids := append([]string{row.ID}, row.MergedIDs...)
	err = db.Select(ctx, &v.Findings, `SELECT f.time AS time, f.verdict_id AS verdict_id, f.announced AS announced, toString(f.action) AS action, toString(f.target_kind) AS target_kind,
    f.target_id AS target_id, f.score AS score, CAST(f.signals, 'Array(String)') AS signals
FROM (SELECT * FROM incident_findings FINAL WHERE tenant = ?) AS f WHERE has(?, f.incident_id) ORDER BY f.time, f.verdict_id LIMIT ?`, run.Tenant, ids, incident.FindingsMax)
	if err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	err = db.Select(ctx, &v.Words, `SELECT w.time AS time, w.incident_id AS incident_id, toString(w.word) AS word, w.text AS text, w.said_by AS said_by, w.envelope AS envelope
FROM incident_words AS w WHERE w.tenant = ? AND has(?, w.incident_id) ORDER BY w.time LIMIT ?`, run.Tenant, ids, incident.FindingsMax)
	if err != nil {
		return nil, fmt.Errorf("read words: %w", err)
	}
	if run.KeySetFile == "" || run.RootFile == "" {
		return v, nil
	}
	keys, err := keyfile.KeySet(run.RootFile, run.KeySetFile)
	if err != nil {
		return nil, app.Usage("%w", err)
	}
	for i := range v.Words {
		s := &v.Words[i]
		w := incident.Word{Tenant: run.Tenant, Incident: s.Incident, Time: s.Time, Word: s.Word, Text: s.Text, By: s.By}
		kid, err := w.Verify(keys, []byte(s.Envelope))
		if err == nil { // Else it stays unsigned, which is what is to be shown.
			s.Signed = kid
		}
	}
	return v, nil
}

func (p printer) incident(v *incidentView) error {
	err := p.incidents([]incidentRow{v.incidentRow})
	if err != nil {
		return err
	}
	for _, list := range []struct {
		what    string
		members []string
	}{
		{"sessions", v.Sessions},
		{"subjects", v.Subjects},
		{"addresses", v.Addresses},
		{"prefixes", v.Prefixes},
		{"networks", v.Networks},
		{"devices", v.Devices},
		{"clients", v.Clients},
		{"accounts", v.Accounts},
		{"ja4s", v.JA4s},
		{"routes", v.Routes},
		{"was also", v.MergedIDs},
	} {
		if len(list.members) > 0 {
			say(p.w, "%s (%d): %s\n", list.what, len(list.members), clean(shorten(strings.Join(list.members, ", "), 400)))
		}
	}
	if v.MembersBeyond > 0 {
		say(p.w, "and %d members more than the lists hold\n", v.MembersBeyond)
	}
	cells := make([][]string, 0, len(v.Findings))
	for _, f := range v.Findings {
		state := "verdict"
		if !f.Announced {
			state = "waiting"
		}
		cells = append(cells, []string{f.Time.UTC().Format(time.DateTime), state, f.Action, f.TargetKind + " " + clean(shorten(f.TargetID, 60)), nats(f.Score), f.VerdictID, clean(strings.Join(f.Signals, ", "))})
	}
	err = p.table([]string{"FOUND (UTC)", "WHAT", "ACTION", "TARGET", "SCORE", "VERDICT", "SIGNALS"}, cells)
	if err != nil || len(v.Words) == 0 {
		return err
	}
	cells = cells[:0]
	for _, s := range v.Words {
		signed := s.Signed
		if signed == "" {
			signed = "not verified"
		}
		cells = append(cells, []string{s.Time.UTC().Format(time.DateTime), s.Word, clean(s.By), clean(signed), clean(s.Text)})
	}
	return p.table([]string{"SAID (UTC)", "WORD", "BY", "KEY", "TEXT"}, cells)
}

// newIncidentWordCommand says one word about an incident.
func newIncidentWordCommand(env app.Env, word, text, short string) *cobra.Command {
	var by string
	optional := strings.HasPrefix(text, "[")
	c := &cobra.Command{
		Use:   word + " INCIDENT " + text,
		Short: short,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 || len(args) == 1 && !optional {
				return app.Usage("needs INCIDENT %s", text)
			}
			return nil
		},
	}
	l := newLink(c, env, clickhouseParts(), operatorParts())
	c.Flags().StringVar(&by, "by", "", "who says so (default: the user of this machine)")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if by == "" {
			u, err := user.Current()
			if err != nil {
				return app.Usage("--by: say who you are, this machine does not know: %w", err)
			}
			by = u.Username
		}
		w := incident.Word{Word: word, By: by, Time: env.Now().UTC().Truncate(time.Microsecond)} // What a column of microseconds keeps.
		if len(args) == 2 {
			w.Text = args[1]
		}
		return sayWord(cmd.Context(), env, l, w, args[0])
	}
	return c
}

// sayWord signs a word and stores it.
func sayWord(ctx context.Context, env app.Env, l *link, w incident.Word, id string) error {
	run, err := l.read()
	if err != nil {
		return err
	}
	signer, err := operator(run, env.Now())
	if err != nil {
		return err
	}
	db, err := open(ctx, run)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	row, err := findIncident(ctx, db, run.Tenant, id)
	if err != nil {
		return err
	}
	w.Tenant, w.Incident = run.Tenant, row.ID
	envelope, err := w.Sign(signer)
	if err != nil {
		return app.Usage("%w", err)
	}
	err = db.Exec(ctx, "INSERT INTO incident_words (tenant, time, incident_id, word, text, said_by, envelope, ingested_at) VALUES (?, fromUnixTimestamp64Micro(?), ?, ?, ?, ?, ?, now64(3))",
		w.Tenant, w.Time.UnixMicro(), w.Incident, w.Word, w.Text, w.By, string(envelope))
	if err != nil {
		return fmt.Errorf("store what was said: %w", err)
	}
	said := w.Word
	if w.Text != "" {
		said += " " + clean(w.Text)
	}
	say(env.Stderr, "%s: %s, by %s\n", w.Incident, said, clean(w.By))
	return nil
}
