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

// newMigrateCommand keeps the tables.
func newMigrateCommand(env app.Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Plan, apply and verify the tables in ClickHouse",
		Long: `Plan, apply and verify the tables in ClickHouse.

Migrations are numbered and go forward only. A migration that was applied is
never changed; verify and status say so where a database disagrees.`,
		Args: noSuchCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	for _, sub := range []struct {
		name, short string
		run         func(*cobra.Command, app.Env, *link) error
	}{
		{"plan", "Print the SQL that is pending", migratePlan},
		{"up", "Make the database and apply what is pending", migrateUp},
		{"status", "List every migration and when it was applied", migrateStatus},
		{"verify", "Compare the live tables with what the migrations make", migrateVerify},
	} {
		one := &cobra.Command{Use: sub.name, Short: sub.short, Args: cobra.NoArgs}
		l := newLink(one, env, clickhouseParts()[:4])
		one.RunE = func(cmd *cobra.Command, _ []string) error { return sub.run(cmd, env, l) }
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

func migratePlan(c *cobra.Command, env app.Env, l *link) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	return withSchema(c.Context(), l, func(db database) error {
		pending, err := schema.Plan(c.Context(), db)
		if err != nil {
			return err
		}
		if asJSON {
			out := make([]map[string]any, 0, len(pending))
			for _, m := range pending {
				out = append(out, map[string]any{"version": m.Version, "name": m.Name, "checksum": m.Checksum, "statements": m.Statements})
			}
			return writeJSON(env.Stdout, out)
		}
		if len(pending) == 0 {
			sayln(env.Stderr, "nothing is pending")
		}
		for _, m := range pending {
			say(env.Stdout, "-- %d %s\n", m.Version, m.Name)
			for _, s := range m.Statements {
				say(env.Stdout, "%s;\n", s)
			}
		}
		return nil
	})
}

func migrateUp(c *cobra.Command, env app.Env, l *link) error {
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
	applied, err := store.Migrate(c.Context(), config)
	if err != nil && !errors.Is(err, schema.ErrChanged) {
		return app.Unreachable(err)
	}
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(env.Stdout, map[string]int{"applied": applied})
	}
	_, err = fmt.Fprintf(env.Stdout, "%d migrations applied\n", applied)
	return err
}

func migrateStatus(c *cobra.Command, env app.Env, l *link) error {
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
			Version uint32     `json:"version"`
			Name    string     `json:"name"`
			Applied *time.Time `json:"applied"`
		}
		var rows []row
		var cells [][]string
		for i := range all {
			s := &all[i]
			r, when := row{Version: s.Version, Name: s.Name}, "pending"
			if !s.Applied.IsZero() {
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

func migrateVerify(c *cobra.Command, env app.Env, l *link) error {
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
