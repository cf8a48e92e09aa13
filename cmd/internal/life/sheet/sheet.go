package sheet

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Print writes what write says to its writer, with columns in line.
func Print(out io.Writer, write func(t io.Writer)) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 2, 0, 2, ' ', 0)
	write(t)
	err := t.Flush()
	if err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	_, err = io.WriteString(out, b.String())
	if err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	return nil
}

// Say adds text to a report, which takes everything.
func Say(t io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(t, format, args...) }
