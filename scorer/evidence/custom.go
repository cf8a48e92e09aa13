package evidence

import "hash/fnv"

// customBase is the number of the first signal that a model file adds; those of
// the catalogue are far below.
const customBase = 1 << 30

// Custom is the number of a signal that a model file adds, such as a rule: a
// hash of its id beyond the catalogue, so that what it has counted in a session
// survives a model file in which another one stands before it.
func Custom(id string) Signal {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // A hash does not fail.
	return Signal(customBase | int(h.Sum32()&(customBase-1)))
}
