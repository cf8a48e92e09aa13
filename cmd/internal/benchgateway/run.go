//go:build linux

package benchgateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
)

// bench is one run.
type bench struct {
	o   Options
	dir string
	now time.Time

	// alone is the processor of what is measured, elsewhere that of all else.
	alone, elsewhere int
	processes        []*process // In the order of their start.
	places           places
	engines          runfile.Run
	yielding         *process // The engines.
	verdicts         string   // File of the verdicts that every gateway starts with.
	direct           *target
	targets          []*target
	broker           *broker.Broker // Of apart.
	apart            *target        // A gateway whose events nobody scores or stores meanwhile.
	client           *http.Client
	mint             *mint
	warm             map[string][][]byte // Requests with the tokens in use, by algorithm.
	cold             map[string][][]byte // Requests with new tokens, by algorithm and repetition.
	report           Report
}

// Run measures, and returns what it found. It keeps this process on one
// processor for good.
func Run(ctx context.Context, o Options) (report Report, err error) {
	err = o.Validate()
	if err != nil {
		return Report{}, err
	}
	all, err := processors()
	if err != nil {
		return Report{}, err
	}
	if len(all) < 2 {
		return Report{}, fmt.Errorf("two processors are needed, there is %d: what is measured must have one of its own", len(all))
	}
	dir, err := os.MkdirTemp("", "vigil-bench-gateway-")
	if err != nil {
		return Report{}, fmt.Errorf("make directory: %w", err)
	}
	b := &bench{
		o: o, dir: dir, now: time.Now(), alone: all[1], elsewhere: all[0],
		client: &http.Client{Transport: &http.Transport{}}, warm: make(map[string][][]byte), cold: make(map[string][][]byte),
	}
	defer func() {
		late := b.close()
		if late != nil { // It costs nobody the figures.
			b.say("ending the programs: %v", late)
		}
	}()
	b.report = Report{Time: b.now.UTC(), Machine: machine(), Options: o, CPU: make(map[string][]float64), Cold: make(map[string][]float64), Latency: make(map[string][]Latency)}
	if o.wants(partHit) {
		b.report.HitNanoseconds, b.report.HitAllocations, err = hit(o.Tokens, revokedOfHit)
		if err != nil {
			return Report{}, err
		}
	}
	err = pinSelf(b.elsewhere)
	if err != nil {
		return Report{}, err
	}
	err = b.prepare(ctx)
	if err != nil {
		return Report{}, err
	}
	err = b.measure(ctx)
	if err != nil {
		return Report{}, err
	}
	return b.report, b.account(ctx)
}

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.o.Progress, format+"\n", args...)
}

