package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
)

// Forms of a result.
const (
	outputTable = "table"
	outputJSON  = "json"
)

// wantsJSON reads -o. The error is one of usage.
func wantsJSON(c *cobra.Command) (bool, error) {
	form, err := c.Flags().GetString("output")
	if err != nil {
		return false, err
	}
	switch form {
	case outputTable:
		return false, nil
	case outputJSON:
		return true, nil
	}
	return false, app.Usage("-o: must be one of table, json, is %q", form)
}

// printer writes tables for people.
type printer struct {
	w     io.Writer
	color bool
}

// newPrinter colours only where a terminal reads and nobody objects.
func newPrinter(c *cobra.Command, env app.Env) printer {
	no, err := c.Flags().GetBool("no-color")
	return printer{w: env.Stdout, color: err == nil && !no && env.Lookup("NO_COLOR") == "" && isTerminal(env.Stdout)}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Terminal attributes.
const (
	plain = ""
	bold  = "1"
	red   = "31"
	amber = "33"
	green = "32"
	faint = "2"
)

func (p printer) paint(attribute, s string) string {
	if !p.color || attribute == plain {
		return s
	}
	return "\x1b[" + attribute + "m" + s + "\x1b[0m"
}

// table writes rows under a header, columns padded; the last column is not
// padded, so that it may be long.
func (p printer) table(header []string, rows [][]string) error {
	width := make([]int, len(header))
	for _, row := range append([][]string{header}, rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	err := p.row(header, width, bold)
	if err != nil {
		return err
	}
	for _, row := range rows {
		err = p.row(row, width, plain)
		if err != nil {
			return err
		}
	}
	return nil
}

func (p printer) row(cells []string, width []int, attribute string) error {
	var b strings.Builder
	for i, cell := range cells {
		last := i == len(cells)-1
		look := attribute
		if look == plain {
			look = actionColor(cell)
		}
		b.WriteString(p.paint(look, cell))
		if !last {
			b.WriteString(strings.Repeat(" ", max(0, width[i]-utf8.RuneCountInString(cell))+2))
		}
	}
	_, err := fmt.Fprintln(p.w, strings.TrimRight(b.String(), " "))
	if err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// actionColor lets the ladder be seen at a glance.
func actionColor(cell string) string {
	switch cell {
	case "revoke", "block":
		return red
	case "step_up", "throttle", "read_only":
		return amber
	}
	return plain
}

// writeJSON writes one value on one line.
func writeJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// clean makes text from outside safe for a terminal and one line of a table.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '·'
		}
		return r
	}, s)
}

// shorten cuts a text in the middle of a table.
func shorten(s string, runes int) string {
	if utf8.RuneCountInString(s) <= runes {
		return s
	}
	return string([]rune(s)[:runes-1]) + "…"
}

// rows writes rows without a header and without padding, for a table that goes on.
func (p printer) rows(rows [][]string) error {
	for _, row := range rows {
		err := p.row(row, make([]int, len(row)), plain)
		if err != nil {
			return err
		}
	}
	return nil
}

// say tells a person something. Whoever has gone away reads nothing, and that
// is no failure of the command.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

func sayln(w io.Writer, args ...any) { _, _ = fmt.Fprintln(w, args...) }
