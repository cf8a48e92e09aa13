package entity

import (
	"hash/maphash"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Key names an entity.
type Key struct{ Tenant, Kind, ID string }

// scope is what many keys share, kept once for all of them.
type scope struct{ tenant, kind string }

// Table is a bounded map that drops the least recently used entry. Its order
// is that of the records, so replay drops the same entries. The zero value is
// not usable; see [NewTable].
//
// The index is open addressing with linear probing (Knuth, TAOCP vol. 3,
// 6.4, algorithm L and, for removal, R): eight bytes an entry where a Go map
// takes the key a second time. Half of them are the hash of the id, so that
// neither another entity nor its name is fetched from memory to be found another.
// Its seed is random, which shows in no result: only lookups use it.
type Table[V any] struct {
	limit   int
	length  int
	chunks  [][]slot[V] // Of chunkSlots each, so that growing copies nothing.
	fresh   []V         // Made with others, for those who come next.
	scopes  map[scope]*scope
	seed    maphash.Seed
	index   []entry // Its length is a power of two.
	head    int32   // Most recently used, -1 for none.
	tail    int32   // Least recently used.
	Evicted uint64
}

// entry is 1 + the number of a slot below the hash of its id, 0 for none.
type entry uint64

func newEntry(hash uint32, i int32) entry { return entry(hash)<<32 | entry(uint32(i)+1) }

func (e entry) hash() uint32 { return uint32(e >> 32) }

func (e entry) slot() int32 { return int32(uint32(e) - 1) }

type slot[V any] struct {
	scope      *scope
	id         string
	value      *V
	prev, next int32
}

const (
	chunkSlots = 1024
	indexLeast = 16
	// freshAtOnce values are made at once: few enough for no event to pay much.
	freshAtOnce = 16
)

// NewTable returns an empty table of at most limit entries.
func NewTable[V any](limit int) *Table[V] {
	return &Table[V]{
		limit: limit, scopes: make(map[scope]*scope), seed: maphash.MakeSeed(), index: make([]entry, indexLeast), head: -1, tail: -1,
	}
}

// Len is the number of entries.
func (t *Table[V]) Len() int { return t.length }

func (t *Table[V]) at(i int32) *slot[V] { return &t.chunks[i/chunkSlots][i%chunkSlots] }

// Get returns an entry and marks it as used, nil where there is none.
func (t *Table[V]) Get(k Key) *V {
	_, i := t.find(k)
	if i < 0 {
		return nil
	}
	if t.head != i {
		t.unlink(i)
		t.push(i)
	}
	return t.at(i).value
}

// Peek returns an entry without marking it as used, nil where there is none.
func (t *Table[V]) Peek(k Key) *V {
	_, i := t.find(k)
	if i < 0 {
		return nil
	}
	return t.at(i).value
}

// All calls yield for each entry, most recently used first.
func (t *Table[V]) All(yield func(Key, *V) bool) {
	for i := t.head; i >= 0; i = t.at(i).next {
		s := t.at(i)
		if !yield(Key{s.scope.tenant, s.scope.kind, s.id}, s.value) {
			return
		}
	}
}

// ID is the table's own copy of a key's ID, "" where there is no entry.
func (t *Table[V]) ID(k Key) string {
	_, i := t.find(k)
	if i < 0 {
		return ""
	}
	return t.at(i).id
}

// Oldest returns the least recently used entry without marking it as used, nil
// where the table is empty.
func (t *Table[V]) Oldest() *V {
	if t.tail < 0 {
		return nil
	}
	return t.at(t.tail).value
}

// Eldest is [Table.Oldest] with its key; the value is nil where the table is empty.
func (t *Table[V]) Eldest() (Key, *V) {
	if t.tail < 0 {
		return Key{}, nil
	}
	s := t.at(t.tail)
	return Key{s.scope.tenant, s.scope.kind, s.id}, s.value
}

// Full reports whether the next entry pushes one out.
func (t *Table[V]) Full() bool { return t.length >= t.limit }

// Put adds an entry that is not there yet, and drops the least recently used
// one where the table is full. The table keeps the key's strings.
func (t *Table[V]) Put(k Key, v *V) {
	var i int32
	if t.length >= t.limit {
		i = t.tail
		t.unlink(i)
		t.forget(i)
		t.Evicted++
	} else {
		i = int32(t.length)
		if t.length%chunkSlots == 0 {
			t.chunks = append(t.chunks, make([]slot[V], min(chunkSlots, t.limit-t.length)))
		}
		t.length++
	}
	*t.at(i) = slot[V]{scope: t.scope(k), id: k.ID, value: v}
	if 4*t.length > 3*len(t.index) {
		t.widen()
	} else {
		place, _ := t.find(k)
		t.index[place] = newEntry(t.hash(k.ID), i)
	}
	t.push(i)
}

// Take adds an entry that is not there yet, as Put does, and returns its value:
// that of the entry that was pushed out, for the caller to begin anew, or a new
// one.
func (t *Table[V]) Take(k Key) *V {
	var v *V
	if t.length > 0 && t.Full() {
		v = t.at(t.tail).value
	} else {
		if len(t.fresh) == 0 {
			t.fresh = make([]V, max(1, min(freshAtOnce, t.limit-t.length)))
		}
		v, t.fresh = &t.fresh[0], t.fresh[1:]
	}
	t.Put(k, v)
	return v
}

// scope returns the one copy of what keys share; those of entities that are
// gone are dropped once there are more of them than entries.
func (t *Table[V]) scope(k Key) *scope {
	s := t.scopes[scope{k.Tenant, k.Kind}]
	if s != nil {
		return s
	}
	if len(t.scopes) > t.limit {
		clear(t.scopes)
	}
	s = &scope{k.Tenant, k.Kind}
	t.scopes[*s] = s
	return s
}

// Code writes or reads the table, least recently used first. keep decides
// which entries a reader keeps; nil keeps all.
func (t *Table[V]) Code(c *snapshot.Codec, each func(*V), keep func(Key, *V) bool) {
	n := c.Len(t.Len())
	if !c.Reading() {
		for i := t.tail; i >= 0; i = t.at(i).prev {
			s := t.at(i)
			k := Key{s.scope.tenant, s.scope.kind, s.id}
			CodeKey(c, &k)
			each(s.value)
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
		if t.Peek(k) == nil && (keep == nil || keep(k, v)) {
			t.Put(k, v)
		}
	}
}

// CodeKey writes or reads a key.
func CodeKey(c *snapshot.Codec, k *Key) {
	c.Name(&k.Tenant)
	c.Name(&k.Kind)
	c.Str(&k.ID)
}

// find returns the place of a key in the index and its slot, -1 where there is
// none and the place is where it would be.
func (t *Table[V]) find(k Key) (place int, i int32) {
	mask, hash := len(t.index)-1, t.hash(k.ID)
	for place = int(hash) & mask; ; place = (place + 1) & mask {
		e := t.index[place]
		if e == 0 {
			return place, -1
		}
		if e.hash() != hash {
			continue
		}
		s := t.at(e.slot())
		if s.id == k.ID && s.scope.tenant == k.Tenant && s.scope.kind == k.Kind {
			return place, e.slot()
		}
	}
}

// hash is that of an id, of which the lowest bits are where it is looked for
// first. Few ids are those of two entities of one table, and these are neighbours.
func (t *Table[V]) hash(id string) uint32 { return uint32(maphash.String(t.seed, id)) }

// widen doubles the index and puts every slot in again, of which only the last is
// not in it.
func (t *Table[V]) widen() {
	old := t.index
	t.index = make([]entry, 2*len(old))
	for _, e := range old {
		if e != 0 {
			t.enter(e)
		}
	}
	last := int32(t.length - 1)
	t.enter(newEntry(t.hash(t.at(last).id), last))
}

func (t *Table[V]) enter(e entry) {
	mask := len(t.index) - 1
	place := int(e.hash()) & mask
	for t.index[place] != 0 {
		place = (place + 1) & mask
	}
	t.index[place] = e
}

// forget takes a slot out of the index, and moves those after it up so that
// none of them is cut off from its home.
func (t *Table[V]) forget(i int32) {
	mask := len(t.index) - 1
	hole := int(t.hash(t.at(i).id)) & mask
	for t.index[hole].slot() != i {
		hole = (hole + 1) & mask
	}
	for next := (hole + 1) & mask; t.index[next] != 0; next = (next + 1) & mask {
		home := int(t.index[next].hash()) & mask
		if (next-home)&mask >= (next-hole)&mask {
			t.index[hole] = t.index[next]
			hole = next
		}
	}
	t.index[hole] = 0
}

func (t *Table[V]) unlink(i int32) {
	s := t.at(i)
	if s.prev >= 0 {
		t.at(s.prev).next = s.next
	} else {
		t.head = s.next
	}
	if s.next >= 0 {
		t.at(s.next).prev = s.prev
	} else {
		t.tail = s.prev
	}
}

func (t *Table[V]) push(i int32) {
	s := t.at(i)
	s.prev, s.next = -1, t.head
	if t.head >= 0 {
		t.at(t.head).prev = i
	}
	t.head = i
	if t.tail < 0 {
		t.tail = i
	}
}
