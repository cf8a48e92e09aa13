package seal_test

import (
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/schemas/seal"
)

// A stranger's header is an error or a seal within its limits, and what a reader
// makes of it holds no more records than it says.
func FuzzParse(f *testing.F) {
	f.Add([]byte(newProducer(f, "gw-1", "gw-1-new", 7).batch(2)[0].headers[seal.Header]))
	for _, b := range newGateway(f, 3).round(2) {
		f.Add([]byte(b[0].headers[seal.Header]))
	}
	f.Add([]byte{})
	f.Add([]byte(strings.Repeat("\x01", 200)))
	f.Add([]byte(strings.Repeat("\x02", 600)))
	set := keys(f)
	f.Fuzz(func(t *testing.T, header []byte) {
		s, err := seal.Parse(header)
		if err == nil && (s.Count < 1 || s.Count > seal.RecordsMax || s.Kid == "" || s.Number == 0 || s.Epoch == 0) {
			t.Errorf("Parse(%q) = %+v", header, s)
		}
		c := seal.NewCollector(set, seal.NewRoots(), 3, view)
		m := message{headers: map[string]string{seal.Header: string(header), "ce_source": seal.SourcePrefix + "gw-1"}}
		handed := 0
		for range 3 {
			c.Add(m, func(head *seal.Head, records []message) {
				handed += len(records)
				if head.Sealed() {
					t.Errorf("believed: %q", header)
				}
			})
		}
		if handed+c.Held() != 3 {
			t.Errorf("3 records in, %d out and %d held", handed, c.Held())
		}
	})
}
