package store

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"sync"

	"github.com/ClickHouse/ch-go/proto"
	native "github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// destination is a column of a batch: the driver's way in, and what it keeps.
type destination struct {
	driver.BatchColumn
	kept native.Interface
}

// dictionary is the column if it keeps each different text once.
func (d destination) dictionary() (*native.LowCardinality, bool) {
	c, ok := d.kept.(*native.LowCardinality)
	return c, ok && c.Type() == "LowCardinality(String)"
}

// Flags and widths of a column of a dictionary in ClickHouse's Native form.
const (
	hasKeys = 1 << 9
	width8  = 0
	width16 = 1
	width32 = 2
)

// fillWords fills a column of few different texts with what ClickHouse would read:
// the texts, the empty one first, and a number for each row. The driver's own way
// boxes each value and looks it up twice, which is a fifth of what a row costs.
func fillWords[R any](to *native.LowCardinality, rows []R, get func(*R) string) error {
	numbers := make([]uint32, len(rows))
	words, known := []string{""}, map[string]uint32{"": 0}
	last, number := "", uint32(0)
	for i := range rows {
		v := get(&rows[i])
		if v != last {
			var there bool
			last = v
			number, there = known[v]
			if !there {
				number = uint32(len(words))
				words, known[v] = append(words, v), number
			}
		}
		numbers[i] = number
	}
	var b proto.Buffer
	width := width32
	switch {
	case len(words) <= math.MaxUint8:
		width = width8
	case len(words) <= math.MaxUint16:
		width = width16
	}
	b.PutUInt64(hasKeys | uint64(width))
	b.PutInt64(int64(len(words)))
	for _, w := range words {
		b.PutString(w)
	}
	b.PutInt64(int64(len(rows)))
	for _, n := range numbers {
		switch width {
		case width8:
			b.PutUInt8(uint8(n))
		case width16:
			b.PutUInt16(uint16(n))
		default:
			b.PutUInt32(n)
		}
	}
	err := to.Decode(proto.NewReader(bytes.NewReader(b.Buf)), len(rows))
	if err != nil {
		return fmt.Errorf("dictionary of %d texts: %w", len(words), err)
	}
	return nil
}

// spares are the memory of plain columns between one block of a table and the next,
// of one block for each table: growing it anew each time copies every value twice.
// Safe for concurrent use.
type spares struct {
	mu     sync.Mutex
	tables map[string]map[string]native.Interface // By column. Guarded by mu.
}

func newSpares() *spares { return &spares{tables: make(map[string]map[string]native.Interface)} }

// plain reports whether a column is a list of values and nothing else.
func plain(c native.Interface) bool {
	switch c.(type) {
	case *native.String, *native.Bool, *native.DateTime64, *native.Float64,
		*native.Int32, *native.Int64, *native.UInt8, *native.UInt16, *native.UInt32, *native.UInt64:
		return true
	}
	return false
}

// lend gives the memory to columns that are still empty.
func (s *spares) lend(table string, columns []native.Interface) {
	s.mu.Lock()
	have := s.tables[table]
	delete(s.tables, table)
	s.mu.Unlock()
	for _, c := range columns {
		spare, ok := have[c.Name()]
		if ok && spare.Type() == c.Type() && reflect.TypeOf(spare) == reflect.TypeOf(c) {
			reflect.ValueOf(c).Elem().Set(reflect.ValueOf(spare).Elem())
		}
	}
}

// take takes the memory of columns that nobody reads any more.
func (s *spares) take(table string, columns []native.Interface) {
	have := make(map[string]native.Interface)
	for _, c := range columns {
		if !plain(c) {
			continue
		}
		c.Reset()
		of := reflect.ValueOf(c).Elem()
		spare := reflect.New(of.Type())
		spare.Elem().Set(of)
		of.SetZero()
		kept, ok := reflect.TypeAssert[native.Interface](spare)
		if ok {
			have[kept.Name()] = kept
		}
	}
	s.mu.Lock()
	s.tables[table] = have
	s.mu.Unlock()
}
