package store

import (
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// sealed puts the records of a partition together into batches.
type sealed struct{ collector *seal.Collector[record] }

// newSealed returns nil where no batch is verified.
func newSealed(keys seal.Keys, roots *seal.Roots, name string, partition int) *sealed {
	if keys == nil || name != topic.Requests {
		return nil
	}
	return &sealed{seal.NewCollector(keys, roots, int32(partition), func(r record) seal.Record {
		return seal.Record{Key: r.Key, Value: r.Value, Header: r.Header}
	})}
}

// add hands on what a record completes.
func (s *sealed) add(r record, to func(*seal.Head, record)) {
	if s == nil {
		to(nil, r)
		return
	}
	s.collector.Add(r, oneByOne(to))
}

// end hands on what has come of a batch that is not whole.
func (s *sealed) end(to func(*seal.Head, record)) {
	s.collector.End(oneByOne(to))
}

// oneByOne visits the records of a batch.
func oneByOne(to func(*seal.Head, record)) func(*seal.Head, []record) {
	return func(head *seal.Head, records []record) {
		for _, one := range records {
			to(head, one)
		}
	}
}

// waits reports whether records wait for the rest of their batch.
func (s *sealed) waits() bool { return s != nil && s.collector.Held() > 0 }

// proof decides for one cut whose records are rows. The scoring path decides alike,
// and it alone puts what is refused aside.
type proof struct {
	seals    seal.Keys
	unsigned seal.Policy
	memory   *memory

	head  *seal.Head // The batch of the latest record.
	cause seal.Cause
	rows  []refusalRow
}

// refusalRow is one row of refusals: what of a cut is refused for one cause.
type refusalRow struct {
	gateway, kid string
	cause        string
	n            uint64
	last         int64
	position
}

// causeMissing is the cause of rows that tell of batches which have not come.
const causeMissing = "batch_missing"

// admit reports whether the event of an item is believed.
func (p *proof) admit(i item, e *event.RequestEvent, at position) bool {
	if i.head == nil {
		return true
	}
	if i.head != p.head {
		j := p.memory.book.Judge(i.head)
		p.head, p.cause = i.head, j.Cause
		if j.Missing > 0 {
			p.note(i.head, i.head.Gateway, causeMissing, j.Missing, at)
		}
	}
	err := p.unsigned.Admit(p.seals, i.head, p.cause, e)
	if err == nil {
		return true
	}
	p.note(i.head, err.Gateway, string(err.Cause), 1, at)
	return false
}

// note counts n under a gateway and cause. Names that nobody has listed are left
// out: whoever forges chooses them.
func (p *proof) note(h *seal.Head, gateway, cause string, n uint64, at position) {
	kid := ""
	if h.Seal != nil {
		if _, listed := p.seals.Gateway(h.Seal.Kid); listed {
			kid = h.Seal.Kid
		}
	}
	if !p.seals.Seals(gateway) {
		gateway = ""
	}
	k := slices.IndexFunc(p.rows, func(r refusalRow) bool { return r.gateway == gateway && r.cause == cause && r.kid == kid })
	if k < 0 {
		k = len(p.rows)
		p.rows = append(p.rows, refusalRow{gateway: gateway, kid: kid, cause: cause, position: at})
	}
	p.rows[k].n += n
	p.rows[k].last = at.offset
}

func refusalColumns() []column[refusalRow] {
	type row = refusalRow
	return slices.Concat([]column[row]{
		col("time", func(r *row) time.Time { return r.at }),
		col("gateway", func(r *row) string { return r.gateway }),
		col("cause", func(r *row) string { return r.cause }),
		col("kid", func(r *row) string { return r.kid }),
		col("n", func(r *row) uint64 { return r.n }),
		col("kafka_offset_end", func(r *row) int64 { return r.last }),
	}, positions(func(r *row) *position { return &r.position }))
}
