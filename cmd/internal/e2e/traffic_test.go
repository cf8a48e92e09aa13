//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pires/go-proxyproto"

	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
)

// ledger is the clients' own book: what they sent, and what became of it.
type ledger struct {
	sent atomic.Int64 // Requests whose last byte was written.

	mu       sync.Mutex
	statuses map[int]int // Answers by status. Guarded by mu.
	faults   []string    // Requests without an answer. Guarded by mu.
}

func (l *ledger) answered(status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.statuses == nil {
		l.statuses = make(map[int]int)
	}
	l.statuses[status]++
}

func (l *ledger) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, err.Error())
}

// check fails the test where a request had no answer or an answer that is not
// among those that are fine.
func (l *ledger) check(t *testing.T, fine ...int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.faults) > 0 {
		t.Errorf("%d requests had no answer, the first: %s", len(l.faults), l.faults[0])
	}
	odd := maps.Clone(l.statuses)
	maps.DeleteFunc(odd, func(status, _ int) bool { return slices.Contains(fine, status) })
	if len(odd) > 0 {
		t.Errorf("answers by status that nobody expected: %v", odd)
	}
	t.Logf("clients sent %d requests; answers by status: %v", l.sent.Load(), l.statuses)
}

// person is one client: an address, a browser and a token.
type person struct {
	site    *site
	name    string
	sid     string
	token   string // Empty for somebody who has not signed in.
	agent   string
	address net.IP
	http    *http.Client
}

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	safari  = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1"
)

// somebody returns a new person in Zurich who has just signed in.
func (s *site) somebody() *person {
	s.people++
	n := s.people
	p := &person{
		site: s, name: fmt.Sprintf("person-%d", n), sid: fmt.Sprintf("sid-%d", n), agent: firefox,
		address: net.IPv4(198, 18, byte(n/200), byte(n%200+1)),
	}
	p.token = s.idp.Mint(idp.Claims{
		Subject: p.name, SessionID: p.sid, ClientID: "browser", AuthTime: time.Now().Add(-time.Minute), Expires: time.Now().Add(time.Hour),
	})
	p.connect()
	return p
}

// stranger returns a person without a token.
func (s *site) stranger() *person {
	p := s.somebody()
	p.token = ""
	return p
}

// thief returns somebody in Osaka who uses the token of p.
func (p *person) thief() *person {
	q := *p
	q.agent, q.address = safari, net.IPv4(198, 19, p.address.To4()[2], p.address.To4()[3])
	q.connect()
	return &q
}

// session is the pseudonym of the person's session.
func (p *person) session() string { return p.site.names.Session(p.site.idp.Issuer(), p.sid) }

// subject is the person's pseudonym.
func (p *person) subject() string { return p.site.names.Subject(p.site.idp.Issuer(), p.name) }

// connect makes the person's connections come from his address, by PROXY
// protocol version 2, as behind a load balancer.
func (p *person) connect() {
	source := &net.TCPAddr{IP: p.address, Port: 40000}
	p.http = &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 2,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			_, err = proxyproto.HeaderProxyFromAddrs(2, source, conn.RemoteAddr()).WriteTo(conn)
			if err != nil {
				return nil, errors.Join(err, conn.Close())
			}
			return conn, nil
		},
	}}
}

// counted enters each request that is written into the clients' ledger.
func (p *person) counted(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(i httptrace.WroteRequestInfo) {
		if i.Err == nil {
			p.site.ledger.sent.Add(1)
		}
	}})
}

// request asks for a path; the caller reads and closes the body.
func (p *person) request(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(p.counted(ctx), http.MethodGet, p.site.gateway.ready["gateway"]+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", p.agent)
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p.site.ledger.answered(resp.StatusCode)
	return resp, nil
}

// get asks for a page and reads it whole. Status 0 is no answer, which the
// ledger remembers as a fault.
func (p *person) get(path string) (status int, body string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	resp, err := p.request(ctx, path)
	if err != nil {
		p.site.ledger.failed(err)
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.site.ledger.failed(fmt.Errorf("%s: read: %w", path, err))
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

// watch opens the live view. The channel gives how it ended, once.
func (p *person) watch(ctx context.Context, t *testing.T) <-chan error {
	t.Helper()
	conn, resp, err := p.dial(ctx)
	if err != nil {
		t.Fatalf("open the live view: %v", err)
	}
	p.site.ledger.answered(resp.StatusCode)
	ended := make(chan error, 1)
	go func() {
		defer func() { _ = conn.CloseNow() }()
		for {
			_, _, err := conn.Read(ctx)
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	return ended
}

// pace calls each n times a second until ctx ends.
func pace(ctx context.Context, perSecond float64, each func()) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / perSecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			each()
		}
	}
}

// browse has n people each ask for a page perSecond times a second, until the
// returned function is called; it waits for their last answers. One page in
// twenty is one of more.
func (s *site) browse(t *testing.T, seed uint64, n int, perSecond float64, more ...string) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var crowd sync.WaitGroup
	for i := range n {
		p, r := s.somebody(), rand.New(rand.NewPCG(seed, uint64(i)))
		own := 1000 + r.IntN(8000)
		pages := []string{"/", "/me", "/accounts", fmt.Sprintf("/accounts/%d", own), fmt.Sprintf("/accounts/%d", own)}
		crowd.Go(func() {
			pace(ctx, perSecond, func() {
				from := pages
				if len(more) > 0 && r.IntN(20) == 0 {
					from = more
				}
				p.get(from[r.IntN(len(from))])
			})
			p.http.CloseIdleConnections()
		})
	}
	leave = sync.OnceFunc(func() {
		cancel()
		crowd.Wait()
	})
	t.Cleanup(leave)
	return leave
}

// knock has n people without a token ask for pages that need one.
func (s *site) knock(t *testing.T, n int, perSecond float64) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var crowd sync.WaitGroup
	for range n {
		p := s.stranger()
		crowd.Go(func() {
			pace(ctx, perSecond, func() { p.get("/me") })
			p.http.CloseIdleConnections()
		})
	}
	leave = sync.OnceFunc(func() {
		cancel()
		crowd.Wait()
	})
	t.Cleanup(leave)
	return leave
}

