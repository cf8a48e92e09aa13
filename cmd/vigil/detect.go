package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

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
column named "label", in any case, is left out, as is the one that --label or
--ignore names; without a header these name a column by its number, from 1, and
a text in such a column makes no header. A field that is empty, NaN, NA, null or
? is missing: it neither raises nor lowers the score. Text in a place of a number
is an error with its line and column: give each category a column of 0 and 1
instead, or leave the column out with --ignore. An empty line is no row.

With -o json each line also says which columns made the score.`

// detectOptions are the flags of vigil detect.
type detectOptions struct {
	label, separator string
	ignore           []string
	seed             uint64
}

// comma is what stands between fields: a character, or the word tab.
func (o *detectOptions) comma() (rune, error) {
	text := o.separator
	if text == "tab" {
		text = "\t"
	}
	r, size := utf8.DecodeRuneInString(text)
	if size == 0 || size != len(text) || r == utf8.RuneError || strings.ContainsRune("\"\r\n.+-", r) || r >= '0' && r <= '9' {
		return 0, app.Usage("--separator: must be one character such as ; or the word tab, is %q", clean(o.separator))
	}
	return r, nil
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
  vigil detect --separator ';' rows.csv
  vigil detect -o json <rows.csv`,
		Args: atMostOne("one FILE"),
		RunE: func(cmd *cobra.Command, files []string) error { return detect(cmd, env, o, files) },
	}
	f := c.Flags()
	f.StringVar(&o.label, "label", "", `column of the truth, which is not looked at (default: a column named "label")`)
	f.StringSliceVar(&o.ignore, "ignore", nil, "further columns to leave out")
	f.StringVar(&o.separator, "separator", ",", "what stands between fields: one character, or tab")
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
	comma, err := o.comma()
	if err != nil {
		return err
	}
	text, err := asUTF8(in)
	if err == nil {
		err = refuseBinary(text)
	}
	if err != nil {
		return app.Usage("read %s: %w", name, err)
	}
	out := bufio.NewWriterSize(env.Stdout, 64<<10)
	d := &detecting{options: o, name: name, rows: csv.NewReader(text), out: out, asJSON: asJSON}
	d.rows.ReuseRecord, d.rows.Comma = true, comma
	d.rows.TrimLeadingSpace = comma == ',' || comma == ';' // Of white space that is no separator.
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

// asUTF8 is in without the mark that some programs begin a file with, and an error for
// another encoding.
func asUTF8(in io.Reader) (*bufio.Reader, error) {
	b := bufio.NewReaderSize(in, 64<<10)
	mark, err := b.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(mark, []byte{0xff, 0xfe}), bytes.HasPrefix(mark, []byte{0xfe, 0xff}):
		return nil, errors.New("is UTF-16: save it as UTF-8")
	case bytes.Equal(mark, []byte("\ufeff")):
		_, err = b.Discard(len(mark))
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

// refuseBinary is an error for what is no text, such as an archive of arrays: some
// zero byte is near the beginning of all of these and of no table.
func refuseBinary(in *bufio.Reader) error {
	start, err := in.Peek(in.Buffered()) // No more than is there, so that nobody waits for it.
	if err == nil && bytes.IndexByte(start, 0) >= 0 {
		err = errors.New("is binary, not text: wanted are rows of numbers with commas between them, gzipped or not; save it as CSV")
	}
	return err
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
	note     string   // What a person should know of the columns, "" for nothing.
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
		advice := ""
		if len(d.header) == 1 {
			advice = separated(d.header[0])
		}
		return app.Usage("%s:%d: has %d fields, want %d%s", d.name, line, len(fields), d.rows.FieldsPerRecord, advice)
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
			return app.Usage("%s:%d: column %s: %q is not a number%s", d.name, line, d.title(at), shorten(clean(fields[at]), 40), d.advice(fields, at))
		}
		d.row[i] = x
	}
	score, err := d.detector.Next(d.row)
	if err != nil {
		return fmt.Errorf("score: %w", err)
	}
	return d.write(score)
}

// advice says what to do about a field that is no number.
func (d *detecting) advice(fields []string, at int) string {
	advice, field := "", fields[at]
	if len(d.used) == 1 {
		advice = separated(field)
	}
	_, decimal := cell(strings.Replace(field, ",", ".", 1))
	switch {
	case advice != "":
	case decimal:
		advice = "; write decimals with a point"
	default:
		advice = "; give each category a column of 0 and 1, or say --ignore " + d.texts(fields)
	}
	return advice
}

