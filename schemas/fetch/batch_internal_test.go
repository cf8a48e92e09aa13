package fetch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
)

// set is a record set of one batch at an offset, as kafka-go writes it.
func set(tb testing.TB, first int64, of protocol.Attributes, records ...kafka.Record) []byte {
	tb.Helper()
	var b bytes.Buffer
	_, err := (&protocol.RecordSet{Version: 2, Attributes: of, Records: kafka.NewRecordReader(records...)}).WriteTo(&b)
	if err != nil {
		tb.Fatal(err)
	}
	out := b.Bytes()[4:] // Without its length.
	binary.BigEndian.PutUint64(out, uint64(first))
	return out
}

// sum makes the checksum of a batch right again.
func sum(b []byte) []byte {
	binary.BigEndian.PutUint32(b[atChecksum:], crc32.Checksum(b[checksumEnd:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// some makes records with all that can be in one, and missing from it.
func some(r *rand.Rand, n int) []kafka.Record {
	bytesOf := func(most int) []byte {
		if r.IntN(4) == 0 {
			return nil
		}
		b := make([]byte, r.IntN(most))
		for i := range b {
			b[i] = byte('a' + r.IntN(26))
		}
		return b
	}
	out := make([]kafka.Record, n)
	for i := range out {
		out[i] = kafka.Record{Time: time.UnixMilli(1_700_000_000_000 + r.Int64N(100_000)), Key: kafka.NewBytes(bytesOf(40)), Value: kafka.NewBytes(bytesOf(3000))}
		for range r.IntN(9) {
			out[i].Headers = append(out[i].Headers, kafka.Header{Key: string(bytesOf(200)), Value: bytesOf(300)})
		}
	}
	return out
}

// plain is a record in a form that compares.
type plain struct {
	Offset, Millis int64
	Key, Value     []byte
	Headers        []string
}

func plainOf(records []Record) []plain {
	var out []plain
	for _, r := range records {
		p := plain{Offset: r.Offset, Millis: r.Millis, Key: r.Key, Value: r.Value}
		for name, value := range r.All() {
			p.Headers = append(p.Headers, fmt.Sprintf("%q: %q", name, value))
		}
		out = append(out, p)
	}
	return out
}

// byKafkaGo reads a record set with kafka-go.
func byKafkaGo(tb testing.TB, set []byte) []plain {
	tb.Helper()
	b := bytes.NewBuffer(binary.BigEndian.AppendUint32(nil, uint32(len(set))))
	b.Write(set)
	var rs protocol.RecordSet
	_, err := rs.ReadFrom(b)
	if err != nil {
		tb.Fatal(err)
	}
	var out []plain
	for {
		r, err := rs.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			tb.Fatal(err)
		}
		p := plain{Offset: r.Offset, Millis: r.Time.UnixMilli()}
		p.Key, _ = kafka.ReadAll(r.Key)
		p.Value, _ = kafka.ReadAll(r.Value)
		for _, h := range r.Headers {
			p.Headers = append(p.Headers, fmt.Sprintf("%q: %q", h.Key, h.Value))
		}
		out = append(out, p)
	}
}

func TestRecordsAreThoseThatKafkaGoReads(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, seed))
	for _, packing := range []compress.Compression{compress.None, compress.Gzip, compress.Snappy, compress.Lz4, compress.Zstd} {
		t.Run(packing.String(), func(t *testing.T) {
			var all []byte
			next := int64(100)
			for range 5 {
				n := 1 + r.IntN(50)
				all = append(all, set(t, next, protocol.Attributes(packing), some(r, n)...)...)
				next += int64(n)
			}
			a := Answer{Next: 100}
			err := a.take(new(unpacker), all, batchBytesMax)
			if err != nil || a.Broken != nil {
				t.Fatalf("seed %d: %v, broken %v", seed, err, a.Broken)
			}
			if diff := cmp.Diff(byKafkaGo(t, all), plainOf(a.Records)); diff != "" {
				t.Errorf("seed %d: records (-kafka-go +ours):\n%s", seed, diff)
			}
			if a.Next != next {
				t.Errorf("Next = %d, want %d", a.Next, next)
			}
		})
	}
}

func TestBatchesThatAreNotPlain(t *testing.T) {
	text := func(s string) kafka.Record {
		return kafka.Record{Time: time.UnixMilli(5), Value: kafka.NewBytes([]byte(s))}
	}
	good := func() []byte { return set(t, 10, 0, text("good")) }
	next := func(change func(b []byte) []byte) []byte {
		return append(good(), change(set(t, 11, 0, text("one"), text("two")))...)
	}
	attributes := func(of uint16) func([]byte) []byte {
		return func(b []byte) []byte {
			binary.BigEndian.PutUint16(b[atAttributes:], of)
			return sum(b)
		}
	}
	cut := func(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:len(b)-n] } }
	wrong := func(b []byte) []byte { b[len(b)-1]++; return b }
	tests := map[string]struct {
		set    []byte
		want   []string
		next   int64
		broken bool
		err    error
	}{
		"nothing":                             {nil, nil, 10, false, nil},
		"two whole ones":                      {next(sum), []string{"good", "one", "two"}, 13, false, nil},
		"the last one is cut short":           {next(cut(1)), []string{"good"}, 11, false, nil},
		"its head is cut short":               {next(func(b []byte) []byte { return b[:30] }), []string{"good"}, 11, false, nil},
		"the first one is cut short":          {cut(1)(good()), nil, 0, false, ErrAnswer},
		"its checksum is wrong":               {wrong(good()), nil, 0, false, ErrChecksum},
		"that of the second is":               {next(wrong), []string{"good"}, 11, false, nil},
		"an old format":                       {func() []byte { b := good(); b[atMagic] = 1; return b }(), nil, 0, false, ErrFormat},
		"an unknown compression":              {next(attributes(7)), []string{"good"}, 13, true, nil},
		"the end of a transaction":            {next(attributes(bitControl)), []string{"good"}, 13, false, nil},
		"what compaction leaves of a batch":   {next(func(b []byte) []byte { binary.BigEndian.PutUint32(b[atLastDelta:], 9); return sum(b) }), []string{"good", "one", "two"}, 21, false, nil},
		"more records than there are":         {next(func(b []byte) []byte { binary.BigEndian.PutUint32(b[atCount:], 3); return sum(b) }), []string{"good"}, 13, true, nil},
		"more than there can be":              {next(func(b []byte) []byte { binary.BigEndian.PutUint32(b[atCount:], 1<<31-1); return sum(b) }), []string{"good"}, 13, true, nil},
		"a record longer than its batch":      {next(func(b []byte) []byte { b[atRecords] = 0x7e; return sum(b) }), []string{"good"}, 13, true, nil},
		"a key longer than its record":        {next(func(b []byte) []byte { b[atRecords+4] = 0x7e; return sum(b) }), []string{"good"}, 13, true, nil},
		"said to be packed, and it is not":    {next(attributes(uint16(compress.Gzip))), []string{"good"}, 13, true, nil},
		"a batch behind one that is not read": {append(next(attributes(uint16(compress.Zstd))), set(t, 13, 0, text("last"))...), []string{"good", "last"}, 14, true, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := Answer{Next: 10}
			err := a.take(new(unpacker), tt.set, batchBytesMax)
			if !errors.Is(err, tt.err) {
				t.Fatalf("take() = %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			if (a.Broken != nil) != tt.broken {
				t.Errorf("Broken = %v, want %t", a.Broken, tt.broken)
			}
			var got []string
			for _, r := range a.Records {
				got = append(got, string(r.Value))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			if a.Next != tt.next {
				t.Errorf("Next = %d, want %d", a.Next, tt.next)
			}
		})
	}
}

