package fetch_test

import (
	"testing"

	"github.com/vigil-gateway/vigil/scorer/fetch"
)

// TestOneByteOfEachLine counts the lines by values of which each byte is 1.
func TestOneByteOfEachLine(t *testing.T) {
	var value [200]byte
	list := make([][100]byte, 3)
	for i := range value {
		value[i] = 1
	}
	for i := range list {
		for j := range list[i] {
			list[i][j] = 1
		}
	}
	tests := map[string]struct{ got, want byte }{
		"a value of 200 B":          {fetch.Value(&value), 4},
		"no value":                  {fetch.Value[int](nil), 0},
		"three elements of 100 B":   {fetch.List(list), 5},
		"an empty list":             {fetch.List(list[:0]), 0},
		"a text of 65 B":            {fetch.Text(string(value[:65])), 2},
		"no text":                   {fetch.Text(""), 0},
		"a value of one line":       {fetch.Value(new([64]byte)), 0},
		"a list with room for more": {fetch.List(value[:1]), 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("sums to %d, want %d", tt.got, tt.want)
			}
		})
	}
}
