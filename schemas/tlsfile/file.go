package tlsfile

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	// fileBytesMax bounds one file.
	fileBytesMax = 4 << 20
	// checkEvery is how often the files are looked at.
	checkEvery = time.Second
)

// Options are what a [Pair] or a [Bundle] depends on.
type Options struct {
	// Now is the wall clock; required.
	Now func() time.Time
	// Changed hears of each read of changed files; err is nil where the new content
	// is in force. May be nil. It must not block.
	Changed func(err error)
}

// Logged tells a log of each read of changed files, for [Options].Changed; of says
// whose they are, such as kafka.
func Logged(logger *slog.Logger, of string) func(error) {
	return func(err error) {
		if err != nil {
			logger.Error("new certificate cannot be used, the old one stays", "of", of, "error", err)
			return
		}
		logger.Info("certificate loaded", "of", of)
	}
}

// watched is content made of files; make turns their bytes into it.
type watched[T any] struct {
	options Options
	names   []string
	make    func(content [][]byte) (T, error)

	mu      sync.Mutex
	content T
	stamps  []stamp
	checked time.Time
}

// stamp recognises a change of a file.
type stamp struct {
	modified time.Time
	size     int64
}

// open reads the files for the first time.
func (w *watched[T]) open() error {
	if w.options.Now == nil {
		return errors.New("tlsfile: now is required")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checked = w.options.Now()
	stamps, err := w.look()
	if err != nil {
		return err
	}
	return w.read(stamps)
}

// get returns the content, read anew where the files have changed.
func (w *watched[T]) get() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.options.Now()
	if now.Sub(w.checked) < checkEvery {
		return w.content
	}
	w.checked = now
	stamps, err := w.look()
	if err != nil || same(stamps, w.stamps) {
		return w.content // A file that is gone for a moment is being replaced.
	}
	err = w.read(stamps)
	if w.options.Changed != nil {
		w.options.Changed(err)
	}
	return w.content
}

func same(a, b []stamp) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

func (w *watched[T]) look() ([]stamp, error) {
	stamps := make([]stamp, len(w.names))
	for i, name := range w.names {
		fi, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("look at file: %w", err)
		}
		stamps[i] = stamp{modified: fi.ModTime(), size: fi.Size()}
	}
	return stamps, nil
}

// read makes the content; mu is held. What cannot be made is tried once.
func (w *watched[T]) read(stamps []stamp) error {
	w.stamps = stamps
	content := make([][]byte, len(w.names))
	for i, name := range w.names {
		b, err := readFile(name)
		if err != nil {
			return err
		}
		content[i] = b
	}
	made, err := w.make(content)
	if err != nil {
		return err
	}
	w.content = made
	return nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // The operator names the file.
	if err != nil {
		return nil, fmt.Errorf("open file: %w", err)
	}
	defer func() { _ = f.Close() }() // Only read from.
	b, err := io.ReadAll(io.LimitReader(f, fileBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(b) > fileBytesMax {
		return nil, fmt.Errorf("%s has more than %d B", name, fileBytesMax)
	}
	return b, nil
}
