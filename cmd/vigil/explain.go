package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// requestRow is what one must know of a request to recognise it as one's own.
type requestRow struct {
	Time       time.Time `json:"time" ch:"time"`
	ID         string    `json:"id" ch:"id"`
	RequestID  string    `json:"request_id" ch:"request_id"`
	Subject    string    `json:"subject" ch:"subject"`
	Session    string    `json:"session" ch:"session"`
	Address    string    `json:"address" ch:"address"`
	Country    string    `json:"country" ch:"country"`
	ASOrg      string    `json:"as_org" ch:"as_org"`
	UserAgent  string    `json:"user_agent" ch:"user_agent"`
	Method     string    `json:"method" ch:"method"`
	Host       string    `json:"host" ch:"host"`
	Path       string    `json:"path" ch:"path"`
	Route      string    `json:"route" ch:"route"`
	Status     uint16    `json:"status" ch:"status"`
	Decision   string    `json:"decision" ch:"decision"`
	Reason     string    `json:"reason" ch:"reason"`
	DurationUS uint64    `json:"duration_us" ch:"duration_us"`
}

const requestColumns = `time, id, request_id, subject, session, address, toString(country) AS country, toString(as_org) AS as_org, user_agent,
    toString(method) AS method, host, path, toString(route) AS route, status, toString(decision) AS decision, toString(reason) AS reason, duration_us`

// explanation is all that is known about a code.
type explanation struct {
	Request  *requestRow   `json:"request,omitempty"`
	Verdict  *verdictRow   `json:"verdict,omitempty"`
	Evidence []evidenceRow `json:"evidence,omitempty"`
	// InForce says that the verdict still holds.
	InForce bool `json:"in_force"`
	// Lifted is the operator's verdict that voided it, if that is how it ended.
	Lifted *verdictRow `json:"lifted,omitempty"`
	// Cuts counts what was ended or refused by the verdict.
	Cuts uint64 `json:"cuts"`
}

// newExplainCommand tells what happened and how to lift it.
func newExplainCommand(env app.Env) *cobra.Command {
	var o waterfallOptions
	c := &cobra.Command{
		Use:   "explain CODE|FILE",
		Short: "Say why a request was refused, or what made a score",
		Long: `Say why a request was refused and how to lift it, or what made a score.

CODE is the support code that a refused client was shown (VG-XXXX-XXXX). A
session, a request id, an event id or a verdict id works too. It is looked up
in ClickHouse. The answer shows the request ("was this me?"), the verdict with
its evidence in nats, and the command that lifts it.

FILE holds assessments as vigil score writes them, one a line, may be gzipped;
- is standard input. The answer draws the sum of the evidence: of the events
with the greatest score, one of each session, or of the event that --event
names. It shows how the session's score came about and how far it is from the
thresholds of the model's ladder.

What is -, has a path separator, ends in .json, .ndjson, .jsonl or .gz, or is a
file here, is a FILE; everything else, and everything with --code, is a CODE.`,
		Example: `  vigil explain VG-7KQ2-M4XD
  vigil score <events.ndjson | vigil explain -
  vigil explain --event 0198c7d2 assessments.ndjson`,
		Args: oneArg("a support code, session, request, event or verdict, or a file of assessments"),
	}
	l := newLink(c, env, clickhouseParts())
	o.addTo(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if o.isFile(args[0]) {
			return explainFile(cmd, env, o, args[0])
		}
		if flag := o.ofFile(cmd); flag != "" {
			return app.Usage("--%s goes with a file of assessments; %s is no file here and taken for a code", flag, clean(args[0]))
		}
		return explain(cmd, env, l, args[0])
	}
	return c
}

func explain(c *cobra.Command, env app.Env, l *link, code string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	code = strings.TrimSpace(code)
	if strings.HasPrefix(strings.ToUpper(code), supportPrefix) {
		code = strings.ToUpper(code)
		if len(code) != len(event.SupportCode("")) {
			return app.Usage("%s is no whole support code, which has the form VG-XXXX-XXXX", clean(code))
		}
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
	x, err := lookUp(c.Context(), db, run, code)
	if err != nil {
		return err
	}
	if x.Request == nil && x.Verdict == nil {
		say(env.Stderr, "nothing is known under %s in tenant %s (--tenant asks another); what happened shows about a second later, and for 30 days\n", clean(code), clean(run.Tenant))
		return app.Findings()
	}
	if asJSON {
		return writeJSON(env.Stdout, x)
	}
	x.print(env.Stdout, env.Now(), l.directory())
	return nil
}

// supportPrefix begins every support code.
const supportPrefix = "VG-"

// lookUp follows a code from the request to the verdict, or back.
func lookUp(ctx context.Context, db database, run runfile.Run, code string) (*explanation, error) {
	x := new(explanation)
	var requests []requestRow
	err := db.Select(ctx, &requests, "SELECT "+requestColumns+` FROM requests
WHERE tenant = ? AND (support_code = ? OR other_request_id = ? OR id = ? OR session = ?)
ORDER BY decision != 'permit' DESC, requests.time DESC LIMIT 1`, run.Tenant, code, code, code, code)
	if err != nil {
		return nil, fmt.Errorf("read requests: %w", err)
	}
	if len(requests) > 0 {
		x.Request = &requests[0]
	}
	found, err := x.verdictOf(ctx, db, run, code)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return x, nil
	}
	x.Verdict, x.Evidence = &found[0], found[0].Evidence
	var cuts []struct {
		N uint64 `ch:"n"`
	}
	err = db.Select(ctx, &cuts, "SELECT count() AS n FROM enforcements FINAL WHERE tenant = ? AND verdict_id = ?", run.Tenant, x.Verdict.ID)
	if err != nil {
		return nil, fmt.Errorf("read enforcements: %w", err)
	}
	x.Cuts = cuts[0].N
	return x, x.follow(ctx, db, run)
}

