package identity_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/gateway/guard"
	"github.com/vigil-gateway/vigil/gateway/identity"
)

// budgets has limits that change says, at a clock that stands still.
func budgets(t *testing.T, change func(*guard.Config)) *guard.Budgets {
	t.Helper()
	c := guard.DefaultConfig()
	change(&c)
	b, err := guard.New(guard.Options{
		Config: c, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: func() time.Time { return time.Unix(clock, 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// budgetOf is the budget that an error names, empty for none.
func budgetOf(err error) string {
	e, ok := errors.AsType[*guard.Error](err)
	if !ok {
		return ""
	}
	return e.Budget
}

// One address that makes up tokens cannot have all of the questions that an issuer is
// asked at a time.
func TestAddressHasItsShareOfQuestions(t *testing.T) {
	e := newEndpoint(t)
	arrived, free := make(chan struct{}, 10), make(chan struct{})
	e.answers(func(w http.ResponseWriter, _ string) {
		arrived <- struct{}{}
		<-free
		_, _ = w.Write([]byte(active))
	})
	b := budgets(t, func(c *guard.Config) { c.IntrospectionsMax = 2 })
	v, _ := e.asking(t, func(o *identity.Options) { o.Budgets = b })
	here, there := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("203.0.113.10")
	done := make(chan error, 4)
	ask := func(token string, from netip.Addr) {
		go func() {
			_, err := v.Verify(context.Background(), bearer(token), from)
			done <- err
		}()
	}
	ask("made-up-1", here)
	ask("made-up-2", here)
	ask("somebody-elses", there)
	for range 3 {
		<-arrived
	}
	_, err := v.Verify(t.Context(), bearer("made-up-3"), here)
	if budgetOf(err) != guard.NameIntrospections {
		t.Errorf("the third question at a time: %v, want an error that names them", err)
	}
	ask("somebody-elses", here) // A question that is open already is no further one.
	select {
	case err = <-done:
		t.Errorf("a token that is being asked about: %v, want to wait for the answer", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(free)
	for range 4 {
		err = <-done
		if err != nil {
			t.Errorf("a question within the share: %v", err)
		}
	}
	_, err = v.Verify(t.Context(), bearer("made-up-3"), here)
	if err != nil {
		t.Errorf("once they are answered: %v", err)
	}
}

// Which refusals count against an address: those of credentials that were never good.
func TestWhatCountsAsAFailure(t *testing.T) {
	k := loadKeys(t)
	good := k.sign(header, claims)
	for name, tt := range map[string]struct {
		token  string
		counts bool
	}{
		"a forged signature":        {good[:len(good)-8] + "AAAAAAAA", true},
		"no token at all":           {"a.b.c", true},
		"of an unknown issuer":      {k.sign(header, swap(claims, issuer, "https://evil.test")), true},
		"for somebody else":         {k.sign(header, swap(claims, "https://api.test", "https://other.test")), true},
		"expired":                   {k.sign(header, swap(claims, "1795349100", at(-600))), false},
		"of a key not fetched yet":  {k.sign(put(header, "kid", `"next"`), claims), false},
		"good":                      {good, false},
		"not to be used before one": {k.sign(header, put(claims, "nbf", at(600))), false},
	} {
		t.Run(name, func(t *testing.T) {
			b := budgets(t, func(c *guard.Config) { c.Failures = guard.Allowance{PerMinute: 1, Burst: 1} })
			v := verifier(t, func(o *identity.Options) { o.Budgets = b })
			from := netip.MustParseAddr("203.0.113.9")
			_, err := v.Verify(t.Context(), bearer(tt.token), from)
			if budgetOf(err) != "" {
				t.Fatalf("the first credential: %v", err)
			}
			_, err = v.Verify(t.Context(), bearer(k.sign(header, swap(claims, "alice", "bob"))), from)
			if (budgetOf(err) == guard.NameFailures) != tt.counts {
				t.Errorf("the next one: %v; want it refused unseen: %v", err, tt.counts)
			}
		})
	}
}

func TestAPIKeysAreNotGuessed(t *testing.T) {
	b := budgets(t, func(c *guard.Config) { c.Failures = guard.Allowance{PerMinute: 1, Burst: 2} })
	f := newKeyFile(t)
	key, entry := mint(t, identity.APIKey{ID: "vk_billing", Subject: "billing"})
	f.write(t, entry)
	v := verifier(t, f.options, func(o *identity.Options) { o.Budgets = b })
	from := netip.MustParseAddr("203.0.113.9")
	try := func(key string) error {
		_, err := v.Verify(t.Context(), withKey(key), from)
		return err
	}
	err := try(key)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err = try(key[:len(key)-4] + "AAAA")
		if !errors.Is(err, &identity.Error{Code: identity.CodeAPIKey}) {
			t.Fatalf("a guess: %v", err)
		}
	}
	err = try(key)
	if budgetOf(err) != guard.NameFailures {
		t.Errorf("after two guesses of two: %v, want the budget named", err)
	}
}
