package benchdata

import "io"

// ReadArray gives tests the reader of one array.
func ReadArray(r io.Reader) (rows, columns int, values []float64, err error) {
	a, err := readArray(r)
	return a.rows, a.columns, a.values, err
}
