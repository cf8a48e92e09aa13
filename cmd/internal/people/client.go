package people

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/pires/go-proxyproto"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// Ledger counts the requests that the clients really sent. It is theirs alone:
// nothing of the gateway goes into it.
type Ledger struct{ sent atomic.Uint64 }

// Sent is the number of requests so far.
func (l *Ledger) Sent() uint64 { return l.sent.Load() }

// Client is one browser: an address, a user agent and a token.
type Client struct {
	base   string
	from   Spot
	agent  string
	token  string
	ledger *Ledger
	http   *http.Client
}

// NewClient returns a client whose connections come from an address, by PROXY
// protocol version 2.
func NewClient(gateway string, from Spot, agent, token string, ledger *Ledger) *Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	source := &net.TCPAddr{IP: from.Address.AsSlice(), Port: 40000}
	transport := &http.Transport{
		MaxIdleConnsPerHost:   idleMax,
		ResponseHeaderTimeout: answerMax,
		IdleConnTimeout:       time.Minute,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, fmt.Errorf("dial gateway: %w", err)
			}
			_, err = proxyproto.HeaderProxyFromAddrs(2, source, conn.RemoteAddr()).WriteTo(conn)
			if err != nil {
				return nil, errors.Join(fmt.Errorf("send PROXY header: %w", err), conn.Close())
			}
			return conn, nil
		},
	}
	return &Client{base: gateway, from: from, agent: agent, token: token, ledger: ledger, http: &http.Client{Transport: transport}}
}

// idleMax is how many connections a client keeps: a thief's script has more
// than a browser.
const idleMax = 64

// answerMax is how long a client waits for an answer, and for all of it where it
// is no stream. Who has waited so long has not been refused: that is an error.
const answerMax = time.Minute

// Close ends the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Answer is what a client saw of one request.
type Answer struct {
	// Status is 0 where no answer came.
	Status int
	// Problem is set where the gateway refused, with its support code.
	Problem bool
	Code    string
	Support string
	// Cut says that a stream ended before its client had enough, Reason with
	// what words.
	Cut    bool
	Reason string
	Bytes  uint64
	At     time.Time
}

// Refused reports whether the gateway turned the client away or cut it.
func (a Answer) Refused() bool {
	return a.Cut || a.Problem && (a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden || a.Status == http.StatusTooManyRequests)
}

// Do sends one step and reads its answer to the end. For a stream it returns
// when the step's time is over, ctx is done, or the stream is cut. The error is of
// a request that cannot be made, or that nobody answers within a minute.
func (c *Client) Do(ctx context.Context, s *Step) (Answer, error) {
	if s.Stream == event.StreamWebSocket {
		return c.websocket(ctx, s)
	}
	// Only a stream is broken off by its client: a page is read to its end, so
	// that both sides agree on what was asked.
	reqCtx, cancel := context.WithCancel(c.traced(context.WithoutCancel(ctx)))
	defer cancel()
	if s.Stream == "" {
		timer := time.AfterFunc(answerMax, cancel)
		defer timer.Stop()
	}
	req, err := c.request(reqCtx, s)
	if err != nil {
		return Answer{}, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return closed(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if s.Stream == "" || resp.StatusCode != s.Status {
		return readAnswer(resp), nil
	}
	if s.Stream == event.StreamSSE {
		return c.events(ctx, cancel, resp, s), nil
	}
	return c.download(ctx, cancel, resp, s), nil
}

// closed is an answer that never came: a closed connection says something, silence
// does not.
func closed(err error) (Answer, error) {
	late, ok := errors.AsType[net.Error](err)
	if ok && late.Timeout() || errors.Is(err, context.Canceled) {
		return Answer{}, fmt.Errorf("no answer came: %w", err)
	}
	return Answer{Cut: true, Reason: "connection closed", At: time.Now()}, nil
}

// traced counts each attempt that was written, also one that the transport
// repeats by itself.
func (c *Client) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(i httptrace.WroteRequestInfo) {
		if i.Err == nil {
			c.ledger.sent.Add(1)
		}
	}})
}

