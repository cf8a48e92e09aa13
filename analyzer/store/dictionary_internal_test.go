package store

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	native "github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/google/go-cmp/cmp"
)

type text struct{ s string }

// TestADictionaryHoldsWhatTheDriverWouldPutThere reads every row back, with as many
// different texts as each width of numbers holds, and some more.
func TestADictionaryHoldsWhatTheDriverWouldPutThere(t *testing.T) {
	tests := map[string]struct{ rows, texts int }{
		"one text":                     {rows: 10, texts: 1},
		"as many as a byte numbers":    {rows: 600, texts: 254},
		"one more than a byte numbers": {rows: 600, texts: 255},
		"more than two bytes number":   {rows: 140_000, texts: 70_000},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rows := make([]text, tt.rows)
			for i := range rows {
				if i%7 != 3 { // Every now and then the empty text.
					rows[i].s = fmt.Sprintf("text %d", i%tt.texts)
				}
			}
			made, err := native.Type("LowCardinality(String)").Column("words", &native.ServerContext{})
			if err != nil {
				t.Fatal(err)
			}
			to, ok := destination{kept: made}.dictionary()
			if !ok {
				t.Fatal("a dictionary is not known as one")
			}
			err = fillWords(to, rows, func(r *text) string { return r.s })
			if err != nil {
				t.Fatal(err)
			}
			if to.Rows() != len(rows) {
				t.Fatalf("%d rows, want %d", to.Rows(), len(rows))
			}
			for i := range rows {
				if got := to.Row(i, false); got != rows[i].s {
					t.Fatalf("row %d is %q, want %q", i, got, rows[i].s)
				}
			}
		})
	}
}

// TestSparesHoldNothingOfTheBlockBefore fills a column of a second block with the
// memory of the first.
func TestSparesHoldNothingOfTheBlockBefore(t *testing.T) {
	s := newSpares()
	for block, texts := range [][]string{{"a long text of the first block", "another"}, {"x"}, {}, {"y", "z"}} {
		made := make([]native.Interface, 0, 3)
		for i, kind := range []string{"String", "UInt64", "DateTime64(3, 'UTC')", "Array(String)"} {
			c, err := native.Type(kind).Column(strconv.Itoa(i), &native.ServerContext{})
			if err != nil {
				t.Fatal(err)
			}
			made = append(made, c)
		}
		s.lend("requests", made)
		numbers, times := make([]uint64, len(texts)), make([]time.Time, len(texts))
		for i := range texts {
			numbers[i], times[i] = uint64(100*block+i), time.Unix(int64(100*block+i), 0).UTC()
		}
		for i, values := range []any{texts, numbers, times} {
			c := made[i]
			if c.Rows() != 0 || c.Name() != strconv.Itoa(i) {
				t.Fatalf("block %d begins with %d rows in column %q", block, c.Rows(), c.Name())
			}
			_, err := c.Append(values)
			if err != nil {
				t.Fatal(err)
			}
			if c.Rows() != len(texts) {
				t.Errorf("block %d has %d rows in column %d, want %d", block, c.Rows(), i, len(texts))
			}
		}
		for i, want := range texts {
			got := []any{made[0].Row(i, false), made[1].Row(i, false), made[2].Row(i, false)}
			if diff := cmp.Diff([]any{want, numbers[i], times[i]}, got); diff != "" {
				t.Errorf("block %d row %d (-want +got):\n%s", block, i, diff)
			}
		}
		s.take("requests", made)
		if made[0].Rows() != 0 || made[1].Rows() != 0 {
			t.Errorf("block %d keeps memory that is another's now", block)
		}
	}
	if n := len(s.tables["requests"]); n != 3 {
		t.Errorf("memory of %d columns is kept, want that of the three plain ones", n)
	}
}
