package ingest

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/schemas/fetch"
	"github.com/vigil-gateway/vigil/schemas/seal"
)

// batch is what the records of one batch have in common.
type batch struct {
	head  *seal.Head
	cause seal.Cause // Why it is refused, "" where it is not.
}

// proof finds out who wrote the records of a partition. It belongs to its worker.
type proof struct {
	collector *seal.Collector[*fetch.Record]
	book      *seal.Book
	begun     bool
}

// newProof returns nil where nothing is verified.
func newProof(keys seal.Keys, roots *seal.Roots, partition int) *proof {
	if keys == nil {
		return nil
	}
	return &proof{book: new(seal.Book), collector: seal.NewCollector(keys, roots, int32(partition), func(r *fetch.Record) seal.Record {
		return seal.Record{Key: r.Key, Value: r.Value, Header: r.Header}
	})}
}

// chains are how far the chains of batches are, behind the records that are judged.
func (p *proof) chains() []seal.Entry {
	if p == nil {
		return nil
	}
	return p.book.Entries()
}

// resume goes on from where the chains were.
func (p *proof) resume(chains []seal.Entry) {
	if p != nil {
		p.book = seal.NewBook(chains)
	}
}

// verify lists the records of a read with each one's batch, from w.next on, until it
// is called again. The records at its end whose batch is not whole yet come with a
// later read.
func (w *worker) verify(ctx context.Context, b fetched) []record {
	w.verified = w.verified[:0]
	p := w.proof
	if p == nil {
		for i := range b.records {
			w.verified = append(w.verified, record{Record: &b.records[i]})
		}
		return w.verified
	}
	found := func(head *seal.Head, records []*fetch.Record) {
		j := p.book.Judge(head)
		w.ingest.refusals.chained(ctx, head, j)
		of := &batch{head: head, cause: j.Cause}
		for _, one := range records {
			if one.Offset >= w.next {
				w.verified = append(w.verified, record{one, of})
			}
		}
	}
	if !p.begun {
		for i := range b.before {
			p.collector.Add(&b.before[i], found)
		}
		p.begun = true
	}
	for i := range b.records {
		p.collector.Add(&b.records[i], found)
	}
	return w.verified
}

// admit decides whether w.event, which is that of r, is believed.
func (w *worker) admit(r record) error {
	if r.batch == nil {
		return nil
	}
	refused := w.ingest.o.Config.Unsigned.Admit(w.ingest.o.Seals, r.batch.head, r.batch.cause, &w.event)
	if refused == nil {
		return nil // No error, rather than one that is nil.
	}
	return refused
}

const (
	// refusalLogEvery is how often refusals of one gateway and cause are logged.
	refusalLogEvery = time.Minute
	// refusalKindsMax bounds the pairs of gateway and cause that are told apart.
	refusalKindsMax = 1024
	// gatewayUnknown stands for every gateway that no key is listed for: whoever
	// forges chooses its name.
	gatewayUnknown = "unknown"
	// What the counter says of batches that are not refused.
	causeRepeated, causeMissing = "batch_repeated", "batch_missing"
)

// refusals counts what is not believed and says it once a minute.
type refusals struct {
	log     *slog.Logger
	now     func() time.Time
	counted metric.Int64Counter
	keys    seal.Keys

	mu   sync.Mutex
	told map[refusal]*since // Guarded by mu.
}

type refusal struct {
	gateway string
	cause   seal.Cause
}

// since is what has come since it was logged last.
type since struct {
	at      time.Time
	records int
}

// note counts one record.
func (f *refusals) note(ctx context.Context, e *seal.RefusedError, partition int, offset int64) {
	kind := refusal{e.Gateway, e.Cause}
	if !f.keys.Seals(e.Gateway) {
		kind.gateway = gatewayUnknown
	}
	f.count(ctx, kind, 1)
	n, due := f.due(kind)
	if due {
		f.log.WarnContext(ctx, "records are not believed and go to vigil.dead", "gateway", kind.gateway, "cause", string(e.Cause), "kid", e.Kid,
			"records", n, "partition", partition, "offset", offset)
	}
}

// chained counts batches that are there twice, and those that are missing.
func (f *refusals) chained(ctx context.Context, h *seal.Head, j seal.Judgement) {
	if j.Repeated {
		f.count(ctx, refusal{h.Gateway, causeRepeated}, 1)
	}
	if j.Missing > 0 {
		f.count(ctx, refusal{h.Gateway, causeMissing}, int64(j.Missing))
	}
}

func (f *refusals) count(ctx context.Context, k refusal, n int64) {
	f.counted.Add(ctx, n, metric.WithAttributes(attribute.String("gateway", k.gateway), attribute.String("cause", string(k.cause))))
}

// due reports whether a kind is to be logged now, and of how many records.
func (f *refusals) due(k refusal) (records int, due bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.told == nil || len(f.told) >= refusalKindsMax {
		f.told = make(map[refusal]*since)
	}
	s := f.told[k]
	if s == nil {
		s = &since{}
		k.gateway = strings.Clone(k.gateway) // It may be the record's.
		f.told[k] = s
	}
	s.records++
	now := f.now()
	if now.Sub(s.at) < refusalLogEvery {
		return 0, false
	}
	records, s.at, s.records = s.records, now, 0
	return records, true
}
