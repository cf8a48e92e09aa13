package verify

import (
	"cmp"
	"maps"
	"slices"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/seal"
)

// Life is what is there of one epoch of one gateway.
type Life struct {
	// Gateway is who sealed it, or who the events say has seen them where nobody did.
	Gateway string `json:"gateway"`
	Epoch   uint64 `json:"epoch"`
	// Events counts records of requests and sessions that are believed, Ticks the
	// signs of life, Tombstones the numbers that were dropped on purpose.
	Events     uint64 `json:"events"`
	Ticks      uint64 `json:"ticks"`
	Tombstones uint64 `json:"tombstones"`
	// Duplicates counts records whose number was there before, Gaps the numbers that
	// never came.
	Duplicates uint64 `json:"duplicates"`
	Gaps       uint64 `json:"gaps"`
	// Batches counts sealed ones that this life has sent, Repeated those that were
	// there before, Missing those that never came.
	Batches  uint64 `json:"batches"`
	Repeated uint64 `json:"batches_repeated"`
	Missing  uint64 `json:"batches_missing"`
	// Unsigned counts records that are believed without a seal.
	Unsigned uint64 `json:"unsigned"`
	// Refused counts records that are not believed, by cause.
	Refused map[seal.Cause]uint64 `json:"refused,omitempty"`
}

// Report is what was found.
type Report struct {
	Partitions int   `json:"partitions"`
	Records    int64 `json:"records"`
	// Unreadable counts records that are no events.
	Unreadable int64 `json:"unreadable"`
	// Lives are sorted by gateway and epoch.
	Lives []Life `json:"lives"`
	// Sound says that nothing is refused, missing or unreadable.
	Sound bool `json:"sound"`
}

// partition verifies one partition.
type partition struct {
	o         Options
	collector *seal.Collector[record]
	book      seal.Book
	lanes     event.Positions
	tally     *tally
	event     event.RequestEvent
}

// life names a life.
type life struct {
	gateway string
	epoch   uint64
}

// tally adds up over all partitions.
type tally struct {
	records, unreadable int64
	lives               map[life]*Life
}

// livesMax bounds the lives that are told apart: whoever forges chooses names.
const livesMax = 100_000

func (t *tally) of(gateway string, epoch uint64) *Life {
	k := life{gateway, epoch}
	l := t.lives[k]
	if l == nil {
		if len(t.lives) >= livesMax {
			k = life{}
		}
		if t.lives[k] == nil {
			t.lives[k] = &Life{Gateway: k.gateway, Epoch: k.epoch, Refused: make(map[seal.Cause]uint64)}
		}
		l = t.lives[k]
	}
	return l
}

// batch takes one batch in, of which the records below from are not counted.
func (p *partition) batch(from int64, head *seal.Head, records []record) {
	j := p.book.Judge(head)
	if head.Sealed() && records[len(records)-1].offset >= from {
		l := p.tally.of(head.Gateway, head.Seal.Epoch)
		l.Batches++
		l.Missing += j.Missing
		if j.Repeated {
			l.Repeated++
		}
	}
	for _, r := range records {
		if r.offset >= from {
			p.record(head, j.Cause, r)
		}
	}
}

func (p *partition) record(head *seal.Head, cause seal.Cause, r record) {
	p.tally.records++
	ev := &p.event
	err := r.decode(ev)
	if err != nil {
		p.tally.unreadable++
		return
	}
	refused := p.o.Unsigned.Admit(p.o.Keys, head, cause, ev)
	if refused != nil {
		p.tally.of(refused.Gateway, ev.Epoch).Refused[refused.Cause]++
		return
	}
	if ev.Kind == event.KindControl {
		return // Of no gateway, and signed by itself.
	}
	l := p.tally.of(ev.Gateway, ev.Epoch)
	if cause != "" {
		l.Unsigned++
	}
	lane := event.Lane{Gateway: ev.Gateway, Epoch: ev.Epoch, Lane: ev.Lane}
	seen, last := p.lanes.Last(lane), ev.Seq
	if ev.Kind == event.KindTombstone {
		last = max(last, ev.SeqEnd)
	}
	duplicate, missing := p.lanes.Observe(lane, ev.Seq, last)
	if seen > 0 {
		l.Gaps += missing
	}
	switch {
	case duplicate:
		l.Duplicates++
	case ev.Kind == event.KindTick:
		l.Ticks++
	case ev.Kind == event.KindTombstone:
		l.Tombstones += last - max(ev.Seq, seen+1) + 1
	default:
		l.Events++
	}
}

// report is the result.
func (t *tally) report(partitions int) Report {
	r := Report{Partitions: partitions, Records: t.records, Unreadable: t.unreadable, Sound: t.unreadable == 0, Lives: []Life{}}
	for _, l := range slices.SortedFunc(maps.Values(t.lives), func(a, b *Life) int {
		return cmp.Or(cmp.Compare(a.Gateway, b.Gateway), cmp.Compare(a.Epoch, b.Epoch))
	}) {
		r.Sound = r.Sound && len(l.Refused) == 0 && l.Missing == 0 && l.Gaps == 0
		r.Lives = append(r.Lives, *l)
	}
	return r
}
