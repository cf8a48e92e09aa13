package profile

import (
	"cmp"
	"slices"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Value is one value of a categorical habit and its decayed count.
type Value struct {
	Name string
	N    float64
}

// Categorical is a bounded multiset of values with decayed counts. The zero
// value is empty and ready to use.
type Categorical struct {
	values []Value
	index  map[string]int // Only above indexAt values: a short list is searched faster.
	total  float64
	other  float32 // Mass of values that were pushed out.
	fresh  float32 // How often a value was new when it was added.
}

// indexAt is the length from which an index pays off. It is that of the longest
// habit of a subject: an index takes more than twice the values, and there are
// many subjects.
const indexAt = 32

// Add counts a value; at most limit values are kept, and the one with the
// smallest count gives way to a new one.
func (c *Categorical) Add(name string, weight float64, limit int) {
	if c.Repeat(name, weight) {
		return
	}
	c.total += weight
	c.fresh += float32(weight)
	if len(c.values) < limit {
		if len(c.values) == cap(c.values) {
			// By a quarter: there are many small habits, and doubling wastes half.
			c.values = append(slices.Grow([]Value(nil), len(c.values)+len(c.values)/4+1), c.values...)
		}
		c.values = append(c.values, Value{Name: name, N: weight})
		switch {
		case c.index != nil:
			c.index[name] = len(c.values) - 1
		case len(c.values) > indexAt:
			c.reindex()
		}
		return
	}
	least := 0
	for j := range c.values {
		if c.values[j].N < c.values[least].N {
			least = j
		}
	}
	c.other += float32(c.values[least].N)
	if c.index != nil {
		delete(c.index, c.values[least].Name)
		c.index[name] = least
	}
	c.values[least] = Value{Name: name, N: weight}
}

// emptiedMax is how many values a habit has room for whose memory is used again.
const emptiedMax = 12

// Emptied is a habit of nothing in the memory of c, unless that is much.
func (c *Categorical) Emptied() Categorical {
	if cap(c.values) > emptiedMax {
		return Categorical{}
	}
	clear(c.values)
	return Categorical{values: c.values[:0]}
}

// Repeat counts a value that is kept already, and reports whether it is.
func (c *Categorical) Repeat(name string, weight float64) bool {
	i := c.find(name)
	if i < 0 {
		return false
	}
	c.total += weight
	c.values[i].N += weight
	return true
}

// Pass counts an observation of a value that is not to be known yet: that
// something new was seen is a habit all the same. The value stays as rare as it
// was.
func (c *Categorical) Pass(weight float64) {
	c.total += weight
	c.fresh += float32(weight)
}

// Decay multiplies every count by f, in (0, 1].
func (c *Categorical) Decay(f float64) {
	for i := range c.values {
		c.values[i].N *= f
	}
	c.other = float32(float64(c.other) * f)
	c.total *= f
	c.fresh = float32(float64(c.fresh) * f)
}

// Total is the decayed number of observations.
func (c *Categorical) Total() float64 { return c.total }

// Has reports whether a value is among those kept.
func (c *Categorical) Has(name string) bool { return c.find(name) >= 0 }

// Own is the habit's copy of a value that is among those kept.
func (c *Categorical) Own(name string) (own string, ok bool) {
	i := c.find(name)
	if i < 0 {
		return "", false
	}
	return c.values[i].Name, true
}

// N is the decayed count of a value.
func (c *Categorical) N(name string) float64 {
	i := c.find(name)
	if i < 0 {
		return 0
	}
	return c.values[i].N
}

// Names calls yield for each kept value, in a fixed order.
func (c *Categorical) Names(yield func(string) bool) {
	for i := range c.values {
		if !yield(c.values[i].Name) {
			return
		}
	}
}

// Values are copies of what is kept, the most frequent first; of those as frequent
// the first that was added.
func (c *Categorical) Values() []Value {
	out := slices.Clone(c.values)
	slices.SortStableFunc(out, func(a, b Value) int { return cmp.Compare(b.N, a.N) })
	return out
}

// Top is the most frequent value, "" for none.
func (c *Categorical) Top() string {
	top, most := "", 0.0
	for _, v := range c.values {
		if v.N > most {
			top, most = v.Name, v.N
		}
	}
	return top
}

// P is the probability of a value: (n_x + a·peer)/(n + a), the posterior mean
// of a Dirichlet with concentration a around the peers' probability. A value
// that is not kept shares the mass of those pushed out.
func (c *Categorical) P(name string, peer, a float64) float64 {
	return posterior(c.share(name), c.total, peer, a)
}

// PAmong is P where each observation counts only as much as it is worth, see
// [Worth].
func (c *Categorical) PAmong(name string, worth, peer, a float64) float64 {
	return posterior(float64(worth*c.share(name)), float64(worth*c.total), peer, a)
}

// share is the count of a value, of those pushed out for one that is not kept.
func (c *Categorical) share(name string) float64 {
	i := c.find(name)
	switch {
	case i >= 0:
		return c.values[i].N
	case c.other > 0:
		return float64(c.other) / float64(2*max(1, len(c.values)))
	}
	return 0
}

func posterior(n, total, peer, a float64) float64 { return (n + float64(a*peer)) / (total + a) }

// PNew is the probability that the next observation is a value never seen
// before, by Good and Turing, with a prior of one in ten weighing a.
func (c *Categorical) PNew(a float64) float64 {
	return (max(0, float64(c.fresh)-1) + float64(0.1*a)) / (c.total + a)
}

// PeerConcentration is how many observations the prior of any one value is worth
// among the peers.
const PeerConcentration = 5

// knownFrom is the count from which a value is known for good; one that was
// learned at less weight is so in part.
const knownFrom = 0.5

// Known reports whether a value is known for good: it is no news at all.
func (c *Categorical) Known(name string) bool { return c.N(name) >= knownFrom }

// Novelty is ln(p(x|attack)/p(x|entity)) for a value that the entity does not
// have, the rest of it for one learned at little weight, and 0 for one it has. peer
// is how probable it is among the peers, attack the probability that an attacker
// shows a value as rare as this, and a what the peers weigh.
func (c *Categorical) Novelty(name string, peer, attack, a float64) float64 {
	unknown := 1 - c.N(name)/knownFrom
	if unknown <= 0 {
		return 0
	}
	value := exact.Ln(max(attack, peer) / c.P("", peer, a))
	fresh := -exact.Ln(min(1, c.PNew(a)))
	return max(0, min(value, fresh)) * min(1, unknown)
}

// Code writes or reads the habit.
func (c *Categorical) Code(k *snapshot.Codec) {
	snapshot.List(k, &c.values, func(v *Value) {
		k.Name(&v.Name)
		k.F64(&v.N)
	})
	k.F64(&c.total)
	k.F32(&c.other)
	k.F32(&c.fresh)
	if k.Reading() && len(c.values) > indexAt {
		c.reindex()
	}
}

func (c *Categorical) find(name string) int {
	if c.index != nil {
		i, ok := c.index[name]
		if !ok {
			return -1
		}
		return i
	}
	for i := range c.values {
		if c.values[i].Name == name {
			return i
		}
	}
	return -1
}

func (c *Categorical) reindex() {
	c.index = make(map[string]int, 2*len(c.values))
	for i := range c.values {
		c.index[c.values[i].Name] = i
	}
}
