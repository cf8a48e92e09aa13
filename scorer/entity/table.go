package entity

import "github.com/vigil-gateway/vigil/scorer/snapshot"

// Key names an entity.
type Key struct{ Tenant, Kind, ID string }

// Table is a bounded map that drops the least recently used entry. Its order
// is that of the records, so replay drops the same entries. The zero value is
// not usable; see [NewTable].
type Table[V any] struct {
	limit   int
	slots   []slot[V]
	index   map[Key]int32
	head    int32 // Most recently used, -1 for none.
	tail    int32 // Least recently used.
	Evicted uint64
}

type slot[V any] struct {
	key        Key
	prev, next int32
	value      *V
}

// NewTable returns an empty table of at most limit entries.
func NewTable[V any](limit int) *Table[V] {
	return &Table[V]{limit: limit, index: make(map[Key]int32), head: -1, tail: -1}
}

// Len is the number of entries.
func (t *Table[V]) Len() int { return len(t.slots) }

// Get returns an entry and marks it as used, nil where there is none.
func (t *Table[V]) Get(k Key) *V {
	i, ok := t.index[k]
	if !ok {
		return nil
	}
	t.unlink(i)
	t.push(i)
	return t.slots[i].value
}

// Peek returns an entry without marking it as used, nil where there is none.
func (t *Table[V]) Peek(k Key) *V {
	i, ok := t.index[k]
	if !ok {
		return nil
	}
	return t.slots[i].value
}

// Oldest returns the least recently used entry without marking it as used, nil
// where the table is empty.
func (t *Table[V]) Oldest() *V {
	if t.tail < 0 {
		return nil
	}
	return t.slots[t.tail].value
}

// Full reports whether the next entry pushes one out.
func (t *Table[V]) Full() bool { return len(t.slots) >= t.limit }

// Put adds an entry that is not there yet, and drops the least recently used
// one where the table is full.
func (t *Table[V]) Put(k Key, v *V) {
	var i int32
	if len(t.slots) >= t.limit {
		i = t.tail
		t.unlink(i)
		delete(t.index, t.slots[i].key)
		t.Evicted++
		t.slots[i] = slot[V]{key: k, value: v}
	} else {
		i = int32(len(t.slots))
		t.slots = append(t.slots, slot[V]{key: k, value: v})
	}
	t.index[k] = i
	t.push(i)
}

// Code writes or reads the table, least recently used first. keep decides
// which entries a reader keeps; nil keeps all.
func (t *Table[V]) Code(c *snapshot.Codec, each func(*V), keep func(Key, *V) bool) {
	n := c.Len(t.Len())
	if !c.Reading() {
		for i := t.tail; i >= 0; i = t.slots[i].prev {
			k := t.slots[i].key
			CodeKey(c, &k)
			each(t.slots[i].value)
		}
		return
	}
	for range n {
		var k Key
		v := new(V)
		CodeKey(c, &k)
		each(v)
		if c.Failed() {
			return
		}
		if _, twice := t.index[k]; !twice && (keep == nil || keep(k, v)) {
			t.Put(k, v)
		}
	}
}

// CodeKey writes or reads a key.
func CodeKey(c *snapshot.Codec, k *Key) {
	c.Str(&k.Tenant)
	c.Str(&k.Kind)
	c.Str(&k.ID)
}

func (t *Table[V]) unlink(i int32) {
	s := &t.slots[i]
	if s.prev >= 0 {
		t.slots[s.prev].next = s.next
	} else {
		t.head = s.next
	}
	if s.next >= 0 {
		t.slots[s.next].prev = s.prev
	} else {
		t.tail = s.prev
	}
}

func (t *Table[V]) push(i int32) {
	s := &t.slots[i]
	s.prev, s.next = -1, t.head
	if t.head >= 0 {
		t.slots[t.head].prev = i
	}
	t.head = i
	if t.tail < 0 {
		t.tail = i
	}
}
