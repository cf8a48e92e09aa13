package labels

import (
	"fmt"
	"strings"

	"github.com/vigil-gateway/vigil/scorer/model"
)

// explain says in words why the weight moves or stays.
func (g *Group) explain() string {
	labels := g.Confirmed + g.FalseAlarms
	seen := fmt.Sprintf("%.1f false alarms against %.1f confirmed", g.FalseAlarms, g.Confirmed)
	switch {
	case labels == 0:
		return "stays: no label"
	case labels < LabelsLeast:
		return fmt.Sprintf("stays: %.1f labels by its shares, and %.0f are asked", labels, LabelsLeast)
	case g.Shift == 0:
		return fmt.Sprintf("stays: %s is too near to even", seen)
	case !g.Moves() && (g.Weight <= model.GroupWeightLeast || g.Weight >= model.GroupWeightMost):
		return fmt.Sprintf("stays: %s, and the weight is at its bound", seen)
	case !g.Moves():
		return fmt.Sprintf("stays: %s is less than a thousandth of the weight", seen)
	}
	more, by := "more", g.Shift
	if by < 0 {
		more, by = "less", -by
	}
	return fmt.Sprintf("%s: its usual %.1f nats should say %.1f %s", seen, g.Usual, by, more)
}

// Lines returns the proposed weights as the section groups of a model file, nil
// where nothing moves.
func (p *Proposal) Lines() []byte {
	var b strings.Builder
	for i := range p.Groups {
		g := &p.Groups[i]
		if g.Moves() {
			fmt.Fprintf(&b, "  - {id: %s, weight: %g} # %s\n", g.Group, g.Proposed, g.Why)
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return []byte(fmt.Sprintf("# From %d labels by %d people on verdicts of model %.12s.\ngroups:\n", p.Labels, p.People, p.Model) + b.String())
}
