package proxy_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"

	"github.com/vigil-gateway/vigil/gateway/proxy"
)

// frame is an unmasked binary frame of n bytes.
func frame(n int) []byte {
	f := []byte{0x82}
	switch {
	case n < 126:
		f = append(f, byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, 126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, 127), uint64(n))
	}
	return append(f, bytes.Repeat([]byte{0xff}, n)...)
}

// However a stream of frames is read, everything is passed on once and in
// order, and between two frames means just that.
func TestFramesAreFollowedThroughAnyReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const room = 512
		var stream []byte
		ends := map[int]bool{0: true}
		for _, n := range rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 130), rapid.IntRange(200, 70_000)), 1, 6).Draw(t, "frames") {
			stream = append(stream, frame(n)...)
			ends[len(stream)] = true
		}
		var f proxy.Frames
		var out, held []byte
		for rest := stream; len(rest) > 0; {
			n := min(rapid.IntRange(1, room).Draw(t, "read"), room-len(held), len(rest))
			held = append(held, rest[:n]...)
			rest = rest[n:]
			pass := f.Split(held, room)
			out = append(out, held[:pass]...)
			held = held[pass:]
			if f.Between() != ends[len(out)] {
				t.Fatalf("after %d bytes: between frames = %v", len(out), f.Between())
			}
			if len(held) == room {
				t.Fatal("the buffer is full of a frame that is held")
			}
		}
		if !bytes.Equal(out, stream) {
			t.Fatalf("%d of %d bytes passed on", len(out), len(stream))
		}
	})
}

// A hostile length neither overflows nor is held.
func TestAFrameOfAllLengthsInTheWorld(t *testing.T) {
	var f proxy.Frames
	b := binary.BigEndian.AppendUint64([]byte{0x82, 127}, 1<<64-1)
	if got := f.Split(b, 1<<10); got != len(b) || f.Between() {
		t.Errorf("Split = %d of %d, between = %v", got, len(b), f.Between())
	}
}

// Wherever an event stream is cut, the client sees whole events under their
// own names and the half one under another.
func TestTailNamesHalfAnEvent(t *testing.T) {
	const stream = "data: one\n\n:ping\r\n\r\nevent: app\r\ndata: two\r\n\r\ndata: three\n\n"
	for at := range len(stream) + 1 {
		for _, step := range []int{1, 3, len(stream)} {
			var tail proxy.Tail
			for i := 0; i < at; i += step {
				tail.See([]byte(stream[i:min(i+step, at)]))
			}
			all := stream[:at] + string(tail.Last([]byte("{}"), ""))
			var complete []sent
			for _, e := range parseEvents(stream[:at] + map[bool]string{true: "\n"}[at > 0 && stream[at-1] == '\r']) {
				if e.data != "" {
					complete = append(complete, e)
				}
			}
			got := parseEvents(all)
			if len(got) == 0 || got[len(got)-1] != (sent{"vigil.revoked", "{}"}) {
				t.Fatalf("cut at %d: last event %+v", at, got)
			}
			for i, e := range got[:len(got)-1] {
				if i < len(complete) && e != complete[i] || i >= len(complete) && e.name != "vigil.truncated" {
					t.Errorf("cut at %d, step %d: client sees %+v", at, step, got)
				}
			}
		}
	}
}

type sent struct{ name, data string }

// parseEvents dispatches what a client would: https://html.spec.whatwg.org/multipage/server-sent-events.html.
func parseEvents(s string) []sent {
	var out []sent
	var e sent
	s = string(bytes.ReplaceAll([]byte(s), []byte("\r\n"), []byte("\n")))
	for line := range bytes.Lines([]byte(s)) {
		text, whole := bytes.CutSuffix(line, []byte("\n"))
		if !whole {
			break
		}
		field, value, _ := bytes.Cut(text, []byte(":"))
		switch {
		case len(text) == 0:
			if e.data != "" {
				out = append(out, e)
			}
			e = sent{}
		case string(field) == "event":
			e.name = string(bytes.TrimPrefix(value, []byte(" ")))
		case string(field) == "data":
			e.data += string(bytes.TrimPrefix(value, []byte(" ")))
		}
	}
	return out
}
