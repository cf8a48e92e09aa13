package store

import (
	"fmt"
	"testing"

	native "github.com/ClickHouse/clickhouse-go/v2/lib/column"
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
		made, err := native.Type("String").Column("path", &native.ServerContext{})
		if err != nil {
			t.Fatal(err)
		}
		other, err := native.Type("UInt8").Column("n", &native.ServerContext{})
		if err != nil {
			t.Fatal(err)
		}
		columns := []native.Interface{other, made}
		s.lend("requests", columns)
		if made.Rows() != 0 || made.Name() != "path" {
			t.Fatalf("block %d begins with %d rows in column %q", block, made.Rows(), made.Name())
		}
		_, err = made.Append(texts)
		if err != nil {
			t.Fatal(err)
		}
		if made.Rows() != len(texts) {
			t.Errorf("block %d has %d rows, want %d", block, made.Rows(), len(texts))
		}
		for i, want := range texts {
			if got := made.Row(i, false); got != want {
				t.Errorf("block %d row %d is %q, want %q", block, i, got, want)
			}
		}
		s.take("requests", columns)
		if made.Rows() != 0 {
			t.Errorf("block %d keeps memory that is another's now", block)
		}
	}
	if n := len(s.tables["requests"]); n != 1 {
		t.Errorf("memory of %d columns is kept, want that of the one of texts", n)
	}
}
