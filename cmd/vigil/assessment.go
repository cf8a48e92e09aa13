package main

import (
	"time"

	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// plainAssessment is an assessment without its methods, so that its fields are
// read by their proto names and its times in RFC 3339.
type (
	plainAssessment assessment.Assessment
	jsonAssessment  struct {
		EventTime  *time.Time `json:"event_time,omitempty"`
		StreamTime *time.Time `json:"stream_time,omitempty"`
		Score      float64    `json:"score"`
		*plainAssessment
	}
)

// ladder lists all actions, weakest first.
func ladder() []string {
	return []string{
		verdict.ActionObserve, verdict.ActionThrottle, verdict.ActionReadOnly,
		verdict.ActionStepUp, verdict.ActionRevoke, verdict.ActionBlock,
	}
}