func TestTimeOfAppending(t *testing.T) {
	b := set(t, 0, 0, kafka.Record{Time: time.UnixMilli(5), Value: kafka.NewBytes([]byte("v"))})
	binary.BigEndian.PutUint64(b[atLastTime:], 99)
	binary.BigEndian.PutUint16(b[atAttributes:], bitAppendTime)
	var a Answer
	err := a.take(new(unpacker), sum(b), batchBytesMax)
	if err != nil || len(a.Records) != 1 || !a.Records[0].Time().Equal(time.UnixMilli(99)) {
		t.Errorf("%v, records %v", err, a.Records)
	}
}

func TestHeaders(t *testing.T) {
	var none, h Headers
	_, ok := none.Header("a")
	if ok {
		t.Error("a header where there is none")
	}
	h.Add("a", []byte("first"))
	fork := h
	h.Add("b", nil)
	fork.Add("c", []byte("other")) // Shares no memory with h.
	h.Add("a", []byte("second"))
	for name, want := range map[string]string{"a": "first", "b": "", "c": "none"} {
		got, ok := h.Header(name)
		if !ok {
			got = []byte("none")
		}
		if string(got) != want {
			t.Errorf("Header(%q) = %q, want %q", name, got, want)
		}
	}
	var all []string
	for name, value := range h.All() {
		all = append(all, name+"="+string(value))
	}
	if diff := cmp.Diff([]string{"a=first", "b=", "a=second"}, all); diff != "" {
		t.Errorf("All() (-want +got):\n%s", diff)
	}
}

// Nobody's record set makes the reader panic, go back, or hand over more than came.
func FuzzRecordSet(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	f.Add(set(f, 0, 0, some(r, 3)...), false)
	f.Add(set(f, 5, protocol.Attributes(compress.Lz4), some(r, 3)...), true)
	u := new(unpacker)
	f.Fuzz(func(t *testing.T, b []byte, right bool) {
		if right && len(b) >= atRecords {
			size := int64(binary.BigEndian.Uint32(b[atSize:])) + sizeEnd
			if size >= atRecords && size <= int64(len(b)) {
				sum(b[:size])
			}
		}
		a := Answer{Next: 3}
		err := a.take(u, b, batchBytesMax)
		if err == nil && a.Next < 3 {
			t.Errorf("Next = %d", a.Next)
		}
		for _, r := range a.Records {
			seen := make(map[string]bool)
			for name, value := range r.All() {
				got, ok := r.Header(name)
				if !seen[name] && (!ok || !bytes.Equal(got, value)) {
					t.Errorf("header %q is %q, %t by name and %q in the list", name, got, ok, value)
				}
				seen[name] = true
			}
		}
	})
}

func BenchmarkRecordSet(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	var records []kafka.Record
	for range 500 {
		one := kafka.Record{Key: kafka.NewBytes(make([]byte, 30)), Value: kafka.NewBytes(make([]byte, 600))}
		for _, name := range []string{"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type", "traceparent"} {
			one.Headers = append(one.Headers, kafka.Header{Key: name, Value: make([]byte, 20+r.IntN(20))})
		}
		records = append(records, one)
	}
	whole := set(b, 0, 0, records...)
	u := new(unpacker)
	b.ReportAllocs()
	for b.Loop() {
		var a Answer
		err := a.take(u, whole, batchBytesMax)
		if err != nil || len(a.Records) != 500 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/record")
}
