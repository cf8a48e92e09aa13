package seal_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/schemas/seal"
)

// Places in a header of a batch that was signed with others.
const (
	signatureAt = 61
	sidesAt     = signatureAt + 64
	levelsAt    = sidesAt + 2
	pathAt      = levelsAt + 1
	hashBytes   = 32
)

// gatewayLife is one life of gw-1 in several partitions, from 0 on.
type gatewayLife []*producer

func newGateway(tb testing.TB, partitions int) gatewayLife {
	tb.Helper()
	g := make(gatewayLife, partitions)
	for i := range g {
		g[i] = newProducer(tb, "gw-1", "gw-1-new", 7)
		g[i].chain.Partition = int32(i)
	}
	return g
}

// round is the next batch of n records of each partition, with one signature.
func (g gatewayLife) round(n int) [][]message {
	out, batches := make([][]message, len(g)), make([]*seal.Batch, len(g))
	for i, p := range g {
		out[i], batches[i] = p.draft(n)
	}
	g[0].signer.Sign(batches)
	for i, b := range batches {
		out[i][0].headers[seal.Header] = string(b.Header)
	}
	return out
}

// altered is a copy of a batch with another header.
func altered(batch []message, change func(header string) string) []message {
	out := append([]message{batch[0].clone()}, batch[1:]...)
	out[0].headers[seal.Header] = change(out[0].headers[seal.Header])
	return out
}

// splice replaces what stands from a place on.
func splice(header string, at int, with string) string {
	return header[:at] + with + header[at+len(with):]
}

func TestRoundsOfEverySizeAreBelieved(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100} {
		g, roots := newGateway(t, n), seal.NewRoots()
		first, second := g.round(2), g.round(1)
		signatures := make(map[string]bool)
		for i := range g {
			want := []finding{{"gw-1/1", 2, "", false, 0}, {"gw-1/3", 1, "", false, 0}}
			if diff := cmp.Diff(want, readBy(t, roots, int32(i), first[i], second[i])); diff != "" {
				t.Errorf("round of %d, partition %d (-want +got):\n%s", n, i, diff)
			}
			for _, b := range [][]message{first[i], second[i]} {
				signatures[b[0].headers[seal.Header][signatureAt:sidesAt]] = true
			}
			want = []finding{{"gw-1/1", 2, seal.CauseSignature, false, 0}}
			if diff := cmp.Diff(want, readBy(t, roots, int32(i+1), first[i])); diff != "" {
				t.Errorf("round of %d, partition %d, moved to the next (-want +got):\n%s", n, i, diff)
			}
		}
		if len(signatures) != 2 {
			t.Errorf("round of %d: %d signatures, want one each", n, len(signatures))
		}
	}
}

// A batch alone bears the seal of the version that knew no rounds.
func TestBatchAloneIsSealedAsEver(t *testing.T) {
	header := newGateway(t, 1).round(1)[0][0].headers[seal.Header]
	if header[0] != 1 || header[sidesAt:] != "gw-1-new" {
		t.Errorf("header = %q", header)
	}
}

