package revoke_test

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/gateway/revoke"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// rota is an installation whose analyzer's key is rotated.
type rota struct {
	t        *testing.T
	root     ed25519.PrivateKey
	keys     []verdict.Key
	signers  []verdict.Signer
	operator verdict.Signer
}

func newRota(t *testing.T) *rota {
	t.Helper()
	_, root := pair(t)
	o, oKey := pair(t)
	r := &rota{t: t, root: root, operator: verdict.NewSigner("o-1", oKey)}
	r.keys = append(r.keys, verdict.Key{ID: "o-1", Class: verdict.ClassOperator, Public: o})
	for _, kid := range []string{"a-1", "a-2"} {
		public, private := pair(t)
		r.keys = append(r.keys, verdict.Key{ID: kid, Class: verdict.ClassAnalyzer, Public: public})
		r.signers = append(r.signers, verdict.NewSigner(kid, private))
	}
	return r
}

// set is a key set of a version, with the keys of these ids.
func (r *rota) set(version uint64, change func(k *verdict.Key), kids ...string) *verdict.KeySet {
	r.t.Helper()
	list := verdict.KeyList{Version: version}
	for _, k := range r.keys {
		if slices.Contains(kids, k.ID) {
			if change != nil {
				change(&k)
			}
			list.Keys = append(list.Keys, k)
		}
	}
	file, err := list.Sign(r.root, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	set, err := verdict.OpenKeySet(r.root.Public().(ed25519.PublicKey), file)
	if err != nil {
		r.t.Fatal(err)
	}
	return set
}

func (r *rota) follower(addr, dir string, keys *verdict.KeySet, change ...func(*revoke.Options)) fixture {
	return newFollower(r.t, addr, dir, ring{keys: keys}, change...)
}

// A gateway that gets the key set late refuses what it cannot know, and takes it from
// the topic once it can.
func TestWhatANewKeyHasSignedIsReadAgain(t *testing.T) {
	r := newRota(t)
	b := start(t, broker.Options{Partitions: 2})
	f := r.follower(b.Addr(), t.TempDir(), r.set(1, nil, "o-1", "a-1"))
	f.run(t)
	until(t, "caught up", f.CaughtUp)
	announce(t, b.Addr(), 0, r.signers[0], revocation("old", 1))
	announce(t, b.Addr(), 1, r.signers[1], revocation("new", 2))
	f.wants(t, "old-1")
	until(t, "the new key's verdict is refused", func() bool { return f.Stats().Refused["unknown_key"] == 1 })
	err := f.SwapKeys(r.set(2, nil, "o-1", "a-1", "a-2"))
	if err != nil {
		t.Fatal(err)
	}
	f.wants(t, "old-1", "new-2")
}

// A key set that is older than the one in force has no effect.
func TestAnOlderKeySetIsRefused(t *testing.T) {
	r := newRota(t)
	f := r.follower(nobody(t), t.TempDir(), r.set(2, nil, "o-1", "a-2"))
	err := f.SwapKeys(r.set(1, nil, "o-1", "a-1"))
	if !errors.Is(err, verdict.ErrRollback) {
		t.Errorf("SwapKeys(older) = %v, want ErrRollback", err)
	}
	err = f.Accept(sign(t, r.signers[0], revocation("s", 1)))
	if !errors.Is(err, verdict.ErrUnknownKey) {
		t.Errorf("Accept() by a key of the older set = %v, want ErrUnknownKey", err)
	}
	if got := f.Stats().KeySet; got != 2 {
		t.Errorf("key set version %d in force, want 2", got)
	}
}

// After its end a key brings nothing about any more, but what it has brought about
// stays, also over a restart.
func TestAKeyThatHasEndedLeavesItsVerdicts(t *testing.T) {
	r := newRota(t)
	dir := t.TempDir()
	end := time.Now().Add(time.Hour)
	ending := func(k *verdict.Key) {
		if k.ID == "a-1" {
			k.Until = end
		}
	}
	set := r.set(2, ending, "o-1", "a-1", "a-2")
	f := r.follower(nobody(t), dir, set)
	err := f.Accept(sign(t, r.signers[0], revocation("in time", 1)))
	if err != nil {
		t.Fatal(err)
	}
	stop := f.run(t)
	stop()
	late := r.follower(nobody(t), dir, set, func(o *revoke.Options) { o.Now = func() time.Time { return end.Add(-time.Minute) } })
	err = late.Accept(sign(t, r.signers[0], revocation("just in time", 1)))
	if err != nil {
		t.Fatal(err)
	}
	after := r.follower(nobody(t), dir, set, func(o *revoke.Options) { o.Now = func() time.Time { return end } })
	err = after.Accept(sign(t, r.signers[0], revocation("too late", 2)))
	if !errors.Is(err, verdict.ErrNotInForce) {
		t.Errorf("Accept() at the key's end = %v, want ErrNotInForce", err)
	}
	if n := after.Stats().Verdicts; n == 0 {
		t.Error("what the key has signed in its time is forgotten")
	}
}

// The same verdict under the next key takes the place of the old record in the file
// and has no other effect, so that it outlives the key that is listed no longer.
func TestWhatIsSignedAnewOutlivesItsKey(t *testing.T) {
	r := newRota(t)
	dir := t.TempDir()
	f := r.follower(nobody(t), dir, r.set(1, nil, "o-1", "a-1", "a-2"))
	for _, signer := range r.signers {
		err := f.Accept(sign(t, signer, revocation("s", 1)))
		if err != nil {
			t.Fatal(err)
		}
	}
	err := f.Accept(sign(t, r.signers[0], revocation("lost", 1)))
	if err != nil {
		t.Fatal(err)
	}
	f.wants(t, "s-1", "lost-1")
	f.run(t)()
	next := r.follower(nobody(t), dir, r.set(2, nil, "o-1", "a-2"))
	err = next.Load()
	if err != nil {
		t.Fatal(err)
	}
	next.wants(t, "s-1")
}

// What a key has signed that is listed no longer is taken back, and so are the places
// in the order by which its thief kept the analyzer from saying anything.
func TestWhatAStolenKeyHasSignedIsTakenBack(t *testing.T) {
	r := newRota(t)
	b := start(t, broker.Options{Partitions: 1})
	f := r.follower(b.Addr(), t.TempDir(), r.set(1, nil, "o-1", "a-1", "a-2"))
	f.run(t)
	until(t, "caught up", f.CaughtUp)
	thiefs := revocation("victim", 1)
	thiefs.Id, thiefs.Epoch, thiefs.Action = "thief's", 1<<62, verdict.ActionObserve
	announce(t, b.Addr(), 0, r.signers[0], thiefs)
	f.wants(t, "thief's")
	announce(t, b.Addr(), 0, r.signers[1], revocation("victim", 2))
	until(t, "the analyzer is outranked", func() bool { return f.Stats().Refused["stale"] == 1 })
	err := f.SwapKeys(r.set(2, nil, "o-1", "a-2"))
	if err != nil {
		t.Fatal(err)
	}
	f.wants(t, "thief's", "victim-2")
	if got := f.table.withdrawn; !slices.Equal(got, []string{"thief's"}) {
		t.Errorf("taken back: %q, want the thief's", got)
	}
}

// Nor does a thief's heartbeat outlive the key: its place in the order goes with it.
func TestAStolenKeysHeartbeatIsTakenBack(t *testing.T) {
	r := newRota(t)
	b := start(t, broker.Options{Partitions: 1})
	scored := &positions{issued: 100, through: make(map[string]uint64)}
	f := r.follower(b.Addr(), t.TempDir(), r.set(1, nil, "o-1", "a-1", "a-2"), func(o *revoke.Options) { o.Positions = scored })
	f.run(t)
	until(t, "caught up", f.CaughtUp)
	beat := func(signer verdict.Signer, epoch, seq, through uint64) {
		record, err := signer.Heartbeat(&verdict.Heartbeat{
			Time: timestamppb.Now(), Epoch: epoch, Seq: seq, Authority: verdict.AuthoritySubject,
			ScoredThrough: []*verdict.LanePosition{{Gateway: "gw-1", Epoch: 7, Lane: 3, Seq: through}},
		})
		if err != nil {
			t.Fatal(err)
		}
		write(t, b.Addr(), 0, topic.HeartbeatKey(verdict.AuthoritySubject, 0), record, cloudevent.TypeHeartbeat)
	}
	beat(r.signers[0], 1<<62, 1, 1)
	until(t, "the thief's heartbeat", func() bool { return scored.of("gw-1/7/3") == 1 })
	beat(r.signers[1], 2, 1, 50)
	until(t, "the analyzer is outranked", func() bool { return f.Stats().Refused["stale"] == 1 })
	err := f.SwapKeys(r.set(2, nil, "o-1", "a-2"))
	if err != nil {
		t.Fatal(err)
	}
	beat(r.signers[1], 2, 2, 60)
	until(t, "the analyzer is heard again", func() bool { return scored.of("gw-1/7/3") == 60 })
}

// An operator's later and weaker word does not replace a stronger one that holds; a
// restore lifts it, and then the weaker one counts.
func TestAnOperatorsThrottleDoesNotReplaceHisRevoke(t *testing.T) {
	r := newRota(t)
	dir := t.TempDir()
	set := r.set(1, nil, "o-1", "a-1")
	says := func(id, action string, seq uint64) []byte {
		v := revocation("s", seq)
		v.Id, v.Action, v.Authority = id, action, verdict.AuthorityOperator
		return sign(t, r.operator, v)
	}
	f := r.follower(nobody(t), dir, set)
	err := f.Accept(says("revoke", verdict.ActionRevoke, 1))
	if err != nil {
		t.Fatal(err)
	}
	weaker := says("throttle", verdict.ActionThrottle, 2)
	err = f.Accept(weaker)
	if !errors.Is(err, revoke.ErrOutranked) {
		t.Errorf("Accept(throttle) over a revoke = %v, want ErrOutranked", err)
	}
	f.run(t)()
	again := r.follower(nobody(t), dir, set)
	err = again.Accept(weaker)
	if !errors.Is(err, revoke.ErrOutranked) {
		t.Errorf("after a restart Accept(throttle) over a revoke = %v, want ErrOutranked", err)
	}
	for _, word := range [][]byte{says("restore", verdict.ActionObserve, 3), says("throttle after it", verdict.ActionThrottle, 4)} {
		err = again.Accept(word)
		if err != nil {
			t.Error(err)
		}
	}
	again.wants(t, "revoke", "restore", "throttle after it")
}

// A verdict from the future is refused where it would outrank what comes until then;
// an analyzer's is in force, because its place in the order is not its time.
func TestVerdictsFromTheFuture(t *testing.T) {
	r := newRota(t)
	f := r.follower(nobody(t), t.TempDir(), r.set(1, nil, "o-1", "a-1"), func(o *revoke.Options) {
		o.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	})
	operators := revocation("s", 1)
	operators.Authority = verdict.AuthorityOperator
	err := f.Accept(sign(t, r.operator, operators))
	if !errors.Is(err, revoke.ErrAhead) {
		t.Errorf("Accept() of an operator's from the future = %v, want ErrAhead", err)
	}
	err = f.Accept(sign(t, r.signers[0], revocation("s", 1)))
	if err != nil {
		t.Errorf("Accept() of an analyzer's from the future = %v", err)
	}
	f.wants(t, "s-1", "s-1") // Of each authority one.
}
