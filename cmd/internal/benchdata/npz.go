package benchdata

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// ErrArray is a file that is not an array that this package reads.
var ErrArray = errors.New("not a numeric array in .npy format, version 1 or 2, little-endian")

// Limits of an array file.
const (
	headerBytesMax = 64 << 10
	elementsMax    = 1 << 28
)

// array is a .npy array of one or two dimensions.
type array struct {
	rows, columns int
	values        []float64 // Row after row.
}

// readArrays reads the named arrays of an .npz file, which is a zip of .npy files.
func readArrays(file string, names ...string) ([]array, error) {
	z, err := zip.OpenReader(file)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	defer func() { _ = z.Close() }()
	arrays := make([]array, len(names))
	for i, name := range names {
		f, err := z.Open(name + ".npy")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		arrays[i], err = readArray(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", file, name, err)
		}
	}
	return arrays, nil
}

var npyHeader = regexp.MustCompile(`'descr':\s*'([^']+)'.*'fortran_order':\s*(True|False).*'shape':\s*\(([\d, ]*)\)`)

// readArray reads one .npy file (NEP 1).
func readArray(r io.Reader) (array, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	head := make([]byte, 8)
	_, err := io.ReadFull(in, head)
	if err != nil || !bytes.Equal(head[:6], []byte("\x93NUMPY")) || head[6] < 1 || head[6] > 2 {
		return array{}, ErrArray
	}
	size := make([]byte, 2*int(head[6]))
	_, err = io.ReadFull(in, size)
	if err != nil {
		return array{}, ErrArray
	}
	length := uint32(binary.LittleEndian.Uint16(size))
	if head[6] == 2 {
		length = binary.LittleEndian.Uint32(size)
	}
	if length > headerBytesMax {
		return array{}, ErrArray
	}
	text := make([]byte, length)
	_, err = io.ReadFull(in, text)
	if err != nil {
		return array{}, ErrArray
	}
	m := npyHeader.FindStringSubmatch(string(text))
	if m == nil {
		return array{}, ErrArray
	}
	a, err := shape(m[3])
	if err != nil {
		return array{}, err
	}
	width, decode := decoder(m[1])
	if decode == nil {
		return array{}, fmt.Errorf("elements of kind %q: %w", m[1], ErrArray)
	}
	element := make([]byte, width)
	for range a.rows * a.columns {
		_, err = io.ReadFull(in, element)
		if err != nil {
			return array{}, fmt.Errorf("ends early: %w", ErrArray)
		}
		a.values = append(a.values, decode(element))
	}
	if m[2] == "True" {
		a.transpose()
	}
	return a, nil
}

// transpose turns column after column into row after row.
func (a *array) transpose() {
	turned := make([]float64, 0, len(a.values))
	for i := range a.rows {
		for j := range a.columns {
			turned = append(turned, a.values[j*a.rows+i])
		}
	}
	a.values = turned
}

func shape(text string) (array, error) {
	a := array{rows: 1, columns: 1}
	sizes := []*int{&a.rows, &a.columns}
	n := 0
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		size, err := strconv.Atoi(part)
		if err != nil || size > elementsMax || n == len(sizes) {
			return a, ErrArray
		}
		*sizes[n] = size
		n++
	}
	if n == 0 || a.rows > 0 && a.columns > elementsMax/a.rows {
		return a, ErrArray
	}
	return a, nil
}

// decoder is the width of an element and how it becomes a number.
func decoder(kind string) (int, func([]byte) float64) {
	le := binary.LittleEndian
	switch kind {
	case "<f8":
		return 8, func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) }
	case "<f4":
		return 4, func(b []byte) float64 { return float64(math.Float32frombits(le.Uint32(b))) }
	case "<i8":
		return 8, func(b []byte) float64 { return float64(int64(le.Uint64(b))) }
	case "<i4":
		return 4, func(b []byte) float64 { return float64(int32(le.Uint32(b))) }
	case "|u1":
		return 1, func(b []byte) float64 { return float64(b[0]) }
	case "|b1":
		return 1, func(b []byte) float64 { return min(1, float64(b[0])) }
	}
	return 0, nil
}
