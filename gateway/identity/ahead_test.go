package identity_test

import (
	"strconv"
	"testing"
	"time"
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
