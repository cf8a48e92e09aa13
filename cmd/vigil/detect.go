package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/scorer/forest"
)

const detectLong = `Score rows of numbers for how strange they are, one after the other.

A file, or standard input, holds comma-separated rows, all of the same width;
it may be gzipped. Each row is scored by what came before it and then learned
from, in the order in which it is stored. Each gives one line: a number of at
least 0, bigger is stranger. Nothing depends on names or order of the columns.

A first line in which a field is neither a number nor missing is a header. A
column named "label" is left out, as is the one that --label or --ignore names;
without a header these name a column by its number, from 1. A field that is
empty, NaN, NA, null or ? is missing: it neither raises nor lowers the score.
Text in a place of a number is an error with its line and column: give each
category a column of 0 and 1 instead, or leave the column out with --ignore.
An empty line is no row.

With -o json each line also says which columns made the score.`

// detectOptions are the flags of vigil detect.
type detectOptions struct {
	label  string
	ignore []string
	seed   uint64
}

// newDetectCommand is the anomaly ensemble on plain rows.
func newDetectCommand(env app.Env) *cobra.Command {
	var o detectOptions
	c := &cobra.Command{
		Use:   "detect [FILE]",
		Short: "Score rows of numbers for how strange they are",
		Long:  detectLong,
		Example: `  vigil detect rows.csv >scores
  vigil detect --label attack --ignore id,name rows.csv.gz
  vigil detect -o json <rows.csv`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error { return detect(cmd, env, o, files) },
	}
	f := c.Flags()
	f.StringVar(&o.label, "label", "", `column of the truth, which is not looked at (default: a column named "label")`)
	f.StringSliceVar(&o.ignore, "ignore", nil, "further columns to leave out")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the samples; equal seeds and rows give equal scores")
	return c
}

