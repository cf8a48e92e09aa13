package deadletter

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// Readers of topics, as a letter's stage names them.
const (
	StageScoring = "scoring"
	StageStoring = "storing"
)

// Limits of a letter. In JSON bytes take a third more room, and a text up to six times
// as much, so that a letter stays well below Kafka's default of 1 MiB, whatever is in
// the record: one that no broker takes would hold its partition up for ever.
const (
	// ValueMax is how many bytes of a record's value are kept.
	ValueMax = 256 << 10
	// HeadMax is how many of its key are, and of its headers together, as they
	// stand in JSON.
	HeadMax = 64 << 10
	// ReasonMax is how many bytes of a reason are kept.
	ReasonMax = 1 << 10
)

// Letter is a record that could not be read.
type Letter struct {
	Topic string `json:"topic"`
	// TopicID tells the topic from others that had its name before, "" where the broker
	// gives none: one that is made anew has other records at the same offsets.
	TopicID   string `json:"topic_id,omitempty"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
	// Stage is the reader that could not read it.
	Stage  string    `json:"stage"`
	Reason string    `json:"reason"`
	Time   time.Time `json:"time"`
	Key    []byte    `json:"key,omitempty"`
	Value  []byte    `json:"value,omitempty"`
	// Bytes is the value's whole size; more than Value has where that was cut.
	Bytes   int               `json:"bytes"`
	Headers map[string][]byte `json:"headers,omitempty"`

	headerBytes int
}

// ID names the letter: the reader, the record and, where it is known, the topic's id. The
// same record that is met again has the same one.
func (l *Letter) ID() string {
	id := fmt.Sprintf("%s/%s/%d/%d", l.Stage, l.Topic, l.Partition, l.Offset)
	if l.TopicID != "" {
		id += "/" + l.TopicID
	}
	return id
}

// AddHeader keeps a header of the record if it still fits.
func (l *Letter) AddHeader(key string, value []byte) {
	const punctuation, escaped = 8, 6
	size := l.headerBytes + escaped*len(key) + base64.StdEncoding.EncodedLen(len(value)) + punctuation
	if size > HeadMax {
		return
	}
	if l.Headers == nil {
		l.Headers = make(map[string][]byte)
	}
	l.Headers[key], l.headerBytes = value, size
}

// Seal cuts l to its limits and returns the record for vigil.dead.
func (l *Letter) Seal() (key, value []byte, attributes cloudevent.Attributes, err error) {
	l.Bytes = len(l.Value)
	l.Key, l.Value = l.Key[:min(len(l.Key), HeadMax)], l.Value[:min(len(l.Value), ValueMax)]
	l.Reason = l.Reason[:min(len(l.Reason), ReasonMax)]
	value, err = json.Marshal(l)
	if err != nil {
		return nil, nil, attributes, fmt.Errorf("encode dead letter: %w", err)
	}
	key = append(topic.SourceKey(l.Topic, l.Partition), 0)
	key = append(append(key, l.Stage...), 0)
	key = strconv.AppendInt(key, l.Offset, 10)
	if l.TopicID != "" {
		key = append(append(key, 0), l.TopicID...)
	}
	return key, value, cloudevent.Attributes{
		ID: l.ID(), Source: "//vigil/analyzer/" + l.Stage,
		Type: cloudevent.TypeDead, Time: l.Time, ContentType: cloudevent.JSON,
	}, nil
}
