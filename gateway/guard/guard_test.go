package guard_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/vigil-gateway/vigil/gateway/guard"
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// budgets has small limits, and a clock that stands still.
func budgets(tb testing.TB, change ...func(*guard.Options)) (*guard.Budgets, *clock) {
	tb.Helper()
	at := &clock{now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	o := guard.Options{Config: guard.DefaultConfig(), Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: at.Now}
	o.Config.ConnectionsMax, o.Config.RequestsMax = 3, 2
	o.Config.Handshakes = guard.Allowance{PerMinute: 60, Burst: 5}
	o.Config.Failures = guard.Allowance{PerMinute: 30, Burst: 2}
	for _, f := range change {
		f(&o)
	}
	b, err := guard.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return b, at
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// budgetOf is the budget that an error names, empty for none.
func budgetOf(err error) string {
	e, ok := errors.AsType[*guard.Error](err)
	if !ok {
		return ""
	}
	return e.Budget
}

func TestAddressHoldsAsMuchAsItMay(t *testing.T) {
	b, _ := budgets(t)
	ctx := t.Context()
	a, other := addr("203.0.113.9"), addr("203.0.113.10")
	var holds []guard.Hold
	for range 2 {
		h, err := b.Enter(ctx, guard.Requests, a)
		if err != nil {
			t.Fatal(err)
		}
		holds = append(holds, h)
	}
	_, err := b.Enter(ctx, guard.Requests, a)
	if budgetOf(err) != guard.NameRequests || !strings.Contains(err.Error(), "requests") {
		t.Errorf("the third of two: %v, want an error that names them", err)
	}
	_, err = b.Enter(ctx, guard.Requests, other)
	if err != nil {
		t.Errorf("another address: %v", err)
	}
	_, err = b.Enter(ctx, guard.SignInCalls, a)
	if err != nil {
		t.Errorf("another budget of the same address: %v", err)
	}
	holds[0].Leave()
	_, err = b.Enter(ctx, guard.Requests, a)
	if err != nil {
		t.Errorf("after one has left: %v", err)
	}
}

func TestAddressDoesAsMuchAsItMay(t *testing.T) {
	b, at := budgets(t)
	ctx, a := t.Context(), addr("203.0.113.9")
	spend := func(want string) {
		t.Helper()
		if got := budgetOf(b.Spend(ctx, guard.Failures, a)); got != want {
			t.Errorf("Spend() names %q, want %q", got, want)
		}
	}
	owes := func(want string) {
		t.Helper()
		if got := budgetOf(b.Owes(ctx, guard.Failures, a)); got != want {
			t.Errorf("Owes() names %q, want %q", got, want)
		}
	}
	owes("")
	spend("")
	spend("")
	owes(guard.NameFailures)
	for range 100 {
		spend(guard.NameFailures) // What is refused deepens no debt.
	}
	var e *guard.Error
	if !errors.As(b.Owes(ctx, guard.Failures, a), &e) || e.Wait != 2*time.Second {
		t.Errorf("got %+v, want a wait of two seconds at thirty a minute", e)
	}
	at.pass(2 * time.Second)
	owes("")
	spend("")
	spend(guard.NameFailures)
	at.pass(time.Hour)
	spend("")
	spend("")
	spend(guard.NameFailures)
}

// A connection that is refused for the one budget takes nothing from the other.
// A clock that is set right, as NTP does after a start, must not let whoever was here
// before wait until it has come round again.
func TestAClockThatIsTurnedBackLocksNobodyOut(t *testing.T) {
	b, at := budgets(t)
	ctx, a := t.Context(), addr("203.0.113.9")
	for range 2 {
		err := b.Spend(ctx, guard.Failures, a)
		if err != nil {
			t.Fatal(err)
		}
	}
	at.pass(-time.Hour)
	err := b.Owes(ctx, guard.Failures, a)
	if err != nil {
		t.Errorf("Owes() after the clock was turned back an hour: %+v", err)
	}
	for n := range 2 {
		err = b.Spend(ctx, guard.Failures, a)
		if err != nil {
			t.Fatalf("Spend() number %d after the clock was turned back an hour: %+v", n+1, err)
		}
	}
	if got := budgetOf(b.Spend(ctx, guard.Failures, a)); got != guard.NameFailures {
		t.Errorf("the third of two names %q, want %q", got, guard.NameFailures)
	}
}

func TestConnectionTakesBothOrNothing(t *testing.T) {
	b, at := budgets(t)
	ctx, a := t.Context(), addr("203.0.113.9")
	connect := func(want string) guard.Hold {
		t.Helper()
		h, err := b.Connect(ctx, a)
		if got := budgetOf(err); got != want {
			t.Errorf("Connect() names %q, want %q", got, want)
		}
		return h
	}
	one, two, three := connect(""), connect(""), connect("")
	connect(guard.NameConnections)
	one.Leave()
	two.Leave()
	connect("").Leave()
	connect("").Leave()
	for range 5 {
		connect(guard.NameHandshakes)
	}
	at.pass(2 * time.Second)
	connect("").Leave()
	connect("").Leave()
	connect(guard.NameHandshakes)
	three.Leave()
}

func TestWhatCountsAsOneAddress(t *testing.T) {
	for name, c := range map[string]struct {
		first, second string
		same          bool
	}{
		"one IPv4 address":                      {"203.0.113.9", "203.0.113.9", true},
		"two of one network":                    {"203.0.113.9", "203.0.113.10", false},
		"IPv4 in IPv6":                          {"203.0.113.9", "::ffff:203.0.113.9", true},
		"two addresses of one household's IPv6": {"2001:db8:0:1::1", "2001:db8:0:1:ffff::9", true},
		"two households":                        {"2001:db8:0:1::1", "2001:db8:0:2::1", false},
		"with and without a zone":               {"fe80::1%eth0", "fe80::1", true},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := budgets(t, func(o *guard.Options) { o.Config.RequestsMax = 1 })
			_, err := b.Enter(t.Context(), guard.Requests, addr(c.first))
			if err != nil {
				t.Fatal(err)
			}
			_, err = b.Enter(t.Context(), guard.Requests, addr(c.second))
			if (err != nil) != c.same {
				t.Errorf("%s beside %s: %v, want one address %v", c.second, c.first, err, c.same)
			}
		})
	}
}

