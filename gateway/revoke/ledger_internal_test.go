package revoke

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// ledgerBytesMax is what a verdict may take in the ledger. A million of them are
// kept by default.
const ledgerBytesMax = 160

// The records stay on the disk: what is in memory does not depend on their size.
func TestALedgerOfManyVerdictsIsSmall(t *testing.T) {
	n := 300_000
	if testing.Short() {
		n = 50_000
	}
	now := time.Unix(1_800_000_000, 0)
	l := newLedger(n)
	before := heap()
	for i := range n {
		v := &verdict.Verdict{
			Epoch: 1, Seq: 1, Authority: verdict.AuthorityOperator, Tenant: "default", Until: timestamppb.New(now.Add(time.Hour)),
			Target: &verdict.Target{Kind: verdict.TargetSession, Id: fmt.Sprint("revoked-", i)},
		}
		raw := make([]byte, 1<<10)
		out, _ := l.fold(record{verdict: v, raw: raw, at: int64(i) << 10}, now)
		if out != newest {
			t.Fatalf("verdict %d: outcome %d", i, out)
		}
	}
	if each := (heap() - before) / int64(n); each > ledgerBytesMax {
		t.Errorf("a verdict takes %d B of the ledger, more than %d", each, ledgerBytesMax)
	} else {
		t.Logf("%d B each", each)
	}
	runtime.KeepAlive(l)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