// follow finds what became of the verdict.
func (x *explanation) follow(ctx context.Context, db database, run runfile.Run) error {
	held, err := selectVerdicts(ctx, db, "tenant = ? AND id = ?"+inForce+" LIMIT 1", run.Tenant, x.Verdict.ID, run.Tenant, run.Tenant, run.Tenant)
	if err != nil {
		return err
	}
	x.InForce = len(held) > 0
	if x.InForce {
		return nil
	}
	lifts, err := selectVerdicts(ctx, db, `tenant = ? AND target_kind = ? AND target_id = ? AND authority = 'operator' AND action = 'observe'
    AND verdicts.time >= ? ORDER BY verdicts.time LIMIT 1`, run.Tenant, x.Verdict.TargetKind, x.Verdict.TargetID, x.Verdict.Time)
	if err != nil {
		return err
	}
	if len(lifts) > 0 {
		x.Lifted = &lifts[0]
	}
	return nil
}

// verdictOf finds the verdict that a code, or the request found for it, leads to.
func (x *explanation) verdictOf(ctx context.Context, db database, run runfile.Run, code string) ([]verdictRow, error) {
	requestID, session, subject, eventID := code, code, "", code
	if x.Request != nil {
		requestID, session, subject, eventID = x.Request.RequestID, x.Request.Session, x.Request.Subject, x.Request.ID
	}
	// The code's own verdict comes before a later one of the same request, also
	// where the code was only shown with it.
	found, err := selectVerdicts(ctx, db, `tenant = ? AND (support_code = ? OR id = ? OR cause_event_id = ? OR id IN
    (SELECT verdict_id FROM enforcements WHERE tenant = ? AND (support_code = ? OR request_id = ?)))
ORDER BY support_code = ? OR id = ? DESC, id IN (SELECT verdict_id FROM enforcements WHERE tenant = ? AND support_code = ?) DESC, verdicts.time DESC LIMIT 1`,
		run.Tenant, code, code, eventID, run.Tenant, code, requestID, code, code, run.Tenant, code)
	if err != nil || len(found) > 0 {
		return found, err
	}
	if x.Request != nil && x.Request.Session != code && !byVerdict(x.Request) {
		return nil, nil // Let through, or refused for its own sake, such as an expired token.
	}
	return selectVerdicts(ctx, db, `tenant = ? AND action != 'observe' AND target_id != '' AND
    (target_kind = 'session' AND target_id = ? OR target_kind = 'subject' AND target_id = ?)
ORDER BY verdicts.time DESC LIMIT 1`, run.Tenant, session, subject)
}

// byVerdict reports whether a request met what a verdict had said.
func byVerdict(r *requestRow) bool {
	switch r.Reason {
	case problem.CodeRevoked, problem.CodeBlocked, problem.CodeStepUp, problem.CodeReadOnly, problem.CodeThrottled:
		return true
	}
	return r.Decision == event.DecisionCut
}

func (x *explanation) print(w io.Writer, now time.Time, dir string) {
	if r := x.Request; r != nil {
		say(w, "What happened   %s %s%s at %s was answered %d (%s%s)\n",
			clean(r.Method), clean(r.Host), clean(shorten(r.Path, 120)), r.Time.UTC().Format(time.RFC3339), r.Status, r.Decision, orNothing(", ", r.Reason))
		say(w, "Was this you?   from %s%s%s with %s\n",
			clean(r.Address), orNothing(", ", clean(r.Country)), orNothing(", ", clean(r.ASOrg)), orWord(clean(shorten(r.UserAgent, 120)), "no user agent"))
		say(w, "Session         %s of subject %s\n", orWord(r.Session, "none"), orWord(r.Subject, "nobody"))
	}
	v := x.Verdict
	if v == nil {
		sayln(w, "Verdict         none: the request was judged by its own credential and route alone")
		return
	}
	say(w, "Verdict         %s %s %s at %s by %s, score %.1f nats\n",
		v.Action, v.TargetKind, clean(v.TargetID), v.Time.UTC().Format(time.RFC3339), v.Origin, v.Score)
	for _, e := range x.Evidence {
		say(w, "                %+6.1f  %-28s %s\n", e.Nats, e.Signal, clean(e.Text))
	}
	if v.OperatorText != "" && len(x.Evidence) == 0 {
		say(w, "                %s\n", clean(v.OperatorText))
	}
	say(w, "Effect          %d requests and streams ended or refused\n", x.Cuts)
	say(w, "How to lift it  %s\n", x.remedy(now, dir))
}

// remedy says how the verdict ends or has ended.
func (x *explanation) remedy(now time.Time, dir string) string {
	v := x.Verdict
	restore := hint(dir, fmt.Sprintf("restore %s -- %s", v.TargetKind, clean(v.TargetID)))
	switch {
	case x.Lifted != nil:
		return fmt.Sprintf("an operator lifted it at %s%s", x.Lifted.Time.UTC().Format(time.RFC3339), orNothing(": ", clean(x.Lifted.OperatorText)))
	case !v.Until.After(now):
		return "it has lapsed at " + v.Until.UTC().Format(time.RFC3339)
	case !x.InForce:
		return "a later verdict about the same target has taken its place: " + hint(dir, "verdicts --for "+clean(v.TargetID))
	case v.Action == verdict.ActionStepUp:
		return "the person signs in again; or: " + restore
	}
	return fmt.Sprintf("%s (else it lapses at %s)", restore, v.Until.UTC().Format(time.RFC3339))
}

func orNothing(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}

func orWord(s, word string) string {
	if s == "" {
		return word
	}
	return s
}
