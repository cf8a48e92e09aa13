package fetch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/segmentio/kafka-go/compress"
)

// framed is a batch with a right checksum, whatever is in it.
func framed(first int64, of compress.Compression, lastDelta int32, count uint32, payload []byte) []byte {
	b := make([]byte, atRecords, atRecords+len(payload))
	b = append(b, payload...)
	be := binary.BigEndian
	be.PutUint64(b[atOffset:], uint64(first))
	be.PutUint32(b[atSize:], uint32(len(b)-sizeEnd))
	b[atMagic] = 2
	be.PutUint16(b[atAttributes:], uint16(of))
	be.PutUint32(b[atLastDelta:], uint32(lastDelta))
	be.PutUint32(b[atCount:], count)
	return sum(b)
}

// record is one as it stands in a batch.
func record(delta int64, value []byte) []byte {
	one := binary.AppendVarint([]byte{0, 0}, delta) // Attributes and time.
	one = binary.AppendVarint(one, -1)
	one = binary.AppendVarint(one, int64(len(value)))
	one = append(append(one, value...), 0)
	return append(binary.AppendVarint(nil, int64(len(one))), one...)
}

// records are n small ones.
func records(n int) []byte {
	var all []byte
	for i := range n {
		all = append(all, record(int64(i), nil)...)
	}
	return all
}

