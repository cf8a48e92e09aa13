package spool

import (
	"encoding/binary"
	"fmt"
)

// A marks file says of each lane of a life what the last number is that was given
// out, and the last that Kafka has:
//
//	magic 8 | version 4 | lanes 4 | epoch 8 | owner 16 | crc 4 | closed 4 | boot 8 | strict 4 | stirred 4 | 64: lanes × (issued 2 × 16 | known 2 × 16)
//
// Each figure is there twice, as value and check, and written in turns: a process
// that dies on the way leaves the other, which is one write older.
const (
	marksMagic   = "vigilmrk"
	marksVersion = 1
	marksHeader  = 64
	laneMarks    = 64
	closedAt     = 44
	bootAt       = 48
	strictAt     = 56
	stirredAt    = 60
)

// marks are the positions of a life's lanes. Each lane has one writer per figure.
type marks struct {
	name  string
	lanes int
	file  File
	b     []byte
}

func marksName(epoch uint64) string { return fmt.Sprintf("%020d.marks", epoch) }

func createMarks(d Disk, gateway, boot string, epoch uint64, lanes int) (*marks, error) {
	m := &marks{name: marksName(epoch), lanes: lanes}
	var err error
	m.file, err = d.Create(m.name, marksHeader+lanes*laneMarks)
	if err != nil {
		return nil, err //nolint:wrapcheck // Names the file.
	}
	m.b = m.file.Bytes()
	return m, guard(func() {
		le := binary.LittleEndian
		copy(m.b, marksMagic)
		le.PutUint32(m.b[8:], marksVersion)
		le.PutUint32(m.b[12:], uint32(lanes))
		le.PutUint64(m.b[16:], epoch)
		copy(m.b[24:40], owner(gateway))
		le.PutUint32(m.b[40:], checksum(0, m.b[:40]))
		copy(m.b[bootAt:], owner(boot)[:8])
	})
}

// openMarks opens a life's marks. They are empty, and nothing is known, where the
// file is damaged. The error wraps [ErrForeign] where it is another gateway's.
func openMarks(d Disk, gateway string, epoch uint64) (*marks, error) {
	m := &marks{name: marksName(epoch)}
	f, err := d.Open(m.name)
	if err != nil {
		return nil, err //nolint:wrapcheck // Names the file.
	}
	m.file, m.b = f, f.Bytes()
	le := binary.LittleEndian
	if len(m.b) < marksHeader || string(m.b[:8]) != marksMagic || le.Uint32(m.b[40:]) != checksum(0, m.b[:40]) || le.Uint64(m.b[16:]) != epoch {
		return m, nil
	}
	if string(m.b[24:40]) != string(owner(gateway)) {
		return m, fmt.Errorf("%s: %w", m.name, ErrForeign)
	}
	m.lanes = min(int(le.Uint32(m.b[12:])), (len(m.b)-marksHeader)/laneMarks, LanesMax)
	return m, nil
}

// figure is one of a lane's two marks.
type figure int

const (
	issued figure = 0  // The last number given out.
	known  figure = 32 // The last number that Kafka has.
)

func (m *marks) place(lane uint32, f figure) []byte {
	at := marksHeader + int(lane)*laneMarks + int(f)
	return m.b[at : at+32 : at+32]
}

// checkOf makes a copy's second word: that of a zeroed or foreign copy is wrong.
func checkOf(lane uint32, f figure, v uint64) uint64 {
	return v ^ (uint64(lane)+1)*0x9e3779b97f4a7c15 ^ uint64(f)<<56
}

// set notes a figure, in place of the older of its copies.
func (m *marks) set(lane uint32, f figure, v uint64) {
	if int(lane) >= m.lanes {
		return
	}
	p, le := m.place(lane, f), binary.LittleEndian
	if le.Uint64(p) > le.Uint64(p[16:]) {
		p = p[16:]
	}
	le.PutUint64(p, v)
	le.PutUint64(p[8:], checkOf(lane, f, v))
}

// get is the newest whole copy of a figure, 0 for none.
func (m *marks) get(lane uint32, f figure) uint64 {
	if int(lane) >= m.lanes {
		return 0
	}
	var v uint64
	p, le := m.place(lane, f), binary.LittleEndian
	for ; len(p) > 0; p = p[16:] {
		if le.Uint64(p[8:]) == checkOf(lane, f, le.Uint64(p)) {
			v = max(v, le.Uint64(p))
		}
	}
	return v
}

// settled reports whether Kafka has every number that was given out.
func (m *marks) settled() bool {
	for lane := range uint32(m.lanes) {
		if m.get(lane, issued) > m.get(lane, known) {
			return false
		}
	}
	return true
}

// strict notes that the file of the requests under way is synced with the log.
func (m *marks) strict() { binary.LittleEndian.PutUint32(m.b[strictAt:], 1) }

// stir changes the header after a sync has failed: the system takes what it has not
// written for written, and the next sync would leave out what says strict. Figures
// change by themselves, and older ones do.
func (m *marks) stir() {
	le := binary.LittleEndian
	le.PutUint32(m.b[stirredAt:], le.Uint32(m.b[stirredAt:])+1)
}

// current reports whether the file of the requests under way is as the process left
// it, or at most a sync older: not after a loss of power, unless it was synced with
// the log.
func (m *marks) current(boot string) bool {
	return len(m.b) >= marksHeader &&
		(string(m.b[bootAt:bootAt+8]) == string(owner(boot)[:8]) || binary.LittleEndian.Uint32(m.b[strictAt:]) == 1)
}

// close notes that the life has ended in order: whatever is missing was left.
func (m *marks) close() { binary.LittleEndian.PutUint32(m.b[closedAt:], 1) }

func (m *marks) closed() bool {
	return len(m.b) >= marksHeader && binary.LittleEndian.Uint32(m.b[closedAt:]) == 1
}
