package ablation

import (
	"fmt"
	"io"
	"strings"
)

// Head is the first line of the table.
const Head = "without                          caught  ended  false step-ups  throttles  ends  stories  what changes\n"

// Print writes one row of the table.
func (r *Row) Print(out io.Writer) error {
	name := r.Without
	if name == "" {
		name = "nothing"
	}
	var changes []string
	for _, list := range [][]string{r.Lost, r.Gained, r.Later} {
		changes = append(changes, list...)
	}
	if r.Idle() {
		changes = append(changes, "nothing gets worse")
	}
	_, err := fmt.Fprintf(out, "%-32s %3d/%3d  %5d  %14d  %9d  %4d  %7d  %s\n",
		name, r.Caught, r.Attacks, r.Ended, r.StepUps, r.Throttles, r.Ends, r.Stories, strings.Join(changes, ", "))
	if err != nil {
		return fmt.Errorf("print row: %w", err)
	}
	return nil
}
