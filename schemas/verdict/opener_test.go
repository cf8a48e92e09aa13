package verdict_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// However many are opened, and on however many processors, each is taken once, in its
// place and with what it says; a forged one says nothing.
func TestOpenerTakesAllInTheirOrder(t *testing.T) {
	const n = 600 // More than are in memory at once.
	var got []string
	o := verdict.Opener[int]{Keys: keySet(t), Take: func(record []byte, of int, m verdict.Message, err error) {
		said := "forged"
		if err == nil {
			said = m.Verdict.Id
		} else if !errors.Is(err, verdict.ErrSignature) {
			t.Errorf("record %d: %v", of, err)
		}
		if !strings.HasPrefix(string(record), "ey") {
			t.Errorf("record %d is %.10q", of, record)
		}
		got = append(got, fmt.Sprint(of, said))
	}}
	var want []string
	for i := range n {
		v := revocation()
		v.Id = fmt.Sprint("-v", i)
		by, said := byte(analyzer), v.Id
		if i%100 == 7 {
			by, said = stranger, "forged"
		}
		record, err := verdict.NewSigner("analyzer-1", key(by)).Verdict(v)
		if err != nil {
			t.Fatal(err)
		}
		o.Add(record, i)
		want = append(want, fmt.Sprint(i, said))
	}
	o.Flush()
	o.Flush() // There is nothing left.
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("taken %.300q, want %.300q", got, want)
	}
}
