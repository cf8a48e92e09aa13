package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/analyzer/epochs"
	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
)

const epochLong = `Look at what the analyzers' partitions share, and put it in force.

An epoch is what a tenant's people have taught, frozen: their order of doing
things, what clean sessions reach, how habits lean on those of peers, and the
detectors of model.anomaly. What is in force scores; beside it the live twin
learns on, and becomes the next epoch. With epochs.promotion: automatic, the
default, that comes in force by itself; with manual it is a candidate until
somebody promotes it.

SHIFT is how far an epoch is from the one in force, as a population stability
index: below 0.1 as before, from 0.25 on another population. It promotes and
forbids nothing.`

const promoteLong = `Put an epoch in force, in every partition.

The order is signed with the operator's key. An epoch that is earlier than the
one in force comes in force again under a new number, with the same content:
that is the way back from one that was taught something bad. Then also automatic
promotion waits, because what the live twins have learned meanwhile fades by the
model's learning.half_life and is in the candidates until it has: "vigil epoch
diff" says how far they still are. Promoting a later one ends that.

Exit code 1 says that no analyzer has carried it out.`

// newEpochCommand looks at shared epochs and promotes them.
func newEpochCommand(env app.Env) *cobra.Command {
	c := &cobra.Command{
		Use: "epoch", Short: "Look at what partitions share, compare it, put it in force", Long: epochLong,
		Example: "  vigil epoch list\n  vigil epoch diff 7 9\n  vigil epoch promote 9",
		Args:    noSuchCommand, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	list := &cobra.Command{Use: "list", Short: "List the epochs: in force, candidates, earlier", Args: cobra.NoArgs}
	l := newLink(list, env, analyzerParts(), epochTenantParts())
	list.RunE = func(cmd *cobra.Command, _ []string) error { return listEpochs(cmd, env, l) }

	show := &cobra.Command{Use: "show NUMBER", Short: "What an epoch holds, and how far it is from the one in force", Args: oneArg("NUMBER, of the epoch")}
	ofShow := newLink(show, env, analyzerParts(), epochTenantParts())
	show.RunE = func(cmd *cobra.Command, args []string) error { return showEpoch(cmd, env, ofShow, args[0], "") }

	diff := &cobra.Command{Use: "diff A B", Short: "How far epoch B is from epoch A, part by part", Args: exactArgs("the epochs A and B, by their numbers", 2)}
	ofDiff := newLink(diff, env, analyzerParts(), epochTenantParts())
	diff.RunE = func(cmd *cobra.Command, args []string) error { return showEpoch(cmd, env, ofDiff, args[1], args[0]) }

	promote := &cobra.Command{
		Use: "promote NUMBER", Short: "Put an epoch in force, in every partition", Long: promoteLong, Args: oneArg("NUMBER, of the epoch"),
		Example: "  vigil epoch promote 9",
	}
	ofPromote := newLink(promote, env, analyzerParts(), operatorParts(), epochTenantParts())
	promote.RunE = func(cmd *cobra.Command, args []string) error { return promoteEpoch(cmd, env, ofPromote, args[0]) }
	c.AddCommand(list, show, diff, promote)
	return c
}

func epochTenantParts() []part {
	return []part{{"tenant", "whose epochs", func(r *runfile.Run) *string { return &r.Tenant }}}
}

// askEpochs asks the analyzers for epochs until one answers: all know them. number
// and against are "" for all and for the one in force.
func askEpochs(ctx context.Context, env app.Env, run runfile.Run, number, against string) ([]epochs.Listed, error) {
	analyzers, shown, err := analyzersOf(run)
	if err != nil {
		return nil, err
	}
	q := url.Values{"tenant": {run.Tenant}}
	for key, text := range map[string]string{"number": number, "against": against} {
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || n == 0 {
			return nil, app.Usage("NUMBER: must be that of an epoch, is %q", text)
		}
		q.Set(key, text)
	}
	var last error
	for _, base := range analyzers {
		d, _, body := askAdmin(ctx, env, "analyzer", http.MethodGet, base, "/v1/epochs?"+q.Encode(), shown)
		switch {
		case d.unreachable:
			last = app.Unreachable(fmt.Errorf("analyzer %s: %s", base, d.Error))
			continue
		case !d.OK:
			last = fmt.Errorf("analyzer %s: %s", base, d.Error)
			continue
		}
		var list []epochs.Listed
		err = json.Unmarshal(body, &list)
		if err != nil {
			return nil, fmt.Errorf("analyzer %s: read answer: %w", base, err)
		}
		return list, nil
	}
	return nil, last
}

func listEpochs(c *cobra.Command, env app.Env, l *link) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	run, err := l.read()
	if err != nil {
		return err
	}
	list, err := askEpochs(c.Context(), env, run, "", "")
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(env.Stdout, list)
	}
	if len(list) == 0 {
		sayln(env.Stderr, "no epoch was built yet: the first one comes when enough was learned")
		return nil
	}
	rows := make([][]string, 0, len(list))
	for _, e := range list {
		rows = append(rows, []string{
			strconv.FormatUint(e.Number, 10), stateOf(&e), originOf(&e), e.Built.UTC().Format(time.DateTime), shiftOf(e.Against, e.Shift), e.Digest[:min(12, len(e.Digest))],
		})
	}
	return newPrinter(c, env).table([]string{"NUMBER", "STATE", "CONTENT", "BUILT (UTC)", "SHIFT", "DIGEST"}, rows)
}

