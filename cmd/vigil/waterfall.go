package main

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// Widths of a waterfall, which fits a terminal of 80 columns.
const (
	screenWidth = 80
	barsWidth   = 26
	textIndent  = 9
)

// printWaterfall draws the sum of one event's evidence and where it puts the
// session on the ladder.
func printWaterfall(p printer, a *assessed, m *model.Model, kind string) {
	line := a.line
	at := "at an unknown time"
	if line.EventTime != nil {
		at = line.EventTime.UTC().Format(time.RFC3339)
	}
	say(p.w, "%s\n", p.paint(bold, clean(fmt.Sprintf("event %s, %s", cmp.Or(line.EventId, "without an id"), at))))
	printWrapped(p, "", clean(whose(line)), 0)
	if len(line.Evidence) == 0 {
		sayln(p.w, "  nothing was found: the score is 0")
	}
	low, high := bounds(line.Evidence)
	sum := 0.0
	for _, e := range line.Evidence {
		next := sum + e.GetNats()
		say(p.w, "  %+6.2f %s %s%s\n", e.GetNats(), p.paint(barColor(e), bar(sum, next, low, high)), clean(e.GetSignal()), hardMark(e))
		printWrapped(p, "  ", clean(e.GetText()), textIndent-2)
		sum = next
	}
	say(p.w, "  %s\n", strings.Repeat("─", textIndent-3+barsWidth+4))
	say(p.w, "  %6.2f %s score of this event\n", line.Score, bar(0, line.Score, low, high))
	printSession(p, a, m, kind)
}

// whose says who did it and what followed.
func whose(line *jsonAssessment) string {
	var parts []string
	if line.Session != "" {
		parts = append(parts, "session "+line.Session)
	}
	if line.Subject != "" {
		parts = append(parts, "subject "+line.Subject)
	}
	if line.Address != "" {
		parts = append(parts, "address "+line.Address)
	}
	if len(parts) == 0 && line.Target != nil {
		parts = append(parts, line.Target.GetKind()+" "+line.Target.GetId())
	}
	text := strings.Join(parts, ", ")
	action := cmp.Or(line.Action, verdict.ActionObserve)
	switch {
	case action == verdict.ActionObserve:
		text += ": nothing is asked for"
	case line.Shadow:
		text += ": " + action + " is asked for, and only recorded because the model observes"
	default:
		text += ": " + action + " is asked for"
	}
	if line.Phase != "" {
		text += "; the subject's habits are still being learned"
	}
	return text
}

// bounds are the least and the greatest that the running sum comes to, and 0.
func bounds(list []*verdict.Evidence) (low, high float64) {
	sum := 0.0
	for _, e := range list {
		sum += e.GetNats()
		low, high = min(low, sum), max(high, sum)
	}
	return low, high
}

// bar draws from one value to another on the scale of the whole sum.
func bar(from, to, low, high float64) string {
	if high <= low {
		return strings.Repeat(" ", barsWidth)
	}
	place := func(v float64) int { return int(math.Round((v - low) / (high - low) * barsWidth)) }
	begin, end := place(min(from, to)), place(max(from, to))
	if begin == end && from != to { // What counts shows.
		begin, end = min(begin, barsWidth-1), min(begin, barsWidth-1)+1
	}
	return strings.Repeat(" ", begin) + strings.Repeat("█", end-begin) + strings.Repeat(" ", barsWidth-end)
}

func barColor(e *verdict.Evidence) string {
	switch {
	case e.GetHard():
		return red
	case e.GetNats() < 0:
		return green
	}
	return amber
}

func hardMark(e *verdict.Evidence) string {
	if e.GetHard() {
		return " (hard fact)"
	}
	return ""
}

// printSession shows the session's score against the ladder.
func printSession(p printer, a *assessed, m *model.Model, kind string) {
	line := a.line
	if line.Session == "" && line.Subject == "" {
		kind = model.KindAddress
	}
	if line.Address == "" && facet(line.Target.GetKind()) {
		kind = line.Target.GetKind()
	}
	var steps []string
	for _, v := range a.Trail {
		steps = append(steps, nats(v))
	}
	more := ""
	if a.Others > 0 {
		more = fmt.Sprintf("; its other events with evidence: %d", a.Others)
	}
	say(p.w, "  session %.2f nats, %.2f before it%s\n", line.SessionScore, a.Before, more)
	if len(steps) > 1 {
		say(p.w, "  its last scores: %s\n", strings.Join(steps, " → "))
	}
	rungs := m.Ladder(kind)
	top := line.SessionScore
	for _, g := range rungs {
		top = max(top, g.Threshold)
	}
	say(p.w, "  ladder for %s; a rung needs evidence of its groups, up to its ceiling:\n", kind)
	for i := range rungs {
		g := &rungs[i]
		how := orNothing("by ", groupList(g.Groups))
		if how == "" {
			how = distance(line.SessionScore, g.Threshold)
		}
		say(p.w, "  %s  %-9s from %-4s %s\n", ruler(line.SessionScore, g.Threshold, top), g.Action, number(g.Threshold), how)
	}
	if line.Model != "" && line.Model != m.Digest() {
		printWrapped(p, "  ", fmt.Sprintf("(another model scored this, %.12s, than the one whose ladder is shown, %.12s: see --model)", line.Model, m.Digest()), 0)
	}
}

// rulerWidth is the width of a session's score beside its thresholds.
const rulerWidth = 16

// ruler draws the score, and the threshold as a mark.
func ruler(score, threshold, top float64) string {
	if top <= 0 {
		return strings.Repeat("·", rulerWidth)
	}
	full := int(math.Round(max(0, score) / top * rulerWidth))
	mark := min(rulerWidth-1, int(math.Round(threshold/top*rulerWidth)))
	var b strings.Builder
	for i := range rulerWidth {
		switch {
		case i == mark:
			b.WriteString("│")
		case i < full:
			b.WriteString("█")
		default:
			b.WriteString("·")
		}
	}
	return b.String()
}

func distance(score, threshold float64) string {
	if score >= threshold {
		return "reached"
	}
	return fmt.Sprintf("%.1f to go", threshold-score)
}

// printWrapped writes a text in lines that fit the screen, all indented alike.
func printWrapped(p printer, first, text string, indent int) {
	lead := first + strings.Repeat(" ", indent)
	line := lead
	for word := range strings.FieldsSeq(text) {
		if line != lead && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > screenWidth {
			sayln(p.w, line)
			line = lead
		}
		if line != lead {
			line += " "
		}
		line += word
	}
	if line != lead {
		sayln(p.w, line)
	}
}