func TestWhoHasNoBudgets(t *testing.T) {
	none := func(o *guard.Options) {
		o.Config.RequestsMax, o.Config.Failures = 0, guard.Allowance{}
	}
	for name, c := range map[string]struct {
		change func(*guard.Options)
		from   netip.Addr
	}{
		"a trusted proxy":               {func(o *guard.Options) { o.Trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }, addr("10.9.9.9")},
		"a load generator":              {func(o *guard.Options) { o.Config.Exempt = []string{"192.0.2.7"} }, addr("192.0.2.7")},
		"nobody where there are none":   {none, addr("203.0.113.9")},
		"a peer that has no address":    {func(*guard.Options) {}, netip.Addr{}},
		"an exempt network's address 6": {func(o *guard.Options) { o.Config.Exempt = []string{"2001:db8::/32"} }, addr("2001:db8::1")},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := budgets(t, c.change)
			for range 50 {
				_, err := b.Enter(t.Context(), guard.Requests, c.from)
				err = errors.Join(err, b.Spend(t.Context(), guard.Failures, c.from), b.Owes(t.Context(), guard.Failures, c.from))
				if err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	var nobody *guard.Budgets
	h, err := nobody.Connect(t.Context(), addr("203.0.113.9"))
	h.Leave()
	err = errors.Join(err, nobody.Owes(t.Context(), guard.Resets, addr("203.0.113.9")))
	if err != nil {
		t.Errorf("without any budgets: %v", err)
	}
}

// A house of a thousand people behind one address, with what its browsers do in a
// bad minute, meets no limit of the defaults.
func TestDefaultsLetAHouseIn(t *testing.T) {
	b, at := budgets(t, func(o *guard.Options) { o.Config = guard.DefaultConfig() })
	ctx, house := t.Context(), addr("203.0.113.9")
	var holds []guard.Hold
	for range 1000 { // After a cut line all come back in one moment, each with two connections and eight requests.
		for range 2 {
			h, err := b.Connect(ctx, house)
			if err != nil {
				t.Fatal(err)
			}
			holds = append(holds, h)
		}
		for range 8 {
			h, err := b.Enter(ctx, guard.Requests, house)
			if err != nil {
				t.Fatal(err)
			}
			holds = append(holds, h)
		}
		for _, r := range []guard.Rate{guard.Resets, guard.Resets, guard.Resets, guard.Resets, guard.Failures, guard.SignIns, guard.SignIns} {
			err := b.Spend(ctx, r, house)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, h := range holds {
		h.Leave()
	}
	for range 60 { // And in an hour each of them, every minute, opens a connection and gives up three streams.
		at.pass(time.Minute)
		for range 1000 {
			h, err := b.Connect(ctx, house)
			err = errors.Join(err, b.Spend(ctx, guard.Resets, house), b.Spend(ctx, guard.Resets, house), b.Spend(ctx, guard.Resets, house))
			if err != nil {
				t.Fatal(err)
			}
			h.Leave()
		}
	}
}

// sums are the sums of counters by name and budget.
func sums(t *testing.T, reader *sdk.ManualReader) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	err := reader.Collect(t.Context(), &all)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]int64)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					budget, _ := p.Attributes.Value(attribute.Key("budget"))
					out[m.Name+" "+budget.AsString()] = p.Value
				}
			case metricdata.Gauge[int64]:
				out[m.Name] = data.DataPoints[0].Value
			}
		}
	}
	return out
}