// stream has n people of each kind open streams, one after the other: server-sent
// events and live views that they leave after a while, and downloads to the end.
func (s *site) stream(t *testing.T, n int) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var crowd sync.WaitGroup
	each := func(once func(p *person)) {
		for range n {
			p := s.somebody()
			crowd.Go(func() {
				for ctx.Err() == nil {
					once(p)
				}
				p.http.CloseIdleConnections()
			})
		}
	}
	each(func(p *person) { p.listen(3 * time.Second) })
	each(func(p *person) { p.get("/download?bytes=400000&rate=200000") })
	each(func(p *person) { p.look(t, 3*time.Second) })
	leave = sync.OnceFunc(func() {
		cancel()
		crowd.Wait()
	})
	t.Cleanup(leave)
	return leave
}

// listen reads server-sent events for a while and leaves.
func (p *person) listen(lasts time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	resp, err := p.request(ctx, "/events")
	if err != nil {
		p.site.ledger.failed(err)
		return
	}
	leave := time.AfterFunc(lasts, cancel)
	defer leave.Stop()
	_, err = io.Copy(io.Discard, resp.Body)
	if ctx.Err() == nil {
		p.site.ledger.failed(fmt.Errorf("/events ended by itself: %w", err))
	}
	_ = resp.Body.Close()
}

// look has the live view open for a while and leaves.
func (p *person) look(t *testing.T, lasts time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, resp, err := p.dial(ctx)
	if err != nil {
		p.site.ledger.failed(err)
		return
	}
	p.site.ledger.answered(resp.StatusCode)
	defer func() { _ = conn.CloseNow() }()
	for until := time.Now().Add(lasts); time.Now().Before(until); {
		_, _, err := conn.Read(ctx)
		if err != nil {
			p.site.ledger.failed(fmt.Errorf("/ws ended by itself: %w", err))
			return
		}
	}
	_ = conn.Close(websocket.StatusNormalClosure, "")
}

// dial opens a WebSocket.
func (p *person) dial(ctx context.Context) (*websocket.Conn, *http.Response, error) {
	return websocket.Dial(p.counted(ctx), p.site.gateway.ready["gateway"]+"/ws", &websocket.DialOptions{ //nolint:wrapcheck // A test.
		HTTPClient: p.http, HTTPHeader: http.Header{"User-Agent": {p.agent}, "Authorization": {"Bearer " + p.token}},
	})
}

// theft is the story of a stolen token: its owner has his live view open in
// Zurich and works; somebody in Osaka uses the token. It returns when the owner
// was cut and the token is refused, and fails where that does not happen.
func (s *site) theft(t *testing.T) *person {
	t.Helper()
	owner := s.somebody()
	for _, path := range []string{"/", "/me", "/accounts", "/accounts/4242", "/me"} {
		status, body := owner.get(path)
		if status != http.StatusOK {
			t.Fatalf("%s: status %d: %s", path, status, body)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := owner.watch(ctx, t)
	thief := owner.thief()
	defer thief.http.CloseIdleConnections()
	defer owner.http.CloseIdleConnections()
	var cut error
	deadline := time.Now().Add(patience)
	for i := 0; cut == nil; i++ {
		if time.Now().After(deadline) {
			t.Fatalf("the owner's live view is still open after %d requests of the thief", i)
		}
		thief.get([]string{"/", "/me", "/accounts", "/accounts/4242"}[i%4])
		if i%3 == 0 {
			owner.get("/me")
		}
		wait := time.NewTimer(200 * time.Millisecond)
		select {
		case cut = <-ended:
		case <-wait.C:
		}
		wait.Stop()
	}
	var closed websocket.CloseError
	if !errors.As(cut, &closed) || closed.Code != websocket.StatusPolicyViolation || !strings.Contains(closed.Reason, "VG-") {
		t.Errorf("the owner's live view ended with %v, want close code 1008 and a support code", cut)
	}
	for who, p := range map[string]*person{"owner": owner, "thief": thief} {
		status, body := p.get("/me")
		if status != http.StatusUnauthorized {
			t.Errorf("the %s's next request: status %d: %s", who, status, body)
		}
	}
	return owner
}
