package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/analyzer/verify"
	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/seal"
)

// newVerifyCommand recomputes the chains of what gateways have written.
func newVerifyCommand(env app.Env) *cobra.Command {
	var (
		o       verify.Options
		how     access.Config
		since   string
		accepts bool
	)
	c := &cobra.Command{
		Use:   "verify",
		Short: "Verify who wrote the events that Kafka retains",
		Long: `Verify who wrote the events that Kafka retains: read vigil.requests, recompute the
hash chain of each gateway's batches, and check signatures and sequence numbers.

Each line is one life of a gateway: what it saw, what it dropped on purpose
(tombstones), what is missing (gaps, batches), and what is not believed. It reads
as nobody's consumer and changes nothing. To compare what ClickHouse holds, see
"vigil query accounting": events and tombstones of a life are its rows and losses.

Exit code 1 where anything is refused or missing, 4 where nobody answers.`,
		Example: `  vigil verify
  vigil verify --since 24h -o json
  vigil verify --kafka broker:9092 --key-set-file keys.jws --root-public-file root.pub.pem`,
		Args: cobra.NoArgs,
	}
	l := newLink(c, env, []part{
		{"key-set-file", "key set with the gateways' public keys", func(r *runfile.Run) *string { return &r.KeySetFile }},
		{"root-public-file", "public key of its root (PEM)", func(r *runfile.Run) *string { return &r.RootFile }},
	})
	c.Flags().StringSliceVar(&o.Brokers, "kafka", nil, "brokers to begin with, host:port (default those of vigil up)")
	c.Flags().StringVar(&since, "since", "", "leave out what is older: a duration such as 24h, or a time such as 2026-01-31T12:00:00Z")
	c.Flags().Int64Var(&o.From, "from-offset", 0, "leave out what is below this offset, in each partition")
	c.Flags().BoolVar(&accepts, "accept-unsigned", false, "find nothing in records without a seal of gateways that have no key")
	addAccessFlags(c, &how)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		asJSON, err := wantsJSON(cmd)
		if err != nil {
			return err
		}
		run, err := l.read()
		if err != nil {
			return err
		}
		if len(o.Brokers) == 0 {
			o.Brokers = run.Kafka
		}
		if len(o.Brokers) == 0 {
			return missing("kafka")
		}
		if run.KeySetFile == "" || run.RootFile == "" {
			return missing("key-set-file and --root-public-file")
		}
		o.Keys, err = keyfile.KeySet(run.RootFile, run.KeySetFile)
		if err != nil {
			return app.Usage("%w", err)
		}
		o.Since, err = sinceOf(since, env.Now())
		if err != nil {
			return err
		}
		o.Unsigned = seal.Refuse
		if accepts {
			o.Unsigned = seal.Accept
		}
		o.Access, err = openAccess(env, how)
		if err != nil {
			return err
		}
		return verified(cmd, env, o, asJSON)
	}
	return c
}

// sinceOf reads --since.
func sinceOf(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	d, err := time.ParseDuration(text)
	if err == nil {
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, app.Usage("--since: needs a duration such as 24h or a time such as 2026-01-31T12:00:00Z, is %q", text)
	}
	return t, nil
}

func verified(c *cobra.Command, env app.Env, o verify.Options, asJSON bool) error {
	r, err := verify.Run(c.Context(), o)
	switch {
	case errors.Is(err, verify.ErrUnreachable):
		return app.Unreachable(err)
	case err != nil:
		return err
	case asJSON:
		err = writeJSON(env.Stdout, r)
	default:
		err = newPrinter(c, env).lives(r)
	}
	if err == nil && !r.Sound {
		return app.Findings()
	}
	return err
}

// lives writes one row for each life of a gateway.
func (p printer) lives(r verify.Report) error {
	count := func(n uint64) string { return strconv.FormatUint(n, 10) }
	var rows [][]string
	for _, l := range r.Lives {
		var refused []string
		for _, cause := range slices.Sorted(maps.Keys(l.Refused)) {
			refused = append(refused, fmt.Sprintf("%s %d", cause, l.Refused[cause]))
		}
		if len(refused) == 0 {
			refused = []string{"-"}
		}
		rows = append(rows, []string{
			clean(l.Gateway), time.Unix(0, int64(l.Epoch)).UTC().Format("2006-01-02T15:04:05Z"), count(l.Events), count(l.Tombstones), count(l.Duplicates), count(l.Gaps),
			count(l.Batches), count(l.Missing), count(l.Unsigned), strings.Join(refused, ", "),
		})
	}
	err := p.table([]string{"GATEWAY", "EPOCH", "EVENTS", "TOMBSTONES", "DUPLICATES", "GAPS", "BATCHES", "MISSING", "UNSIGNED", "REFUSED"}, rows)
	if err != nil {
		return err
	}
	word := p.paint(green, "sound")
	if !r.Sound {
		word = p.paint(red, "not sound")
	}
	_, err = fmt.Fprintf(p.w, "%d records in %d partitions, %d unreadable: %s\n", r.Records, r.Partitions, r.Unreadable, word)
	return err
}
