package fetch_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
	"github.com/vigil-gateway/vigil/schemas/fetch"
)

// A broker that holds back answers without a topic, and then nothing on that connection
// for a while. It is no fault, and nobody is given that connection.
func TestABrokerThatHoldsBack(t *testing.T) {
	for version, of := range map[string]*kversion.Versions{"v4": kversion.V0_11_0(), "v7": kversion.V1_1_0(), "the newest": nil} {
		t.Run(version, func(t *testing.T) {
			var opts []kfake.Opt
			if of != nil {
				opts = append(opts, kfake.MaxVersions(of))
			}
			r := newRig(t, opts...)
			var dialled atomic.Int32
			r.transport.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				dialled.Add(1)
				return new(net.Dialer).DialContext(ctx, network, address)
			}
			r.write("a")
			var held atomic.Bool
			r.cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
				r.cluster.KeepControl()
				resp, ok := req.ResponseKind().(*kmsg.FetchResponse)
				resp.ThrottleMillis = 1500
				return resp, nil, ok && held.Load()
			})
			read := func() fetch.Answer {
				got, err := r.read(t.Context(), 0, time.Second)
				if err != nil {
					t.Fatal(err)
				}
				return got
			}
			read()
			before := dialled.Load()
			held.Store(true)
			got := read()
			if got.Throttle != 1500*time.Millisecond || len(got.Records) != 0 || got.Next != 0 {
				t.Errorf("held back: %q up to %d, throttle %v", values(got), got.Next, got.Throttle)
			}
			held.Store(false)
			got = read()
			if values(got) != "aa " || got.Throttle != 0 {
				t.Errorf("afterwards: %q, throttle %v", values(got), got.Throttle)
			}
			if n := dialled.Load() - before; n != 1 {
				t.Errorf("%d connections were made for the read behind it, want one: that of before is mute", n)
			}
		})
	}
}

// What is waited is waited, and said once in a while.
func TestThrottleWaitsAndSaysSo(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		throttle, err := fetch.NewThrottle("vigil.test", "vigil", slog.New(slog.NewTextHandler(&log, nil)), noop.Meter{})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for range 40 {
			throttle.Wait(t.Context(), name, 0, 2*time.Second)
		}
		if waited := time.Since(began); waited != 80*time.Second {
			t.Errorf("waited %v, want 80s", waited)
		}
		if lines := strings.Count(log.String(), "client_id=vigil"); lines != 2 {
			t.Errorf("%d lines in the log, want 2:\n%s", lines, log.String())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		throttle.Wait(ctx, name, 0, time.Hour)
		var silent *fetch.Throttle
		silent.Wait(t.Context(), name, 0, time.Second)
		if waited := time.Since(began); waited != 81*time.Second {
			t.Errorf("waited %v, want 81s", waited)
		}
	})
}
