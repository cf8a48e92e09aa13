package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
)

// A flight file has a slot for each request that is under way, with the event
// that tells of it should the process die:
//
//	state 4 | crc 4 | length 4 | lane 4 | number 8 | epoch 8 | lasting 8 | stirred 8 | body
//
// The checksum covers length and body alone; the state changes last.
const (
	slotBytes     = 1 << 10
	slotHeader    = 48
	slotStirredAt = 40
	slotLastingAt = 32
	// IntentBytesMax bounds the event of a request under way.
	IntentBytesMax = slotBytes - slotHeader

	slotFree    = 0
	slotOpen    = 1
	slotClosing = 2 // Its terminal record has the lane and number.
)

// Slot is a request's place in a flight file. The zero Slot is none.
type Slot struct {
	of *flight
	n  uint32 // From 1 on.
}

// Held reports whether the request has a place.
func (s Slot) Held() bool { return s.n > 0 }

// bytes are the slot's.
func (s Slot) bytes() []byte {
	at := int(s.n-1) * slotBytes
	return s.of.b[at : at+slotBytes : at+slotBytes]
}

// flight holds the slots of a life.
type flight struct {
	name string
	file File
	b    []byte
	over bool // Its life has ended: no slot is free for a request.
	idle bool // No request had a slot when it ended.

	mu      sync.Mutex
	free    []uint32 // The last is taken next, so that few pages are in use.
	cooling []uint32 // Of strict requests whose terminal record is not synced yet.
}

func flightName(epoch uint64) string { return fmt.Sprintf("%020d.flight", epoch) }

func createFlight(d Disk, epoch uint64, slots int) (*flight, error) {
	f := &flight{name: flightName(epoch)}
	if slots == 0 {
		return f, nil
	}
	var err error
	f.file, err = d.Create(f.name, slots*slotBytes)
	if err != nil {
		return nil, err //nolint:wrapcheck // Names the file.
	}
	f.b = f.file.Bytes()
	f.free = make([]uint32, slots)
	for i := range f.free {
		f.free[i] = uint32(slots - i)
	}
	return f, nil
}

// begin takes a slot for a request; the zero Slot where there is none left for it or
// the body is too large.
func (f *flight) begin(body []byte, strict bool) Slot {
	if len(body) > IntentBytesMax {
		return Slot{}
	}
	kept := len(f.b) / slotBytes / strictShare
	if strict {
		kept = 0
	}
	f.mu.Lock()
	if len(f.free) <= kept {
		f.mu.Unlock()
		return Slot{}
	}
	s := Slot{f, f.free[len(f.free)-1]}
	f.free = f.free[:len(f.free)-1]
	f.mu.Unlock()
	b, le := s.bytes(), binary.LittleEndian
	le.PutUint32(b, slotFree) // Not half of the old and half of the new.
	copy(b[slotHeader:], body)
	le.PutUint64(b[slotLastingAt:], 0)
	le.PutUint32(b[8:], uint32(len(body)))
	le.PutUint32(b[4:], slotSum(b))
	le.PutUint32(b, slotOpen)
	return s
}

func slotSum(b []byte) uint32 {
	n := min(binary.LittleEndian.Uint32(b[8:]), IntentBytesMax)
	return checksum(checksum(0, b[8:12]), b[slotHeader:slotHeader+n])
}

// closing notes the number that the request's terminal record is about to get, and
// of which life it is.
func (s Slot) closing(epoch uint64, lane uint32, number uint64) {
	b, le := s.bytes(), binary.LittleEndian
	le.PutUint64(b[24:], epoch)
	le.PutUint32(b[12:], lane)
	le.PutUint64(b[16:], number)
	le.PutUint32(b, slotClosing)
}

// lasting notes that the request lasts.
func (s Slot) lasting() { binary.LittleEndian.PutUint64(s.bytes()[slotLastingAt:], 1) }

// end gives the slot back; that of a strict request only after the next sync, so
// that its terminal record is on the disk before its slot is another's.
func (f *flight) end(s Slot, strict bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return
	}
	if strict {
		f.cooling = append(f.cooling, s.n)
		return
	}
	f.free = append(f.free, s.n)
}

// sync syncs the file. Where that fails, the system takes what it has not written
// for written: every page is changed, so that the next sync writes all of them.
func (f *flight) sync() error {
	if f.file == nil {
		return nil
	}
	err := f.file.Sync()
	if err == nil {
		return nil
	}
	return errors.Join(err, guard(func() {
		le := binary.LittleEndian
		for b := f.b; len(b) >= slotBytes; b = b[slotBytes:] {
			le.PutUint64(b[slotStirredAt:], le.Uint64(b[slotStirredAt:])+1)
		}
	}))
}

// cool hands over the slots whose requests ended before a sync begins.
func (f *flight) cool() []uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	slots := f.cooling
	f.cooling = nil
	return slots
}

// cooled makes slots free, or lets them cool on where the sync has failed.
func (f *flight) cooled(slots []uint32, synced bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if synced {
		f.free = append(f.free, slots...)
		return
	}
	f.cooling = append(f.cooling, slots...)
}

// Intent is the event of a request that was under way when a life ended.
type Intent struct {
	// Slot is where it is, for [Spool.Closing]: so that a start that dies before it
	// is done is not repeated by the next.
	Slot Slot
	// Body is what Begin was given.
	Body []byte
	// Lasting says that Lasts was called.
	Lasting bool

	epoch  uint64 // Of the life that has given its terminal record a number, 0 for none.
	lane   uint32
	number uint64
}

// intents reads the slots of a life that has ended; torn counts those that are not
// whole. Slots stay as they were when their request has ended, so most of them are
// of requests that are accounted for.
func (f *flight) intents() (all []Intent, torn int) {
	le := binary.LittleEndian
	for n := range uint32(len(f.b) / slotBytes) {
		s := Slot{f, n + 1}
		b := s.bytes()
		state := le.Uint32(b)
		if state == slotFree {
			continue
		}
		if state > slotClosing || slotSum(b) != le.Uint32(b[4:]) {
			torn++
			continue
		}
		i := Intent{
			Slot: s, Body: append([]byte(nil), b[slotHeader:slotHeader+le.Uint32(b[8:])]...), Lasting: le.Uint64(b[slotLastingAt:]) == 1,
		}
		if state == slotClosing {
			i.lane, i.number, i.epoch = le.Uint32(b[12:]), le.Uint64(b[16:]), le.Uint64(b[24:])
		}
		all = append(all, i)
	}
	return all, torn
}

// openFlight opens the flight file of a life that has ended.
func openFlight(d Disk, name string) (*flight, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err //nolint:wrapcheck // Names the file.
	}
	return &flight{name: name, file: f, b: f.Bytes(), over: true, idle: true}, nil
}
