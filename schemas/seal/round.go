package seal

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

const (
	// nodeContext begins what a node of a round's tree is the hash of, so that none is
	// ever the hash of a batch.
	nodeContext = "vigil round node v1\x00"
	// rootContext begins what the signature of a round is made of.
	rootContext = "vigil round seal v1\x00"
	// pathHeadBytes is what stands before the hashes of a path.
	pathHeadBytes = 2 + 1
)

// path leads from a batch to the root of its round: the hashes that stand beside it and
// beside what is above it (R. Merkle, A Digital Signature Based on a Conventional
// Encryption Function, 1987).
type path struct {
	before uint16 // Bit n: the hash of level n comes first. No bits beyond the last level.
	beside []Hash // From the lowest level on, at most pathMax.
}

// tree is the root of a round and the path of each of its batches. The last of a level
// that has nothing beside it moves up as it is: hashed with itself it would be the same
// tree as one in which it stands twice. The root of one batch is its hash.
func tree(leaves []Hash) (root Hash, paths []path) {
	paths = make([]path, len(leaves))
	level := append([]Hash(nil), leaves...)
	for width := 1; len(level) > 1; width *= 2 { // How many batches are below a node.
		above := level[:0]
		for i := 0; i < len(level); i += 2 {
			if i+1 == len(level) {
				above = append(above, level[i])
				break
			}
			a, b := level[i], level[i+1]
			for n := i * width; n < min((i+2)*width, len(paths)); n++ {
				if n < (i+1)*width {
					paths[n].add(b, false)
				} else {
					paths[n].add(a, true)
				}
			}
			above = append(above, node(a, b))
		}
		level = above
	}
	return level[0], paths
}

// add appends the hash beside the next level.
func (p *path) add(h Hash, before bool) {
	if before {
		p.before |= 1 << len(p.beside)
	}
	p.beside = append(p.beside, h)
}

// root is what the path leads to from h.
func (p *path) root(h Hash) Hash {
	for n, other := range p.beside {
		if p.before>>n&1 == 1 {
			h = node(other, h)
		} else {
			h = node(h, other)
		}
	}
	return h
}

func node(a, b Hash) Hash {
	var all [len(nodeContext) + 2*sha256.Size]byte
	n := copy(all[:], nodeContext)
	n += copy(all[n:], a[:])
	copy(all[n:], b[:])
	return sha256.Sum256(all[:])
}

// append appends the path's bytes.
func (p *path) append(b []byte) []byte {
	b = append(binary.BigEndian.AppendUint16(b, p.before), byte(len(p.beside)))
	for _, h := range p.beside {
		b = append(b, h[:]...)
	}
	return b
}

// parsePath reads a path that begins b, and returns what comes behind it. It is false
// for one that nobody writes.
func parsePath(b []byte) (p path, rest []byte, ok bool) {
	if len(b) < pathHeadBytes {
		return p, nil, false
	}
	p.before = binary.BigEndian.Uint16(b)
	levels, b := int(b[2]), b[pathHeadBytes:]
	if levels == 0 || levels > pathMax || bits.Len16(p.before) > levels || len(b) < levels*sha256.Size {
		return p, nil, false
	}
	p.beside = make([]Hash, levels)
	for n := range p.beside {
		p.beside[n], b = Hash(b[:sha256.Size]), b[sha256.Size:]
	}
	return p, b, true
}

// signed is what a signature is made of: a root where it is of a round, else a batch's
// hash.
func signed(h Hash, round bool) []byte {
	if round {
		return append([]byte(rootContext), h[:]...)
	}
	return append([]byte(context), h[:]...)
}
