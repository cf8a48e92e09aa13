package spool_test

import (
	"bytes"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/gateway/emit/spool/spooltest"
)

// FuzzSegment puts any bytes in the place of a segment's. A start never fails over
// them, and what it finds was written.
func FuzzSegment(f *testing.F) {
	bodies := [][]byte{[]byte("one"), bytes.Repeat([]byte("two"), 100), {}, bytes.Repeat([]byte{0}, 64)}
	disk := spooltest.NewDisk(1)
	s, err := spool.Open(options(disk, 1))
	if err != nil {
		f.Fatal(err)
	}
	for n, b := range bodies {
		s.Issue(0, uint64(n+1))
		s.Append(spool.Record{Lane: 0, First: uint64(n + 1), Last: uint64(n + 1)}, b)
	}
	s.Commit()
	const name = "00000000000000000001-0-00000001.seg"
	file, err := disk.Open(name)
	if err != nil {
		f.Fatal(err)
	}
	whole := bytes.Clone(file.Bytes()[:1024])
	f.Add(whole, uint16(0))
	f.Add(whole[:200], uint16(130))
	f.Add([]byte("vigilseg"), uint16(0))
	f.Add(whole[128:400], uint16(136)) // Whole records in another place.
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		disk := disk.Kill()
		file, err := disk.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		copy(file.Bytes()[min(int(at), len(file.Bytes())):], b)
		s, err := spool.Open(options(disk, 2))
		if err != nil {
			return // Another gateway's, as far as the bytes say.
		}
		for _, lane := range s.Past()[0].Lanes {
			next := uint64(1)
			for _, i := range lane.Items {
				if i.First != next || i.Last < i.First {
					t.Fatalf("numbers %d to %d follow %d", i.First, i.Last, next-1)
				}
				next = i.Last + 1
				if !i.Ref.Valid() {
					continue
				}
				got, err := i.Ref.Read(nil)
				if err != nil || lane.Lane != 0 || i.First > uint64(len(bodies)) || !bytes.Equal(got, bodies[i.First-1]) {
					t.Fatalf("lane %d number %d: %q, %v", lane.Lane, i.First, got, err)
				}
			}
		}
	})
}

// FuzzFlight puts any bytes in the place of the requests under way.
func FuzzFlight(f *testing.F) {
	disk := spooltest.NewDisk(1)
	s, err := spool.Open(options(disk, 1))
	if err != nil {
		f.Fatal(err)
	}
	slot := s.Begin([]byte("under way"), true)
	s.Closing(slot, 0, 1)
	const name = "00000000000000000001.flight"
	file, err := disk.Open(name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Clone(file.Bytes()[:64]), uint16(0))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255}, uint16(1024))
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		disk := disk.Kill()
		file, err := disk.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		copy(file.Bytes()[min(int(at), len(file.Bytes())):], b)
		s, err := spool.Open(options(disk, 2))
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range s.Past()[0].Open {
			if len(i.Body) > spool.IntentBytesMax {
				t.Fatalf("an event of %d B", len(i.Body))
			}
		}
	})
}
