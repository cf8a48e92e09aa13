package seal

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Judgement is what a batch is to the chain that it is in.
type Judgement struct {
	// Cause is why the batch is refused, "" where it is not.
	Cause Cause
	// Repeated says that its number was there before: nothing of it is new.
	Repeated bool
	// Missing is how many batches of its chain are missing in front of it.
	Missing uint64
}

// Book remembers how far the chains of a partition are. The zero value is empty.
type Book struct{ gateways map[string]*standing }

// standing is what is known of a gateway.
type standing struct {
	from  time.Time // Since when its newest key is valid.
	lives []life    // The last one that was heard first.
}

// life is one chain.
type life struct {
	epoch, number uint64
	hash          Hash
	missing       []span // Batches that have not come, oldest first.
}

// span is a range of numbers.
type span struct{ first, last uint64 }

// Judge says what a batch is to what came before it, and remembers it. A batch
// that was refused already changes nothing.
func (b *Book) Judge(h *Head) Judgement {
	if !h.Sealed() {
		return Judgement{Cause: h.Cause}
	}
	g := b.gateways[h.Gateway]
	if g == nil {
		b.add(h)
		return Judgement{} // What came before was before our time.
	}
	if h.From.Before(g.from) {
		return Judgement{Cause: CauseRetired}
	}
	if h.From.After(g.from) { // What only a retired key has said of later lives is over with it.
		g.lives = slices.DeleteFunc(g.lives, func(l life) bool { return l.epoch > h.Seal.Epoch })
	}
	var j Judgement
	if l := g.life(h); l != nil {
		j = l.judge(h)
	}
	if j.Cause == "" {
		g.from = h.From
	}
	return j
}

func (b *Book) add(h *Head) {
	if b.gateways == nil {
		b.gateways = make(map[string]*standing)
	}
	if len(b.gateways) >= gatewaysMax {
		delete(b.gateways, slices.Min(slices.Collect(maps.Keys(b.gateways))))
	}
	b.gateways[h.Gateway] = &standing{from: h.From, lives: []life{{epoch: h.Seal.Epoch, number: h.Seal.Number, hash: h.Hash}}}
}

// life is the chain of a batch, which begins where it is not known; it comes first then.
// Of a life that is older than one that is known nobody knows how much was before our
// time: it begins with this batch, and pushes no other out. nil means that there is no
// room for it.
func (g *standing) life(h *Head) *life {
	epoch := h.Seal.Epoch
	i := slices.IndexFunc(g.lives, func(l life) bool { return l.epoch == epoch })
	older := slices.ContainsFunc(g.lives, func(l life) bool { return l.epoch > epoch })
	one := life{epoch: epoch}
	switch {
	case i >= 0:
		one = g.lives[i]
		g.lives = slices.Delete(g.lives, i, i+1)
	case older && len(g.lives) == livesMax:
		return nil
	case older:
		one.number, one.hash = h.Seal.Number-1, h.Seal.Previous
	case len(g.lives) == livesMax:
		g.lives = g.lives[:livesMax-1]
	}
	g.lives = slices.Insert(g.lives, 0, one)
	return &g.lives[0]
}

func (l *life) judge(h *Head) Judgement {
	n := h.Seal.Number
	switch {
	case n == l.number && h.Hash != l.hash, n == l.number+1 && h.Seal.Previous != l.hash:
		return Judgement{Cause: CauseFork}
	case n <= l.number && l.lacks(n):
		return Judgement{Cause: CauseOrder}
	case n <= l.number:
		return Judgement{Repeated: true}
	}
	missing := n - l.number - 1
	if missing > 0 {
		if len(l.missing) == spansMax {
			l.missing = slices.Delete(l.missing, 0, 1)
		}
		l.missing = append(l.missing, span{l.number + 1, n - 1})
	}
	l.number, l.hash = n, h.Hash
	return Judgement{Missing: missing}
}

func (l *life) lacks(n uint64) bool {
	return slices.ContainsFunc(l.missing, func(s span) bool { return s.first <= n && n <= s.last })
}

// Entry is one chain of a [Book] as it is kept.
type Entry struct {
	Gateway string `json:"gateway"`
	Epoch   uint64 `json:"epoch"`
	Number  uint64 `json:"number"`
	Hash    Hash   `json:"hash"`
	// Missing are first and last numbers of batches that have not come.
	Missing [][2]uint64 `json:"missing,omitempty"`
	// From is since when the newest key that has spoken is valid.
	From time.Time `json:"from,omitzero"`
}

// Entries are the chains of a book, in a fixed order.
func (b *Book) Entries() []Entry {
	var out []Entry
	for _, name := range slices.Sorted(maps.Keys(b.gateways)) {
		g := b.gateways[name]
		for _, l := range slices.Backward(g.lives) {
			e := Entry{Gateway: name, Epoch: l.epoch, Number: l.number, Hash: l.hash, From: g.from}
			for _, s := range l.missing {
				e.Missing = append(e.Missing, [2]uint64{s.first, s.last})
			}
			out = append(out, e)
		}
	}
	return out
}

// NewBook returns the book of entries, as [Book.Entries] has given them.
func NewBook(entries []Entry) *Book {
	b := &Book{gateways: make(map[string]*standing)}
	for _, e := range entries {
		if len(b.gateways) >= gatewaysMax && b.gateways[e.Gateway] == nil {
			continue
		}
		if b.gateways[e.Gateway] == nil {
			b.gateways[e.Gateway] = new(standing)
		}
		g := b.gateways[e.Gateway]
		l := life{epoch: e.Epoch, number: e.Number, hash: e.Hash}
		for _, s := range e.Missing[:min(len(e.Missing), spansMax)] {
			l.missing = append(l.missing, span{s[0], s[1]})
		}
		g.lives = slices.Insert(g.lives, 0, l)
		g.lives = g.lives[:min(len(g.lives), livesMax)]
		if e.From.After(g.from) {
			g.from = e.From
		}
	}
	return b
}

// MarshalText writes the hash in hexadecimal.
func (h Hash) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h[:])), nil }

// UnmarshalText reads it.
func (h *Hash) UnmarshalText(text []byte) error {
	n, err := hex.Decode(h[:], text[:min(len(text), 2*len(h))])
	if err != nil || n != len(h) || len(text) != 2*len(h) {
		return fmt.Errorf("hash %q: must be %d hexadecimal digits", text, 2*len(h))
	}
	return nil
}
