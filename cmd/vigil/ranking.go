package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/judge"
)

// ranking sums assessments up by address, subject or session.
type ranking struct {
	by    string
	ranks map[string]*rank
}

// rank is one line of a ranking.
type rank struct {
	Key    string `json:"key"`
	Events int    `json:"events"`
	// Max is the greatest score of one event, Peak the greatest accumulated
	// suspicion, Total the sum of all scores above 0; nats.
	Max     float64  `json:"max"`
	Peak    float64  `json:"peak"`
	Total   float64  `json:"total"`
	Action  string   `json:"action"`
	Reasons []reason `json:"reasons"`

	signals map[string]*reason
}

// reason is one signal's part in a rank.
type reason struct {
	Signal string  `json:"signal"`
	Nats   float64 `json:"nats"`
	Events int     `json:"events"`
	// Text is that of its strongest evidence.
	Text string `json:"text"`

	strongest float64
}

func newRanking(by string) *ranking { return &ranking{by: by, ranks: make(map[string]*rank)} }

func (r *ranking) add(e *event.RequestEvent, a *assessment.Assessment, proposals []judge.Proposal) {
	var key string
	switch r.by {
	case "address":
		key = e.GetAddress()
	case "subject":
		key = e.GetSubject()
	case "session":
		key = e.GetSession()
	}
	if key == "" {
		return
	}
	one := r.rank(key)
	one.Events++
	one.Max = max(one.Max, a.GetScore())
	one.Peak = max(one.Peak, a.GetSessionScore())
	one.Total += max(0, a.GetScore())
	if a.GetTarget() == nil || a.GetTarget().GetKind() == r.by || !facet(a.GetTarget().GetKind()) {
		one.act(a.GetAction())
	}
	for _, ev := range a.GetEvidence() {
		one.reason(ev)
	}
	for i := range proposals {
		p := &proposals[i]
		if p.Target.GetKind() != r.by {
			continue
		}
		judged := r.rank(p.Target.GetId()) // May be another than this event's.
		judged.act(p.Action)
		judged.Peak = max(judged.Peak, p.Score)
	}
}

// facet reports whether a kind of target is shared by many sessions.
func facet(kind string) bool {
	switch kind {
	case verdict.TargetSession, verdict.TargetSubject, verdict.TargetToken:
		return false
	}
	return true
}

func (r *ranking) rank(key string) *rank {
	one, ok := r.ranks[key]
	if !ok {
		key = strings.Clone(key) // It may be the event's.
		one = &rank{Key: key, Action: verdict.ActionObserve, signals: make(map[string]*reason)}
		r.ranks[key] = one
	}
	return one
}

func (k *rank) act(action string) {
	if verdict.Strength(action) > verdict.Strength(k.Action) {
		k.Action = action
	}
}

func (k *rank) reason(ev *verdict.Evidence) {
	if ev.GetNats() <= 0 {
		return
	}
	why, ok := k.signals[ev.GetSignal()]
	if !ok {
		why = &reason{Signal: ev.GetSignal()}
		k.signals[ev.GetSignal()] = why
	}
	why.Nats += ev.GetNats()
	why.Events++
	if ev.GetNats() > why.strongest {
		why.strongest, why.Text = ev.GetNats(), strings.Clone(ev.GetText()) // The scorer writes over it.
	}
}

// sorted is the ranking: the stronger action first, then the greater peak,
// total and at last the key, so that equal input gives equal output.
func (r *ranking) sorted(top int) []*rank {
	all := make([]*rank, 0, len(r.ranks))
	for _, one := range r.ranks {
		one.Reasons = make([]reason, 0, len(one.signals))
		for _, why := range one.signals {
			one.Reasons = append(one.Reasons, *why)
		}
		slices.SortFunc(one.Reasons, func(a, b reason) int {
			return cmp.Or(cmp.Compare(b.Nats, a.Nats), cmp.Compare(a.Signal, b.Signal))
		})
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *rank) int {
		return cmp.Or(
			cmp.Compare(verdict.Strength(b.Action), verdict.Strength(a.Action)),
			cmp.Compare(b.Peak, a.Peak), cmp.Compare(b.Total, a.Total), cmp.Compare(a.Key, b.Key))
	})
	if top > 0 && len(all) > top {
		all = all[:top]
	}
	return all
}

// reasonsShown bounds the last column of the table; JSON has all.
const reasonsShown = 3

func (r *ranking) print(p printer, top int, asJSON bool) error {
	all := r.sorted(top)
	if asJSON {
		return writeJSON(p.w, all)
	}
	rows := make([][]string, 0, len(all))
	for i, one := range all {
		var why []string
		for _, w := range one.Reasons[:min(len(one.Reasons), reasonsShown)] {
			why = append(why, fmt.Sprintf("%s %+.1f (%s)", w.Signal, w.Nats, clean(w.Text)))
		}
		rows = append(rows, []string{
			strconv.Itoa(i + 1), clean(one.Key), strconv.Itoa(one.Events), nats(one.Max), nats(one.Peak), nats(one.Total), one.Action, strings.Join(why, "; "),
		})
	}
	return p.table([]string{"RANK", strings.ToUpper(r.by), "EVENTS", "MAX", "PEAK", "TOTAL", "ACTION", "WHY (nats)"}, rows)
}

func nats(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }
