package main

import (
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// plainAssessment is an assessment without its methods, so that its fields go
// out by their proto names and its times in RFC 3339.
type (
	plainAssessment assessment.Assessment
	jsonAssessment  struct {
		EventTime  *time.Time `json:"event_time,omitempty"`
		StreamTime *time.Time `json:"stream_time,omitempty"`
		// Always there: a program need not ask whether a score of 0 was left out.
		Score float64 `json:"score"`
		*plainAssessment
	}
)

// encodeAssessment is an assessment as one line of JSON.
func encodeAssessment(a *assessment.Assessment) ([]byte, error) {
	b, err := json.Marshal(jsonAssessment{
		EventTime: jsonTime(a.EventTime), StreamTime: jsonTime(a.StreamTime), Score: a.Score,
		plainAssessment: (*plainAssessment)(a),
	})
	if err != nil {
		return nil, fmt.Errorf("encode assessment: %w", err)
	}
	return b, nil
}

func jsonTime(t *timestamppb.Timestamp) *time.Time {
	if t == nil {
		return nil
	}
	at := t.AsTime()
	return &at
}

// ladder lists all actions, weakest first.
func ladder() []string {
	return []string{
		verdict.ActionObserve, verdict.ActionThrottle, verdict.ActionReadOnly,
		verdict.ActionStepUp, verdict.ActionRevoke, verdict.ActionBlock,
	}
}
