package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/scorer/evidence"
)

const releaseLong = `Let verdicts go out that wait for a person.

Where verdicts by one group of evidence would end more than their share of a
tenant's sessions (blast_radius), the analyzer holds the rest and all that
follow; where more of them come than may in a minute (revokes_per_minute), it
holds those beyond. It may be an attack, or a signal that has gone wrong.
"vigil verdicts --held" says what waits, "vigil verdicts"
with which reasons others of that group went out before. What is released goes
out now, unless it has lapsed; what comes after is counted anew. A release
cannot be taken back; "vigil restore" lifts single verdicts.

GROUP fuse releases what gateways hold by themselves (revoke.fuse): verdicts of the
analyzer that would end too many of the sessions that they see. Before that, be sure
that the analyzer's key is not in other hands; if it may be, run
"vigil keys rotate analyzer --compromised" instead.

Exit code 1 says that nothing of the group waits, or that an analyzer refuses.`

// heldGroup is what waits at one analyzer.
type heldGroup struct {
	Analyzer string    `json:"analyzer"`
	Tenant   string    `json:"tenant"`
	Group    string    `json:"group"`
	Limit    string    `json:"limit"`
	Since    time.Time `json:"since"`
	Held     int       `json:"held"`
}

// newReleaseCommand lets held verdicts go out.
func newReleaseCommand(env app.Env) *cobra.Command {
	c := &cobra.Command{
		Use:     "release GROUP",
		Short:   "Let verdicts go out that wait for a person",
		Long:    releaseLong,
		Example: "  vigil verdicts --held\n  vigil release walk\n  vigil release fuse",
		Args:    oneArg("GROUP, of the evidence that the verdicts rest on, such as walk"),
	}
	l := newLink(c, env, analyzerParts(), gatewayParts(), tenantParts())
	c.RunE = func(cmd *cobra.Command, args []string) error { return release(cmd, env, l, args[0]) }
	return c
}

func release(c *cobra.Command, env app.Env, l *link, group string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	err = knownGroup(group)
	if err != nil {
		return err
	}
	run, err := l.read()
	if err != nil {
		return err
	}
	role, urls, shown, err := holders(run, group)
	if err != nil {
		return err
	}
	all := make([]delivery, 0, len(urls))
	released := false
	path := "/v1/release?" + url.Values{"tenant": {run.Tenant}, "group": {group}}.Encode()
	for _, u := range urls {
		d, status, _ := askAdmin(c.Context(), env, role, http.MethodPost, u, path, shown)
		released = released || d.OK
		if status == http.StatusNotFound { // Its share has nothing of the group: no fault where another's has.
			d.Error = "nothing of the group waits there"
		}
		all = append(all, d)
	}
	if asJSON {
		err = writeJSON(env.Stdout, map[string]any{"tenant": run.Tenant, "group": group, "released": released, "deliveries": all})
		if err != nil {
			return err
		}
	} else {
		for _, d := range all {
			sayRelease(env.Stdout, group, d)
		}
	}
	return releaseOutcome(all, released)
}

// groupFuse is how the command calls what gateways hold by themselves.
const groupFuse = "fuse"

// holders are the admin ports of those who may hold a group, and what they want to be shown.
func holders(run runfile.Run, group string) (role string, urls []string, shown portal, err error) {
	if group == groupFuse {
		urls, _, err = adminURLs(run)
		if err == nil && len(urls) == 0 {
			err = missing("gateway-admin")
		}
		if err == nil {
			shown, err = portalOf(run)
		}
		return "gateway", urls, shown, err
	}
	urls, shown, err = analyzersOf(run)
	return "analyzer", urls, shown, err
}

func sayRelease(w io.Writer, group string, d delivery) {
	if d.OK {
		say(w, "%s %s released the verdicts by group %s\n", d.Role, d.URL, group)
		return
	}
	say(w, "%s %s released nothing: %s\n", d.Role, d.URL, d.Error)
}