// Each case tampers with the batch of partition 2 in the second of three rounds of five
// partitions; between the other two nothing is wrong then.
func TestReaderNamesWhatWasDoneToARound(t *testing.T) {
	var (
		sound   = []finding{{"gw-1/1", 1, "", false, 0}, {"gw-1/2", 2, "", false, 0}, {"gw-1/4", 1, "", false, 0}}
		forged  = []finding{sound[0], {"gw-1/2", 2, seal.CauseSignature, false, 0}, {"gw-1/4", 1, "", false, 1}}
		garbled = []finding{
			sound[0], {"gw-1/2", 1, seal.CauseMalformed, false, 0}, {"gw-1/3", 1, seal.CauseUnsigned, false, 0}, {"gw-1/4", 1, "", false, 1},
		}
	)
	type rounds [3][][]message
	header := func(change func(r rounds, h string) string) func(rounds) [][]message {
		return func(r rounds) [][]message {
			return [][]message{r[0][2], altered(r[1][2], func(h string) string { return change(r, h) }), r[2][2]}
		}
	}
	of := func(batch []message) string { return batch[0].headers[seal.Header] }
	tests := map[string]struct {
		tamper func(r rounds) [][]message
		want   []finding
	}{
		"nothing":               {func(r rounds) [][]message { return [][]message{r[0][2], r[1][2], r[2][2]} }, sound},
		"the header of its own": {header(func(r rounds, _ string) string { return of(r[1][2]) }), sound},
		"the signature of another round": {
			header(func(r rounds, h string) string { return splice(h, signatureAt, of(r[0][2])[signatureAt:sidesAt]) }), forged,
		},
		"the path of another round": {
			header(func(r rounds, h string) string { return splice(h, sidesAt, of(r[0][2])[sidesAt:]) }), forged,
		},
		"signature and path of another round": {
			header(func(r rounds, h string) string { return splice(h, signatureAt, of(r[0][2])[signatureAt:]) }), forged,
		},
		"the path of another partition": {
			header(func(r rounds, h string) string { return splice(h, sidesAt, of(r[1][1])[sidesAt:]) }), forged,
		},
		"the header of another partition": {header(func(r rounds, _ string) string { return of(r[1][1]) }), forged},
		"a hash of the path is another":   {header(func(_ rounds, h string) string { return splice(h, pathAt, "x") }), forged},
		"the sides of the path are others": {
			header(func(_ rounds, h string) string { return splice(h, sidesAt, "\x00\x01") }), forged,
		},
		"the path lacks its last hash": {
			header(func(_ rounds, h string) string {
				return h[:levelsAt] + "\x02" + h[pathAt:pathAt+2*hashBytes] + h[pathAt+3*hashBytes:]
			}), forged,
		},
		"the path has its last hash twice": {
			header(func(_ rounds, h string) string {
				return h[:levelsAt] + "\x04" + h[pathAt:pathAt+3*hashBytes] + h[pathAt+2*hashBytes:]
			}), forged,
		},
		"two hashes of the path have changed places": {
			header(func(_ rounds, h string) string {
				return splice(h, pathAt, h[pathAt+hashBytes:pathAt+2*hashBytes]+h[pathAt:pathAt+hashBytes])
			}), forged,
		},
		"the seal of a batch alone, without the path": {
			header(func(_ rounds, h string) string { return "\x01" + h[1:sidesAt] + h[pathAt+3*hashBytes:] }), forged,
		},
		"the path is longer than any": {
			header(func(_ rounds, h string) string {
				return h[:levelsAt] + "\x0d" + strings.Repeat(h[pathAt:pathAt+hashBytes], 13) + h[pathAt+3*hashBytes:]
			}), garbled,
		},
		"the path is as long as it may be": {
			header(func(_ rounds, h string) string {
				return h[:levelsAt] + "\x0c" + strings.Repeat(h[pathAt:pathAt+hashBytes], 12) + h[pathAt+3*hashBytes:]
			}), forged,
		},
		"the path says more hashes than it has": {header(func(_ rounds, h string) string { return splice(h, levelsAt, "\x0b") }), garbled},
		"the path has no hash":                  {header(func(_ rounds, h string) string { return h[:sidesAt] + "\x00\x00\x00" + h[pathAt+3*hashBytes:] }), garbled},
		"the path has sides that it has no hashes for": {
			header(func(_ rounds, h string) string { return splice(h, sidesAt, "\x00\x0a") }), garbled,
		},
		"the header ends with the path":   {header(func(_ rounds, h string) string { return h[:pathAt+3*hashBytes] }), garbled},
		"the header ends within the path": {header(func(_ rounds, h string) string { return h[:pathAt+1] }), garbled},
		"the header ends before the path": {header(func(_ rounds, h string) string { return h[:sidesAt+1] }), garbled},
		"another version":                 {header(func(_ rounds, h string) string { return "\x03" + h[1:] }), garbled},
		"a record of it is another": {
			func(r rounds) [][]message {
				b := append([]message{r[1][2][0]}, r[1][2][1].clone())
				b[1].value += "x"
				return [][]message{r[0][2], b, r[2][2]}
			}, forged,
		},
		"its batch is taken away": {
			func(r rounds) [][]message { return [][]message{r[0][2], r[2][2]} }, []finding{sound[0], {"gw-1/4", 1, "", false, 1}},
		},
		"the batch of another partition is put in its place": {
			func(r rounds) [][]message { return [][]message{r[0][2], r[1][3], r[2][2]} }, forged,
		},
		"its round is put there again": {
			func(r rounds) [][]message { return [][]message{r[0][2], r[1][2], r[2][2], r[1][2]} },
			append(sound[:3:3], finding{"gw-1/2", 2, "", true, 0}),
		},
		"its round comes after the next": {
			func(r rounds) [][]message { return [][]message{r[0][2], r[2][2], r[1][2]} },
			[]finding{sound[0], {"gw-1/4", 1, "", false, 1}, {"gw-1/2", 2, seal.CauseOrder, false, 0}},
		},
	}
	g := newGateway(t, 5)
	all := rounds{g.round(1), g.round(2), g.round(1)}
	warm := seal.NewRoots() // Knows each root; that must not make anybody believe more.
	for i := range g {
		readBy(t, warm, int32(i), all[0][i], all[1][i], all[2][i])
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for which, roots := range map[string]*seal.Roots{"nothing": seal.NewRoots(), "all roots": warm} {
				if diff := cmp.Diff(tt.want, readBy(t, roots, 2, tt.tamper(all)...)); diff != "" {
					t.Errorf("findings of who knows %s (-want +got):\n%s", which, diff)
				}
			}
		})
	}
}

