package benchdata

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Set is a labelled table in its stored order.
type Set struct {
	Columns  int
	Values   []float64 // Row after row.
	Positive []bool
}

// Rows is the number of rows.
func (s *Set) Rows() int { return len(s.Positive) }

// Row is row i.
func (s *Set) Row(i int) []float64 { return s.Values[i*s.Columns : (i+1)*s.Columns] }

// Shuffled is the set in another order, which the seed decides.
func (s *Set) Shuffled(seed uint64) *Set {
	order := rand.New(rand.NewPCG(seed, 0)).Perm(s.Rows()) //nolint:gosec // Reproducible, not secret.
	o := &Set{Columns: s.Columns, Values: make([]float64, 0, len(s.Values)), Positive: make([]bool, 0, len(s.Positive))}
	for _, i := range order {
		o.Values = append(o.Values, s.Row(i)...)
		o.Positive = append(o.Positive, s.Positive[i])
	}
	return o
}

func readNPZ(file string) (*Set, error) {
	a, err := readArrays(file, "X", "y")
	if err != nil {
		return nil, err
	}
	if a[0].rows != a[1].rows*a[1].columns {
		return nil, fmt.Errorf("%s: %d rows but %d labels", file, a[0].rows, len(a[1].values))
	}
	s := &Set{Columns: a[0].columns, Values: a[0].values}
	for _, y := range a[1].values {
		s.Positive = append(s.Positive, y != 0)
	}
	return s, nil
}

// readSyn reads a table of numbers and the labels of its rows from two files.
func readSyn(table, labels string) (*Set, error) {
	s := &Set{}
	err := lines(table, func(line string) error {
		fields := strings.Split(line, ",")
		s.Columns = len(fields)
		for _, f := range fields {
			x, err := strconv.ParseFloat(strings.TrimSpace(f), 64)
			if err != nil {
				return err
			}
			s.Values = append(s.Values, x)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = lines(labels, func(line string) error {
		y, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
		s.Positive = append(s.Positive, y != 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(s.Values) != s.Rows()*s.Columns {
		return nil, fmt.Errorf("%s: %d values for %d labels of %d columns", table, len(s.Values), s.Rows(), s.Columns)
	}
	return s, nil
}

// kddFields is the number of features of a KDD Cup 1999 row; the label follows.
const kddFields = 41

// readKDD reads the KDD Cup 1999 file: the three categorical features become
// one column a value, the others stay as they are.
func readKDD(file string) (*Set, error) {
	var rows [][]string
	words := make(map[string]int)
	err := kddRows(file, func(f []string) {
		rows = append(rows, f)
		for _, i := range []int{1, 2, 3} {
			words[strconv.Itoa(i)+f[i]] = 0
		}
	})
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(words))
	for w := range words {
		names = append(names, w)
	}
	slices.Sort(names)
	for i, w := range names {
		words[w] = i
	}
	s := &Set{Columns: kddFields - 3 + len(words)}
	for _, f := range rows {
		row := make([]float64, s.Columns)
		at := len(words)
		for i := range kddFields {
			if i >= 1 && i <= 3 {
				row[words[strconv.Itoa(i)+f[i]]] = 1
				continue
			}
			row[at], err = strconv.ParseFloat(f[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			at++
		}
		s.Values = append(s.Values, row...)
		s.Positive = append(s.Positive, f[kddFields] != "normal.")
	}
	return s, nil
}

// readKDDHTTP reads the rows of service http: the logarithms of duration, bytes
// to and bytes from the server.
func readKDDHTTP(file string) (*Set, error) {
	s := &Set{Columns: 3}
	var bad error
	err := kddRows(file, func(f []string) {
		if f[2] != "http" {
			return
		}
		for _, i := range []int{0, 4, 5} {
			x, err := strconv.ParseFloat(f[i], 64)
			bad = errors.Join(bad, err)
			s.Values = append(s.Values, math.Log(x+0.1))
		}
		s.Positive = append(s.Positive, f[kddFields] != "normal.")
	})
	return s, errors.Join(err, bad)
}

func kddRows(file string, row func([]string)) error {
	return lines(file, func(line string) error {
		f := strings.Split(line, ",")
		if len(f) != kddFields+1 {
			return fmt.Errorf("%d fields, want %d", len(f), kddFields+1)
		}
		row(f)
		return nil
	})
}

// lines calls each with every line of a file, which may be gzipped.
func lines(name string, each func(string) error) error {
	f, err := os.Open(name) //nolint:gosec // The user names it.
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	in := bufio.NewScanner(f)
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(f)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		in = bufio.NewScanner(z)
	}
	for n := 1; in.Scan(); n++ {
		if in.Text() == "" {
			continue
		}
		err = each(in.Text())
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	if in.Err() != nil {
		return fmt.Errorf("%s: %w", name, in.Err())
	}
	return nil
}

// find is the path of a file below dir, or an error that wraps [fs.ErrNotExist].
func find(dir string, folders ...string) (string, error) {
	for _, f := range folders {
		p := filepath.Join(dir, f)
		_, err := os.Stat(p)
		if err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s: %w", filepath.Join(dir, folders[0]), fs.ErrNotExist)
}
