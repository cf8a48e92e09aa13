package attack

import (
	"math"
	"slices"
)

// Round is what became of one attack.
type Round struct {
	Scenario string `json:"scenario"`
	Number   int    `json:"round"`
	// Victim is whose session or token it was, empty where there is none; From
	// is where the attacker was.
	Victim string `json:"victim,omitempty"`
	From   string `json:"from"`
	// TurnedAway names the honest people whom the gateway turned away before
	// anybody attacked them, and how.
	TurnedAway []string `json:"turned_away,omitempty"`
	// Served counts the requests after the first suspicious event that the
	// service answered, Bytes what they brought him.
	Served int    `json:"requests"`
	Bytes  uint64 `json:"bytes"`
	// Sent counts all his requests, Slowed those that were told to come
	// again later.
	Sent   int `json:"sent"`
	Slowed int `json:"slowed"`
	// Stopped is whether the door stayed shut, Answer what it said.
	Stopped bool   `json:"stopped"`
	Answer  string `json:"answer"`
	// TookMS is from his first request to the first refusal, as he saw it.
	TookMS float64 `json:"took_ms"`
	// Action, Signal and EventToCutMS are the verdict's, out of the books.
	Action       string  `json:"action"`
	Signal       string  `json:"signal"`
	EventToCutMS float64 `json:"event_to_cut_ms"`
	// Usual is the victim's p99 of bytes in an hour, where the promise is about it.
	Usual uint64 `json:"usual_bytes,omitempty"`
	// Figure is what the promise is about.
	Figure float64 `json:"figure"`
	// Failed says why the round could not be played to its end; nothing else of it
	// counts then.
	Failed string `json:"failed,omitempty"`
}

// Report is a scenario with all its rounds.
type Report struct {
	Scenario string  `json:"scenario"`
	Story    string  `json:"story"`
	Promise  Promise `json:"promise"`
	// Played is how many rounds were played to their end, Stopped how many of those
	// ended at a shut door.
	Played  int `json:"played"`
	Stopped int `json:"stopped"`
	// Median, P95 and Max are over the figures of all that were played, those that
	// were not stopped included: theirs are as far as they got.
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
	Max    float64 `json:"max"`
	// BytesMedian and BytesMax are what an attacker got.
	BytesMedian uint64 `json:"bytes_median"`
	BytesMax    uint64 `json:"bytes_max"`
	// EventToCutMS is the median over the rounds that were stopped.
	EventToCutMS float64 `json:"event_to_cut_ms"`
	// TurnedAway is how many honest people the gateway turned away before anybody
	// attacked them.
	TurnedAway int `json:"turned_away"`
	// Kept is whether the promise was, and everybody was stopped. What was not
	// played keeps nothing.
	Kept   bool    `json:"kept"`
	Rounds []Round `json:"rounds"`
}

func newReport(s Scenario, rounds []*round) Report {
	r := Report{Scenario: s.Name, Story: s.Story, Promise: s.Promise}
	var figures, bytes, cuts []float64
	for _, x := range rounds {
		r.Rounds = append(r.Rounds, x.Round)
		r.TurnedAway += len(x.TurnedAway)
		if x.Failed != "" {
			continue
		}
		r.Played++
		figures, bytes = append(figures, x.Figure), append(bytes, float64(x.Bytes))
		if x.Stopped {
			r.Stopped++
			cuts = append(cuts, x.EventToCutMS)
		}
	}
	r.Median, r.P95, r.Max = quantile(figures, 0.5), quantile(figures, 0.95), quantile(figures, 1)
	r.BytesMedian, r.BytesMax = uint64(quantile(bytes, 0.5)), uint64(quantile(bytes, 1))
	r.EventToCutMS = quantile(cuts, 0.5)
	worst := r.Max
	if s.Promise.Median {
		worst = r.Median
	}
	r.Kept = r.Stopped == len(rounds) && worst <= s.Promise.Most
	return r
}

// quantile is the smallest value that a share q of all does not exceed; 0 of none.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}
