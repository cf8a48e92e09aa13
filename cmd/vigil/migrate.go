package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/cmd/internal/app"
	schema "github.com/vigil-gateway/vigil/schemas/clickhouse"
)

const migrateLong = `Plan, apply and verify the tables in ClickHouse.

Migrations are numbered and go forward only. A migration that was applied is
never changed; verify and status say so where a database disagrees. One that
broke off is told, and up goes on at the statement where it broke off. Of several
processes one applies them; where it was killed, another may half a minute later.

With --replicated every table is a replica of the same table on the other nodes
of its shard, by ClickHouse Keeper and the macros {shard} and {replica}; with
--cluster each statement goes to every node of that cluster. Set the same in the
analyzer's configuration (store.replicated, store.cluster).`

// newMigrateCommand keeps the tables.
func newMigrateCommand(env app.Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Plan, apply and verify the tables in ClickHouse",
		Long:  migrateLong,
		Args:  noSuchCommand,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var f schema.Form
	for _, sub := range []struct {
		name, short string
		formed      bool
		run         func(*cobra.Command, app.Env, *link, schema.Form) error
	}{
		{"plan", "Print the SQL that is pending", true, migratePlan},
		{"up", "Make the database and apply what is pending", true, migrateUp},
		{"status", "List every migration and when it was applied", false, migrateStatus},
		{"verify", "Compare the live tables with what the migrations make", false, migrateVerify},
	} {
		one := &cobra.Command{Use: sub.name, Short: sub.short, Args: cobra.NoArgs}
		parts := clickhouseParts()
		l := newLink(one, env, parts[:len(parts)-1]) // All but the tenant.
		if sub.formed {
			one.Flags().BoolVar(&f.Replicated, "replicated", false, "the tables are replicas, by ClickHouse Keeper")
			one.Flags().StringVar(&f.Cluster, "cluster", "", "cluster whose every node is changed, such as prod or {cluster}; with --replicated")
		}
		one.RunE = func(cmd *cobra.Command, _ []string) error {
			err := f.Validate()
			if err != nil {
				return app.Usage("--%w", err)
			}
			return sub.run(cmd, env, l, f)
		}
		c.AddCommand(one)
	}
	return c
}

// withSchema runs work on an open database.
func withSchema(ctx context.Context, l *link, work func(database) error) error {
	run, err := l.read()
	if err != nil {
		return err
	}
	db, err := open(ctx, run)
	if err != nil {
		return err
	}
	return errors.Join(work(db), db.Close())
}

func migratePlan(c *cobra.Command, env app.Env, l *link, f schema.Form) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	return withSchema(c.Context(), l, func(db database) error {
		pending, err := schema.Plan(c.Context(), db)
		if err != nil {
			return err
		}
		plan := make([]planned, 0, len(pending))
		for i := range pending {
			plan = append(plan, newPlanned(&pending[i], f))
		}
		if asJSON {
			return writeJSON(env.Stdout, plan)
		}
		if len(plan) == 0 {
			sayln(env.Stderr, "nothing is pending")
		}
		for _, p := range plan {
			say(env.Stdout, "-- %d %s\n", p.Version, p.Name)
			switch {
			case p.Holder != "":
				say(env.Stdout, "-- is being applied by %s, done so far: %d statements\n", p.Holder, p.Done)
			case p.BrokeOff:
				say(env.Stdout, "-- was begun and broke off: it goes on after %d statements\n", p.Done)
			}
			for _, s := range p.Statements {
				say(env.Stdout, "%s;\n", s)
			}
		}
		return nil
	})
}

// planned is one migration that is pending.
type planned struct {
	Version    uint32   `json:"version"`
	Name       string   `json:"name"`
	Checksum   string   `json:"checksum"`
	BrokeOff   bool     `json:"broke_off"`
	Done       int      `json:"done"`             // Statements that have been executed, and are not among these.
	Holder     string   `json:"holder,omitempty"` // Who applies it at this moment.
	Statements []string `json:"statements"`
}

func newPlanned(s *schema.Status, f schema.Form) planned {
	p := planned{Version: s.Version, Name: s.Name, Checksum: s.Checksum, BrokeOff: s.BrokeOff(), Done: s.Done, Holder: s.Holder, Statements: []string{}}
	for _, statement := range s.Left() {
		p.Statements = append(p.Statements, f.Render(statement))
	}
	return p
}

func migrateUp(c *cobra.Command, env app.Env, l *link, f schema.Form) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	run, err := l.read()
	if err != nil {
		return err
	}
	config, err := storeConfig(run)
	if err != nil {
		return err
	}
	config.Cluster, config.Replicated = f.Cluster, f.Replicated
	applied, err := store.Migrate(c.Context(), config)
	switch {
	case errors.Is(err, schema.ErrForm):
		return app.Usage("%w (--replicated, --cluster)", err)
	case errors.Is(err, schema.ErrChanged), errors.Is(err, schema.ErrBusy):
		return err
	case err != nil:
		return app.Unreachable(err)
	}
	if asJSON {
		return writeJSON(env.Stdout, map[string]int{"applied": applied})
	}
	_, err = fmt.Fprintf(env.Stdout, "%d migrations applied\n", applied)
	return err
}

func migrateStatus(c *cobra.Command, env app.Env, l *link, _ schema.Form) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	return withSchema(c.Context(), l, func(db database) error {
		all, err := schema.List(c.Context(), db)
		if err != nil {
			return err
		}
		type row struct {
			Version  uint32     `json:"version"`
			Name     string     `json:"name"`
			Applied  *time.Time `json:"applied"`
			BrokeOff bool       `json:"broke_off"`
			Done     int        `json:"done"`             // Statements.
			Holder   string     `json:"holder,omitempty"` // Who applies it at this moment.
		}
		var rows []row
		var cells [][]string
		for i := range all {
			s := &all[i]
			r, when := row{Version: s.Version, Name: s.Name, BrokeOff: s.BrokeOff(), Done: s.Done, Holder: s.Holder}, "pending"
			switch {
			case s.BrokeOff():
				when = fmt.Sprintf("broke off after %d of %d statements, begun %s", s.Done, len(s.Statements), s.Begun.UTC().Format(time.RFC3339))
			case s.Holder != "":
				when = fmt.Sprintf("%d of %d statements, at work: %s", s.Done, len(s.Statements), s.Holder)
			case !s.Applied.IsZero():
				r.Applied, when = &s.Applied, s.Applied.UTC().Format(time.RFC3339)
			}
			rows = append(rows, r)
			cells = append(cells, []string{strconv.FormatUint(uint64(s.Version), 10), s.Name, when})
		}
		if asJSON {
			return writeJSON(env.Stdout, rows)
		}
		return newPrinter(c, env).table([]string{"VERSION", "NAME", "APPLIED"}, cells)
	})
}

func migrateVerify(c *cobra.Command, env app.Env, l *link, _ schema.Form) error {
	return withSchema(c.Context(), l, func(db database) error {
		err := schema.Verify(c.Context(), db)
		if errors.Is(err, schema.ErrDrift) || errors.Is(err, schema.ErrChanged) {
			sayln(env.Stderr, err)
			return app.Findings()
		}
		if err != nil {
			return app.Unreachable(err)
		}
		_, err = fmt.Fprintln(env.Stdout, "the tables are as the migrations make them")
		return err
	})
}
