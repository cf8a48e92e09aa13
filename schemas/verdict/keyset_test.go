package verdict_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Roots after the first.
const (
	root2 = 'S'
	root3 = 'T'
)

// lines signs a list by a root, and by the next one where it is not 0.
func lines(t *testing.T, l verdict.KeyList, by, next byte) []byte {
	t.Helper()
	if l.Keys == nil {
		l.Keys = keys()
	}
	var nextKey ed25519.PrivateKey
	if next != 0 {
		nextKey = key(next)
	}
	file, err := l.Sign(key(by), nextKey)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func opened(t *testing.T, by byte, file []byte) *verdict.KeySet {
	t.Helper()
	set, err := verdict.OpenKeySet(public(by), file)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Whoever knows any root of a chain believes the last list, and nobody can leave out
// a link of it.
func TestRootsLeadToTheNext(t *testing.T) {
	first := lines(t, verdict.KeyList{Version: 1}, root, 0)
	bridge := lines(t, verdict.KeyList{Version: 2, NextRoot: public(root2)}, root, root2)
	pair := bytes.SplitAfter(bridge, []byte("\n"))
	bridge2 := lines(t, verdict.KeyList{Version: 4, NextRoot: public(root3)}, root2, root3)
	other := lines(t, verdict.KeyList{Version: 2, NextRoot: public(root2), Made: noon}, root, root2)
	last := lines(t, verdict.KeyList{Version: 5}, root3, 0)
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	whole := join(bridge, bridge2, last)
	tests := map[string]struct {
		knows byte
		file  []byte
		want  uint64 // The version, 0 for an error.
	}{
		"the first root opens the first list":             {root, first, 1},
		"the first root opens the list that names a next": {root, bridge, 2},
		"the next root opens it, too":                     {root2, bridge, 2},
		"the first root opens what the third has signed":  {root, whole, 5},
		"the second root opens what the third has signed": {root2, whole, 5},
		"the third root opens what it has signed":         {root3, whole, 5},
		"a stranger's root opens nothing":                 {stranger, whole, 0},
		"the next root has not signed":                    {root, pair[0], 0},
		"the next root has signed another list":           {root, join(pair[0], bytes.SplitAfter(other, []byte("\n"))[1]), 0},
		"a link is left out":                              {root, join(bridge, last), 0},
		"the first root signs on after it has named one":  {root, join(bridge, lines(t, verdict.KeyList{Version: 3}, root, 0)), 0},
		"versions go back":                                {root, join(lines(t, verdict.KeyList{Version: 6}, root, 0), lines(t, verdict.KeyList{Version: 5}, root, 0)), 0},
		"a list without a version":                        {root, lines(t, verdict.KeyList{}, root, 0), 0},
		"more lines than a file may have":                 {root, bytes.Repeat(first, verdict.KeySetLinesMax+1), 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set, err := verdict.OpenKeySet(public(tt.knows), tt.file)
			if (err == nil) != (tt.want > 0) || err == nil && set.List().Version != tt.want {
				t.Errorf("OpenKeySet() = %v, %v; want version %d", set, err, tt.want)
			}
		})
	}
}

// A key set takes the place of an older one and of no later one.
func TestKeySetsDoNotGoBack(t *testing.T) {
	v1 := lines(t, verdict.KeyList{Version: 1}, root, 0)
	v2 := lines(t, verdict.KeyList{Version: 2, NextRoot: public(root2)}, root, root2)
	v3 := append(bytes.Clone(v2), lines(t, verdict.KeyList{Version: 3}, root2, 0)...)
	fewer := lines(t, verdict.KeyList{Version: 1, Keys: keys()[:1]}, root, 0)
	tests := map[string]struct {
		next, before         []byte
		knowsNext, knowsLast byte
		want                 error
	}{
		"the next version":                              {v2, v1, root, root, nil},
		"the same once more":                            {v1, v1, root, root, nil},
		"an older one":                                  {v1, v2, root, root, verdict.ErrRollback},
		"one from before the root was rotated":          {v1, v3, root, root, verdict.ErrRollback},
		"one after it, known by the new root alone":     {v3, v2, root2, root, nil},
		"another list of the same version":              {fewer, v1, root, root, verdict.ErrRollback},
		"an old version of a root that is another's":    {lines(t, verdict.KeyList{Version: 1}, stranger, 0), v3, stranger, root, nil},
		"the oldest form is before every other version": {oldest(t), v1, root, root, verdict.ErrRollback},
		"every other version comes after it":            {v1, oldest(t), root, root, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ring := verdict.NewRing(opened(t, tt.knowsLast, tt.before), func() time.Time { return noon })
			before := ring.Listed()
			changed, err := ring.Swap(opened(t, tt.knowsNext, tt.next))
			if !errors.Is(err, tt.want) {
				t.Fatalf("Swap() = %v, want %v", err, tt.want)
			}
			if err != nil && (changed || ring.Listed() != before) {
				t.Error("a key set that was refused is in force")
			}
		})
	}
}

// oldest is a file from before lists had versions.
func oldest(t *testing.T) []byte {
	t.Helper()
	return stored(t, "keyset.jws", func() ([]byte, error) { return nil, errors.New("the golden file is gone") })
}

