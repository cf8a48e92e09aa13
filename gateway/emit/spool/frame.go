package spool

import (
	"encoding/binary"
	"hash/crc32"
)

// A frame is one record in a segment, at a multiple of 8 bytes, little endian:
//
//	magic 4 | crc 4 | length 4 | lane 4 | first 8 | span 4 | tag 1 | zero 3 | body | zeros
//
// The checksum is CRC32C over everything behind it and the body, and begins with
// a salt of the segment and the frame's place, so that the remains of another
// file, or of another place, are never taken for a record.
const (
	frameMagic  = 0x76694c67
	frameHeader = 32
	frameAlign  = 8
)

// frameSize is what a body of n bytes takes in a segment.
func frameSize(n int) int { return (frameHeader + n + frameAlign - 1) &^ (frameAlign - 1) }

// checksum is CRC32C from a salt on.
func checksum(salt uint32, b []byte) uint32 {
	return crc32.Update(salt, crc32.MakeTable(crc32.Castagnoli), b)
}

// putFrame writes a record to the beginning of b, which has room for it. The
// magic comes last: a process that dies on the way leaves no record and nothing
// that looks like half of one.
func putFrame(b []byte, salt uint32, r Record, parts ...[]byte) {
	at := frameHeader
	for _, p := range parts {
		at += copy(b[at:], p)
	}
	le := binary.LittleEndian
	le.PutUint32(b[8:], uint32(at-frameHeader))
	le.PutUint32(b[12:], r.Lane)
	le.PutUint64(b[16:], r.First)
	le.PutUint32(b[24:], uint32(r.Last-r.First))
	b[28] = r.Tag
	le.PutUint32(b[4:], checksum(salt, b[8:at]))
	le.PutUint32(b, frameMagic)
}

// frame is a record as it is found.
type frame struct {
	lane  uint32
	first uint64
	span  uint32 // How many numbers after the first it stands for.
	tag   uint8
	body  []byte // Part of the segment.
}

// readFrame reads the record at the beginning of b; false means that there is none.
func readFrame(b []byte, salt uint32) (frame, bool) {
	le := binary.LittleEndian
	if len(b) < frameHeader || le.Uint32(b) != frameMagic {
		return frame{}, false
	}
	length := int64(le.Uint32(b[8:]))
	if length > BodyBytesMax || frameHeader+length > int64(len(b)) {
		return frame{}, false
	}
	end := frameHeader + int(length)
	if checksum(salt, b[8:end]) != le.Uint32(b[4:]) {
		return frame{}, false
	}
	return frame{lane: le.Uint32(b[12:]), first: le.Uint64(b[16:]), span: le.Uint32(b[24:]), tag: b[28], body: b[frameHeader:end]}, true
}

// noHole says that every byte belongs to a record or was never written.
const noHole = -1

// scan visits every record of a segment's bytes from offset from on. It returns
// where the last ends, and where the first bytes are that were written or
// skipped and belong to none, or [noHole]. A record that is damaged hides itself
// alone: the search goes on behind it.
func scan(b []byte, from int, salt uint32, visit func(at int, f frame)) (end, hole int) {
	end, hole = from, noHole
	dirt := noHole // The last place with something that is no record.
	for at := from; at+frameAlign <= len(b); {
		f, ok := readFrame(b[at:], salt^uint32(at))
		if !ok {
			if binary.LittleEndian.Uint64(b[at:]) != 0 {
				dirt = at
			}
			at += frameAlign
			continue
		}
		if at > end && hole == noHole {
			hole = end
		}
		visit(at, f)
		at += frameSize(len(f.body))
		end = at
	}
	if dirt >= end && hole == noHole {
		hole = end
	}
	return end, hole
}

func blank(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