func meter(reader *sdk.ManualReader) metric.Meter {
	return sdk.NewMeterProvider(sdk.WithReader(reader)).Meter("")
}

// The table of addresses is bounded: those that hold something stay, the others make
// room, and where all hold something a new one passes and is counted.
func TestAddressesAreBounded(t *testing.T) {
	reader := sdk.NewManualReader()
	b, _ := budgets(t, func(o *guard.Options) { o.Config.AddressesMax, o.Meter = 64, meter(reader) })
	ctx := t.Context()
	n := 0
	next := func() netip.Addr {
		n++
		return addr(fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255))
	}
	for range 10_000 {
		err := b.Spend(ctx, guard.Failures, next())
		if err != nil {
			t.Fatal(err)
		}
	}
	got := sums(t, reader)
	if got["vigil.gateway.guard.addresses"] != 64 || got["vigil.gateway.guard.evicted "] != 10_000-64 {
		t.Errorf("10,000 addresses that hold nothing, room for 64: %v", got)
	}
	var holds []guard.Hold
	for range 1000 {
		h, err := b.Enter(ctx, guard.Requests, next())
		if err != nil {
			t.Fatal(err)
		}
		holds = append(holds, h)
	}
	got = sums(t, reader)
	if got["vigil.gateway.guard.addresses"] != 64 || got["vigil.gateway.guard.untracked "] < 1000-64 {
		t.Errorf("1,000 addresses that hold something: %v", got)
	}
	for _, h := range holds {
		h.Leave()
	}
	if got = sums(t, reader); got["vigil.gateway.guard.addresses"] != 0 {
		t.Errorf("once all have left: %v, want none", got)
	}
}