// A key is believed from a little before its time until its end, what analyzers keep
// for each other for as long as it is listed.
func TestKeysHaveATime(t *testing.T) {
	list := keys()
	list[0].From, list[0].Until = noon, noon.Add(time.Hour)
	list[1].Until = noon.Add(time.Hour)
	set := opened(t, root, lines(t, verdict.KeyList{Version: 1, Keys: list}, root, 0))
	signer := verdict.NewSigner("analyzer-1", key(analyzer))
	record, err := signer.Verdict(revocation())
	if err != nil {
		t.Fatal(err)
	}
	beat, err := signer.Heartbeat(&verdict.Heartbeat{Authority: verdict.AuthoritySubject})
	if err != nil {
		t.Fatal(err)
	}
	control, err := signer.Control([]byte("held"))
	if err != nil {
		t.Fatal(err)
	}
	order, err := verdict.NewSigner("operator-1", key(operator)).Order([]byte("promote"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		after time.Duration
		want  error
		order error
	}{
		"long before its time":                 {-time.Hour, verdict.ErrNotInForce, nil},
		"a clock's error before its time":      {-verdict.ClockSkew, nil, nil},
		"in its time":                          {time.Minute, nil, nil},
		"at its end":                           {time.Hour, verdict.ErrNotInForce, verdict.ErrNotInForce},
		"a year after its end":                 {365 * 24 * time.Hour, verdict.ErrNotInForce, verdict.ErrNotInForce},
		"a moment before its end, to the tick": {time.Hour - 1, nil, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ring := verdict.NewRing(set, func() time.Time { return noon.Add(tt.after) })
			for what, record := range map[string][]byte{"verdict": record, "heartbeat": beat} {
				_, err := ring.Open(record)
				if !errors.Is(err, tt.want) {
					t.Errorf("Open(%s) = %v, want %v", what, err, tt.want)
				}
				_, err = ring.Listed().Open(record)
				if err != nil {
					t.Errorf("Listed().Open(%s) = %v", what, err)
				}
			}
			_, _, err := ring.OpenOrder(order)
			if !errors.Is(err, tt.order) {
				t.Errorf("OpenOrder() = %v, want %v", err, tt.order)
			}
			_, err = ring.OpenControl(control)
			if err != nil {
				t.Errorf("OpenControl() = %v", err)
			}
		})
	}
}

// Of a holder's keys the one signs whose time came last.
func TestSignerFollowsTheClock(t *testing.T) {
	list := []verdict.Key{
		{ID: "a-1", Class: verdict.ClassAnalyzer, Public: public(analyzer), Until: noon.Add(2 * time.Hour)},
		{ID: "a-2", Class: verdict.ClassAnalyzer, Public: public(feed), From: noon.Add(time.Hour), Until: noon.Add(4 * time.Hour)},
		{ID: "o-1", Class: verdict.ClassOperator, Public: public(operator)},
	}
	set := opened(t, root, lines(t, verdict.KeyList{Version: 1, Keys: list}, root, 0))
	both := []ed25519.PrivateKey{key(analyzer), key(feed), key(stranger)}
	tests := map[string]struct {
		class   verdict.Class
		private []ed25519.PrivateKey
		after   time.Duration
		want    string
		wantErr error
	}{
		"before the second key's time":               {verdict.ClassAnalyzer, both, 59 * time.Minute, "a-1", nil},
		"in both keys' time":                         {verdict.ClassAnalyzer, both, time.Hour, "a-2", nil},
		"after the first key's end":                  {verdict.ClassAnalyzer, both, 3 * time.Hour, "a-2", nil},
		"after both ends":                            {verdict.ClassAnalyzer, both, 4 * time.Hour, "", verdict.ErrNotInForce},
		"whoever has the first key alone signs on":   {verdict.ClassAnalyzer, both[:1], time.Hour, "a-1", nil},
		"whoever has the second key alone must wait": {verdict.ClassAnalyzer, both[1:], 0, "", verdict.ErrNotInForce},
		"a key that nobody lists":                    {verdict.ClassAnalyzer, both[2:], 0, "", verdict.ErrUnknownKey},
		"a key of another class":                     {verdict.ClassOperator, both, 0, "", verdict.ErrUnknownKey},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := set.Signer(tt.class, tt.private, noon.Add(tt.after))
			if !errors.Is(err, tt.wantErr) || got.Kid() != tt.want {
				t.Errorf("Signer() = %q, %v; want %q, %v", got.Kid(), err, tt.want, tt.wantErr)
			}
		})
	}
}

// Two decoders may read two verdicts in bytes that no encoder of ours writes; so
// nobody reads them.
func TestOnlyCanonicalBytesAreAVerdict(t *testing.T) {
	canonical, err := revocation().MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	second, err := (&verdict.Verdict{Target: &verdict.Target{Kind: verdict.TargetSubject, Id: "everybody"}}).MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		payload []byte
		want    error
	}{
		"as the encoder writes it":                   {canonical, nil},
		"with a field of a later version":            {append(bytes.Clone(canonical), 0xfa, 0x01, 0x01, 'x'), nil}, // Number 31, a string.
		"with its target twice":                      {append(bytes.Clone(canonical), second...), verdict.ErrMalformed},
		"with a number longer than it has to be":     {append(bytes.Clone(canonical), 0x18, 0x83, 0x00), verdict.ErrMalformed}, // Epoch 3 in two bytes.
		"with a field that says what is the default": {append(bytes.Clone(canonical), 0x9a, 0x01, 0x00), verdict.ErrMalformed}, // Empty operator_text.
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := proto.Unmarshal(tt.payload, new(verdict.Verdict))
			if err != nil {
				t.Fatalf("the payload is no protobuf: %v", err)
			}
			record := envelope(`{"alg":"EdDSA","kid":"analyzer-1","typ":"vigil-verdict+pb"}`, tt.payload, analyzer)
			_, err = keySet(t).Open([]byte(record))
			if !errors.Is(err, tt.want) {
				t.Errorf("Open() = %v, want %v", err, tt.want)
			}
		})
	}
}
