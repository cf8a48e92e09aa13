package ingest

import (
	"math"
	"testing"

	"github.com/vigil-gateway/vigil/analyzer/announce"
)

// known is what a standby knows of the archive.
type known map[int]bool

func (k known) Current(_ string, partition int) bool { return k[partition] }

// Who takes a partition over asks the archive where it can have more. What he has
// written himself under the epoch before his own is all there is; a copy of that epoch
// is not, for its owner may have got further, but where the archive is known to have
// nothing newer, or the rest is scored again in less time.
func TestTheArchiveIsAskedWhereItCanHaveMore(t *testing.T) {
	const committed = 1_000_000
	before := uint64(math.MaxUint64) // The epoch before that of a partition that has none yet.
	for name, tt := range map[string]struct {
		have    candidate
		current bool
		want    bool
	}{
		"own state of the epoch before":             {candidate{epoch: before, next: 1}, false, false},
		"own state of an earlier epoch":             {candidate{epoch: before - 1, next: 1}, false, true},
		"a copy of the epoch before":                {candidate{epoch: before, next: 1, copied: true}, false, true},
		"a copy that is known to be the newest":     {candidate{epoch: before, next: 1, copied: true}, true, false},
		"a copy that is nearly as far as committed": {candidate{epoch: before, next: committed - replayedSoon, copied: true}, false, false},
	} {
		w := &worker{ingest: &Ingest{o: Options{Copies: known{3: tt.current}}}, verdict: new(announce.Partition), partition: 3, effective: committed}
		if got := !w.current(3) && !w.unsurpassed(tt.have); got != tt.want {
			t.Errorf("%s: the archive is asked: %v, want %v", name, got, tt.want)
		}
	}
}
