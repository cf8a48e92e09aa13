package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/analyzer/incident"
	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
)

const incidentsLong = `List incidents, look into one, and say whose it is and how it stands.

A botnet or a campaign is one incident, however many verdicts it brought about.
Verdicts belong together where they are about the same session, subject or
target, or where their events show what nobody else shows. Whoever answers for
an incident assigns it, notes what he learns and closes it; a closed one takes
no more verdicts, what goes on is a new one. What you say is signed with your
key and kept with your name.`

// incidentRow is an incident as ClickHouse has it.
type incidentRow struct {
	ID            string    `json:"id" ch:"id"`
	State         string    `json:"state" ch:"state"`
	Owner         string    `json:"owner" ch:"owner"`
	Severity      string    `json:"severity" ch:"severity"`
	Action        string    `json:"action" ch:"action"`
	Score         float64   `json:"score" ch:"score"`
	FirstSeen     time.Time `json:"first_seen" ch:"first_seen"`
	LastSeen      time.Time `json:"last_seen" ch:"last_seen"`
	Verdicts      uint64    `json:"verdicts" ch:"verdicts"`
	Waiting       uint64    `json:"waiting" ch:"waiting"`
	Targets       uint64    `json:"targets" ch:"targets"`
	Signals       []string  `json:"signals" ch:"signals"`
	Sessions      []string  `json:"sessions" ch:"sessions"`
	Subjects      []string  `json:"subjects" ch:"subjects"`
	Addresses     []string  `json:"addresses" ch:"addresses"`
	Prefixes      []string  `json:"prefixes" ch:"prefixes"`
	Networks      []string  `json:"networks" ch:"networks"`
	Devices       []string  `json:"devices" ch:"devices"`
	Clients       []string  `json:"clients" ch:"clients"`
	Accounts      []string  `json:"accounts" ch:"accounts"`
	JA4s          []string  `json:"ja4s" ch:"ja4s"`
	Routes        []string  `json:"routes" ch:"routes"`
	Members       uint64    `json:"members" ch:"members"`
	MembersBeyond uint64    `json:"members_beyond" ch:"members_beyond"`
	VerdictIDs    []string  `json:"verdict_ids" ch:"verdict_ids"`
	MergedIDs     []string  `json:"merged_ids" ch:"merged_ids"`
}

const incidentColumns = `id, state, owner, severity, action, score, first_seen, last_seen, verdicts, waiting, toUInt64(targets) AS targets, signals, sessions, subjects, addresses,
    prefixes, networks, devices, clients, accounts, ja4s, routes, toUInt64(members) AS members, toUInt64(greatest(0, members_beyond)) AS members_beyond, verdict_ids, merged_ids`

// newIncidentsCommand shows incidents and takes what people say about them.
func newIncidentsCommand(env app.Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "incidents",
		Short: "One botnet or campaign, one row: list, look into, assign, close",
		Long:  incidentsLong,
		Example: `  vigil incidents list
  vigil incidents show IN-7K2M-9QXA-04TZ
  vigil incidents assign IN-7K2M-9QXA-04TZ ana
  vigil incidents note IN-7K2M-9QXA-04TZ "same hosting company as in May"
  vigil incidents close IN-7K2M-9QXA-04TZ "blocked at the firewall"`,
		Args: noSuchCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newIncidentsListCommand(env), newIncidentsShowCommand(env))
	for _, w := range []struct{ word, text, short string }{
		{incident.WordAssign, "OWNER", "Say who answers for an incident"},
		{incident.WordAcknowledge, "[NOTE]", "Say that somebody looks into it"},
		{incident.WordNote, "NOTE", "Note what was learnt"},
		{incident.WordClose, "[NOTE]", "Say that it is over: it takes no more verdicts"},
		{incident.WordReopen, "[NOTE]", "Say that it is not over"},
	} {
		c.AddCommand(newIncidentWordCommand(env, w.word, w.text, w.short))
	}
	return c
}

func newIncidentsListCommand(env app.Env) *cobra.Command {
	var since time.Duration
	var all bool
	var limit int
	c := &cobra.Command{
		Use:   "list",
		Short: "List incidents, the gravest first",
		Args:  cobra.NoArgs,
	}
	l := newLink(c, env, clickhouseParts())
	f := c.Flags()
	durationVar(f, &since, "since", 30*24*time.Hour, "how far back, by what was last found")
	f.BoolVar(&all, "all", false, "closed ones, too")
	f.IntVar(&limit, "limit", 50, "how many")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		asJSON, err := wantsJSON(cmd)
		if err != nil {
			return err
		}
		if limit < 1 || since <= 0 {
			return app.Usage("--limit and --since must be above 0")
		}
		db, run, err := l.database(cmd.Context())
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		where := "tenant = ? AND last_seen >= ?"
		if !all {
			where += " AND state != '" + incident.StateClosed + "'"
		}
		rows, err := selectIncidents(cmd.Context(), db, where+" ORDER BY indexOf(['critical', 'high', 'medium', 'low'], severity), last_seen DESC, id LIMIT ?", run.Tenant, env.Now().Add(-since), limit)
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(env.Stdout, rows)
		}
		if len(rows) == 0 {
			sayln(env.Stderr, "no incidents")
			return nil
		}
		return newPrinter(cmd, env).incidents(rows)
	}
	return c
}

// database reads the link and connects to its ClickHouse.
func (l *link) database(ctx context.Context) (database, runfile.Run, error) {
	run, err := l.read()
	if err != nil {
		return nil, run, err
	}
	db, err := open(ctx, run)
	return db, run, err
}

func selectIncidents(ctx context.Context, db database, where string, args ...any) ([]incidentRow, error) {
	rows := []incidentRow{}
	err := db.Select(ctx, &rows, "SELECT "+incidentColumns+" FROM incidents WHERE "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read incidents: %w", err)
	}
	return rows, nil
}

func (p printer) incidents(rows []incidentRow) error {
	cells := make([][]string, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		cells = append(cells, []string{
			r.ID, r.State, clean(shorten(r.Owner, 20)), r.Severity, r.Action, r.FirstSeen.UTC().Format(time.DateTime), r.LastSeen.UTC().Format(time.DateTime),
			strconv.FormatUint(r.Verdicts, 10), strconv.FormatUint(r.Waiting, 10), strconv.FormatUint(r.Members, 10), clean(shorten(strings.Join(r.Signals, ", "), 80)),
		})
	}
	return p.table([]string{"INCIDENT", "STATE", "OWNER", "SEVERITY", "ACTION", "FIRST (UTC)", "LAST (UTC)", "VERDICTS", "WAITING", "MEMBERS", "SIGNALS"}, cells)
}

// findIncident finds one by its id, or by that of one that was merged into it.
func findIncident(ctx context.Context, db database, tenant, id string) (*incidentRow, error) {
	rows, err := selectIncidents(ctx, db, "tenant = ? AND (id = ? OR has(merged_ids, ?)) LIMIT 1", tenant, id, id)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, &app.ExitError{Code: app.ExitFindings, Err: fmt.Errorf("there is no incident %q; \"%s\" lists them", clean(shorten(id, 80)), hint("", "incidents list"))}
	}
	return &rows[0], nil
}
