package seal

import (
	"bytes"
	"crypto/ed25519"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Keys are the public keys of gateways; a [verdict.KeySet] has them.
type Keys interface {
	// Gateway returns the key of class gateway that is listed as kid.
	Gateway(kid string) (key verdict.Key, ok bool)
	// Seals reports whether any key is listed for a gateway.
	Seals(gateway string) bool
	// Sealing reports whether any key is listed for any gateway.
	Sealing() bool
}

// Cause is why records are refused. The zero Cause is none.
type Cause string

// Causes.
const (
	// CauseUnsigned: no seal, where one is due.
	CauseUnsigned Cause = "unsigned"
	// CauseMalformed: the header is no seal.
	CauseMalformed Cause = "malformed"
	// CauseKey: the key set has no such key.
	CauseKey Cause = "unknown_key"
	// CauseRetired: the key was not valid when the batch was sealed, or a newer one
	// has spoken since.
	CauseRetired Cause = "retired_key"
	// CauseGateway: the key is that of another gateway than the record names.
	CauseGateway Cause = "wrong_gateway"
	// CauseSignature: the signature is not one of these records.
	CauseSignature Cause = "signature"
	// CauseTorn: the batch ends before all of its records have come.
	CauseTorn Cause = "torn"
	// CauseOrder: it comes after its successors, which have made its numbers missing.
	CauseOrder Cause = "order"
	// CauseFork: its chain has another batch in its place.
	CauseFork Cause = "fork"
)

// Causes are all causes.
func Causes() []Cause {
	return []Cause{
		CauseUnsigned, CauseMalformed, CauseKey, CauseRetired, CauseGateway, CauseSignature, CauseTorn, CauseOrder, CauseFork,
	}
}

// Head is what the records of one batch have in common.
type Head struct {
	// Gateway is whose key has sealed it; where Cause is set, whose it claims to be.
	Gateway string
	// Seal is nil where there was none that could be read.
	Seal *Seal
	// Hash is the batch's, once it is verified.
	Hash Hash
	// From is since when the key is valid.
	From time.Time
	// Cause is why the batch is refused, whatever came before it.
	Cause Cause
}

// Sealed reports whether the batch bears the signature of its gateway.
func (h *Head) Sealed() bool { return h.Cause == "" && h.Seal != nil }

// Collector cuts the records of a partition into batches, in their order, and
// verifies each. It holds the records of a batch until that is whole.
type Collector[R any] struct {
	keys      Keys
	roots     *Roots
	partition int32
	view      func(R) Record

	held   []R
	bytes  int
	head   *Head
	public ed25519.PublicKey
	source []byte
	hasher hasher
	single [1]R
}

// NewCollector returns a collector that begins at the beginning of a batch; view
// says what of a record is sealed.
func NewCollector[R any](keys Keys, roots *Roots, partition int32, view func(R) Record) *Collector[R] {
	return &Collector[R]{keys: keys, roots: roots, partition: partition, view: view}
}

// Held is how many records wait for the rest of their batch.
func (c *Collector[R]) Held() int { return len(c.held) }

// Add takes the next record of the partition and hands over what it completes: a
// batch, a record without one, or a batch that it has torn. The records are only
// valid during the call.
func (c *Collector[R]) Add(r R, yield func(head *Head, records []R)) {
	v := c.view(r)
	header, sealed := v.Header(Header)
	source, _ := v.Header("ce_source")
	if len(c.held) > 0 && !sealed && bytes.Equal(source, c.source) && c.bytes < BytesMax {
		c.take(r, v, yield)
		return
	}
	c.End(yield)
	head := &Head{Gateway: gatewayOf(source)}
	if !sealed {
		head.Cause = CauseUnsigned
	} else {
		head.Cause = c.open(head, header)
	}
	if head.Cause != "" {
		c.single[0] = r
		yield(head, c.single[:])
		return
	}
	c.head, c.source, c.bytes = head, bytes.Clone(source), 0
	c.hasher.begin(head.Seal, head.Gateway, c.partition)
	c.take(r, v, yield)
}

// End hands over what is held, as torn: nothing comes any more.
func (c *Collector[R]) End(yield func(head *Head, records []R)) {
	if len(c.held) > 0 {
		c.head.Cause = CauseTorn
		c.release(yield)
	}
}

// open reads a seal and finds its key. A seal of nobody, or of somebody else, is
// not waited for: the records behind it are their own.
func (c *Collector[R]) open(head *Head, header []byte) Cause {
	s, err := Parse(header)
	if err != nil {
		return CauseMalformed
	}
	head.Seal = &s
	key, ok := c.keys.Gateway(s.Kid)
	switch {
	case !ok:
		return CauseKey
	case key.Gateway != head.Gateway:
		return CauseGateway
	case s.Time.Before(key.From.Add(-skewMax)) || !key.Until.IsZero() && !s.Time.Before(key.Until):
		return CauseRetired
	}
	head.From, c.public = key.From, key.Public
	return ""
}

// take adds a record to the batch that is held, and ends it where it is whole.
func (c *Collector[R]) take(r R, v Record, yield func(*Head, []R)) {
	c.held = append(c.held, r)
	c.bytes += len(v.Key) + len(v.Value)
	c.hasher.add(v)
	if len(c.held) < c.head.Seal.Count {
		return
	}
	c.head.Hash = c.hasher.end()
	if !c.roots.verify(c.public, c.head.Seal, c.head.Hash) {
		c.head.Cause = CauseSignature
	}
	c.release(yield)
}

func (c *Collector[R]) release(yield func(*Head, []R)) {
	yield(c.head, c.held)
	clear(c.held)
	c.held, c.head = c.held[:0], nil
}

// gatewayOf is the gateway that a ce_source names, "" for none.
func gatewayOf(source []byte) string {
	id, ok := bytes.CutPrefix(source, []byte(SourcePrefix))
	if !ok {
		return ""
	}
	return string(id)
}
