//go:build bench && e2e

package e2e_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/cmd/internal/topics"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// What happens while verdicts are measured.
var (
	duringFault    = flag.String("during.fault", "flood", "flood, rebalance or restart")
	duringCalm     = flag.Duration("during.calm", 15*time.Second, "measured time before it")
	duringLasts    = flag.Duration("during.lasts", 20*time.Second, "measured time with it")
	duringStuffers = flag.Duration("during.stuffers", 200*time.Millisecond, "pause between two servers that try passwords")
)

const (
	// floodTimes is how many times the ordinary rate a flood is.
	floodTimes = 10
	// floodPeople are whom the flood's events are of.
	floodPeople = 5000
	// stufferGap is the pause between two tries of one server, triesMax how many it makes.
	stufferGap = 5 * time.Millisecond
	triesMax   = 6000
)

// TestLoopDuring measures how long verdicts of both stages take while something
// happens: Apache Kafka, the gateway and the analyzer are processes of their own.
// Beside them, at the same time on the same broker, the bare two-hop loop.
func TestLoopDuring(t *testing.T) {
	faults := map[string]func(context.Context, *testing.T, *site){"flood": flood, "rebalance": rebalance, "restart": restart}
	fault := faults[*duringFault]
	if fault == nil {
		t.Fatalf("-during.fault: %q is none of flood, rebalance, restart", *duringFault)
	}
	s := newSite(t, patientKafka(t, *duringFault == "restart"))
	s.write(t, "gateway.yaml", strings.NewReplacer("country: JP", "country: AU", "dir: gateway-state", "dir: gateway-state, fuse: {share: 1}").Replace(s.gatewayFile())+fmt.Sprintf(
		"  - {id: login, path: /login, methods: [POST], upstream: %q, public: true, sign_in: {account: 'form:username', success: [200], failure: [401]}}\n", s.upstream.URL()))
	s.write(t, "analyzer.yaml", s.unbounded())
	s.open(t)
	x := s.stack()
	crowd := newCrowd(t, x)
	crowd.run(t, 5*time.Second)
	bytes := recordBytes(t, x)
	_, err := topics.Ensure(t.Context(), topics.Options{Brokers: x.run.Kafka, Specs: bareTopics(partitions), Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	bare := newBareLoop(x.run.Kafka, partitions, emit.DefaultConfig().Linger)
	bare.patient = true
	bare.run(t, *loopRate, bareAnswers, bytes, 2*time.Second)
	alone := bare.run(t, *loopRate, bareAnswers, bytes, *duringCalm)

	m := &during{stack: x, crowd: crowd, bare: bare, bytes: bytes}
	calm := m.phase(t, *duringCalm, nil)
	then := m.phase(t, *duringLasts, func(ctx context.Context) { fault(ctx, t, s) })
	causes := m.causes(t)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(t.Output(), format+"\n", args...) }
	say("%s; %d partitions, %d ordinary requests/s; load average %s", *duringFault, partitions, *loopRate, loadAverage(t))
	say("%-62s %9s %9s %9s %9s %12s %6s", "ms", "p50", "p99", "p99.9", "longest", "longest gap", "n")
	row := func(name, gap string, list []took) {
		d := durations(list)
		say("%-62s %9.1f %9.1f %9.1f %9.1f %12s %6d", name, ms(d, .5), ms(d, .99), ms(d, .999), ms(d, 1), gap, len(d))
	}
	say("%-62s %9.1f %9.1f %9.1f %9.1f %12s %6d", "bare two-hop loop alone", ms(alone, .5), ms(alone, .99), ms(alone, .999), ms(alone, 1), "", len(alone))
	for _, p := range []struct {
		name string
		of   phase
	}{{"before: ", calm}, {"during: ", then}} {
		thefts, refusals := p.of.thefts(t), p.of.refusals(t, causes)
		row(p.name+"subject stage, offending request sent → last byte", gap(p.of.from, thefts), thefts)
		parts := join(t, x, p.of.stolen, 0)
		row(p.name+"  request sent → its event emitted", "", alike(parts.served))
		row(p.name+"  event emitted → verdict made", "", alike(parts.judged))
		row(p.name+"  verdict made → victim's last byte", "", alike(parts.cut))
		row(p.name+"  event emitted → victim's last byte", "", alike(parts.enforced))
		row(p.name+"facet stage, offending request sent → first refusal", gap(p.of.from, refusals), refusals)
		say("%-62s %9.1f %9.1f %9.1f %9.1f %12s %6d", p.name+"bare two-hop loop beside", ms(p.of.bare, .5), ms(p.of.bare, .99), ms(p.of.bare, .999), ms(p.of.bare, 1), "", len(p.of.bare))
		for _, stage := range []struct {
			name string
			of   []took
		}{{"subject stage", thefts}, {"subject stage from the event on", alike(parts.enforced)}, {"facet stage", refusals}} {
			d := durations(stage.of)
			say("%-62s %9.2f %9.2f %9.2f %9.2f", p.name+"ratio to the bare loop beside, "+stage.name,
				ms(d, .5)/ms(p.of.bare, .5), ms(d, .99)/ms(p.of.bare, .99), ms(d, .999)/ms(p.of.bare, .999), ms(d, 1)/ms(p.of.bare, 1))
			if len(d) == 0 {
				t.Errorf("%s%s: no verdict was measured", p.name, stage.name)
			}
		}
	}
	say("ordinary requests refused or broken %d, sent late (over 100 ms) %d of %d", crowd.failed(), crowd.late(), crowd.sent())
}

// patientKafka does not count a broker as dead that has no core for a second, as
// the one of the other tests does. One that is to be killed is gone for as long as
// it is not counted as dead, and so has less time.
func patientKafka(t *testing.T, dies bool) kafkaServer {
	t.Helper()
	session := "5000"
	if dies {
		session = "2000"
	}
	a, err := broker.NewApache(t.Context(), broker.ApacheOptions{Dir: t.TempDir(), Properties: []string{"broker.session.timeout.ms=" + session}})
	if err != nil {
		t.Fatal(err)
	}
	k := apacheKafka{a}
	k.Return(t)
	t.Cleanup(a.Kill)
	return k
}

// unbounded is the analyzer's file without bounds of what may be revoked.
func (s *site) unbounded() string {
	return strings.ReplaceAll(s.analyzerFile(), "announce: {", "announce: {revokes_per_minute: 100000, blast_radius: {share: 1, least: 100000}, ")
}

// stack is the site as the measurements of "vigil up" see one.
func (s *site) stack() *stack {
	return &stack{
		dir: s.dir, pid: s.analyzer.cmd.Process.Pid, idp: s.idp, upstream: s.upstream, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		run: runfile.Run{
			Gateway: s.gateway.ready["gateway"], Kafka: []string{s.kafka.Addr()}, Partitions: partitions,
			ClickHouse: "http://" + s.olap, ClickHouseDatabase: s.database,
		},
	}
}

// during is what runs beside a fault.
type during struct {
	stack *stack
	crowd *crowd
	bare  *bareLoop
	bytes int

	thieves, servers int
}

// phase is what was measured for a time.
type phase struct {
	stolen   []*theft
	stuffers []*stuffer
	bare     []time.Duration
	from     time.Time // When the first theft was due.
}

// took is one verdict: how long until it was enforced, and when it was.
type took struct {
	d  time.Duration
	at time.Time
}

// phase measures for a time; the fault begins with the first theft.
func (m *during) phase(t *testing.T, lasts time.Duration, fault func(context.Context)) phase {
	t.Helper()
	var p phase
	var work sync.WaitGroup
	began := time.Now()
	p.from = began.Add(stage)
	ctx, cancel := context.WithTimeout(t.Context(), lasts+stage)
	defer cancel()
	if fault != nil {
		work.Go(func() {
			until(ctx, began.Add(stage))
			fault(ctx)
		})
	}
	work.Go(func() { p.bare = m.bare.run(t, 10*probeRate, 1, m.bytes, lasts+stage) })
	work.Go(func() { p.stolen = thieves(t, m.stack, m.thieves, lasts) })
	work.Go(func() { p.stuffers = m.stuff(ctx, t, began.Add(stage), lasts) })
	m.crowd.run(t, lasts+stage)
	work.Wait()
	m.thieves += len(p.stolen)
	return p
}

// stuffer is one server that tries passwords until it is refused.
type stuffer struct {
	tries   map[string]time.Time // When each was sent, by its request's id.
	refused time.Time
	err     error
}

// stuff has a server begin every now and then, and waits until all are refused.
func (m *during) stuff(ctx context.Context, t *testing.T, from time.Time, lasts time.Duration) []*stuffer {
	t.Helper()
	var all []*stuffer
	var work sync.WaitGroup
	for at := time.Duration(0); at < lasts; at += *duringStuffers {
		until(ctx, from.Add(at))
		x := &stuffer{tries: make(map[string]time.Time)}
		all = append(all, x)
		m.servers++
		n := m.servers
		work.Go(func() { x.err = x.happen(t, m.stack, n) })
	}
	work.Wait()
	return all
}

// happen tries until the answer is another than "wrong password".
func (x *stuffer) happen(t *testing.T, s *stack, n int) error {
	t.Helper()
	from := address(abroad, 20_000+256*n) // No two share a prefix.
	conn, err := dialFrom(t.Context(), s.host(), from)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	for i := range triesMax {
		body := fmt.Sprintf("username=user%d-%d&password=winter%d", n, i, i)
		req := fmt.Sprintf("POST /login HTTP/1.1\r\nHost: %s\r\nUser-Agent: python-requests/2.32.3\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", s.host(), len(body), body)
		sent := time.Now()
		_, err = io.WriteString(conn, req)
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
		resp, err := http.ReadResponse(in, nil)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		if err != nil && i == 0 {
			return fmt.Errorf("read: %w", err)
		}
		if err != nil || resp.StatusCode != http.StatusUnauthorized { // What is under way when the verdict comes is cut.
			x.refused = time.Now()
			return nil
		}
		x.tries[resp.Header.Get("X-Request-Id")] = sent
		until(t.Context(), sent.Add(stufferGap))
	}
	return fmt.Errorf("%d tries and no refusal", triesMax)
}

// causes are the requests that verdicts about addresses name as theirs.
func (m *during) causes(t *testing.T) map[string]bool {
	t.Helper()
	all := make(map[string]bool)
	type row struct {
		ID string `json:"id"`
	}
	for deadline := time.Now().Add(waitMax); time.Now().Before(deadline) && len(all) < m.servers; time.Sleep(10 * lookGap) {
		err := query(t.Context(), m.stack, "SELECT DISTINCT cause_event_id AS id FROM verdicts WHERE target_kind IN ('address', 'prefix')", func(r row) { all[r.ID] = true })
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// thefts are the verdicts of the subject stage.
func (p phase) thefts(t *testing.T) []took {
	t.Helper()
	var list []took
	for _, x := range p.stolen {
		if x.err != nil {
			t.Errorf("theft %d: %v", x.number, x.err)
			continue
		}
		list = append(list, took{x.end.Sub(x.sent), x.end})
	}
	return list
}

// refusals are the verdicts about addresses.
func (p phase) refusals(t *testing.T, causes map[string]bool) []took {
	t.Helper()
	var list []took
	unknown := 0
	for i, x := range p.stuffers {
		if x.err != nil {
			t.Errorf("server %d: %v", i, x.err)
			continue
		}
		offended := time.Time{}
		for id, sent := range x.tries {
			if causes[id] && (offended.IsZero() || sent.Before(offended)) {
				offended = sent
			}
		}
		if offended.IsZero() {
			unknown++ // The verdict was about its network, and had another's try as its cause.
			continue
		}
		list = append(list, took{x.refused.Sub(offended), x.refused})
	}
	t.Logf("%d of %d servers were refused for what others did", unknown, len(p.stuffers))
	return list
}

// alike are durations of which nobody asks when they were.
func alike(list []time.Duration) []took {
	out := make([]took, len(list))
	for i := range list {
		out[i].d = list[i]
	}
	return out
}

func durations(list []took) []time.Duration {
	d := make([]time.Duration, len(list))
	for i := range list {
		d[i] = list[i].d
	}
	return d
}

// gap is the longest time without an enforcement, in milliseconds, that before the
// first one counted: what happens begins with from.
func gap(from time.Time, list []took) string {
	longest, last := time.Duration(0), from
	for _, x := range slices.SortedFunc(slices.Values(list), func(a, b took) int { return a.at.Compare(b.at) }) {
		longest, last = max(longest, x.at.Sub(last)), x.at
	}
	return fmt.Sprintf("%.1f", longest.Seconds()*1000)
}

// A stop of verdicts shows wherever it falls, and however late its verdicts are listed.
func TestGap(t *testing.T) {
	from := time.Now()
	at := func(list ...time.Duration) (out []took) {
		for _, d := range list {
			out = append(out, took{at: from.Add(d * time.Millisecond)})
		}
		return out
	}
	for want, list := range map[string][]took{"7000.0": at(7100, 7000, 7200), "5000.0": at(100, 5300, 300), "100.0": at(200, 100), "0.0": nil} {
		if got := gap(from, list); got != want {
			t.Errorf("gap of %v = %s, want %s", list, got, want)
		}
	}
}

// flood writes ten times the ordinary rate to vigil.requests, as from other
// gateways, until ctx ends.
func flood(ctx context.Context, t *testing.T, s *site) {
	t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(s.kafka.Addr()), Transport: &kafka.Transport{}}
	lanes := topic.Lanes{Count: topic.LanesDefault, Seed: 1}
	const each = 20 * time.Millisecond
	n := 0
	for due := time.Now(); ctx.Err() == nil; due = due.Add(each) {
		until(ctx, due)
		batches := make([][]kafka.Record, partitions)
		for range floodTimes * *loopRate / int(time.Second/each) {
			n++
			subject := fmt.Sprintf("flood-%d", n%floodPeople)
			value, err := event.Append(nil, &event.RequestEvent{
				Kind: event.KindRequest, Phase: event.PhaseComplete, Id: fmt.Sprintf("flood-%d", n), Time: timestamppb.Now(), Tenant: "default",
				Subject: subject, Session: subject + "-session", SubjectKind: event.SubjectHuman, Address: fmt.Sprintf("10.%d.%d.1", n%floodPeople>>8, n&255),
				UserAgent: ownersAgent, Method: http.MethodGet, Path: "/accounts", Route: "accounts", Template: "/accounts", Status: http.StatusOK,
			})
			if err != nil {
				t.Error(err)
				return
			}
			key := topic.RequestKey("default", subject, "")
			p := topic.Partition(lanes.Of(key), partitions)
			batches[p] = append(batches[p], kafka.Record{Key: kafka.NewBytes(key), Value: kafka.NewBytes(value)})
		}
		for p, records := range batches {
			resp, err := client.Produce(ctx, &kafka.ProduceRequest{Topic: topic.Requests, Partition: p, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...)})
			if err == nil {
				err = resp.Error
			}
			if err != nil && ctx.Err() == nil {
				t.Logf("flood: %v", err) // The broker is at its end, which is what a flood is for.
			}
		}
	}
	t.Logf("%d records of the flood", n)
}

// rebalance has a second analyzer join, and leave some seconds later.
func rebalance(ctx context.Context, t *testing.T, s *site) {
	t.Helper()
	dir := filepath.Join(s.dir, "second")
	err := os.Mkdir(dir, 0o700)
	if err != nil {
		t.Error(err)
		return
	}
	s.write(t, "second.yaml", strings.ReplaceAll(s.unbounded(), "dir: analyzer-state", "dir: second-state"))
	p, line := launch(t, dir, "vigil-analyzer", "--config", filepath.Join(s.dir, "second.yaml"))
	select {
	case <-line:
	case <-p.done:
		t.Errorf("second analyzer: %v\n%s", p.err, p.tail())
		return
	case <-ctx.Done():
	}
	joined := time.NewTimer(*duringLasts / 3)
	defer joined.Stop()
	select {
	case <-joined.C:
	case <-ctx.Done():
	}
	p.stop(t)
}

// restart kills the broker and starts it again at once.
func restart(_ context.Context, t *testing.T, s *site) {
	t.Helper()
	began := time.Now()
	s.kafka.Crash()
	s.kafka.Return(t)
	t.Logf("the broker was gone for %v", time.Since(began).Round(time.Millisecond))
}