// close ends all programs, those that were started last first.
func (b *bench) close() error {
	b.client.CloseIdleConnections()
	var errs []error
	for _, p := range slices.Backward(b.processes) {
		errs = append(errs, p.stop())
	}
	if b.broker != nil {
		b.broker.Close()
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}

// prepare starts everything, and proves that each target does its work.
func (b *bench) prepare(ctx context.Context) error {
	var err error
	b.mint, err = newMint(b.now)
	if err != nil {
		return err
	}
	err = b.mint.write(b.dir)
	if err != nil {
		return err
	}
	for _, algorithm := range []string{rs256, es256} {
		b.warm[algorithm], err = b.mint.requests(algorithm, b.o.Tokens)
		if err != nil {
			return err
		}
	}
	b.say("starting the service, the peers and the engines")
	err = b.startPeers(ctx)
	if err != nil {
		return err
	}
	err = errors.Join(b.startFloor(ctx), b.startEngines(ctx))
	if err != nil {
		return err
	}
	err = b.seed(ctx)
	if err != nil {
		return err
	}
	err = b.startGateways(ctx)
	if err != nil {
		return err
	}
	return b.prove(ctx)
}

// startGateways starts those that are measured.
func (b *bench) startGateways(ctx context.Context) error {
	add := func(name, program string, v vigil) error {
		v.kafka = b.engines.Kafka
		t, err := b.startVigil(ctx, name, program, v)
		if err == nil {
			b.targets = append(b.targets, t)
		}
		return err
	}
	err := add(vigilWarm, b.o.Gateway, vigil{id: warmID, kept: rowsKept})
	if err != nil {
		return err
	}
	if b.o.Silent != "" {
		err = add(vigilSilent, b.o.Silent, vigil{id: silentID})
	}
	for i, program := range b.o.Beside {
		err = errors.Join(err, add(besideName(program), program, vigil{id: besideID(i), kept: rowsKept}))
	}
	if err != nil || !b.o.wants(partLatency) {
		return err
	}
	b.broker, err = broker.Start(broker.Options{})
	if err != nil {
		return err
	}
	b.apart, err = b.startVigil(ctx, vigilApart, b.o.Gateway, vigil{id: apartID, kept: eventsKept, kafka: []string{b.broker.Addr()}})
	return err
}

// proxies are all targets that are before the service.
func (b *bench) proxies() []*target {
	if b.apart == nil {
		return b.targets
	}
	return append(slices.Clone(b.targets), b.apart)
}

// prove checks that every target refuses what it must and lets through the rest.
func (b *bench) prove(ctx context.Context) error {
	for _, t := range b.proxies() {
		if t.vigil != nil {
			k, err := b.caughtUp(ctx, t.vigil)
			if err != nil {
				return err
			}
			if k.Verdicts < b.o.Revoked {
				return fmt.Errorf("%s holds %d verdicts, not %d", t.name, k.Verdicts, b.o.Revoked)
			}
		}
		good := b.warm[t.algorithm][0]
		bad := slices.Clone(good)
		bad[len(bad)-len("x\r\n\r\n")-20] ^= 1 // Within the signature; still of the same alphabet but for a few letters.
		for what, one := range map[string]struct {
			request []byte
			good    bool
		}{"a good token": {good, true}, "a bad token": {bad, !t.checks}, "no token": {request(""), !t.checks}} {
			y, err := b.send(t, load{requests: [][]byte{one.request}, conns: 1, count: 1})
			if err != nil {
				return fmt.Errorf("%s, %s: %w", t.name, what, err)
			}
			if (y.good == 1) != one.good {
				return fmt.Errorf("%s must answer 200 to %s: %t, which it does not", t.name, what, one.good)
			}
		}
	}
	return nil
}

// send sends a load to a target, and counts what Vigil was asked.
func (b *bench) send(t *target, l load) (yield, error) {
	l.to = t.at
	y, err := l.run()
	if t.vigil != nil {
		t.vigil.asked += y.sent
	}
	return y, err
}

// measure takes all measurements in turn.
func (b *bench) measure(ctx context.Context) error {
	for _, part := range []struct {
		name string
		over []*target
		do   func(context.Context, *target, int) error
	}{
		{partWarm, b.targets, b.measureWarm},
		{partCold, b.targets, b.measureCold},
		{partLatency, append([]*target{b.direct}, b.proxies()...), b.measureLatency},
	} {
		if part.name == partLatency {
			err := b.yielding.yieldAll()
			if err != nil {
				return err
			}
		}
		for r := range b.o.Repetitions {
			for _, t := range turn(part.over, r) {
				if !b.o.wants(part.name) {
					continue
				}
				err := part.do(ctx, t, r)
				if err != nil {
					return fmt.Errorf("%s: %w", t.name, err)
				}
			}
		}
		if part.name != partWarm {
			continue
		}
		err := b.measureMemory()
		if err != nil {
			return err
		}
	}
	return nil
}

// measureMemory is what the gateway holds after the warm measurements.
func (b *bench) measureMemory() (err error) {
	for _, t := range b.targets {
		if t.name == vigilWarm {
			b.report.Resident, err = t.process.resident()
		}
	}
	return err
}

// turn is the order of a repetition: one further on each time, and every second
// time from behind.
func turn(all []*target, repetition int) []*target {
	n := repetition % len(all)
	out := append(slices.Clone(all[n:]), all[:n]...)
	if repetition%2 == 1 {
		slices.Reverse(out)
	}
	return out
}

// measureWarm measures what a request costs whose token has been seen before.
func (b *bench) measureWarm(ctx context.Context, t *target, repetition int) error {
	first := load{requests: b.warm[t.algorithm], conns: conns, count: b.o.Tokens}
	_, err := b.send(t, first)
	if err != nil {
		return err
	}
	cost, rate, err := b.cost(ctx, t, load{requests: b.warm[t.algorithm], conns: conns, last: time.Duration(b.o.Seconds) * time.Second})
	if err != nil {
		return err
	}
	b.report.CPU[t.name] = append(b.report.CPU[t.name], cost)
	b.say("warm %d/%d  %-40s %6.2f µs of processor a request, %6.0f requests/s", repetition+1, b.o.Repetitions, t.name, cost, rate)
	return nil
}

// conns are the connections of a load.
const conns = 64

// cost is the processor time per request of a load, in microseconds, and the
// requests per second. All of them must be let through.
func (b *bench) cost(ctx context.Context, t *target, l load) (cost, rate float64, err error) {
	err = b.settle(ctx, t)
	if err != nil {
		return 0, 0, err
	}
	before, err := t.process.processor()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	y, err := b.send(t, l)
	if err != nil {
		return 0, 0, err
	}
	rate = float64(y.sent) / time.Since(began).Seconds()
	if y.other > 0 {
		return 0, 0, fmt.Errorf("%d of %d requests were refused", y.other, y.sent)
	}
	if t.vigil != nil {
		_, err = b.sent(ctx, t.vigil)
		if err != nil {
			return 0, 0, err
		}
	}
	after, err := t.process.processor()
	if err != nil {
		return 0, 0, err
	}
	err = b.settle(ctx, t)
	return float64((after - before).Nanoseconds()) / 1e3 / float64(y.sent), rate, err
}

// settle waits until the engines are done with a gateway's events, so that the
// next measurement does not have them beside it.
func (b *bench) settle(ctx context.Context, t *target) error {
	if t.vigil == nil || t.vigil.kept != rowsKept {
		return nil
	}
	n, err := b.rows(ctx, t.vigil)
	if err == nil && n < t.vigil.asked {
		return fmt.Errorf("%s: %d of %d requests are rows after %s: %s", t.name, n, t.vigil.asked, settleMax, b.yielding.tail())
	}
	return err
}

// measureCold measures tokens that nobody has seen before: HAProxy, which
// remembers none, and Vigil take the same ones in a repetition.
func (b *bench) measureCold(ctx context.Context, t *target, repetition int) error {
	algorithms := []string{t.algorithm}
	switch {
	case t.vigil != nil && t.vigil.kept == rowsKept:
		algorithms = []string{rs256, es256}
	case t.name != haproxyRS256 && t.name != haproxyES256:
		return nil
	}
	for _, algorithm := range algorithms {
		requests, err := b.unseen(algorithm, repetition)
		if err != nil {
			return err
		}
		cost, _, err := b.cost(ctx, t, load{requests: requests, conns: conns, count: len(requests)})
		if err != nil {
			return err
		}
		name := t.name
		if t.vigil != nil {
			name += ", " + algorithm
		}
		b.report.Cold[name] = append(b.report.Cold[name], cost)
		b.say("cold %d/%d  %-40s %6.2f µs of processor a request", repetition+1, b.o.Repetitions, name, cost)
	}
	return nil
}

// unseen are the new tokens of a repetition.
func (b *bench) unseen(algorithm string, repetition int) ([][]byte, error) {
	at := algorithm + strconv.Itoa(repetition)
	if b.cold[at] == nil {
		requests, err := b.mint.requests(algorithm, b.o.New)
		if err != nil {
			return nil, err
		}
		b.cold[at] = requests
	}
	return b.cold[at], nil
}

// measureLatency measures how long answers take at a moderate rate. That of the
// gateway without events, and of the one whose events wait in a broker, tell how much
// of it is due to scoring and storing, which have to share a processor with the
// service here.
func (b *bench) measureLatency(ctx context.Context, t *target, repetition int) error {
	if t.name == haproxyES256 || t.name == envoyPlain || t.name == envoyJWT {
		return nil // Nothing is asked of them.
	}
	requests := b.warm[t.algorithm]
	_, err := b.send(t, load{requests: requests, conns: conns, last: time.Second, rate: float64(b.o.Rate), seed: 1})
	if err != nil {
		return err
	}
	y, err := b.send(t, load{requests: requests, conns: conns, last: time.Duration(b.o.Seconds) * time.Second, rate: float64(b.o.Rate), seed: uint64(repetition) + 2})
	if err != nil {
		return err
	}
	if y.other > 0 {
		return fmt.Errorf("%d of %d requests were refused", y.other, y.sent)
	}
	l := Latency{P50: y.at(0.5).Seconds() * 1e3, P99: y.at(0.99).Seconds() * 1e3}
	b.report.Latency[t.name] = append(b.report.Latency[t.name], l)
	b.say("latency %d/%d  %-40s p50 %.3f ms, p99 %.3f ms", repetition+1, b.o.Repetitions, t.name, l.P50, l.P99)
	return b.settle(ctx, t)
}

// account compares the requests that each gateway was sent with the rows that
// are in ClickHouse, or with the events in the broker of the one that has its own.
func (b *bench) account(ctx context.Context) error {
	for _, t := range b.proxies() {
		if t.vigil == nil || t.vigil.kept == "" {
			continue
		}
		k, err := b.sent(ctx, t.vigil)
		if err != nil {
			return err
		}
		count := b.rows
		if t.vigil.kept == eventsKept {
			count = recorded
		}
		rows, err := count(ctx, t.vigil)
		if err != nil {
			return err
		}
		dropped := uint64(0)
		for _, n := range k.Emit.Requests.Dropped {
			dropped += n
		}
		b.report.Accounts = append(b.report.Accounts, Account{Target: t.name, Where: t.vigil.kept, Requests: t.vigil.asked, Rows: rows, Dropped: int(dropped)})
	}
	return nil
}

func machine() string {
	return fmt.Sprintf("%d processors, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}
