package identity_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/identity"
)

// A clock that is ahead must not put a sign-in after a verdict that is made now: the
// token would outlive it.
func TestNobodyHasProvedHimselfInTheFuture(t *testing.T) {
	k := loadKeys(t)
	ahead := strconv.FormatInt(clock+50, 10)
	token := swap(swap(claims, "1795340000", ahead), "1795348500", ahead)
	got := verify(t, verifier(t), k.sign(header, token))
	now := time.Unix(clock, 0).UTC()
	if !got.AuthTime.Equal(now) || !got.IssuedAt.Equal(now) {
		t.Errorf("signed in at %s by a token of %s, want neither after %s", got.AuthTime, got.IssuedAt, now)
	}
}

// A token that is first seen when the time in it has come is as old as one that was seen
// at once: what its issuer's clock is ahead by, another has shown.
func TestATokenFromAheadThatIsHeldBack(t *testing.T) {
	k := loadKeys(t)
	at := int64(clock)
	v := verifier(t, func(o *identity.Options) { o.Now = func() time.Time { return time.Unix(at, 0) } })
	proved := func(v *identity.Verifier, id string, time int64) int64 {
		text := strconv.FormatInt(time, 10)
		token := swap(swap(swap(claims, "1795340000", text), "1795348500", text), `"t-1"`, strconv.Quote(id))
		token = swap(token, "1795349100", strconv.FormatInt(time+600, 10))
		return verify(t, v, k.sign(header, token)).AuthTime.Unix()
	}
	stranger := verifier(t, func(o *identity.Options) { o.Now = func() time.Time { return time.Unix(at, 0) } })
	if got := proved(v, "at once", clock+50); got != clock {
		t.Errorf("seen at once: proved at %d, want %d", got, int64(clock))
	}
	at = clock + 60
	// The times in a token are whole seconds: one of the fifty may be none.
	if got := proved(v, "held back", clock+50); got != clock+1 {
		t.Errorf("held back: proved at %d, want %d", got, int64(clock+1))
	}
	if got := proved(v, "by a right clock", clock+59); got != clock+10 {
		t.Errorf("proved at %d, want %d", got, int64(clock+10))
	}
	if got := proved(stranger, "held back", clock+50); got != clock+50 {
		t.Errorf("where nothing is known: proved at %d, want %d", got, int64(clock+50))
	}
	next := verifier(t, func(o *identity.Options) { o.Now = func() time.Time { return time.Unix(at, 0) } })
	next.InheritKeys(v)
	if got := proved(next, "held back, behind a reload", clock+50); got != clock+1 {
		t.Errorf("behind a reload: proved at %d, want %d", got, int64(clock+1))
	}
	at = clock + 601 // It has been set right since, as far as anybody knows.
	if got := proved(v, "later", clock+599); got != clock+599 {
		t.Errorf("proved at %d, want %d", got, int64(clock+599))
	}
}
