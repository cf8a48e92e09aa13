package verdict_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// What opens was signed by a key of the set; the fuzzer has none.
func FuzzOpen(f *testing.F) {
	set := keySet(f)
	good := make(map[string]bool)
	for _, s := range []struct {
		kid    string
		person byte
	}{{"analyzer-1", analyzer}, {"analyzer-1", stranger}, {"operator-1", operator}} {
		v := revocation()
		if s.kid == "operator-1" {
			v.Authority = verdict.AuthorityOperator
		}
		record, err := verdict.NewSigner(s.kid, key(s.person)).Verdict(v)
		if err != nil {
			f.Fatal(err)
		}
		good[string(record)] = s.person != stranger
		f.Add(record)
		f.Add(record[:len(record)-1])
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		m, err := set.Open(record)
		if err != nil {
			return
		}
		if (m.Verdict == nil) == (m.Heartbeat == nil) {
			t.Fatalf("opened to %v: want exactly one of the two", m)
		}
		if m.Verdict == nil {
			t.Fatal("a heartbeat that nobody signed")
		}
		for known, signed := range good {
			if signed && same(t, set, known, m.Verdict) {
				return // Another spelling of the last characters of its base64.
			}
		}
		t.Fatalf("a verdict that nobody signed: %v", m.Verdict)
	})
}

func same(t *testing.T, set *verdict.KeySet, record string, v *verdict.Verdict) bool {
	t.Helper()
	m, err := set.Open([]byte(record))
	if err != nil {
		t.Fatal(err)
	}
	return cmp.Equal(m.Verdict, v, protocmp.Transform())
}

func FuzzOpenKeySet(f *testing.F) {
	file, err := verdict.SignKeySet(key(root), keys())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add(file[:len(file)/2])
	f.Add([]byte(envelope(`{"alg":"EdDSA","kid":"root","typ":"vigil-keys+json"}`, []byte(`[{"kid":"a"}]`), root)))
	f.Fuzz(func(t *testing.T, b []byte) {
		set, err := verdict.OpenKeySet(public(root), b)
		if err == nil && set == nil {
			t.Fatal("neither a set nor an error")
		}
	})
}

func FuzzDecodeEnforcement(f *testing.F) {
	record, err := goldenEnforcement().MarshalVT()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(record)
	f.Add(record[:len(record)/2])
	f.Add([]byte("2\x04C00$")) // A group that ends as another.
	f.Fuzz(func(t *testing.T, record []byte) {
		e, err := verdict.DecodeEnforcement(record)
		if err != nil {
			return
		}
		again, err := e.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > verdict.EnforcementBytesMax {
			return // Default values that were written out may not fit twice.
		}
		e2, err := verdict.DecodeEnforcement(again)
		if err != nil {
			t.Fatalf("own record does not decode: %v", err)
		}
		if diff := cmp.Diff(e, e2, protocmp.Transform(), protocmp.IgnoreUnknown()); diff != "" {
			t.Fatalf("round trip (-want +got):\n%s", diff)
		}
	})
}