// stateOf is what an epoch is, and what waits because of it.
func stateOf(e *epochs.Listed) string {
	if e.Held {
		return e.State + ", promotion waits"
	}
	return e.State
}

func originOf(e *epochs.Listed) string {
	if e.Origin == e.Number {
		return "its own"
	}
	return fmt.Sprintf("of %d", e.Origin)
}

func shiftOf(against uint64, shift float64) string {
	if against == 0 {
		return "-"
	}
	return strconv.FormatFloat(shift, 'f', 2, 64)
}

// showEpoch shows an epoch beside another, "" for the one in force.
func showEpoch(c *cobra.Command, env app.Env, l *link, number, against string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	run, err := l.read()
	if err != nil {
		return err
	}
	e, err := oneEpoch(c.Context(), env, run, number, against)
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(env.Stdout, e)
	}
	say(env.Stdout, "epoch %d of tenant %s, %s, content %s, built %s\ndigest %s\n", e.Number, clean(e.Tenant), stateOf(e), originOf(e), e.Built.UTC().Format(time.DateTime), e.Digest)
	if e.By != "" {
		say(env.Stdout, "promoted by operator key %s\n", clean(e.By))
	}
	if e.Against > 0 && e.Against != e.Number {
		say(env.Stdout, "compared with epoch %d\n", e.Against)
	}
	rows := make([][]string, 0, len(e.Parts))
	for _, p := range e.Parts {
		rows = append(rows, []string{clean(p.Name), p.Holds, shiftOf(e.Against, p.Shift), clean(p.Says)})
	}
	return newPrinter(c, env).table([]string{"PART", "HOLDS", "SHIFT", "SAYS"}, rows)
}

func oneEpoch(ctx context.Context, env app.Env, run runfile.Run, number, against string) (*epochs.Listed, error) {
	list, err := askEpochs(ctx, env, run, number, against)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, app.Usage("there is no epoch %s of tenant %s, or no longer: see \"vigil epoch list\"", number, run.Tenant)
	}
	e := &list[0]
	if against != "" && strconv.FormatUint(e.Against, 10) != against {
		return nil, app.Usage("there is no epoch %s of tenant %s, or no longer: see \"vigil epoch list\"", against, run.Tenant)
	}
	return e, nil
}

// promotion is what became of an order.
type promotion struct {
	Tenant string `json:"tenant"`
	// Asked is the epoch that was named, Number the one that is in force now, Over
	// the one that was before.
	Asked      uint64     `json:"asked"`
	Number     uint64     `json:"number"`
	Over       uint64     `json:"over"`
	Promoted   bool       `json:"promoted"`
	Deliveries []delivery `json:"deliveries"`
}

func promoteEpoch(c *cobra.Command, env app.Env, l *link, number string) error {
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
	e, err := oneEpoch(c.Context(), env, run, number, "")
	if err != nil {
		return err
	}
	payload, err := json.Marshal(epochs.Order{Tenant: e.Tenant, Number: e.Number, Digest: e.Digest, Over: e.Against})
	if err != nil {
		return fmt.Errorf("encode order: %w", err)
	}
	envelope, err := signer.Order(payload)
	if err != nil {
		return fmt.Errorf("sign order: %w", err)
	}
	out, err := order(c.Context(), env, run, envelope)
	if err != nil {
		return err
	}
	out.Tenant, out.Asked, out.Over = e.Tenant, e.Number, e.Against
	if asJSON {
		err = writeJSON(env.Stdout, out)
	} else {
		sayPromotion(env, out)
	}
	if err != nil {
		return err
	}
	return promotionOutcome(out)
}

// order sends a signed order to the analyzers until one carries it out: only that
// which builds the epochs does.
func order(ctx context.Context, env app.Env, run runfile.Run, envelope []byte) (*promotion, error) {
	analyzers, shown, err := analyzersOf(run)
	if err != nil {
		return nil, err
	}
	out := new(promotion)
	for _, base := range analyzers {
		d, status, body, cut := request(ctx, env, "analyzer", http.MethodPost, base, "/v1/epochs/promote", shown, envelope)
		if status == http.StatusMisdirectedRequest {
			d.Error = "another analyzer builds the epochs"
		}
		out.Deliveries = append(out.Deliveries, d)
		if !d.OK {
			continue
		}
		err = json.Unmarshal(body, out)
		if cut != nil || err != nil {
			return nil, fmt.Errorf("analyzer %s carried it out, its answer cannot be read: %w", base, err)
		}
		out.Promoted = true
		break
	}
	return out, nil
}

func sayPromotion(env app.Env, out *promotion) {
	for _, d := range out.Deliveries {
		if !d.OK {
			say(env.Stdout, "analyzer %s did not carry it out: %s\n", d.URL, d.Error)
		}
	}
	switch {
	case !out.Promoted:
		sayln(env.Stderr, "no analyzer has carried it out: what was in force still is")
	case out.Number != out.Asked:
		say(env.Stdout, "epoch %d is in force in place of %d, with the content of epoch %d; automatic promotion waits for you\n", out.Number, out.Over, out.Asked)
	case out.Over == 0:
		say(env.Stdout, "epoch %d is in force, the first one\n", out.Number)
	default:
		say(env.Stdout, "epoch %d is in force in place of %d\n", out.Number, out.Over)
	}
}

// promotionOutcome is nil where the order was carried out.
func promotionOutcome(out *promotion) error {
	if out.Promoted {
		return nil
	}
	for _, d := range out.Deliveries {
		if !d.unreachable {
			return app.Findings()
		}
	}
	return &app.ExitError{Code: app.ExitUnreachable}
}
