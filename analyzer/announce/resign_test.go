package announce_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// seed is the key of a person of the rig.
func seed(text string) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(text + strings.Repeat(" ", ed25519.SeedSize-len(text))))
}

// rotating is an announcer whose key file holds two keys, of which the second takes
// over in an hour; the first ends an hour later.
func (r *rig) rotating(tweaks ...func(*announce.Config)) (*announce.Announcer, *verdict.Ring) {
	r.t.Helper()
	root, list := seed("root"), r.keys.List()
	second := seed("second")
	for i := range list.Keys {
		if list.Keys[i].ID == "a" {
			list.Keys[i].Until = r.now().Add(2 * time.Hour)
		}
	}
	list.Version++
	list.Keys = append(list.Keys, verdict.Key{
		ID: "a2", Class: verdict.ClassAnalyzer, Public: second.Public().(ed25519.PublicKey), From: r.now().Add(time.Hour),
	})
	signed, err := list.Sign(root, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	set, err := verdict.OpenKeySet(root.Public().(ed25519.PublicKey), signed)
	if err != nil {
		r.t.Fatal(err)
	}
	r.keys = set
	var file []byte
	for _, k := range []ed25519.PrivateKey{seed("analyzer"), second} {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			r.t.Fatal(err)
		}
		file = append(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
	}
	c := announce.DefaultConfig()
	for _, f := range tweaks {
		f(&c)
	}
	c.KeyFile, c.Heartbeat = filepath.Join(r.t.TempDir(), "analyzer.pem"), 100*time.Millisecond
	err = os.WriteFile(c.KeyFile, file, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	ring := verdict.NewRing(set, r.now)
	signing, err := announce.OpenSigning(c, ring, r.now)
	if err != nil {
		r.t.Fatal(err)
	}
	a, err := announce.New(announce.Options{
		Config: c, Writer: r.writer, Signer: signing, Keys: ring, Logger: slog.New(slog.DiscardHandler),
		Meter: noop.Meter{}, Tracer: tracenoop.Tracer{}, Now: r.now,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return a, ring
}

// under are the verdicts of a partition that a key has signed.
func (r *rig) under(partition int, kid string) []*verdict.Verdict {
	r.t.Helper()
	var out []*verdict.Verdict
	list, _ := r.said(partition)
	for _, v := range list {
		if v.Kid == kid {
			out = append(out, v)
		}
	}
	return out
}

// When the next key takes over, what is in force is said once more under it: the same
// verdicts at the same places. What has lapsed is not. Nothing starts anew for it.
func TestWhatIsInForceIsSignedAnewWhenTheKeyChanges(t *testing.T) {
	r := newRig(t)
	a, ring := r.rotating(func(c *announce.Config) { c.BlastRadius.Least, c.BlastRadius.Share = 3, 0.01 })
	p := r.adopt(a, 0)
	long := r.revoke(1, "walk")
	long.Proposal.Until = r.now().Add(24 * time.Hour)
	short := r.revoke(2, "walk") // Lapses before the key takes over.
	short.Proposal.Until = r.now().Add(30 * time.Minute)
	third := r.revoke(3, "walk")
	third.Proposal.Until = r.now().Add(24 * time.Hour)
	waiting := r.revoke(4, "walk")
	waiting.Proposal.Until = r.now().Add(24 * time.Hour)
	r.announce(p, long, short, third, waiting)
	if got := waits(a); got != "walk blast_radius 1" {
		t.Fatalf("%q waits, want one", got)
	}
	before := r.under(0, "a")
	stop := r.run(p)
	defer func() { stop() }()
	if n := len(r.under(0, "a2")); n != 0 {
		t.Fatalf("%d verdicts are under the key whose time has not come", n)
	}
	r.clock.Add(int64(time.Hour))
	eventually(t, "both are under the next key", func() bool { return len(r.under(0, "a2")) == 2 })
	eventually(t, "what waits is, too", func() bool { return len(r.read(topic.Control, 0)) == 2 })
	for _, v := range r.under(0, "a2") {
		for _, old := range before {
			if old.Id != v.Id {
				continue
			}
			old = proto.CloneOf(old)
			old.Kid = "a2"
			if diff := cmp.Diff(old, v, protocmp.Transform()); diff != "" {
				t.Errorf("signed anew (-before +now):\n%s", diff)
			}
		}
	}
	stop()

	// The first key has ended, and is listed no longer: state and what waits are whole.
	r.clock.Add(int64(2 * time.Hour))
	list := r.keys.List()
	list.Version++
	list.Keys = list.Keys[1:]
	signed, err := list.Sign(seed("root"), nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := verdict.OpenKeySet(r.keys.Root(), signed)
	if err != nil {
		t.Fatal(err)
	}
	_, err = ring.Swap(set)
	if err != nil {
		t.Fatal(err)
	}
	q := r.adopt(a, 0)
	if got := waits(a); got != "walk blast_radius 1" {
		t.Errorf("%q waits after the first key is gone, want one", got)
	}
	weaker := r.finding(9, verdict.TargetSession, "s1", verdict.ActionThrottle, 0)
	repeated := r.revoke(3, "walk")
	r.announce(q, repeated, weaker)
	if n := len(r.under(0, "a2")); n != 2 {
		t.Errorf("%d verdicts under the next key, want no more than the two that stand", n)
	}
	stop = r.run(q)
}

// An analyzer that was away while its key ended takes over what the key has signed,
// and signs it anew.
func TestWhatAKeyThatHasEndedHasSignedIsTakenOver(t *testing.T) {
	r := newRig(t)
	a, _ := r.rotating()
	long := r.finding(1, verdict.TargetSession, "s1", verdict.ActionRevoke, 0)
	long.Proposal.Until = r.now().Add(24 * time.Hour)
	r.announce(r.adopt(a, 0), long)
	r.clock.Add(int64(3 * time.Hour))
	p := r.adopt(a, 0)
	defer r.run(p)()
	eventually(t, "it is under the next key", func() bool { return len(r.under(0, "a2")) == 1 })
}

// A key file none of whose keys is in force is no key file.
func TestSigningNeedsAKeyInForce(t *testing.T) {
	r := newRig(t)
	_, ring := r.rotating()
	c := announce.DefaultConfig()
	c.KeyFile = filepath.Join(t.TempDir(), "key.pem")
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed([]byte(strings.Repeat("x", ed25519.SeedSize))))
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(c.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = announce.OpenSigning(c, ring, r.now)
	if !errors.Is(err, verdict.ErrUnknownKey) {
		t.Errorf("OpenSigning() = %v, want ErrUnknownKey", err)
	}
}

// What operators say is folded where it is relayed: a later throttle does not replace
// a revoke, an old envelope that is sent again does not replace a restore, and none
// comes from the future.
func TestOperatorsWordsAreFolded(t *testing.T) {
	r := newRig(t)
	a := r.announcer(60)
	said := func(seq uint64, action string) []byte {
		v := r.operators(action)
		v.Seq = seq
		return []byte(envelope(t, r.operator, v)["envelope.0"])
	}
	revoke := said(2, verdict.ActionRevoke)
	ahead := r.operators(verdict.ActionBlock)
	ahead.Time = timestamppb.New(r.now().Add(time.Hour))
	steps := []struct {
		name   string
		record []byte
		want   error
	}{
		{"a throttle", said(1, verdict.ActionThrottle), nil},
		{"a revoke after it", revoke, nil},
		{"a throttle after the revoke", said(3, verdict.ActionThrottle), announce.ErrOutranked},
		{"the revoke once more", revoke, nil},
		{"a block after it", said(4, verdict.ActionBlock), nil},
		{"a restore", said(5, verdict.ActionObserve), nil},
		{"the revoke from before the restore", revoke, announce.ErrOutranked},
		{"a throttle after the restore", said(6, verdict.ActionThrottle), nil},
		{"a block from the future", []byte(envelope(t, r.operator, ahead)["envelope.0"]), verdict.ErrFuture},
	}
	for _, s := range steps {
		err := a.Relay(t.Context(), s.record)
		if !errors.Is(err, s.want) {
			t.Errorf("%s: Relay() = %v, want %v", s.name, err, s.want)
		}
	}
	err := r.announcer(60).Relay(t.Context(), revoke) // It knows from the topic what was said.
	if !errors.Is(err, announce.ErrOutranked) {
		t.Errorf("another analyzer relays the revoke from before the restore: %v", err)
	}
	key := topic.VerdictKey("default", verdict.TargetSession, "s", verdict.AuthorityOperator)
	list, _ := r.said(announce.RelayPartition(key, partitions))
	if last := list[len(list)-1]; last.Action != verdict.ActionThrottle || last.Seq != 6 {
		t.Errorf("the topic says %s (%d) last, want the throttle after the restore", last.Action, last.Seq)
	}
}