// texts names all columns that hold text in a row, as --ignore takes them: by
// number where the first line has numbers, too, and so may be no header.
func (d *detecting) texts(fields []string) string {
	doubtful := slices.ContainsFunc(d.header, func(name string) bool {
		_, number := cell(name)
		return number && name != ""
	})
	var names []string
	for _, at := range d.used {
		_, number := cell(fields[at])
		switch {
		case number:
		case doubtful:
			names = append(names, strconv.Itoa(at+1))
		default:
			names = append(names, d.short(at))
		}
	}
	list := strings.Join(names, ",")
	if doubtful {
		list += "; line 1 was taken for a header, because of the text in it"
	}
	return list
}

// separated is what to do about a field that seems to be several, "" for one that
// does not.
func separated(field string) string {
	for _, s := range [...]struct{ separator, flag string }{{";", "';'"}, {"\t", "tab"}, {"|", "'|'"}, {" ", "' '"}} {
		if strings.Contains(strings.TrimSpace(field), s.separator) {
			return fmt.Sprintf("; if %q stands between the fields, say --separator %s", s.separator, s.flag)
		}
	}
	return ""
}

// begin reads the first line and reports whether it is a header.
func (d *detecting) begin(fields []string) (bool, error) {
	if slices.ContainsFunc(fields, func(f string) bool { return strings.Contains(f, "\r") }) {
		return false, app.Usage("%s: its lines end in a carriage return alone: have them end in a line feed", d.name)
	}
	left, header, err := d.leave(fields)
	if err != nil {
		return false, err
	}
	for at := range fields {
		if !left[at] {
			d.used = append(d.used, at)
		}
	}
	switch {
	case len(d.used) == 0:
		return false, app.Usage("%s: no column is left to look at", d.name)
	case len(d.used) > forest.ColumnsMax:
		return false, app.Usage("%s: has %d columns to look at, at most %d are: leave some out with --ignore, or split the table", d.name, len(d.used), forest.ColumnsMax)
	}
	d.detector, err = forest.New(forest.Options{Columns: len(d.used), Seed: d.options.seed})
	if err != nil {
		return false, app.Usage("%s: %w", d.name, err)
	}
	d.row, d.shares = make([]float64, len(d.used)), make([]float64, len(d.used))
	return header, nil
}

// leave says which columns are not looked at, and whether the first line is a header:
// whether there is a text in it that is the name of a column to leave out, or stands in
// a column that is not left out by its number.
func (d *detecting) leave(fields []string) (left []bool, header bool, err error) {
	names := slices.DeleteFunc(append(slices.Clone(d.options.ignore), d.options.label), func(name string) bool { return name == "" })
	left = make([]bool, len(fields))
	for _, name := range names {
		if at := numbered(name, len(fields)); at >= 0 {
			left[at] = true
		}
	}
	for at, f := range fields {
		_, number := cell(f)
		header = header || !number && (!left[at] || slices.Contains(names, strings.TrimSpace(f)))
	}
	clear(left)
	if header {
		d.look(fields, names, left)
	}
	for _, name := range names {
		err := d.find(name, left)
		if err != nil {
			return nil, false, err
		}
	}
	return left, header, nil
}

// look takes the header down, and leaves out a column named "label" where no other is
// named as that of the truth.
func (d *detecting) look(fields, names []string, left []bool) {
	for at, f := range fields {
		f = strings.TrimSpace(f)
		d.header = append(d.header, f)
		left[at] = d.options.label == "" && strings.EqualFold(f, "label")
		if d.options.label == "" && truth(f) && !slices.Contains(names, f) {
			d.note = fmt.Sprintf("column %s is looked at like the others; if it is the truth, say --label %s", d.title(at), d.short(at))
		}
	}
}

// find notes the columns of a name, or that of a number, as left out.
func (d *detecting) find(name string, left []bool) error {
	found := false
	for at, f := range d.header {
		left[at] = left[at] || f == name
		found = found || f == name
	}
	at := numbered(name, len(left))
	switch {
	case found:
	case at >= 0:
		left[at] = true
	case d.header != nil:
		return app.Usage("%s: no column is named %q in the header: %s", d.name, name, shorten(clean(strings.Join(d.header, ", ")), 200))
	default:
		return app.Usage("%s: has no header, so a column is named by its number from 1 to %d, not %q", d.name, len(left), name)
	}
	return nil
}

// numbered is the place of the column with a number from 1 to n, -1 for none.
func numbered(name string, n int) int {
	at, err := strconv.Atoi(name)
	if err != nil || at < 1 || at > n {
		return -1
	}
	return at - 1
}

// truth reports whether a column is called what columns of the truth often are.
func truth(name string) bool {
	switch strings.ToLower(name) {
	case "class", "target", "y", "truth", "ground_truth", "anomaly", "is_anomaly", "outlier", "is_outlier", "attack", "is_attack", "fraud", "is_fraud", "labels":
		return true
	}
	return false
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
	if d.note != "" {
		sayln(w, "note: "+d.note)
	}
}