func detect(c *cobra.Command, env app.Env, o detectOptions, files []string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	name, in := "stdin", env.Stdin
	if len(files) == 1 && files[0] != "-" {
		f, err := os.Open(files[0])
		if err != nil {
			return app.Usage("open input: %w", err)
		}
		defer func() { _ = f.Close() }()
		name, in = files[0], f
	}
	in, err = unzipped(in)
	if err != nil {
		return app.Usage("read %s: %w", name, err)
	}
	out := bufio.NewWriterSize(env.Stdout, 64<<10)
	d := &detecting{options: o, name: name, rows: csv.NewReader(bufio.NewReaderSize(in, 64<<10)), out: out, asJSON: asJSON}
	d.rows.ReuseRecord = true
	for err == nil {
		err = c.Context().Err()
		if err == nil {
			err = d.next()
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	flushed := out.Flush()
	if flushed != nil {
		flushed = fmt.Errorf("write scores: %w", flushed)
	}
	err = errors.Join(err, flushed)
	if err != nil {
		return err
	}
	d.summary(env.Stderr)
	return nil
}

// detecting is one run over one table.
type detecting struct {
	options detectOptions
	name    string
	rows    *csv.Reader
	out     *bufio.Writer
	asJSON  bool

	detector *forest.Detector
	header   []string // Nil where there is none.
	used     []int    // Fields that are looked at.
	row      []float64
	shares   []float64
}

// next reads and scores one row. At the end the error is [io.EOF].
func (d *detecting) next() error {
	fields, err := d.rows.Read()
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	if errors.Is(err, csv.ErrFieldCount) {
		line, _ := d.rows.FieldPos(0)
		return app.Usage("%s:%d: has %d fields, want %d", d.name, line, len(fields), d.rows.FieldsPerRecord)
	}
	if err != nil {
		return app.Usage("%s: %w", d.name, err)
	}
	if d.detector == nil {
		header, err := d.begin(fields)
		if err != nil || header {
			return err
		}
	}
	for i, at := range d.used {
		x, ok := cell(fields[at])
		if !ok {
			line, _ := d.rows.FieldPos(at)
			return app.Usage("%s:%d: column %s: %q is not a number; give each category a column of 0 and 1, or say --ignore %s",
				d.name, line, d.title(at), shorten(clean(fields[at]), 40), d.short(at))
		}
		d.row[i] = x
	}
	score, err := d.detector.Next(d.row)
	if err != nil {
		return fmt.Errorf("score: %w", err)
	}
	return d.write(score)
}

// begin reads the first line and reports whether it is a header.
func (d *detecting) begin(fields []string) (bool, error) {
	fields[0] = strings.TrimPrefix(fields[0], "\ufeff")
	header := slices.ContainsFunc(fields, func(f string) bool { _, ok := cell(f); return !ok })
	if header {
		for _, f := range fields {
			d.header = append(d.header, strings.TrimSpace(f))
		}
	}
	left := make([]bool, len(fields))
	for at, name := range d.header {
		left[at] = d.options.label == "" && name == "label"
	}
	for _, name := range append(slices.Clone(d.options.ignore), d.options.label) {
		if name == "" {
			continue
		}
		at, err := d.column(name, len(fields))
		if err != nil {
			return false, err
		}
		left[at] = true
	}
	for at := range fields {
		if !left[at] {
			d.used = append(d.used, at)
		}
	}
	var err error
	d.detector, err = forest.New(forest.Options{Columns: len(d.used), Seed: d.options.seed})
	if err != nil {
		return false, app.Usage("%s: %w", d.name, err)
	}
	d.row, d.shares = make([]float64, len(d.used)), make([]float64, len(d.used))
	return header, nil
}

// column finds a field by its name, or by its number where there is no header.
func (d *detecting) column(name string, fields int) (int, error) {
	if d.header != nil {
		at := slices.Index(d.header, name)
		if at < 0 {
			return 0, app.Usage("%s: no column is named %q in the header: %s", d.name, name, shorten(clean(strings.Join(d.header, ", ")), 200))
		}
		return at, nil
	}
	n, err := strconv.Atoi(name)
	if err != nil || n < 1 || n > fields {
		return 0, app.Usage("%s: has no header, so a column is named by its number from 1 to %d, not %q", d.name, fields, name)
	}
	return n - 1, nil
}

// cell reads a field; what is missing is not a number in the sense of IEEE 754.
func cell(field string) (float64, bool) {
	field = strings.TrimSpace(field)
	switch strings.ToLower(field) {
	case "", "nan", "na", "n/a", "null", "?":
		return math.NaN(), true
	}
	x, err := strconv.ParseFloat(field, 64)
	if errors.Is(err, strconv.ErrRange) {
		return x, true // Beyond every number: infinite.
	}
	return x, err == nil
}

// short is a column as --ignore names it, title as a person reads it.
func (d *detecting) short(at int) string {
	if d.header != nil {
		return clean(d.header[at])
	}
	return strconv.Itoa(at + 1)
}

func (d *detecting) title(at int) string {
	if d.header != nil {
		return fmt.Sprintf("%d (%s)", at+1, clean(d.header[at]))
	}
	return strconv.Itoa(at + 1)
}

// detectedRow is a line of the result as JSON.
type detectedRow struct {
	Score float64   `json:"score"`
	Why   []reading `json:"why"`
}

// reading is one column's part in a score.
type reading struct {
	Column string  `json:"column"`
	Share  float64 `json:"share"`
}

// readingsShown bounds the columns that are named, and readingLeast the share of each.
const (
	readingsShown = 5
	readingLeast  = 0.05
)

func (d *detecting) write(score float64) error {
	if !d.asJSON {
		_, err := d.out.Write(append(strconv.AppendFloat(d.out.AvailableBuffer(), score, 'g', -1, 64), '\n'))
		if err != nil {
			return fmt.Errorf("write score: %w", err)
		}
		return nil
	}
	row := detectedRow{Score: score, Why: []reading{}}
	d.detector.Shares(d.shares)
	for i, share := range d.shares {
		if share >= readingLeast {
			row.Why = append(row.Why, reading{Column: d.short(d.used[i]), Share: share})
		}
	}
	slices.SortStableFunc(row.Why, func(a, b reading) int {
		switch {
		case a.Share > b.Share:
			return -1
		case a.Share < b.Share:
			return 1
		}
		return 0
	})
	row.Why = row.Why[:min(len(row.Why), readingsShown)]
	return writeJSON(d.out, row)
}

// summary tells a person what was done; it is not part of the result.
func (d *detecting) summary(w io.Writer) {
	if d.detector == nil {
		sayln(w, "scored 0 rows")
		return
	}
	n := d.detector.Counts()
	var b strings.Builder
	fmt.Fprintf(&b, "scored %d rows of %d columns; %d were too strange to learn from", n.Rows, len(d.used), n.Rows-n.Learned)
	if n.Missing > 0 {
		fmt.Fprintf(&b, "; %d values are missing", n.Missing)
	}
	if n.Infinite > 0 {
		fmt.Fprintf(&b, "; %d are infinite", n.Infinite)
	}
	sayln(w, b.String())
}
