package takeover

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vigil-gateway/vigil/scorer/sequence"
)

// What of each log is used, in commands.
const (
	// day is a subject-day, and the block by which strangers are labelled.
	day = 100
	// prefix is what a person gives to the prior of the others, and what he is
	// taught before he is judged.
	prefix = 2500
	// cleanStart is how much of a masquerade log is known to be clean.
	cleanStart = 5000
	// commandsMin is the shortest log that can be spliced.
	commandsMin = prefix + 2*tail
	// commandsMax bounds a log that is read.
	commandsMax = 1 << 20
)

var errData = errors.New("not the data set that is expected")

// person is one log.
type person struct {
	name     string
	commands []sequence.Symbol
	// stranger says of each day whether somebody else was at work; nil where
	// nobody knows, which is so from clean on.
	stranger []bool
	// clean is the number of commands that are surely the person's own.
	clean int
}

// readMasquerade reads people and labels in the order of the label file, and
// after them the people without labels by number.
func readMasquerade(dir string) ([]person, error) {
	labels, err := readLabels(filepath.Join(dir, "partial_labels.csv"))
	if err != nil {
		return nil, err
	}
	var people []person
	for i := range 100 { // The original has 50 people.
		name := "User" + strconv.Itoa(i)
		p, err := readPerson(filepath.Join(dir, "FraudedRawData", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		p.clean = min(cleanStart, len(p.commands))
		p.stranger = labels[name]
		if p.stranger != nil && len(p.stranger)*day > len(p.commands) {
			return nil, fmt.Errorf("%s has %d labels for %d commands: %w", name, len(p.stranger), len(p.commands), errData)
		}
		people = append(people, p)
	}
	return people, enough(people, dir)
}

// readLabels reads a row for each person: his name, then 1 for each day of a
// stranger. A row that says nothing is none.
func readLabels(path string) (map[string][]bool, error) {
	f, err := os.Open(path) //nolint:gosec // The path is the operator's.
	if err != nil {
		return nil, fmt.Errorf("read labels: %w", err)
	}
	defer func() { _ = f.Close() }() // Only read.
	table := csv.NewReader(f)
	table.FieldsPerRecord = -1
	rows, err := table.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read labels %s: %w", path, err)
	}
	labels := map[string][]bool{}
	for _, row := range rows[min(1, len(rows)):] {
		var stranger []bool
		for _, field := range row[1:] {
			if field != "0" && field != "1" {
				stranger = nil
				break
			}
			stranger = append(stranger, field == "1")
		}
		if len(stranger) > 0 {
			labels[row[0]] = stranger
		}
	}
	return labels, nil
}

// readPurdue reads USER1, USER2 and so on; all is their own.
func readPurdue(dir string) ([]person, error) {
	var people []person
	for i := 1; i < 100; i++ {
		p, err := readPerson(filepath.Join(dir, "USER"+strconv.Itoa(i)))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		p.clean = len(p.commands)
		people = append(people, p)
	}
	return people, enough(people, dir)
}

// enough checks that there are people to splice.
func enough(people []person, dir string) error {
	if len(people) < 3 {
		return fmt.Errorf("%s holds %d logs, need 3: %w", dir, len(people), errData)
	}
	for _, p := range people {
		if p.clean < commandsMin {
			return fmt.Errorf("%s of %s has %d clean commands, need %d: %w", p.name, dir, p.clean, commandsMin, errData)
		}
	}
	return nil
}

// readPerson reads a log of one command a line; empty lines are none.
func readPerson(path string) (person, error) {
	f, err := os.Open(path) //nolint:gosec // The path is the operator's.
	if err != nil {
		return person{}, fmt.Errorf("read log: %w", err)
	}
	defer func() { _ = f.Close() }() // Only read.
	p := person{name: filepath.Base(path)}
	lines := bufio.NewScanner(f)
	for lines.Scan() && len(p.commands) < commandsMax {
		command := strings.TrimSpace(lines.Text())
		if command != "" {
			p.commands = append(p.commands, sequence.SymbolOf(command))
		}
	}
	err = lines.Err()
	if err != nil {
		return person{}, fmt.Errorf("read log %s: %w", path, err)
	}
	return p, nil
}