// A refusal is counted by budget, and the log is told of an address now and then.
func TestRefusalsAreCounted(t *testing.T) {
	reader, log := sdk.NewManualReader(), new(bytes.Buffer)
	b, at := budgets(t, func(o *guard.Options) { o.Meter, o.Logger = meter(reader), slog.New(slog.NewTextHandler(log, nil)) })
	ctx, a := t.Context(), addr("203.0.113.9")
	for range 12 {
		_ = b.Spend(ctx, guard.Failures, a)
	}
	for range 5 {
		_, _ = b.Enter(ctx, guard.Requests, a)
	}
	got := sums(t, reader)
	if got["vigil.gateway.guard.refused failures"] != 10 || got["vigil.gateway.guard.refused requests"] != 3 {
		t.Errorf("got %v, want 10 failures and 3 requests", got)
	}
	if n := strings.Count(log.String(), "address=203.0.113.9"); n != 2 {
		t.Errorf("%d lines, want one for each budget:\n%s", n, log)
	}
	at.pass(2 * time.Minute)
	for range 12 {
		_ = b.Spend(ctx, guard.Failures, a)
	}
	if n := strings.Count(log.String(), "budget=failures"); n != 2 {
		t.Errorf("%d lines about failures, want another one after a while:\n%s", n, log)
	}
}

func TestConcurrentHoldsAddUp(t *testing.T) {
	b, _ := budgets(t, func(o *guard.Options) { o.Config.RequestsMax = 10 })
	ctx, a := t.Context(), addr("203.0.113.9")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				h, err := b.Enter(ctx, guard.Requests, a)
				if err == nil {
					h.Leave()
				}
			}
		})
	}
	wg.Wait()
	for range 10 {
		_, err := b.Enter(ctx, guard.Requests, a)
		if err != nil {
			t.Fatalf("something was left behind: %v", err)
		}
	}
	_, err := b.Enter(ctx, guard.Requests, a)
	if err == nil {
		t.Error("the eleventh of ten is let in: somebody has left twice")
	}
}

func TestConfigNamesEveryFault(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*guard.Config)
		want   string
	}{
		"negative connections":        {func(c *guard.Config) { c.ConnectionsMax = -1 }, "connections_max"},
		"negative requests":           {func(c *guard.Config) { c.RequestsMax = -1 }, "requests_max"},
		"too many introspections":     {func(c *guard.Config) { c.IntrospectionsMax = 1 << 30 }, "introspections_max"},
		"negative calls":              {func(c *guard.Config) { c.SignInCallsMax = -1 }, "sign_in_calls_max"},
		"a rate without a burst":      {func(c *guard.Config) { c.Handshakes.Burst = 0 }, "handshakes.burst"},
		"a negative rate":             {func(c *guard.Config) { c.Resets.PerMinute = -1 }, "resets.per_minute"},
		"a burst that overflows":      {func(c *guard.Config) { c.Failures.Burst = 1 << 40 }, "failures.burst"},
		"a burst that is missing":     {func(c *guard.Config) { c.Logouts.Burst = 0 }, "logouts.burst"},
		"a rate that overflows":       {func(c *guard.Config) { c.SignIns.PerMinute = 1 << 40 }, "sign_ins.per_minute"},
		"room for nobody":             {func(c *guard.Config) { c.AddressesMax = 0 }, "addresses_max"},
		"an exemption that is none":   {func(c *guard.Config) { c.Exempt = []string{"the office"} }, "exempt[0]"},
		"a network with bits behind":  {func(c *guard.Config) { c.Exempt = []string{"10.0.0.1/8"} }, "exempt[0]"},
		"more exemptions than looked": {func(c *guard.Config) { c.Exempt = make([]string, 300) }, "exempt: at most"},
	} {
		t.Run(name, func(t *testing.T) {
			config := guard.DefaultConfig()
			c.change(&config)
			err := config.Validate()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a fault of %s", err, c.want)
			}
		})
	}
	err := guard.DefaultConfig().Validate()
	if err != nil {
		t.Errorf("the defaults: %v", err)
	}
}

func BenchmarkEnterLeave(b *testing.B) {
	g, _ := budgets(b, func(o *guard.Options) { o.Config = guard.DefaultConfig() })
	ctx, a := b.Context(), addr("203.0.113.9")
	stays, _ := g.Enter(ctx, guard.Connections, a)
	defer stays.Leave()
	b.ReportAllocs()
	for b.Loop() {
		h, err := g.Enter(ctx, guard.Requests, a)
		if err != nil {
			b.Fatal(err)
		}
		h.Leave()
	}
}
