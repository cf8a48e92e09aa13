package takeover

import (
	"fmt"
	"strconv"
	"strings"
)

// Report is what was measured, on both sets with one configuration.
type Report struct {
	Masquerade Labelled `json:"masquerade"`
	Splices    []Set    `json:"splices"`
	// Hash is the SHA-256 of what every judged command adds to either test.
	Hash string `json:"hash"`
}

// Blocks is how well blocks of 100 commands are told apart by their sum.
type Blocks struct {
	Strangers int     `json:"strangers"`
	Clean     int     `json:"clean"`
	AUC       float64 `json:"auc"`
	// TPR1 and TPR5 are the shares found at 1 and 5 % of clean blocks.
	TPR1 float64 `json:"tpr_1"`
	TPR5 float64 `json:"tpr_5"`
}

// Point is one point of a curve: a budget, and what it buys.
type Point struct {
	// Budget is in false alarms per 10,000 clean commands, of which 0.01 is one
	// in 10,000 subject-days.
	Budget float64 `json:"budget"`
	// Level is the threshold, False the false alarms per 10,000 commands that it
	// gave.
	Level float64 `json:"level"`
	False float64 `json:"false"`
	// Within100 and Within500 are the shares of takeovers recognised by the
	// thief's 100th and 500th command; Median is over those recognised.
	Within100 float64 `json:"within_100"`
	Within500 float64 `json:"within_500"`
	Median    int     `json:"median"`
}

// Labelled is the masquerade set's five people with labels.
type Labelled struct {
	Blocks   Blocks `json:"blocks"`
	Commands int    `json:"commands"` // Clean ones.
	Held     []Held `json:"held"`
	// Hindsight has the threshold of the first test alone set on the commands that
	// are counted: no forecast, but a bound.
	Hindsight []Point `json:"hindsight"`
	// Answered is the same where each alarm is answered as a step-up is, and
	// AnsweredFitted that with thresholds by the tail of other people's clean days.
	Answered       []Point `json:"answered"`
	AnsweredFitted []Point `json:"answered_fitted"`
}

// Set is all pairs of one set, spliced.
type Set struct {
	Name string `json:"name"`
	// Colleague says that thieves are people whom the tenant's prior knows.
	Colleague bool    `json:"colleague"`
	People    int     `json:"people"`
	Splices   int     `json:"splices"`
	Commands  int     `json:"commands"` // Clean ones.
	Blocks    Blocks  `json:"blocks"`
	Held      []Held  `json:"held"`
	Hindsight []Point `json:"hindsight"`
}

// String is the report as tables.
func (r Report) String() string {
	var b strings.Builder
	m := &r.Masquerade
	fmt.Fprintf(&b, "masquerade, labelled: %d strangers' blocks, %d clean commands\n", m.Blocks.Strangers, m.Commands)
	writeBlocks(&b, m.Blocks)
	writeHeld(&b, "thresholds from everybody's clean start, counted on the later days of the people with labels", m.Held)
	writePoints(&b, "IN HINDSIGHT, first test", m.Hindsight, false)
	writePoints(&b, "IN HINDSIGHT, answered", m.Answered, false)
	writePoints(&b, "by tail fit, answered", m.AnsweredFitted, false)
	for _, s := range r.Splices {
		thief := "stranger"
		if s.Colleague {
			thief = "colleague"
		}
		fmt.Fprintf(&b, "\n%s, spliced with a %s: %d people, %d splices, %d clean commands\n", s.Name, thief, s.People, s.Splices, s.Commands)
		writeBlocks(&b, s.Blocks)
		writeHeld(&b, "thresholds from the first half of everybody's clean days, counted on the second half", s.Held)
		writePoints(&b, "IN HINDSIGHT, first test", s.Hindsight, true)
	}
	fmt.Fprintf(&b, "\nscores sha256 %s\n", r.Hash)
	return b.String()
}

func writeBlocks(b *strings.Builder, k Blocks) {
	fmt.Fprintf(b, "blocks of 100: AUC %.3f, TPR %.0f %% at 1 %% FPR, %.0f %% at 5 %%\n", k.AUC, 100*k.TPR1, 100*k.TPR5)
}

// writeHeld writes the rows that are a forecast, under what they are made of.
func writeHeld(b *strings.Builder, title string, list []Held) {
	fmt.Fprintf(b, "%s; alarms per 10,000 subject-days (a day is %d commands)\n", title, day)
	fmt.Fprintf(b, "%10s %9s %8s %7s %16s %9s %7s %7s %13s %8s\n", "budget", "fit days", "beyond", "nats", "false in days", "at most", "in 100", "in 500", "median found", "of all")
	for _, h := range list {
		if !h.Fitted {
			fmt.Fprintf(b, "%10g %9d: too few to fit\n", h.Budget, h.FitDays)
			continue
		}
		all := "-"
		if h.MedianOfAll > 0 {
			all = strconv.Itoa(h.MedianOfAll)
		}
		fmt.Fprintf(b, "%10g %9d %7.2fx %7.2f %7d in %5d %9.1f %5.0f %% %5.0f %% %13d %8s\n",
			h.Budget, h.FitDays, h.Beyond, h.Level, h.False, h.Days, h.AtMost, 100*h.Within100, 100*h.Within500, h.Median, all)
	}
}

// writePoints writes the rows of the first test alone.
func writePoints(b *strings.Builder, title string, points []Point, long bool) {
	fmt.Fprintf(b, "%-24s budget/10k   false/10k   level   in 100", title)
	if long {
		b.WriteString("   in 500")
	}
	b.WriteString("   median found (per 10,000 commands)\n")
	for _, p := range points {
		fmt.Fprintf(b, "%24s %10g %11.2f %7.2f %6.0f %%", "", p.Budget, p.False, p.Level, 100*p.Within100)
		if long {
			fmt.Fprintf(b, " %6.0f %%", 100*p.Within500)
		}
		fmt.Fprintf(b, " %8d\n", p.Median)
	}
}
