package main

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/feature"
)

const rowsLong = `Write what models see of a history: one line of comma-separated values for each
complete request of the events, which are read as vigil score reads them. The
first column is the event's id, to join labels with; the others are the names
that vigil model names marks model, empty where a fact is missing. Train on them
under these names, and the features of the model file need no names of their own.

The numbers are those of the live scorer at that event: what was known before it,
counts with it.`

// newModelRowsCommand writes what to train a model on.
func newModelRowsCommand(env app.Env) *cobra.Command {
	var o scoreOptions
	c := &cobra.Command{
		Use:     "rows [FILE…]",
		Short:   "Write what models see of a history, to train one on",
		Long:    rowsLong,
		Example: "  vigil model rows <events.ndjson >rows.csv",
		RunE:    func(cmd *cobra.Command, files []string) error { return modelRows(cmd, env, o, files) },
	}
	o.inputFlags(c)
	return c
}

func modelRows(c *cobra.Command, env app.Env, o scoreOptions, files []string) error {
	err := o.validate()
	if err != nil {
		return err
	}
	m, err := readModel(o.model)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(env.Stdout, 64<<10)
	all := feature.All()
	row := make([]byte, 0, 1<<10)
	watch := func(x *evidence.Context) {
		if !x.Complete() {
			return
		}
		row = append(row[:0], csvText(x.Event.GetId())...)
		for _, f := range all {
			row = append(row, ',')
			if v := f.Of(x); !math.IsNaN(v) {
				row = strconv.AppendFloat(row, v, 'f', -1, 64)
			}
		}
		_, _ = out.Write(append(row, '\n')) // Flush says what went wrong.
	}
	pair, err := scorer.NewPair(scorer.Options{Model: m, OfflineClock: true, Watch: watch})
	if err != nil {
		return fmt.Errorf("start scorer: %w", err)
	}
	err = readState(pair, o.state)
	if err != nil {
		return err
	}
	say(out, "event_id,%s\n", strings.Join(feature.Names(), ","))
	s := &scoring{
		pair: pair, options: o, stderr: env.Stderr,
		take: func(*event.RequestEvent, scorer.Result, scorer.FacetResult) error { return nil },
	}
	err = errors.Join(s.inputs(c.Context(), env.Stdin, files), out.Flush())
	if err == nil && s.bad > 0 {
		return app.Findings()
	}
	return err
}

// csvText writes a text so that its comma ends no column (RFC 4180).
func csvText(s string) string {
	if !strings.ContainsAny(s, ",\"\r\n") {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}
