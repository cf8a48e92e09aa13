package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// touchWindow is how far back one looks for who would be touched.
const touchWindow = time.Hour

// touchTimeout bounds the look: nobody who stops a thief waits for statistics.
const touchTimeout = 2 * time.Second

// sessionsAnswerMax bounds a gateway's list of sessions.
const sessionsAnswerMax = 16 << 20

// touches is what a verdict about a target meets, as far as the last hour shows.
type touches struct {
	Sessions uint64    `json:"sessions"`
	Subjects uint64    `json:"subjects"`
	Requests uint64    `json:"requests"`
	Last     time.Time `json:"last"`
	// Tenant is whose rows were looked at.
	Tenant string `json:"tenant"`
	// Elsewhere are other tenants in which it was seen where this one shows nothing.
	Elsewhere []string `json:"elsewhere,omitempty"`
	// Unknown says why that cannot be said.
	Unknown string `json:"unknown,omitempty"`
	// Open is what each gateway has open now.
	Open []openNow `json:"open,omitempty"`
}

// openNow is what one gateway would cut.
type openNow struct {
	Gateway string         `json:"gateway"`
	Total   int            `json:"total"`
	Streams map[string]int `json:"streams,omitempty"`
	Error   string         `json:"error,omitempty"`
}

// String is the sentence for a person.
func (o openNow) String() string {
	if o.Error != "" {
		return fmt.Sprintf("%s does not say what is open: %s", o.Gateway, o.Error)
	}
	if o.Total == 0 {
		return fmt.Sprintf("open now at %s: nothing", o.Gateway)
	}
	var kinds []string
	for _, k := range slices.Sorted(maps.Keys(o.Streams)) {
		kinds = append(kinds, fmt.Sprintf("%d %s", o.Streams[k], k))
	}
	return fmt.Sprintf("open now at %s: %d (%s)", o.Gateway, o.Total, strings.Join(kinds, ", "))
}

// String is one line for what was seen and one for each gateway.
func (t *touches) String() string {
	lines := []string{t.seen()}
	for _, o := range t.Open {
		lines = append(lines, o.String())
	}
	return strings.Join(lines, "\n")
}

func (t *touches) seen() string {
	switch {
	case t.Unknown != "":
		return "what it touches cannot be said: " + t.Unknown
	case t.Requests == 0:
		text := "nothing of it was seen in the last hour in tenant " + clean(t.Tenant)
		if len(t.Elsewhere) > 0 {
			text += ", but in tenant " + clean(strings.Join(t.Elsewhere, ", ")) + ": say which one is meant with --tenant"
		}
		return text
	}
	return fmt.Sprintf("in the last hour: %s of %s, %s, the last at %s",
		counted(t.Sessions, "session"), counted(t.Subjects, "subject"), counted(t.Requests, "request"), t.Last.UTC().Format(time.RFC3339))
}

// counted is a number of things in words: 1 session, 2 sessions.
func counted(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// elsewhereMax bounds the other tenants that are named.
const elsewhereMax = 3

// condition is the WHERE clause by which rows of requests show a target.
func condition(t *verdict.Target) string {
	switch t.Kind {
	case verdict.TargetToken:
		return "token_id = ?"
	case verdict.TargetClient:
		return "client_id = ?"
	case verdict.TargetPrefix:
		return "isIPAddressInRange(if(address = '', '::', address), ?)"
	case verdict.TargetSession, verdict.TargetSubject, verdict.TargetDevice, verdict.TargetAddress,
		verdict.TargetAccount, verdict.TargetJA4, verdict.TargetRoute:
		return t.Kind + " = ?"
	}
	return "? = ''"
}

// touch looks what a target meets. It never fails: a verdict must go out also
// while ClickHouse is down.
func touch(ctx context.Context, env app.Env, run runfile.Run, t *verdict.Target) *touches {
	ctx, cancel := context.WithTimeout(ctx, touchTimeout)
	defer cancel()
	seen := lastHour(ctx, env, run, t)
	gateways, _, err := adminURLs(run)
	if err != nil {
		return seen // Said again, and louder, when the verdict is to be sent.
	}
	shown, err := portalOf(run)
	if err != nil || shown.token == "" {
		return seen
	}
	for _, u := range gateways {
		seen.Open = append(seen.Open, askOpen(ctx, u, shown, run.Tenant, t))
	}
	return seen
}

func lastHour(ctx context.Context, env app.Env, run runfile.Run, t *verdict.Target) *touches {
	if run.ClickHouse == "" {
		return &touches{Tenant: run.Tenant, Unknown: "no ClickHouse is known (--clickhouse)"}
	}
	db, err := open(ctx, run)
	if err != nil {
		return &touches{Tenant: run.Tenant, Unknown: err.Error()}
	}
	defer func() { _ = db.Close() }()
	var rows []struct {
		Sessions uint64    `ch:"sessions"`
		Subjects uint64    `ch:"subjects"`
		Requests uint64    `ch:"requests"`
		Last     time.Time `ch:"last"`
	}
	err = db.Select(ctx, &rows, `SELECT uniqExact(session) AS sessions, uniqExact(subject) AS subjects, count() AS requests, max(time) AS last
FROM requests WHERE tenant = ? AND time > ? AND `+condition(t), run.Tenant, env.Now().Add(-touchWindow), t.Id)
	if err != nil {
		return &touches{Tenant: run.Tenant, Unknown: err.Error()}
	}
	r := rows[0]
	seen := &touches{Tenant: run.Tenant, Sessions: r.Sessions, Subjects: r.Subjects, Requests: r.Requests, Last: r.Last}
	if r.Requests > 0 {
		return seen
	}
	var others []struct {
		Tenant string `ch:"tenant"`
	}
	err = db.Select(ctx, &others, fmt.Sprintf(`SELECT DISTINCT toString(tenant) AS tenant FROM requests
WHERE requests.tenant != ? AND time > ? AND %s ORDER BY tenant LIMIT %d`, condition(t), elsewhereMax), run.Tenant, env.Now().Add(-touchWindow), t.Id)
	if err != nil {
		return seen // Another tenant's rows are a hint, and may be hidden.
	}
	for _, o := range others {
		seen.Elsewhere = append(seen.Elsewhere, o.Tenant)
	}
	return seen
}

// askOpen asks one gateway whom a verdict would touch at this moment.
func askOpen(ctx context.Context, base string, shown portal, tenant string, t *verdict.Target) openNow {
	out := openNow{Gateway: base}
	q := url.Values{"kind": {t.Kind}, "id": {t.Id}, "tenant": {tenant}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/sessions?"+q.Encode(), nil)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	resp, err := shown.do(req)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		out.Error = resp.Status
		return out
	}
	var answer struct {
		Gateway  string `json:"gateway"`
		Total    int    `json:"total"`
		Sessions []struct {
			Stream string `json:"stream"`
		} `json:"sessions"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, sessionsAnswerMax)).Decode(&answer)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	out.Gateway, out.Total, out.Streams = answer.Gateway, answer.Total, make(map[string]int)
	for _, s := range answer.Sessions {
		out.Streams[s.Stream]++
	}
	return out
}