func (c *Client) request(ctx context.Context, s *Step) (*http.Request, error) {
	target := c.base + s.Path
	if len(s.Query) > 0 {
		target += "?" + s.Query.Encode()
	}
	var body io.Reader
	if s.Form != nil {
		body = strings.NewReader(s.Form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, s.Method, target, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("User-Agent", c.agent)
	if s.Form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if !s.Anonymous {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return req, nil
}

// readAnswer reads a short answer.
func readAnswer(resp *http.Response) Answer {
	body, err := io.ReadAll(resp.Body)
	a := Answer{Status: resp.StatusCode, Bytes: uint64(len(body)), At: time.Now()}
	if err != nil {
		a.Cut, a.Reason = true, "answer broken off"
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") {
		a.Problem = true
		a.Code, a.Support = problemOf(body)
	}
	return a
}

// problemOf reads what a problem document says about its cause.
func problemOf(body []byte) (code, support string) {
	var d struct {
		Code    string `json:"code"`
		Support string `json:"support_code"`
	}
	_ = json.Unmarshal(body, &d) // What cannot be read has no code.
	return d.Code, d.Support
}

// events reads server-sent events until enough time has passed.
func (c *Client) events(ctx context.Context, leave context.CancelFunc, resp *http.Response, s *Step) Answer {
	left := c.leaveAfter(ctx, leave, s.Lasts)
	in := bufio.NewScanner(resp.Body)
	a := Answer{Status: resp.StatusCode}
	name := ""
	for in.Scan() {
		line := in.Text()
		a.Bytes += uint64(len(line) + 1)
		if after, ok := strings.CutPrefix(line, "event: "); ok {
			name = after
		}
		if after, ok := strings.CutPrefix(line, "data: "); ok && name != "tick" {
			code, support := problemOf([]byte(after))
			a.Reason, a.Code, a.Support = name, code, support
		}
	}
	a.At = time.Now()
	a.Cut = !left()
	return a
}

// download reads until the announced length is there.
func (c *Client) download(ctx context.Context, leave context.CancelFunc, resp *http.Response, s *Step) Answer {
	left := c.leaveAfter(ctx, leave, s.Lasts+time.Minute) // Nobody leaves a download on purpose but at the end of everything.
	n, err := io.Copy(io.Discard, resp.Body)
	a := Answer{Status: resp.StatusCode, Bytes: uint64(n), At: time.Now()}
	gone := left()
	if (err != nil || n < resp.ContentLength) && !gone {
		a.Cut, a.Reason = true, "connection closed"
	}
	return a
}

// leaveAfter calls leave when the client has had enough, or when ctx is done. The function that it returns stops that and says whether it happened.
func (c *Client) leaveAfter(ctx context.Context, leave func(), after time.Duration) (left func() bool) {
	timer := time.AfterFunc(after, leave)
	stop := context.AfterFunc(ctx, leave)
	return func() bool {
		timely, stayed := timer.Stop(), stop()
		return !timely || !stayed
	}
}

// websocket holds a live view until enough time has passed.
func (c *Client) websocket(ctx context.Context, s *Step) (Answer, error) {
	target, err := url.Parse(c.base)
	if err != nil {
		return Answer{}, fmt.Errorf("live view: %w", err)
	}
	dialCtx := c.traced(context.WithoutCancel(ctx))
	conn, resp, err := websocket.Dial(dialCtx, target.JoinPath(s.Path).String(), &websocket.DialOptions{ //nolint:bodyclose // The library gives a body of its own.
		HTTPClient: c.http,
		HTTPHeader: http.Header{"User-Agent": {c.agent}, "Authorization": {"Bearer " + c.token}},
	})
	if err != nil {
		if resp == nil {
			return closed(err)
		}
		return readAnswer(resp), nil
	}
	defer func() { _ = conn.CloseNow() }()
	left := c.leaveAfter(ctx, func() { _ = conn.Close(websocket.StatusNormalClosure, "") }, s.Lasts)
	a := Answer{Status: http.StatusSwitchingProtocols}
	for {
		_, message, err := conn.Read(dialCtx)
		a.At = time.Now()
		if err == nil {
			a.Bytes += uint64(len(message))
			continue
		}
		if left() {
			return a, nil
		}
		closed, ok := errors.AsType[websocket.CloseError](err)
		if ok {
			a.Reason = fmt.Sprintf("%d %s", closed.Code, closed.Reason)
			a.Support = supportIn(closed.Reason)
		}
		a.Cut = true
		return a, nil
	}
}

// supportIn finds a support code in a sentence.
func supportIn(text string) string {
	at := strings.Index(text, "VG-")
	if at < 0 {
		return ""
	}
	code, _, _ := strings.Cut(text[at:], ")")
	return code
}

// String is an answer for people.
func (a Answer) String() string {
	var parts []string
	if a.Status != 0 {
		parts = append(parts, fmt.Sprint(a.Status))
	}
	for _, p := range []string{a.Code, a.Reason, a.Support} {
		if p != "" && !strings.Contains(strings.Join(parts, " "), p) {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, " ")
}

// Sleep waits, and reports false where ctx ends first.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
