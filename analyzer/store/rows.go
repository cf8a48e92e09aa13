package store

import (
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// item is a record as decoded. Decoding needs no memory of the past; what the
// memory says about it comes when the cut is known.
type item struct {
	record
	// message is nil where the record is passed over.
	message any
	// blank says that the record brings no row, whatever the memory says.
	blank bool
	// head is the record's batch, nil where none is verified.
	head *seal.Head
	// poison is why the record cannot be read.
	poison error
	// size is what the record weighed on the wire.
	size int64
}

// collector turns the items of one cut into rows.
type collector interface {
	// add takes one item in. It changes the memory.
	add(i item, at position)
	// blocks returns the rows by table, in the order to insert them; no block is empty.
	blocks() []block
}

// kind is what the store knows about a topic.
type kind struct {
	topic  string
	decode func(r record) (message any, blank bool, err error)
	// collect returns an empty collector with room for n items.
	collect func(m *memory, n int) collector
	// release takes a message that nothing needs any more; nil where none is used again.
	release func(message any)
}

// kinds are the topics that the store follows.
func kinds(keys Opener, seals seal.Keys, unsigned seal.Policy) []kind {
	return []kind{
		{topic.Requests, decodeRequest, func(m *memory, n int) collector {
			return &requests{memory: m, proof: proof{seals: seals, unsigned: unsigned, memory: m}, rows: make([]requestRow, 0, n)}
		}, releaseRequest},
		{topic.Assessments, decodeAssessments, func(m *memory, _ int) collector { return &assessments{memory: m} }, nil},
		{topic.Verdicts, decodeVerdict(keys), func(*memory, int) collector { return new(verdicts) }, nil},
		{topic.Enforcements, decodeEnforcement, func(*memory, int) collector { return new(enforcements) }, nil},
	}
}

// Opener verifies a signed envelope and only then decodes it; a
// [verdict.KeySet] is one.
type Opener interface {
	Open(record []byte) (verdict.Message, error)
}

// item decodes a record. Whatever a stranger wrote, it ends in an item: a
// decoder that panics has met a poison record, not the end of the partition.
func (k kind) item(r record) (i item) {
	i = item{record: r, size: int64(len(r.Key) + len(r.Value) + r.Size())}
	defer func() {
		fault := recover()
		if fault != nil {
			i.poison = fmt.Errorf("decoder panicked: %v", fault)
		}
	}()
	message, blank, err := k.decode(r)
	if err != nil {
		i.poison = err
		return i
	}
	i.message, i.blank = message, blank
	return i
}

// Bounds of a time that a DateTime64 keeps and a Date does not wrap.
const (
	timeMin = 0
	timeMax = 5_600_000_000 // In the year 2147.
)

// moment is a time as a column keeps it: absent is the epoch, and what no
// clock could mean is clamped rather than refused, because the row counts.
func moment(t *timestamppb.Timestamp) time.Time {
	return time.Unix(min(max(t.GetSeconds(), timeMin), timeMax), int64(t.GetNanos())).UTC()
}

// finite is a number as a column keeps it: NaN and infinities compare with
// nothing and spoil every sum.
func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// optional is a number, nil where it is absent or not finite.
func optional(f *float64) *float64 {
	if f == nil || math.IsNaN(*f) || math.IsInf(*f, 0) {
		return nil
	}
	return f
}

// list is a list that is never nil, which the driver takes for a null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
