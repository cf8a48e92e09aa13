package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/seal"
)

// cut is a range of offsets of one partition that is inserted as one, as it
// stands in vigil.cuts.
type cut struct {
	// ID makes the tokens of this cut differ from those of every other.
	ID        string `json:"id"`
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	// First is where reading begins, Last the last record's offset.
	First int64 `json:"first"`
	Last  int64 `json:"last"`
	// Time is when it was declared: ingested_at of all its rows.
	Time time.Time `json:"time"`
	// TopicID is the id of the topic, "" where the broker gives none.
	TopicID string `json:"topic_id,omitempty"`
	// Fresh says that the topic is another one than before: earlier cuts are void.
	Fresh bool `json:"fresh,omitempty"`
	// From is [memory.from] before the cut.
	From int64 `json:"from,omitempty"`
	// Lanes and Marks are the partition's memory before the cut.
	Lanes []lane `json:"lanes,omitempty"`
	Marks []mark `json:"marks,omitempty"`
	// Seals are how far the chains of the gateways' batches are before the cut.
	Seals []seal.Entry `json:"seals,omitempty"`
}

// lane is how far a gateway's lane has been seen.
type lane struct {
	Gateway string `json:"gateway"`
	Epoch   uint64 `json:"epoch"`
	Lane    uint32 `json:"lane"`
	Seq     uint64 `json:"seq"`
	// Heard and End are its [life]; no Heard is of an author that followed none.
	Heard int64  `json:"heard,omitempty"`
	End   string `json:"end,omitempty"`
}

// mark is how far assessments of a source partition have been seen.
type mark struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	// TopicID is the id of the topic, "" where it is not known.
	TopicID string `json:"topic_id,omitempty"`
}

// newCut describes a range with the memory before it.
func newCut(topic string, partition int, first, last int64, at time.Time, before *memory) cut {
	c := cut{
		ID: uuid.NewString(), Topic: topic, Partition: partition, First: first, Last: last,
		Time: at.UTC().Truncate(time.Millisecond), // What a column of milliseconds keeps.
	}
	before.lives.keep(&before.lanes)
	before.lanes.Heard(func(l event.Lane, seq uint64) bool {
		of := before.lives.of[l]
		c.Lanes = append(c.Lanes, lane{l.Gateway, l.Epoch, l.Lane, seq, of.heard, of.end})
		return true
	})
	for _, source := range slices.SortedFunc(maps.Keys(before.marks), compareSources) {
		at := before.marks[source]
		c.Marks = append(c.Marks, mark{source.topic, source.partition, at.offset, at.topicID})
	}
	c.Seals, c.From = before.book.Entries(), before.from
	return c
}

// encode returns the record's value. Where it would be too large the lanes that
// were heard least recently are left out: of those hardly anything comes any more.
func (c cut) encode() ([]byte, error) {
	for {
		b, err := json.Marshal(c)
		if err != nil {
			return nil, fmt.Errorf("encode cut: %w", err)
		}
		if len(b) <= CutBytesMax || len(c.Lanes) == 0 {
			return b, nil
		}
		c.Seals = nil              // Each chain is then one that is met for the first time,
		c.From = c.Time.UnixNano() // and so is each lane, of which something may have been before.
		c.Lanes = c.Lanes[(len(c.Lanes)+1)/2:]
	}
}

// short reports whether the record of c, as it was read back, had no room for all
// that its author remembers. It is done with what the record says: whoever does it
// again knows no more.
func (c cut) short(declared cut) bool {
	return len(declared.Lanes) < len(c.Lanes) || len(declared.Seals) < len(c.Seals)
}

// token is what ClickHouse recognises the cut's block of a table by.
func (c cut) token(table string) string {
	return fmt.Sprintf("%s-%d-%d-%d-%s-%s", c.Topic, c.Partition, c.First, c.Last, c.ID, table)
}

// source is a partition of a topic that assessments were made of.
type source struct {
	topic     string
	partition int32
}

// extent is how far a source has been seen, and of which topic of that name that is.
type extent struct {
	topicID string // "" where it is not known.
	offset  int64
}

func compareSources(a, b source) int {
	if a.topic != b.topic {
		return strings.Compare(a.topic, b.topic)
	}
	return int(a.partition) - int(b.partition)
}

// memory is what a worker must know of the past of its partition to recognise
// what it has seen.
type memory struct {
	lanes event.Positions
	lives lives
	marks map[source]extent
	book  *seal.Book
	// from is 0 where the partition was read from its beginning, else since when it is
	// read, in Unix nanoseconds; of a memory of nothing it is the end of time.
	from int64
}

// whole reports whether all of a lane that is met for the first time was there to be
// read. Of a life that began before the reading it may be gone; an epoch is the Unix
// nanosecond in which its life began.
func (m *memory) whole(epoch uint64) bool { return m.from == 0 || epoch > uint64(m.from) }

// newMemory is the memory before c, or an empty one.
func newMemory(c *cut) *memory {
	m := &memory{marks: make(map[source]extent), book: new(seal.Book), from: math.MaxInt64}
	if c == nil {
		return m
	}
	for _, l := range c.Lanes {
		at := event.Lane{Gateway: l.Gateway, Epoch: l.Epoch, Lane: l.Lane}
		m.lanes.Set(at, l.Seq)
		if l.Heard > 0 {
			m.lives.set(at, life{l.Heard, l.End})
		}
	}
	for _, k := range c.Marks {
		m.marks[source{k.Topic, k.Partition}] = extent{k.TopicID, k.Offset}
	}
	m.book, m.from = seal.NewBook(c.Seals), c.From
	return m
}

// pass notes that a source has been seen up to offset. It returns how far it
// was seen before, -1 for never: a topic that was made anew is another source.
func (m *memory) pass(s source, topicID string, offset int64) (before int64) {
	at, known := m.marks[s]
	switch {
	case !known:
		at.offset = -1
		if len(m.marks) >= marksMax {
			delete(m.marks, slices.MinFunc(slices.Collect(maps.Keys(m.marks)), compareSources))
		}
	case at.topicID != "" && topicID != "" && at.topicID != topicID:
		at = extent{offset: -1}
	}
	before = at.offset
	s.topic = strings.Clone(s.topic) // It is the record's, and a map takes the key's text anew.
	if at.topicID != topicID && topicID != "" {
		at.topicID = strings.Clone(topicID)
	}
	at.offset = max(before, offset)
	m.marks[s] = at
	return before
}
