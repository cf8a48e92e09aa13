package takeover

import (
	"fmt"
	"strings"
)

// Report is what was measured, on both sets with one configuration.
type Report struct {
	Masquerade Labelled `json:"masquerade"`
	Splices    []Set    `json:"splices"`
	// Hash is the SHA-256 of the gain of every judged command.
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
	// Hindsight has the threshold set on the commands that are counted, Fitted
	// by the tail of other people's clean days.
	Hindsight []Point `json:"hindsight"`
	Fitted    []Point `json:"fitted"`
	// Answered is the same where each alarm is answered as a step-up is.
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
	Hindsight []Point `json:"hindsight"`
	Fitted    []Point `json:"fitted"`
}

// String is the report as tables.
func (r Report) String() string {
	var b strings.Builder
	m := &r.Masquerade
	fmt.Fprintf(&b, "masquerade, labelled: %d strangers' blocks, %d clean commands\n", m.Blocks.Strangers, m.Commands)
	writeBlocks(&b, m.Blocks)
	writePoints(&b, "threshold in hindsight", m.Hindsight, false)
	writePoints(&b, "threshold by tail fit", m.Fitted, false)
	writePoints(&b, "answered, in hindsight", m.Answered, false)
	writePoints(&b, "answered, by tail fit", m.AnsweredFitted, false)
	for _, s := range r.Splices {
		thief := "stranger"
		if s.Colleague {
			thief = "colleague"
		}
		fmt.Fprintf(&b, "\n%s, spliced with a %s: %d people, %d splices, %d clean commands\n", s.Name, thief, s.People, s.Splices, s.Commands)
		writeBlocks(&b, s.Blocks)
		writePoints(&b, "threshold in hindsight", s.Hindsight, true)
		writePoints(&b, "threshold by tail fit", s.Fitted, true)
	}
	fmt.Fprintf(&b, "\nscores sha256 %s\n", r.Hash)
	return b.String()
}

func writeBlocks(b *strings.Builder, k Blocks) {
	fmt.Fprintf(b, "blocks of 100: AUC %.3f, TPR %.0f %% at 1 %% FPR, %.0f %% at 5 %%\n", k.AUC, 100*k.TPR1, 100*k.TPR5)
}

func writePoints(b *strings.Builder, title string, points []Point, long bool) {
	fmt.Fprintf(b, "%-24s budget/10k   false/10k   level   in 100", title)
	if long {
		b.WriteString("   in 500")
	}
	b.WriteString("   median\n")
	for _, p := range points {
		fmt.Fprintf(b, "%24s %10g %11.2f %7.2f %6.0f %%", "", p.Budget, p.False, p.Level, 100*p.Within100)
		if long {
			fmt.Fprintf(b, " %6.0f %%", 100*p.Within500)
		}
		fmt.Fprintf(b, " %8d\n", p.Median)
	}
}
