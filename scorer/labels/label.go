package labels

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// What a label may say.
const (
	// FalseAlarm says that nothing was wrong.
	FalseAlarm = "false_alarm"
	// Confirmed says that the verdict was right.
	Confirmed = "confirmed"
)

// Limits of a file of labels.
const (
	// FileBytesMax bounds the file, LabelsMax its labels.
	FileBytesMax = 64 << 20
	LabelsMax    = 100_000
	// FaultsMax bounds how many faults are told at once.
	FaultsMax = 20
	// evidenceMax bounds the evidence of one verdict, natsMax what one piece says.
	evidenceMax = 256
	natsMax     = 1000
)

// Label is what a person says about one verdict.
type Label struct {
	// ID is that of the verdict, or of the event where there was none.
	ID string `json:"id"`
	// Model is the digest of the model that has made it.
	Model string `json:"model"`
	// Subject and TargetID say whom it was about; one of them is needed.
	Subject  string `json:"subject"`
	TargetID string `json:"target_id"`
	// Says is [FalseAlarm] or [Confirmed].
	Says string `json:"label"`
	// By is who says so, and At when.
	By       string     `json:"by"`
	At       time.Time  `json:"at"`
	Evidence []Evidence `json:"evidence"`
}

// Evidence is one piece of what a verdict rested on.
type Evidence struct {
	Signal string `json:"signal"`
	Group  string `json:"group"`
	// Nats is its share of the score, below 0 where it reassured.
	Nats float64 `json:"nats"`
	Hard bool    `json:"hard"`
	Text string  `json:"text"`
}

// line is a label as it stands in a file: the members of a verdict that say
// nothing here may stand beside it.
type line struct {
	Label

	Time         json.RawMessage `json:"time"`
	Epoch        json.RawMessage `json:"epoch"`
	Seq          json.RawMessage `json:"seq"`
	Authority    json.RawMessage `json:"authority"`
	TargetKind   json.RawMessage `json:"target_kind"`
	Action       json.RawMessage `json:"action"`
	Until        json.RawMessage `json:"until"`
	Score        json.RawMessage `json:"score"`
	Origin       json.RawMessage `json:"origin"`
	CauseEventID json.RawMessage `json:"cause_event_id"`
	PublicText   json.RawMessage `json:"public_text"`
	OperatorText json.RawMessage `json:"operator_text"`
	SupportCode  json.RawMessage `json:"support_code"`
}

// Parse reads labels, one JSON object a line; empty lines are passed over. file
// is its name for messages. The error joins the first [FaultsMax] faults, each as
// file:line: what is wrong; then no label is returned.
func Parse(file string, b []byte) ([]Label, error) {
	if len(b) > FileBytesMax {
		return nil, fmt.Errorf("%s: has %d B, at most %d B are read", file, len(b), FileBytesMax)
	}
	var all []Label
	var faults []error
	number := 0
	for text := range bytes.Lines(b) {
		number++
		text = bytes.TrimSpace(text)
		if len(text) == 0 {
			continue
		}
		if len(all) >= LabelsMax {
			return nil, fmt.Errorf("%s:%d: more than %d labels", file, number, LabelsMax)
		}
		l, err := parseLine(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", file, number, err))
			if len(faults) >= FaultsMax {
				break
			}
			continue
		}
		all = append(all, l)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return all, nil
}

func parseLine(text []byte) (Label, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var l line
	err := dec.Decode(&l)
	if err != nil {
		return l.Label, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	_, err = dec.Token()
	if !errors.Is(err, io.EOF) {
		return l.Label, errors.New("one JSON object a line is read")
	}
	return l.Label, l.valid()
}

// valid says the first thing that is wrong with a label.
func (l *Label) valid() error {
	switch {
	case l.ID == "":
		return errors.New("id: is missing: which verdict is meant?")
	case l.Model == "":
		return errors.New("model: is missing: the digest of the model that has made the verdict")
	case l.Subject == "" && l.TargetID == "":
		return errors.New("subject or target_id: is missing: whom is it about?")
	case l.Says != FalseAlarm && l.Says != Confirmed:
		return fmt.Errorf("label: must be %s or %s, is %q", FalseAlarm, Confirmed, l.Says)
	case l.By == "":
		return errors.New("by: is missing: who says so?")
	case l.At.IsZero():
		return errors.New("at: is missing: when was it said?")
	case len(l.Evidence) == 0:
		return errors.New("evidence: is missing: what did the verdict rest on?")
	case len(l.Evidence) > evidenceMax:
		return fmt.Errorf("evidence: has %d pieces, at most %d are read", len(l.Evidence), evidenceMax)
	}
	for i := range l.Evidence {
		e := &l.Evidence[i]
		_, known := groupOf(e.Group)
		if !known {
			return fmt.Errorf("evidence[%d].group: %q is unknown", i, e.Group)
		}
		if math.Abs(e.Nats) > natsMax {
			return fmt.Errorf("evidence[%d].nats: must be within %d of 0, is %g", i, natsMax, e.Nats)
		}
	}
	return nil
}