// pack compresses as kafka-go's writers do.
func pack(tb testing.TB, of compress.Compression, b []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := of.Codec().NewWriter(&out)
	_, err := w.Write(b)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// zstdFrame is a frame of one raw block and of a head that says what it likes.
func zstdFrame(head, content []byte) []byte {
	f := append([]byte{0x28, 0xb5, 0x2f, 0xfd}, head...)
	n := len(content)<<3 | 1
	return append(append(f, byte(n), byte(n>>8), byte(n>>16)), content...)
}

// snappyFrame is what Java's library makes of chunks; size is said of each instead of
// its length, where it is not 0.
func snappyFrame(size uint32, chunks ...[]byte) []byte {
	f := append([]byte(snappyFramed), 0, 0, 0, 1, 0, 0, 0, 1)
	for _, c := range chunks {
		n := size
		if n == 0 {
			n = uint32(len(c))
		}
		f = append(binary.BigEndian.AppendUint32(f, n), c...)
	}
	return f
}

// allocated is how many bytes are allocated meanwhile.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

const (
	little = 2 << 20 // Allocated for a batch that is small, whatever it says.
	// much is what may be allocated for one that is not: room at the bound, and the
	// smaller ones before.
	much = 4 * batchBytesMax
)

var packings = []compress.Compression{compress.Gzip, compress.Snappy, compress.Lz4, compress.Zstd}

// Whatever is in a batch that somebody has got past the broker, it takes no more
// memory than it may, and the batch behind it is read.
func TestHostileBatches(t *testing.T) {
	one := record(0, []byte("v"))
	two := slices.Concat(one, record(1, []byte("w")))
	huge := binary.AppendVarint(nil, math.MaxInt64)
	endless := bytes.Repeat([]byte{0xff}, 20)
	large := record(0, make([]byte, batchBytesMax-100))
	tooLarge := record(0, make([]byte, batchBytesMax))
	plainly := func(lastDelta int32, count uint32, parts ...[]byte) []byte {
		return framed(10, compress.None, lastDelta, count, slices.Concat(parts...))
	}
	packed := func(of compress.Compression, count uint32, b []byte) []byte {
		return framed(10, of, int32(count)-1, count, b)
	}
	tests := map[string]struct {
		batch []byte
		read  int // How many records, negative for a batch that is passed over.
		next  int64
		most  uint64
	}{
		"more records than anybody writes":                   {plainly(batchRecordsMax, batchRecordsMax+1, records(batchRecordsMax+1)), -1, 11 + batchRecordsMax, little},
		"as many as may be":                                  {plainly(batchRecordsMax-1, batchRecordsMax, records(batchRecordsMax)), batchRecordsMax, 10 + batchRecordsMax, much},
		"as many as may be are said to be there":             {plainly(0, batchRecordsMax, one), -1, 11, little},
		"two milliards are":                                  {plainly(math.MaxInt32, math.MaxInt32, one), -1, 10 + math.MaxInt32 + 1, little},
		"a negative number":                                  {plainly(0, math.MaxUint32, one), -1, 11, little},
		"fewer records than there are":                       {plainly(1, 1, two), -1, 12, little},
		"bytes behind the last":                              {plainly(0, 1, one, []byte{0}), -1, 11, little},
		"none":                                               {plainly(0, 0), 0, 11, little},
		"records that compaction has left":                   {plainly(9, 2, record(3, nil), record(7, nil)), 2, 20, little},
		"an offset that goes back":                           {plainly(9, 2, record(3, nil), record(2, nil)), -1, 20, little},
		"one twice":                                          {plainly(9, 2, record(3, nil), record(3, nil)), -1, 20, little},
		"one of another batch before":                        {plainly(9, 1, record(-1, nil)), -1, 20, little},
		"one of another batch behind":                        {plainly(1, 1, record(2, nil)), -1, 12, little},
		"an offset without end":                              {plainly(1, 1, record(math.MaxInt64, nil)), -1, 12, little},
		"a last offset in front of the first":                {plainly(-5, 1, one), -1, 11, little},
		"a record without end":                               {plainly(0, 1, huge, make([]byte, 20)), -1, 11, little},
		"a number without end":                               {plainly(0, 1, endless), -1, 11, little},
		"a value without end":                                {plainly(0, 1, []byte{30, 0, 0, 0, 1}, huge, make([]byte, 20)), -1, 11, little},
		"headers without end":                                {plainly(0, 1, []byte{30, 0, 0, 0, 1, 1}, huge, make([]byte, 20)), -1, 11, little},
		"a compression that nobody knows":                    {packed(7, 1, one), -1, 11, little},
		"zstd: a window as of the highest level":             {packed(compress.Zstd, 1, zstdFrame([]byte{0, 17 << 3}, one)), 1, 11, little},
		"zstd: a window of 512 MiB":                          {packed(compress.Zstd, 1, zstdFrame([]byte{0, 19 << 3}, one)), 1, 11, little},
		"zstd: one in the second frame":                      {packed(compress.Zstd, 2, slices.Concat(zstdFrame([]byte{0, 0}, two[:len(one)]), zstdFrame([]byte{0, 19 << 3}, two[len(one):]))), -1, 12, little},
		"zstd: the largest window there is":                  {packed(compress.Zstd, 1, zstdFrame([]byte{0, 0xff}, one)), 1, 11, little},
		"zstd: a size in the head":                           {packed(compress.Zstd, 1, zstdFrame([]byte{0x20, byte(len(one))}, one)), 1, 11, little},
		"zstd: a size of 1 GiB in the head":                  {packed(compress.Zstd, 1, zstdFrame([]byte{0xa0, 0, 0, 0, 0x40}, one)), -1, 11, much},
		"zstd: a size of all numbers":                        {packed(compress.Zstd, 1, zstdFrame([]byte{0xe0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, one)), -1, 11, much},
		"zstd: frames behind each other":                     {packed(compress.Zstd, 2, slices.Concat(pack(t, compress.Zstd, two[:len(one)]), pack(t, compress.Zstd, two[len(one):]))), 2, 12, little},
		"zstd: each of which is not too large":               {packed(compress.Zstd, 1, bytes.Repeat(pack(t, compress.Zstd, large), 9)), -1, 11, much},
		"gzip: members each of which is not too large":       {packed(compress.Gzip, 1, bytes.Repeat(pack(t, compress.Gzip, large), 3)), -1, 11, much},
		"snappy: chunks":                                     {packed(compress.Snappy, 2, snappyFrame(0, snappy.Encode(nil, two[:3]), snappy.Encode(nil, two[3:]))), 2, 12, little},
		"snappy: no chunks":                                  {packed(compress.Snappy, 2, snappy.Encode(nil, two)), 2, 12, little},
		"snappy: a chunk of 4 GiB":                           {packed(compress.Snappy, 1, snappyFrame(math.MaxUint32, snappy.Encode(nil, one))), -1, 11, little},
		"snappy: one that unpacks to 4 GiB":                  {packed(compress.Snappy, 1, snappyFrame(0, binary.AppendUvarint(nil, math.MaxUint32))), -1, 11, little},
		"snappy: that without chunks":                        {packed(compress.Snappy, 1, binary.AppendUvarint(nil, math.MaxUint32)), -1, 11, little},
		"snappy: a little more than its bytes can be":        {packed(compress.Snappy, 1, append(binary.AppendUvarint(nil, 1<<16), one...)), -1, 11, little},
		"snappy: chunks each of which is not too large":      {packed(compress.Snappy, 1, snappyFrame(0, slices.Repeat([][]byte{snappy.Encode(nil, make([]byte, 1<<20))}, 33)...)), -1, 11, much},
		"snappy: half a head":                                {packed(compress.Snappy, 1, snappyFrame(0)[:11]), -1, 11, little},
		"a batch of which the head alone has come":           {plainly(4, 5, tooLarge)[:atRecords], -1, 15, little},
		"a batch that is too large, and whole":               {plainly(0, 1, tooLarge), -1, 11, little},
		"a batch that is as large as one may be, and is not": {plainly(0, 1, large), 1, 11, little},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { hostile(t, tt.batch, tt.read, tt.next, tt.most) })
	}
	for _, of := range packings {
		t.Run("a bomb of "+of.String(), func(t *testing.T) { hostile(t, packed(of, 1, pack(t, of, tooLarge)), -1, 11, much) })
		t.Run("as much as may be of "+of.String(), func(t *testing.T) { hostile(t, packed(of, 1, pack(t, of, large)), 1, 11, much) })
	}
}

// hostile reads a batch at offset 10, and then one behind it.
func hostile(t *testing.T, b []byte, read int, next int64, most uint64) {
	t.Helper()
	u := new(unpacker)
	a := Answer{Next: 10}
	var err error
	took := allocated(func() { err = a.take(u, b, batchBytesMax) })
	t.Logf("%d B: %d B allocated, broken: %v", len(b), took, a.Broken)
	if took > most {
		t.Errorf("%d B are allocated for %d, at most %d may be", took, len(b), most)
	}
	if err != nil || a.Next != next || len(a.Records) != max(0, read) || (a.Broken != nil) != (read < 0) {
		t.Fatalf("%d records up to %d, broken %v, %v", len(a.Records), a.Next, a.Broken, err)
	}
	if len(b) == atRecords && read < 0 {
		return // Nothing can stand behind what is cut off.
	}
	a = Answer{Next: 10}
	err = a.take(u, slices.Concat(b, framed(next, compress.None, 0, 1, record(0, []byte("behind")))), 1<<30)
	if err != nil || a.Next != next+1 || len(a.Records) == 0 || string(a.Records[len(a.Records)-1].Value) != "behind" {
		t.Errorf("the batch behind: %d records up to %d, %v", len(a.Records), a.Next, err)
	}
}

// An answer of which every batch is as much as it may be is read in several.
func TestAnAnswerIsReadAsFarAsItsMemoryLasts(t *testing.T) {
	const batches = 5
	for _, of := range packings {
		t.Run(of.String(), func(t *testing.T) {
			var whole []byte
			var begin []int
			for i := range int64(batches) {
				begin = append(begin, len(whole))
				whole = append(whole, framed(i, of, 0, 1, pack(t, of, record(0, make([]byte, 20<<20))))...)
			}
			u, next, reads := new(unpacker), int64(0), 0
			for next < batches {
				a := Answer{Next: next}
				err := a.take(u, whole[begin[next]:], batchBytesMax)
				reads++
				if err != nil || a.Broken != nil || len(a.Records) == 0 || len(a.Records) > 2 || a.Records[0].Offset != next || a.Next != next+int64(len(a.Records)) {
					t.Fatalf("from %d: %d records up to %d, %v, %v", next, len(a.Records), a.Next, err, a.Broken)
				}
				next = a.Next
			}
			if reads < batches/2 {
				t.Errorf("%d reads", reads)
			}
		})
	}
}

// The list of small records counts, too: they take more there than where they stand.
func TestTheListOfRecordsIsBounded(t *testing.T) {
	const each, batches = 1000, 400
	var whole []byte
	for i := range int64(batches) {
		whole = append(whole, framed(i*each, compress.None, each-1, each, records(each))...)
	}
	var a Answer
	err := a.take(new(unpacker), whole, 1<<20)
	if err != nil || a.Broken != nil || len(a.Records) < each || len(a.Records) > 11*each || a.Next != int64(len(a.Records)) {
		t.Errorf("%d records up to %d, %v, %v", len(a.Records), a.Next, err, a.Broken)
	}
}

// Bombs that are passed over have taken their time: the answer ends there, too.
func TestBombsEndAnAnswer(t *testing.T) {
	bomb := pack(t, compress.Zstd, record(0, make([]byte, 2*batchBytesMax)))
	var whole []byte
	for i := range int64(9) {
		whole = append(whole, framed(i, compress.Zstd, 0, 1, bomb)...)
	}
	var a Answer
	err := a.take(new(unpacker), whole, batchBytesMax)
	if err != nil || a.Next != 1 || !errors.Is(a.Broken, errLarge) {
		t.Errorf("up to %d, %v, %v", a.Next, a.Broken, err)
	}
}

// What is told of many batches that are broken does not grow with them.
func TestManyBrokenBatches(t *testing.T) {
	const n = 20_000
	var whole []byte
	for i := range int64(n) {
		whole = append(whole, framed(i, compress.None, 0, 9, nil)...)
	}
	var a Answer
	err := a.take(new(unpacker), whole, batchBytesMax)
	if err != nil || a.Next != n || a.Broken == nil {
		t.Fatalf("up to %d, %v, %v", a.Next, a.Broken, err)
	}
	if text := a.Broken.Error(); len(text) > 1000 || !strings.Contains(text, "and 19996 batches more") {
		t.Errorf("%d B: %.1000s", len(text), text)
	}
}

// FuzzUnpack bounds what bytes of any compression unpack to, and what that takes.
func FuzzUnpack(f *testing.F) {
	const most = 1 << 20
	for _, of := range packings {
		f.Add(byte(of), pack(f, of, records(100)))
		f.Add(byte(of), pack(f, of, make([]byte, 2*most)))
	}
	f.Add(byte(compress.Zstd), zstdFrame([]byte{0, 19 << 3}, []byte("a")))
	f.Add(byte(compress.Snappy), snappyFrame(math.MaxUint32, []byte("a")))
	f.Add(byte(compress.Snappy), binary.AppendUvarint(nil, math.MaxUint32))
	u := &unpacker{most: most}
	f.Fuzz(func(t *testing.T, of byte, packed []byte) {
		var out []byte
		var err error
		took := allocated(func() { out, err = u.unpack(compress.Compression(of&bitsCodec), packed) })
		if err == nil && of&bitsCodec != 0 && len(out) > most {
			t.Errorf("%d B", len(out))
		}
		if took > 8*most+16<<20 { // Also what the codecs have made for themselves.
			t.Errorf("%d B are allocated for %d", took, len(packed))
		}
	})
}
