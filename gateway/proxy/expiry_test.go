package proxy_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/gateway/proxy/proxytest"
)

// TestEveryStreamEndsWithItsCredential has the credential end under each kind of stream:
// it is ended in the words of its protocol. What has not become a stream yet is let finish.
func TestEveryStreamEndsWithItsCredential(t *testing.T) {
	l := newLine(t, func(c *proxy.Config) { c.LongAfter, c.TickEvery = 10*time.Millisecond, 10*time.Millisecond })
	for name, kind := range proxytest.NewClients(t, l.addr).Kinds() {
		if kind.Path == "/poll" { // It waits for its upstream: a slow request.
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
			defer cancel()
			c := l.newCase()
			o := &observer{began: make(chan string, 1), until: time.Now().Add(time.Hour)}
			c.observer = o
			go func() {
				<-c.Open
				<-o.began // Known as a stream, on a timer that knows of another end.
				o.mu.Lock()
				o.until = time.Now()
				o.mu.Unlock()
			}()
			told, err := kind.Run(ctx, c.Case)
			want := kind.Cut
			if want.Words == "401 session_revoked" {
				want.Words = "401 token_expired"
			}
			want.Hint = false // He may come back at once, with another.
			if diff := cmp.Diff(want, told); diff != "" {
				t.Errorf("the client was told (-want +got):\n%s(%v)", diff, err)
			}
			out := await(t, c.outcomes, "the call to end")
			if out.Cut == nil || !out.Cut.Expired || out.Cut.Verdict != nil || out.Reason != "token_expired" || !out.Lasted {
				t.Errorf("outcome %+v, want an end by expiry", out)
			}
			await(t, c.Left, "the upstream to be left")
		})
	}
}

// TestStreamEndsOnTime checks that a stream does not wait for its next tick, also where it
// has been given more time meanwhile.
func TestStreamEndsOnTime(t *testing.T) {
	l := newLine(t, func(c *proxy.Config) { c.TickEvery = time.Hour })
	c := l.newCase()
	o := &observer{began: make(chan string, 1), until: time.Now().Add(500 * time.Millisecond)}
	c.observer = o
	ends := o.until.Add(500 * time.Millisecond)
	go func() {
		<-o.began
		o.mu.Lock()
		defer o.mu.Unlock()
		o.until = ends
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	told, err := proxytest.NewClients(t, l.addr).Kinds()["event stream over HTTP/1.1"].Run(ctx, c.Case)
	if told.Words != "event vigil.revoked" {
		t.Errorf("told %+v, %v", told, err)
	}
	if early := time.Until(ends); early > 0 {
		t.Errorf("ended %v too early", early)
	}
}
