package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/vigil-gateway/vigil/scorer/budget"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// writeLadders writes sections of a model file: the ladders with the tails that
// were fitted, and the budget that was asked for by flag, if any was.
func writeLadders(w io.Writer, m *model.Model, found []calibration, allowed map[string]float64) error {
	var b strings.Builder
	if len(allowed) > 0 {
		writeBudget(&b, found)
	}
	b.WriteString("ladders:\n")
	for _, l := range m.Ladders {
		fmt.Fprintf(&b, "  - kind: %s\n", l.Kind)
		if l.Temperature > 0 {
			fmt.Fprintf(&b, "    temperature: %g\n", l.Temperature)
		}
		b.WriteString("    rungs:\n")
		for _, rung := range l.Rungs {
			for i := range found {
				if found[i].Kind == l.Kind && found[i].Action == rung.Action {
					rung.Threshold = found[i].Suggested
					if found[i].tail != nil {
						rung.Tail = found[i].tail
					}
				}
			}
			writeRung(&b, &rung)
		}
	}
	_, err := io.WriteString(w, b.String())
	if err != nil {
		return fmt.Errorf("write ladders: %w", err)
	}
	return nil
}

func writeRung(b *strings.Builder, rung *model.Rung) {
	fmt.Fprintf(b, "      - {action: %s, ", rung.Action)
	if rung.Tail != nil {
		b.WriteString(tailText(rung.Tail))
	} else {
		fmt.Fprintf(b, "threshold: %g", rung.Threshold)
	}
	fmt.Fprintf(b, ", for: %s", rung.For)
	if len(rung.Groups) > 0 {
		b.WriteString(", groups: [" + groupList(rung.Groups) + "]")
	}
	b.WriteString("}\n")
}

func tailText(t *budget.Tail) string {
	return fmt.Sprintf("tail: {start: %g, scale: %g, shape: %g, beyond: %d, days: %g}", t.Start, t.Scale, t.Shape, t.Beyond, t.Days)
}

// writeBudget writes what was asked for, a line for each kind that was found.
func writeBudget(b *strings.Builder, found []calibration) {
	b.WriteString("budget:\n")
	for i := range found {
		if i == 0 || found[i-1].Kind != found[i].Kind {
			fmt.Fprintf(b, "  - {kind: %s", found[i].Kind)
		}
		if found[i].Budget > 0 {
			fmt.Fprintf(b, ", %s: %g", found[i].Action, found[i].Budget)
		}
		if i == len(found)-1 || found[i+1].Kind != found[i].Kind {
			b.WriteString("}\n")
		}
	}
}
