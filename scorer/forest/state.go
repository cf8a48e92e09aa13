package forest

import (
	"fmt"
	"io"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// stateVersion is the layout of a detector's state; a change raises it.
const stateVersion = 3

// Snapshot writes the whole state, sealed with a checksum. The same state gives
// the same bytes.
func (d *Detector) Snapshot(w io.Writer) error {
	c := snapshot.Writer()
	err := d.code(c)
	if err != nil {
		return err
	}
	return snapshot.Seal(w, c.Bytes())
}

// Restore returns the detector whose state Snapshot wrote. The error wraps one
// of package snapshot's, or is that of r.
func Restore(r io.Reader) (*Detector, error) {
	payload, err := snapshot.Open(r)
	if err != nil {
		return nil, fmt.Errorf("restore detector: %w", err)
	}
	d := &Detector{}
	c := snapshot.Reader(payload)
	err = d.code(c)
	if err == nil {
		err = c.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("restore detector: %w", err)
	}
	return d, nil
}

// code writes or reads all state in a fixed order.
func (d *Detector) code(c *snapshot.Codec) error {
	version, columns, members := uint64(stateVersion), len(d.columns), uint64(d.members)
	c.U64(&version)
	c.Int(&columns)
	c.U64(&members)
	if c.Reading() {
		if c.Failed() || version != stateVersion {
			return fmt.Errorf("layout %d of a detector, want %d: %w", version, stateVersion, snapshot.ErrVersion)
		}
		fresh, err := New(Options{Columns: columns, Members: Member(members)})
		if err != nil {
			return fmt.Errorf("%w: %w", snapshot.ErrFormat, err)
		}
		*d = *fresh
	}
	err := d.codeRandom(c)
	if err != nil {
		return err
	}
	for _, n := range []*uint64{&d.counts.Rows, &d.counts.Learned, &d.counts.Missing, &d.counts.Infinite} {
		c.U64(n)
	}
	c.F64(&d.age)
	for j := range d.columns {
		d.columns[j].code(c)
	}
	d.memory.code(c)
	d.gate.code(c)
	d.echo.code(c)
	d.repeats.code(c)
	for i := range d.rankers {
		d.rankers[i].Code(c)
	}
	return d.consistent(c)
}

func (d *Detector) codeRandom(c *snapshot.Codec) error {
	var text string
	if !c.Reading() {
		b, err := d.rng.MarshalBinary()
		if err != nil {
			return fmt.Errorf("write random state: %w", err)
		}
		text = string(b)
	}
	c.Str(&text)
	if c.Reading() && !c.Failed() {
		err := d.rng.UnmarshalBinary([]byte(text))
		if err != nil {
			return fmt.Errorf("read random state: %w: %w", snapshot.ErrFormat, err)
		}
	}
	return nil
}

// consistent refuses lists whose lengths no detector has.
func (d *Detector) consistent(c *snapshot.Codec) error {
	if c.Failed() {
		return nil // The codec says so itself.
	}
	n := len(d.columns)
	good := len(d.memory.near) == len(d.memory.far) && len(d.memory.near)%n == 0 && d.memory.rows() <= memoryMax &&
		len(d.memory.products) == n*n && len(d.memory.factor) == n*n &&
		len(d.echo.at) <= echoMax && len(d.echo.values) == len(d.echo.at)*n && d.echo.next >= 0 && d.echo.next < echoMax &&
		len(d.repeats.rows) <= repeatsMax*n && len(d.repeats.rows)%n == 0 && d.repeats.next >= 0 && d.repeats.next < repeatsMax
	for j := range d.columns {
		k := &d.columns[j]
		good = good && len(k.sample) <= sampleMax && len(k.lowest.values) <= extremesMax && len(k.topmost.values) <= extremesMax
	}
	if !good {
		return fmt.Errorf("a list has a length that no state has: %w", snapshot.ErrFormat)
	}
	return nil
}
