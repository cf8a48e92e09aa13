package reservoir

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Limits of a sample.
const (
	// RowsMax is how many rows are kept. A detector of that many has p-values as
	// small as evidence counts them, see package calibrate.
	RowsMax = 2048
	// weightMax is for how many rows a sample may say that it stands: as many as a
	// draw tells apart.
	weightMax = 1 << 53
	// ColumnsMax bounds the width of a row.
	ColumnsMax = 16
)

// Rows is a sample of rows. The zero value holds none; [New] makes one that rows
// are added to.
type Rows struct {
	columns int
	numbers []Number // Rows side by side.
	weight  float64  // For how many rows they stand.
	seed    uint64
	draws   uint64
}

// New returns an empty sample; seed drives the draws.
func New(columns int, seed uint64) Rows { return Rows{columns: columns, seed: seed} }

// Len is the number of rows, Columns their width, Weight for how many they stand.
func (r *Rows) Len() int { return len(r.numbers) / max(1, r.columns) }

// Columns is the width of a row.
func (r *Rows) Columns() int { return r.columns }

// Weight is for how many rows the sample stands, older ones less.
func (r *Rows) Weight() float64 { return r.weight }

// Row fills dst, which has one place a column, with a row.
func (r *Rows) Row(i int, dst []float64) {
	for j, n := range r.row(i) {
		dst[j] = n.Value()
	}
}

func (r *Rows) row(i int) []Number { return r.numbers[i*r.columns : (i+1)*r.columns] }

// Add adds a row of the sample's width, perhaps in place of another.
func (r *Rows) Add(row []float64) {
	r.weight++
	at := r.Len()
	if at < RowsMax {
		r.numbers = append(r.numbers, make([]Number, r.columns)...)
	} else {
		at = r.draw(r.weight)
		if at >= RowsMax {
			return
		}
	}
	for j, v := range row {
		r.numbers[at*r.columns+j] = Pack(v)
	}
}

// draw is a whole number below n, at least 1.
func (r *Rows) draw(n float64) int {
	r.draws++
	return int(hash(r.seed, r.draws) % uint64(max(1, n)))
}

func hash(seed, n uint64) uint64 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	return xxh3.HashSeed(b[:], seed)
}

// Fade lets the rows so far stand for a share of what they did, in [0, 1].
func (r *Rows) Fade(share float64) { r.weight *= share }

// each is for how many rows each of them stands.
func (r *Rows) each() float64 { return r.weight / float64(max(1, r.Len())) }

// Merge draws a sample from several of one width as from one stream. Where each
// row of one stands for fewer than of another, as many fewer of its rows are
// taken. The order of the parts and the seed are part of the result.
func Merge(columns int, seed uint64, parts ...*Rows) Rows {
	out, most := New(columns, seed), 0.0
	for _, p := range parts {
		if p.columns == columns {
			most = max(most, p.each())
			out.weight += p.weight
		}
	}
	const whole = 1 << 32
	for _, p := range parts {
		if p.columns != columns || !(most > 0) {
			continue // Those of another width count for nothing.
		}
		taken := uint64(p.each() / most * whole)
		for i := range p.Len() {
			if uint64(out.draw(whole)) < taken {
				out.numbers = append(out.numbers, p.row(i)...)
			}
		}
	}
	out.shuffle()
	out.numbers = out.numbers[:min(len(out.numbers), RowsMax*columns)]
	return out
}

// shuffle puts the rows into an order of its own (Durstenfeld 1964).
func (r *Rows) shuffle() {
	for i := r.Len() - 1; i > 0; i-- {
		a, b := r.row(i), r.row(r.draw(float64(i+1)))
		for j := range a {
			a[j], b[j] = b[j], a[j]
		}
	}
}

// Code writes or reads the sample; a list of a length that no sample has makes the
// codec fail.
func (r *Rows) Code(c *snapshot.Codec) {
	c.Int(&r.columns)
	c.F64(&r.weight)
	c.U64(&r.seed)
	c.U64(&r.draws)
	var text string
	if !c.Reading() {
		b := make([]byte, 0, 2*len(r.numbers))
		for _, n := range r.numbers {
			b = binary.LittleEndian.AppendUint16(b, uint16(n))
		}
		text = string(b)
	}
	c.Str(&text)
	if !c.Reading() || c.Failed() {
		return
	}
	row := 2 * r.columns
	if r.columns < 1 || r.columns > ColumnsMax || len(text)%row != 0 || len(text)/row > RowsMax || !(r.weight >= 0 && r.weight <= weightMax) {
		*r = Rows{}
		c.Fail()
		return
	}
	r.numbers = make([]Number, 0, len(text)/2)
	for i := 0; i < len(text); i += 2 {
		r.numbers = append(r.numbers, Number(uint16(text[i])|uint16(text[i+1])<<8))
	}
}