// A second version of a batch, signed by the gateway's own key, is a fork, also where
// both were signed with the same others.
func TestSecondBatchOfTheSameNumberInARoundIsAFork(t *testing.T) {
	g := newGateway(t, 1)
	twin := newProducer(t, "gw-1", "gw-1-new", 7)
	twin.chain.Partition, twin.sent = 0, 70
	one, a := g[0].draft(1)
	other, b := twin.draft(1)
	g[0].signer.Sign([]*seal.Batch{a, b})
	one[0].headers[seal.Header], other[0].headers[seal.Header] = string(a.Header), string(b.Header)
	want := []finding{{"gw-1/1", 1, "", false, 0}, {"gw-1/71", 1, seal.CauseFork, false, 0}}
	if diff := cmp.Diff(want, read(t, 0, one, other)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// The rules about whose key it is and when it holds are those of a batch alone.
func TestKeysOfARound(t *testing.T) {
	tests := map[string]struct {
		gateway, kid string
		want         seal.Cause
	}{
		"its own":                 {gateway: "gw-1", kid: "gw-1-new"},
		"that of another gateway": {gateway: "gw-1", kid: "gw-2", want: seal.CauseGateway},
		"that of an analyzer":     {gateway: "gw-1", kid: "analyzer", want: seal.CauseKey},
		"one that nobody lists":   {gateway: "gw-1", kid: "nobody", want: seal.CauseKey},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, 3)
			for _, p := range g {
				*p = *newProducer(t, tt.gateway, tt.kid, 7)
			}
			want := []finding{{"gw-1/1", 1, tt.want, false, 0}}
			if diff := cmp.Diff(want, read(t, 3, g.round(1)[1])); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
	old := newProducer(t, "gw-1", "gw-1-old", 9)
	thief := gatewayLife{old, old}
	want := []finding{{"gw-1/1", 1, "", false, 0}, {"gw-1/2", 1, seal.CauseRetired, false, 0}}
	if diff := cmp.Diff(want, read(t, 3, newProducer(t, "gw-1", "gw-1-new", 8).batch(1), thief.round(1)[1])); diff != "" {
		t.Errorf("findings of a retired key that dates its seal back (-want +got):\n%s", diff)
	}
}

func TestRoundAsLargeAsItMayBe(t *testing.T) {
	p := newProducer(t, "gw-1", "gw-1-new", 7)
	all := make([]*seal.Batch, seal.RoundMax)
	var last []message
	for i := range all {
		last, all[i] = p.draft(1)
		if i < len(all)-1 {
			p.chain = seal.Chain{Epoch: 7, Partition: 3}
		}
	}
	p.signer.Sign(all)
	last[0].headers[seal.Header] = string(all[len(all)-1].Header)
	want := []finding{{fmt.Sprint("gw-1/", seal.RoundMax), 1, "", false, 0}}
	if diff := cmp.Diff(want, read(t, 3, last)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
