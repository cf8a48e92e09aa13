package benchdata_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/benchdata"
)

// npy is a version 1 file of six bytes of elements.
func npy(header string) []byte {
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), 0)
	return append(append(b, header...), 1, 2, 3, 4, 5, 6)
}

func TestReadArray(t *testing.T) {
	tests := map[string]struct {
		header string
		want   []float64
		bad    bool
	}{
		"rows first":                {header: "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n", want: []float64{1, 2, 3, 4, 5, 6}},
		"columns first":             {header: "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n", want: []float64{1, 3, 5, 2, 4, 6}},
		"one dimension":             {header: "{'descr': '|u1', 'fortran_order': False, 'shape': (6,), }\n", want: []float64{1, 2, 3, 4, 5, 6}},
		"more than there is":        {header: "{'descr': '|u1', 'fortran_order': False, 'shape': (7,), }\n", bad: true},
		"more than memory":          {header: "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999, 99999999), }\n", bad: true},
		"three dimensions":          {header: "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2, 3), }\n", bad: true},
		"objects are not numbers":   {header: "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", bad: true},
		"something else altogether": {header: "PK", bad: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, got, err := benchdata.ReadArray(bytes.NewReader(npy(tt.header)))
			if errors.Is(err, benchdata.ErrArray) != tt.bad {
				t.Fatalf("error = %v", err)
			}
			if diff := cmp.Diff(tt.want, got); !tt.bad && diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzReadArray reads any bytes: an error, or as many values as it says.
func FuzzReadArray(f *testing.F) {
	f.Add(npy("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }\n"))
	f.Add(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (6,), }\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rows, columns, values, err := benchdata.ReadArray(bytes.NewReader(b))
		if err == nil && len(values) != rows*columns {
			t.Errorf("%d values of %d rows and %d columns", len(values), rows, columns)
		}
	})
}
