package main

import (
	"fmt"

	"github.com/vigil-gateway/vigil/scorer/rules"
)

// missedRule is a custom rule that gave no answer for some events.
type missedRule struct {
	Rule   string `json:"rule"`
	Events uint64 `json:"events"`
	// Fault says why, the last time.
	Fault string `json:"fault"`
}

func (m missedRule) String() string {
	return fmt.Sprintf("%s gave no answer for %d events, which is missing evidence; the last time: %s", m.Rule, m.Events, clean(m.Fault))
}

// addMissed adds the rules of one run that gave no answer to those of others.
func addMissed(list []missedRule, counts []rules.Count) []missedRule {
	for _, c := range counts {
		if c.Missed == 0 {
			continue
		}
		known := false
		for i := range list {
			if list[i].Rule == c.ID {
				list[i].Events += c.Missed
				list[i].Fault, known = c.Fault, true
			}
		}
		if !known {
			list = append(list, missedRule{c.ID, c.Missed, c.Fault})
		}
	}
	return list
}
