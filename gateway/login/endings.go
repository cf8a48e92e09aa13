package login

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// ending is what was cut by the word of a person or a provider. Times are Unix
// seconds; Before is 0 where it spares nobody.
type ending struct {
	Tenant string `json:"tenant,omitempty"`
	Kind   string `json:"kind"`
	ID     string `json:"id"`
	At     int64  `json:"at"`
	Until  int64  `json:"until"`
	Before int64  `json:"before,omitempty"`
	Text   string `json:"text,omitempty"`
	// By is by whom it was brought about: the person whose session it was, or the
	// provider that named none; empty where nobody knows.
	By string `json:"by,omitempty"`
}

// share is how many endings one that brings them about may have in the file: whoever
// signs in and out all day must leave room for others.
func share(by string) int {
	switch {
	case by == "":
		return endingsMax
	case strings.HasPrefix(by, byProvider):
		return endingsProviderMax
	}
	return endingsPersonMax
}

// byProvider stands before the id of a provider that has named a session and nobody.
const byProvider = "provider:"

// endings keeps what was cut in a file, one line each, so that a copied cookie is
// as void after a restart as before. It holds pseudonyms only. Without a file it
// keeps nothing. Safe for concurrent use.
type endings struct {
	file string

	mu    sync.Mutex
	out   *os.File
	lines int
	until map[string][]int64 // Of what is kept, by whom it was brought about.
	torn  bool               // The last write failed: it may have left half a line.
	tried time.Time          // When it was last written anew.
}

// openEndings reads what still counts and writes the file anew without the rest. A
// last line that a crash has cut off is left out.
func openEndings(file string, now time.Time) (*endings, []ending, error) {
	e := &endings{file: file}
	if file == "" {
		return e, nil, nil
	}
	kept, err := e.rewrite(now)
	if err != nil {
		return nil, nil, err
	}
	return e, kept, nil
}

// rewrite leaves in the file what still counts, and returns it; mu is held, or nobody
// else has e yet. Where it fails the file stays as it was.
func (e *endings) rewrite(now time.Time) ([]ending, error) {
	e.tried = now
	kept, err := readEndings(e.file, now)
	if err != nil {
		return nil, err
	}
	temporary := e.file + ".new"
	out, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // The operator names the file.
	if err != nil {
		return nil, fmt.Errorf("write endings: %w", err)
	}
	next := &endings{out: out, until: make(map[string][]int64)}
	for _, one := range kept {
		err = errors.Join(err, next.write(one))
	}
	err = errors.Join(err, out.Sync())
	if err == nil {
		err = os.Rename(temporary, e.file)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write endings: %w", err), out.Close())
	}
	if e.out != nil {
		_ = e.out.Close() // What it held is in the new one.
	}
	e.out, e.lines, e.until, e.torn = out, next.lines, next.until, false
	return kept, nil
}

func readEndings(file string, now time.Time) ([]ending, error) {
	in, err := os.Open(file) //nolint:gosec // The operator names the file.
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read endings: %w", err)
	}
	defer func() { _ = in.Close() }() // Read only: nothing is lost.
	var kept []ending
	lines := bufio.NewScanner(in)
	for lines.Scan() && len(kept) < endingsMax {
		var one ending
		if json.Unmarshal(lines.Bytes(), &one) == nil && one.Until > now.Unix() && one.ID != "" {
			kept = append(kept, one)
		}
	}
	err = lines.Err()
	if err != nil {
		return nil, fmt.Errorf("read endings: %w", err)
	}
	return kept, nil
}

// add keeps one more. A file that is full is written anew without what is over, at
// most every endingsPause; where that makes no room, or whoever has brought it about has as
// many as he may, the ending is in force, but not kept.
func (e *endings) add(one ending) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.out == nil {
		return nil
	}
	now := time.Unix(one.At, 0)
	if !e.room(one.By, now) {
		return errEndingsShare
	}
	if e.lines >= endingsMax && now.Sub(e.tried) >= endingsPause {
		_, err := e.rewrite(now)
		if err != nil {
			return err
		}
	}
	if e.lines >= endingsMax {
		return errEndingsFull
	}
	err := e.write(one)
	if err != nil {
		return fmt.Errorf("write endings: %w", err)
	}
	return nil
}

// room reports whether one more of the same origin may be kept, and forgets those that are
// over.
func (e *endings) room(by string, now time.Time) bool {
	kept := slices.DeleteFunc(e.until[by], func(until int64) bool { return until <= now.Unix() })
	if len(kept) == 0 {
		delete(e.until, by)
		return true
	}
	e.until[by] = kept
	return len(kept) < share(by)
}

var (
	errEndingsFull  = errors.New("endings file is full of what still counts")
	errEndingsShare = errors.New("the endings file holds as many of the same origin as it may")
)

func (e *endings) write(one ending) error {
	b, err := json.Marshal(one)
	if err != nil {
		return err //nolint:wrapcheck // Cannot happen: texts and numbers only.
	}
	b = append(b, '\n')
	if e.torn {
		b = append([]byte{'\n'}, b...)
	}
	_, err = e.out.Write(b)
	e.lines++
	if one.By != "" {
		e.until[one.By] = append(e.until[one.By], one.Until)
	}
	e.torn = err != nil
	return err //nolint:wrapcheck // The callers wrap it.
}

func (e *endings) close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.out == nil {
		return nil
	}
	err := e.out.Close()
	e.out = nil
	if err != nil {
		return fmt.Errorf("close endings: %w", err)
	}
	return nil
}

// target is whom an ending is about.
func (o ending) target() *verdict.Target { return &verdict.Target{Kind: o.Kind, Id: o.ID} }
