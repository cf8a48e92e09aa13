package poison

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Print writes the report as tables.
func (r *Report) Print(out io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 2, 0, 2, ' ', 0)
	say(t, "nats at the goal and the action that they support; * caught before\nattack on learning")
	r.head(t)
	for _, a := range r.Attacks {
		say(t, "%s", a.Attack)
		for _, c := range a.Cells {
			star := ""
			if c.Caught {
				star = "*"
			}
			say(t, "\t%.1f %s%s", c.Nats, c.Action, star)
		}
		say(t, "\n")
	}
	say(t, "\nstep-ups of honest people\nstorm")
	r.head(t)
	for _, s := range r.Storms {
		say(t, "%s, %d subject-days", s.Storm, s.Days)
		for _, n := range s.StepUps {
			say(t, "\t%d", n)
		}
		say(t, "\n")
	}
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

func (r *Report) head(t io.Writer) {
	for _, v := range r.Variants {
		say(t, "\t%s", v)
	}
	say(t, "\n")
}

// say writes to a buffer, which takes everything.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
