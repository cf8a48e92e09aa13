package entity

// Cold keeps the bytes of entities for which their tables have no room. It is
// part of the state: what it gives back depends on what was put, taken and cleared
// before, in that order, and on nothing else, so that a replay is given the same. Whoever
// restores an engine puts its cold store back to where it stood at the snapshot,
// or empties it. It has a bound of its own, and forgets the oldest at it.
type Cold interface {
	// Put keeps a value, of which it copies what it needs. What lasts, an entity
	// that has taught, does not make room for what does not.
	Put(key, value []byte, lasts bool)
	// Take gives back what was put under a key last and forgets it, nil where there
	// is nothing. It is valid until the next call of Take.
	Take(key []byte) []byte
	// Clear forgets all that was put: what was seen was seen at a wrong time.
	Clear()
}
