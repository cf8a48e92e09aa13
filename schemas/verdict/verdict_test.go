package verdict_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// key returns the private key of a test's person, the same in every run.
func key(person byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{person}, ed25519.SeedSize))
}

func public(person byte) ed25519.PublicKey { return key(person).Public().(ed25519.PublicKey) }

// Persons of these tests.
const (
	root     = 'R'
	analyzer = 'A'
	operator = 'O'
	feed     = 'F'
	stranger = 'X'
)

func keys() []verdict.Key {
	return []verdict.Key{
		{ID: "analyzer-1", Class: verdict.ClassAnalyzer, Public: public(analyzer)},
		{ID: "operator-1", Class: verdict.ClassOperator, Public: public(operator)},
		{ID: "feed-1", Class: verdict.ClassFeed, Public: public(feed)},
		{ID: "later-1", Class: "auditor", Public: public(stranger)}, // A class of a later version.
	}
}

func keySet(tb testing.TB) *verdict.KeySet {
	tb.Helper()
	file, err := verdict.SignKeySet(key(root), keys())
	if err != nil {
		tb.Fatal(err)
	}
	set, err := verdict.OpenKeySet(public(root), file)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func revocation() *verdict.Verdict {
	return &verdict.Verdict{
		Id: "v-1", Time: timestamppb.New(noon), Epoch: 3, Seq: 4, Authority: verdict.AuthoritySubject, Tenant: "default",
		Target: &verdict.Target{Kind: verdict.TargetSession, Id: "s-1"}, Action: verdict.ActionRevoke,
		Until: timestamppb.New(noon.Add(time.Hour)),
	}
}

func TestOpen(t *testing.T) {
	set := keySet(t)
	tests := map[string]struct {
		signer verdict.Signer
		change func(*verdict.Verdict)
		want   error
	}{
		"the analyzer about a session":      {verdict.NewSigner("analyzer-1", key(analyzer)), func(*verdict.Verdict) {}, nil},
		"the analyzer's facet stage":        {verdict.NewSigner("analyzer-1", key(analyzer)), as(verdict.AuthorityFacet), nil},
		"an operator":                       {verdict.NewSigner("operator-1", key(operator)), as(verdict.AuthorityOperator), nil},
		"an operator who clears":            {verdict.NewSigner("operator-1", key(operator)), clearing(verdict.AuthorityOperator), nil},
		"a feed":                            {verdict.NewSigner("feed-1", key(feed)), as(verdict.AuthorityFeed), nil},
		"a kid that nobody knows":           {verdict.NewSigner("analyzer-9", key(analyzer)), func(*verdict.Verdict) {}, verdict.ErrUnknownKey},
		"a stranger with a known kid":       {verdict.NewSigner("analyzer-1", key(stranger)), func(*verdict.Verdict) {}, verdict.ErrSignature},
		"an operator as the analyzer":       {verdict.NewSigner("operator-1", key(operator)), func(*verdict.Verdict) {}, verdict.ErrAuthority},
		"the analyzer as an operator":       {verdict.NewSigner("analyzer-1", key(analyzer)), as(verdict.AuthorityOperator), verdict.ErrAuthority},
		"a feed that clears":                {verdict.NewSigner("feed-1", key(feed)), clearing(verdict.AuthorityFeed), verdict.ErrAuthority},
		"a class that this version lacks":   {verdict.NewSigner("later-1", key(stranger)), as("auditor"), verdict.ErrAuthority},
		"no id":                             {verdict.NewSigner("analyzer-1", key(analyzer)), func(v *verdict.Verdict) { v.Id = "" }, verdict.ErrMalformed},
		"no time":                           {verdict.NewSigner("analyzer-1", key(analyzer)), func(v *verdict.Verdict) { v.Time = nil }, verdict.ErrMalformed},
		"no target":                         {verdict.NewSigner("analyzer-1", key(analyzer)), func(v *verdict.Verdict) { v.Target = nil }, verdict.ErrMalformed},
		"a target's id with a NUL":          {verdict.NewSigner("analyzer-1", key(analyzer)), func(v *verdict.Verdict) { v.Target.Id = "a\x00b" }, verdict.ErrMalformed},
		"no until":                          {verdict.NewSigner("analyzer-1", key(analyzer)), func(v *verdict.Verdict) { v.Until = nil }, verdict.ErrMalformed},
		"an until that is no time":          {verdict.NewSigner("analyzer-1", key(analyzer)), func(v *verdict.Verdict) { v.Until.Seconds = math.MaxInt64 }, verdict.ErrMalformed},
		"a not_before that is no time":      {verdict.NewSigner("analyzer-1", key(analyzer)), func(v *verdict.Verdict) { v.NotBefore = &timestamppb.Timestamp{Nanos: -1} }, verdict.ErrMalformed},
		"an action that this version lacks": {verdict.NewSigner("analyzer-1", key(analyzer)), func(v *verdict.Verdict) { v.Action = "exile" }, verdict.ErrMalformed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := revocation()
			tt.change(v)
			record, err := tt.signer.Verdict(v)
			if err != nil {
				t.Fatal(err)
			}
			got, err := set.Open(record)
			if !errors.Is(err, tt.want) {
				t.Fatalf("Open() = %v, want %v", err, tt.want)
			}
			if tt.want != nil {
				return
			}
			if diff := cmp.Diff(v, got.Verdict, protocmp.Transform()); diff != "" || got.Heartbeat != nil {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

func as(authority string) func(*verdict.Verdict) {
	return func(v *verdict.Verdict) { v.Authority = authority }
}

func clearing(authority string) func(*verdict.Verdict) {
	return func(v *verdict.Verdict) {
		v.Authority, v.Clears = authority, []*verdict.Clear{{Authority: verdict.AuthoritySubject, Epoch: 3, Seq: 4}}
	}
}

// envelope builds a JWS by hand: header as JSON, any payload, signed by a person.
func envelope(header string, payload []byte, person byte) string {
	enc := base64.RawURLEncoding
	input := enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString(payload)
	return input + "." + enc.EncodeToString(ed25519.Sign(key(person), []byte(input)))
}

func TestForgeriesAreRefused(t *testing.T) {
	set := keySet(t)
	payload, err := revocation().MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	const good = `{"alg":"EdDSA","kid":"analyzer-1","typ":"vigil-verdict+pb"}`
	valid := envelope(good, payload, analyzer)
	_, err = set.Open([]byte(valid))
	if err != nil {
		t.Fatalf("an envelope by hand does not open, so this test shows nothing: %v", err)
	}
	general, err := json.Marshal(map[string]any{"payload": strings.Split(valid, ".")[1], "signatures": []map[string]string{
		{"protected": strings.Split(valid, ".")[0], "signature": strings.Split(valid, ".")[2]},
	}})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(valid, ".")
	tests := map[string]struct {
		record string
		want   error
	}{
		"nothing":                      {"", verdict.ErrUnsigned},
		"the bare payload":             {string(payload), verdict.ErrUnsigned},
		"JSON form":                    {string(general), verdict.ErrUnsigned},
		"alg none":                     {envelope(`{"alg":"none","kid":"analyzer-1","typ":"vigil-verdict+pb"}`, payload, analyzer), verdict.ErrUnsigned},
		"alg HS256":                    {envelope(`{"alg":"HS256","kid":"analyzer-1","typ":"vigil-verdict+pb"}`, payload, analyzer), verdict.ErrUnsigned},
		"a critical header":            {envelope(`{"alg":"EdDSA","kid":"analyzer-1","typ":"vigil-verdict+pb","crit":["x"],"x":1}`, payload, analyzer), verdict.ErrUnsigned},
		"no typ":                       {envelope(`{"alg":"EdDSA","kid":"analyzer-1"}`, payload, analyzer), verdict.ErrUnsigned},
		"the typ of a key set":         {envelope(`{"alg":"EdDSA","kid":"analyzer-1","typ":"vigil-keys+json"}`, payload, analyzer), verdict.ErrUnsigned},
		"no kid":                       {envelope(`{"alg":"EdDSA","typ":"vigil-verdict+pb"}`, payload, analyzer), verdict.ErrUnknownKey},
		"an own key in the header":     {envelope(`{"alg":"EdDSA","kid":"analyzer-1","typ":"vigil-verdict+pb","jwk":{"kty":"OKP","crv":"Ed25519","x":"`+base64.RawURLEncoding.EncodeToString(public(stranger))+`"}}`, payload, stranger), verdict.ErrSignature},
		"a payload that was swapped":   {parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte("x")) + "." + parts[2], verdict.ErrSignature},
		"no signature":                 {parts[0] + "." + parts[1] + ".", verdict.ErrSignature},
		"a line end in the signature":  {valid[:len(valid)-9] + "\n" + valid[len(valid)-9:], verdict.ErrUnsigned},
		"a newline at the end":         {valid + "\n", verdict.ErrUnsigned},
		"a payload that is no verdict": {envelope(good, []byte("\xff\xff\xff"), analyzer), verdict.ErrMalformed},
		"larger than an envelope":      {strings.Repeat("a", verdict.EnvelopeBytesMax+1), verdict.ErrUnsigned},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := set.Open([]byte(tt.record))
			if !errors.Is(err, tt.want) {
				t.Errorf("Open() = %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// A heartbeat's bytes may be a verdict's bytes: only typ tells them apart.
func TestHeartbeatNeverPassesForAVerdict(t *testing.T) {
	set := keySet(t)
	h := &verdict.Heartbeat{
		Time: timestamppb.New(noon), Epoch: 1, Seq: 2, Authority: verdict.AuthoritySubject, Partition: 5,
		ScoredThrough: []*verdict.LanePosition{{Gateway: "gw-1", Epoch: 7, Lane: 3, Seq: 9}},
	}
	record, err := verdict.NewSigner("analyzer-1", key(analyzer)).Heartbeat(h)
	if err != nil {
		t.Fatal(err)
	}
	got, err := set.Open(record)
	if err != nil || got.Verdict != nil {
		t.Fatalf("Open() = %v, %v; want a heartbeat", got, err)
	}
	if diff := cmp.Diff(h, got.Heartbeat, protocmp.Transform()); diff != "" {
		t.Errorf("heartbeat (-want +got):\n%s", diff)
	}
	record, err = verdict.NewSigner("operator-1", key(operator)).Heartbeat(h)
	if err != nil {
		t.Fatal(err)
	}
	_, err = set.Open(record)
	if !errors.Is(err, verdict.ErrAuthority) {
		t.Errorf("Open(heartbeat of an operator) = %v, want ErrAuthority", err)
	}
}

func TestOpenKeySetRefuses(t *testing.T) {
	signed := func(k ed25519.PrivateKey, keys []verdict.Key) []byte {
		file, err := verdict.SignKeySet(k, keys)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	v, err := verdict.NewSigner("root", key(root)).Verdict(revocation())
	if err != nil {
		t.Fatal(err)
	}
	many := make([]verdict.Key, verdict.KeysMax+1)
	for i := range many {
		many[i] = verdict.Key{ID: fmt.Sprint(i), Class: verdict.ClassFeed, Public: public(feed)}
	}
	tests := map[string]struct {
		root ed25519.PublicKey
		file []byte
		want string
	}{
		"an empty file":                {public(root), nil, verdict.ErrKeySet.Error()},
		"another root":                 {public(stranger), signed(key(root), keys()), verdict.ErrKeySet.Error()},
		"a root key that is cut short": {public(root)[:16], signed(key(root), keys()), "root key of 16 B"},
		"a verdict signed by the root": {public(root), v, verdict.ErrKeySet.Error()},
		"more keys than the limit":     {public(root), signed(key(root), many), "at most 4096"},
		"a key without id":             {public(root), signed(key(root), []verdict.Key{{Public: public(feed)}}), "is not an Ed25519 public key"},
		"a key that is cut short":      {public(root), signed(key(root), []verdict.Key{{ID: "k", Public: public(feed)[:5]}}), `key "k" is not`},
		"one id for two keys":          {public(root), signed(key(root), append(keys(), keys()[0])), `"analyzer-1" is listed twice`},
		"a payload that is not a list": {public(root), []byte(envelope(`{"alg":"EdDSA","kid":"root","typ":"vigil-keys+json"}`, []byte(`{}`), root)), "decode key set"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := verdict.OpenKeySet(tt.root, tt.file)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "%!") {
				t.Errorf("OpenKeySet() = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestDecodeEnforcementRefuses(t *testing.T) {
	untimed, err := (&verdict.Enforcement{Id: "f-1"}).MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	for name, record := range map[string][]byte{
		"nothing":                      nil,
		"text":                         []byte("hello"),
		"no time":                      untimed,
		"a group that ends as another": []byte("2\x04C00$"),
		"more than the limit":          make([]byte, verdict.EnforcementBytesMax+1),
	} {
		t.Run(name, func(t *testing.T) {
			e, err := verdict.DecodeEnforcement(record)
			if !errors.Is(err, verdict.ErrEnforcement) {
				t.Errorf("DecodeEnforcement() = %v, %v; want ErrEnforcement", e, err)
			}
		})
	}
}

func TestLadder(t *testing.T) {
	last := -1
	for _, a := range []string{
		verdict.ActionObserve, verdict.ActionThrottle, verdict.ActionReadOnly, verdict.ActionStepUp, verdict.ActionRevoke, verdict.ActionBlock,
	} {
		if got := verdict.Strength(a); got != last+1 {
			t.Errorf("Strength(%s) = %d, want %d", a, got, last+1)
		}
		last++
		if got, want := verdict.Suspends(a), last >= verdict.Strength(verdict.ActionStepUp); got != want {
			t.Errorf("Suspends(%s) = %v, want %v", a, got, want)
		}
	}
	if verdict.Strength("exile") != -1 || verdict.Suspends("exile") {
		t.Error("an unknown action is on the ladder")
	}
}

func TestLater(t *testing.T) {
	for _, tt := range []struct {
		epoch, seq, epoch2, seq2 uint64
		want                     bool
	}{
		{1, 2, 1, 1, true},
		{2, 1, 1, 9, true},
		{1, 1, 1, 1, false},
		{1, 9, 2, 1, false},
	} {
		if got := verdict.Later(tt.epoch, tt.seq, tt.epoch2, tt.seq2); got != tt.want {
			t.Errorf("Later(%d, %d, %d, %d) = %v, want %v", tt.epoch, tt.seq, tt.epoch2, tt.seq2, got, tt.want)
		}
	}
}

func TestLiveEndsAtUntil(t *testing.T) {
	v := revocation()
	until := v.Until.AsTime()
	if !v.Live(until.Add(-1)) || v.Live(until) || v.Live(until.Add(1)) {
		t.Error("a verdict is live before until and not from then on")
	}
}

// The claim is what the envelope says once it is verified; whatever is no heartbeat of
// ours claims nothing.
func TestClaimedEpoch(t *testing.T) {
	signer := verdict.NewSigner("analyzer-1", key(analyzer))
	for _, epoch := range []uint64{1, 127, 128, 1 << 40, math.MaxUint64} {
		h := &verdict.Heartbeat{Time: timestamppb.New(noon), Epoch: epoch, Seq: 9, Authority: verdict.AuthoritySubject, Kid: "analyzer-1"}
		for lane := range 300 {
			h.ScoredThrough = append(h.ScoredThrough, &verdict.LanePosition{Gateway: "g", Epoch: 7, Lane: uint32(lane), Seq: 5})
		}
		record, err := signer.Heartbeat(h)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := verdict.ClaimedEpoch(record)
		if !ok || got != epoch {
			t.Errorf("claimed %d (%v), want %d", got, ok, epoch)
		}
	}
	for name, record := range map[string]string{
		"nothing": "", "no dots": "abc", "a header alone": "e30.", "no base64": "e30.!!!!.x", "no protobuf": "e30._____w.x",
		"an epoch that is cut off": "e30." + base64.RawURLEncoding.EncodeToString([]byte{0x10, 0x80}) + ".x",
	} {
		if epoch, ok := verdict.ClaimedEpoch([]byte(record)); ok {
			t.Errorf("%s claims %d", name, epoch)
		}
	}
}
