package poison

import (
	"fmt"
	"io"

	"github.com/vigil-gateway/vigil/cmd/internal/life/sheet"
)

// Print writes the report as tables.
func (r *Report) Print(out io.Writer) error {
	return sheet.Print(out, func(t io.Writer) {
		sheet.Say(t, "nats at the goal and the action that they support; (what its session was suspected of before it); * caught before\nattack on learning")
		r.head(t)
		for _, a := range r.Attacks {
			sheet.Say(t, "%s", a.Attack)
			for _, c := range a.Cells {
				more := ""
				if c.Before > 0 {
					more = fmt.Sprintf(" (%.1f)", c.Before)
				}
				if c.Caught {
					more += "*"
				}
				sheet.Say(t, "\t%.1f %s%s", c.Nats, c.Action, more)
			}
			sheet.Say(t, "\n")
		}
		sheet.Say(t, "\nstep-ups of honest people\nstorm")
		r.head(t)
		for _, s := range r.Storms {
			sheet.Say(t, "%s, %d subject-days", s.Storm, s.Days)
			for _, n := range s.StepUps {
				sheet.Say(t, "\t%d", n)
			}
			sheet.Say(t, "\n")
		}
	})
}

func (r *Report) head(t io.Writer) {
	for _, v := range r.Variants {
		sheet.Say(t, "\t%s", v)
	}
	sheet.Say(t, "\n")
}