// releaseOutcome is nil where verdicts were released and every analyzer could be
// asked.
func releaseOutcome(all []delivery, released bool) error {
	reached := 0
	for _, d := range all {
		if !d.unreachable {
			reached++
		}
	}
	switch {
	case reached == 0:
		return &app.ExitError{Code: app.ExitUnreachable}
	case released && reached == len(all):
		return nil
	}
	return app.Findings()
}

func knownGroup(group string) error {
	names := make([]string, 0, evidence.GroupCount)
	for _, g := range evidence.Groups() {
		if g.String() == group {
			return nil
		}
		names = append(names, g.String())
	}
	if group == groupFuse {
		return nil
	}
	return app.Usage("GROUP: must be one of %s, is %q", strings.Join(append(names, groupFuse), ", "), group)
}

// listHeld says what waits for a person at all analyzers.
func listHeld(c *cobra.Command, env app.Env, l *link) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	run, err := l.read()
	if err != nil {
		return err
	}
	analyzers, shown, err := analyzersOf(run)
	if err != nil {
		return err
	}
	all := []heldGroup{}
	for _, u := range analyzers {
		some, err := heldAt(c.Context(), env, u, shown)
		if err != nil {
			return err // A list that lacks a share would look like all clear.
		}
		all = append(all, some...)
	}
	if asJSON {
		return writeJSON(env.Stdout, all)
	}
	if len(all) == 0 {
		sayln(env.Stderr, "nothing waits")
		return nil
	}
	rows := make([][]string, 0, len(all))
	for _, h := range all {
		rows = append(rows, []string{clean(h.Tenant), clean(h.Group), clean(h.Limit), strconv.Itoa(h.Held), h.Since.UTC().Format(time.DateTime), h.Analyzer})
	}
	return newPrinter(c, env).table([]string{"TENANT", "GROUP", "LIMIT", "HELD", "SINCE (UTC)", "ANALYZER"}, rows)
}

func heldAt(ctx context.Context, env app.Env, base string, shown portal) ([]heldGroup, error) {
	d, _, body := askAdmin(ctx, env, "analyzer", http.MethodGet, base, "/v1/held", shown)
	switch {
	case d.unreachable:
		return nil, app.Unreachable(fmt.Errorf("analyzer %s: %s", base, d.Error))
	case !d.OK:
		return nil, fmt.Errorf("analyzer %s: %s", base, d.Error)
	}
	var some []heldGroup
	err := json.Unmarshal(body, &some)
	if err != nil {
		return nil, fmt.Errorf("analyzer %s: read answer: %w", base, err)
	}
	for i := range some {
		some[i].Analyzer = base
	}
	return some, nil
}

// analyzersOf are the admin ports of the analyzers, and what they want to be shown.
func analyzersOf(run runfile.Run) (urls []string, shown portal, err error) {
	for u := range strings.SplitSeq(run.Console, ",") {
		u = strings.TrimSuffix(strings.TrimSpace(u), "/")
		if u == "" {
			continue
		}
		parsed, err := url.Parse(u)
		if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
			return nil, portal{}, app.Usage("--analyzer-admin: needs a URL such as http://host:8082, is %q", u)
		}
		urls = append(urls, u)
	}
	if len(urls) == 0 {
		return nil, portal{}, missing("analyzer-admin")
	}
	shown, err = portalOf(run)
	return urls, shown, err
}

// askAdmin sends one request without a body to an admin port; the body of its answer
// is given where the port accepted. status is 0 where nobody answered.
func askAdmin(ctx context.Context, env app.Env, role, method, base, path string, shown portal) (delivery, int, []byte) {
	d, status, body, cut := request(ctx, env, role, method, base, path, shown, nil)
	if cut != nil { // Half a list is none.
		d.OK, d.Error = false, cut.Error()
	}
	return d, status, body
}
