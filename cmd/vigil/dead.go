package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/deadletter"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/seal"
)

const deadLong = `Look at the records that could not be read, and store those that now can.

A record that cannot be read goes to topic vigil.dead and its partition goes on,
so nothing waits for it. Once a version that reads it runs, retry stores what it
says in ClickHouse, with the position and time that it had: what was stored
before is found and not stored again. Letters stay in Kafka until they expire.

A letter does not prove whose record it holds. With a key set, a record of a gateway
that has a key is stored only where it still stands in its topic, in a batch with
that gateway's seal; those of other gateways are stored with a mark.

Letters of scoring are listed and not retried: a score is about its moment.`

// letterRow is a dead letter without its record.
type letterRow struct {
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`
	Stage     string    `json:"stage"`
	Topic     string    `json:"topic"`
	Partition int       `json:"partition"`
	Offset    int64     `json:"offset"`
	Bytes     int       `json:"bytes"`
	Whole     bool      `json:"whole"`
	Reason    string    `json:"reason"`
}

func newLetterRow(l *deadletter.Letter) letterRow {
	return letterRow{l.ID(), l.Time, l.Stage, l.Topic, l.Partition, l.Offset, l.Bytes, l.Bytes == len(l.Value), l.Reason}
}

// deadLink is how the two commands reach an installation.
type deadLink struct {
	link  *link
	kafka []string
	how   access.Config
}

// newDeadCommand looks after the dead letters.
func newDeadCommand(env app.Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "dead",
		Short: "List the records that could not be read, and store those that now can",
		Long:  deadLong,
		Args:  noSuchCommand,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	list := &cobra.Command{Use: "list", Short: "List the dead letters, oldest first", Args: cobra.NoArgs}
	at := newDeadLink(list, env)
	list.RunE = func(cmd *cobra.Command, _ []string) error { return listDead(cmd, env, at) }

	var all bool
	retry := &cobra.Command{
		Use:   "retry [LETTER]...",
		Short: "Store what letters say, if it can be read now",
		Example: `  vigil dead retry storing/vigil.requests/3/41
  vigil dead retry --all`,
	}
	to := newDeadLink(retry, env, clickhouseParts(), []part{
		{"key-set-file", "key set that verdicts and seals are verified with; without it, no verdict is stored and every record believed", func(r *runfile.Run) *string { return &r.KeySetFile }},
		{"root-public-file", "public key of the root that signed it (PEM)", func(r *runfile.Run) *string { return &r.RootFile }},
	})
	retry.Flags().BoolVar(&all, "all", false, "every letter of the storing path")
	retry.RunE = func(cmd *cobra.Command, args []string) error {
		if all == (len(args) > 0) {
			return app.Usage("name letters, as \"vigil dead list\" does, or say --all")
		}
		return retryDead(cmd, env, to, args)
	}
	c.AddCommand(list, retry)
	return c
}

func newDeadLink(c *cobra.Command, env app.Env, parts ...[]part) *deadLink {
	d := &deadLink{link: newLink(c, env, parts...)}
	c.Flags().StringSliceVar(&d.kafka, "kafka", nil, "brokers to begin with, host:port (default: those of the installation)")
	addAccessFlags(c, &d.how)
	return d
}

// open returns the installation, how its store is configured and how its brokers are reached.
func (d *deadLink) open(env app.Env) (runfile.Run, store.Config, *access.Access, error) {
	c := store.DefaultConfig()
	run, err := d.link.read()
	if err != nil {
		return run, c, nil, err
	}
	c.Brokers = run.Kafka
	if len(d.kafka) > 0 {
		c.Brokers = d.kafka
	}
	if len(c.Brokers) == 0 {
		return run, c, nil, missing("kafka")
	}
	via, err := openAccess(env, d.how)
	return run, c, via, err
}

func listDead(c *cobra.Command, env app.Env, at *deadLink) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	_, config, via, err := at.open(env)
	if err != nil {
		return err
	}
	dead := store.OpenDead(store.DeadOptions{Config: config, Access: via})
	defer dead.Close()
	letters, err := distinct(c.Context(), env, dead)
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(env.Stdout, letters)
	}
	if len(letters) == 0 {
		sayln(env.Stderr, "no dead letters: everything could be read")
		return nil
	}
	cells := make([][]string, 0, len(letters))
	for i := range letters {
		l := &letters[i]
		size := strconv.Itoa(l.Bytes)
		if !l.Whole {
			size += ", cut"
		}
		cells = append(cells, []string{l.Time.UTC().Format(time.DateTime), clean(l.ID), size, clean(shorten(l.Reason, 120))})
	}
	return newPrinter(c, env).table([]string{"TIME (UTC)", "LETTER", "BYTES", "WHY"}, cells)
}

// distinct reads the letters; of a record that was met twice, the first.
func distinct(ctx context.Context, env app.Env, dead *store.Dead) ([]letterRow, error) {
	letters := []letterRow{}
	seen := make(map[string]bool)
	strangers, err := dead.Walk(ctx, func(l *deadletter.Letter) error {
		row := newLetterRow(l)
		if !seen[row.ID] {
			letters = append(letters, row)
		}
		seen[row.ID] = true
		return nil
	})
	if err != nil {
		return nil, app.Unreachable(err)
	}
	if strangers > 0 {
		say(env.Stderr, "%d records of vigil.dead are no letters\n", strangers)
	}
	return letters, nil
}

// retried is what became of one letter.
type retried struct {
	ID     string `json:"id"`
	Rows   int    `json:"rows"`
	Stored bool   `json:"stored"` // Its rows are there, from now or from before.
	Why    string `json:"why,omitempty"`
}

func retryDead(c *cobra.Command, env app.Env, to *deadLink, names []string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	run, config, via, err := to.open(env)
	if err != nil {
		return err
	}
	where, err := storeConfig(run)
	if err != nil {
		return err
	}
	where.Brokers = config.Brokers
	db, err := store.Open(c.Context(), where)
	if err != nil {
		return app.Unreachable(err)
	}
	defer func() { _ = db.Close() }()
	o := store.DeadOptions{Config: where, Access: via, Conn: db, Unsigned: seal.Mark}
	if run.KeySetFile != "" {
		set, err := keyfile.KeySet(run.RootFile, run.KeySetFile)
		if err != nil {
			return app.Usage("%w", err)
		}
		o.Keys, o.Seals = set, set
	}
	dead := store.OpenDead(o)
	defer dead.Close()
	outcome, err := replay(c.Context(), env, dead, names)
	if err != nil {
		return err
	}
	return printRetried(c, env, outcome, asJSON)
}

// replay stores the letters of these names, or of the whole storing path.
func replay(ctx context.Context, env app.Env, dead *store.Dead, names []string) ([]retried, error) {
	outcome := []retried{}
	done := make(map[string]bool)
	strangers, err := dead.Walk(ctx, func(l *deadletter.Letter) error {
		id := l.ID()
		wanted := slices.Contains(names, id) || len(names) == 0 && l.Stage == deadletter.StageStoring
		if !wanted || done[id] {
			return nil
		}
		done[id] = true
		rows, err := dead.Replay(ctx, l)
		why := ""
		switch {
		case errors.Is(err, store.ErrPoison), errors.Is(err, store.ErrNotKept), errors.Is(err, store.ErrNotStored),
			errors.Is(err, store.ErrUnproven), errors.As(err, new(*seal.RefusedError)):
			why = err.Error()
		case err != nil:
			return err
		}
		outcome = append(outcome, retried{id, rows, why == "", why})
		return nil
	})
	if err != nil {
		return nil, app.Unreachable(err)
	}
	if strangers > 0 {
		say(env.Stderr, "%d records of vigil.dead are no letters\n", strangers)
	}
	for _, name := range names {
		if !done[name] {
			return outcome, app.Usage("there is no letter %q", clean(shorten(name, 120)))
		}
	}
	return outcome, nil
}

// printRetried says what became of the letters; exit code 1 where some are still unread.
func printRetried(c *cobra.Command, env app.Env, outcome []retried, asJSON bool) error {
	left := 0
	cells := make([][]string, 0, len(outcome))
	for _, o := range outcome {
		what := "stored, " + strconv.Itoa(o.Rows) + " rows"
		switch {
		case !o.Stored:
			what = "left"
			left++
		case o.Rows == 0:
			what = "nothing to add"
		}
		cells = append(cells, []string{clean(o.ID), what, clean(shorten(strings.ReplaceAll(o.Why, "\n", "; "), 120))})
	}
	var err error
	switch {
	case asJSON:
		err = writeJSON(env.Stdout, outcome)
	case len(cells) == 0:
		sayln(env.Stderr, "no dead letters of the storing path")
	default:
		err = newPrinter(c, env).table([]string{"LETTER", "OUTCOME", "WHY"}, cells)
	}
	if err == nil && left > 0 {
		return app.Findings()
	}
	return err
}
