//go:build bench

package e2e_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// theft is one stolen token, as the two clients saw it.
type theft struct {
	number  int
	kind    string
	request string    // Id of the thief's request.
	sent    time.Time // When the thief's client began to write it.
	end     time.Time // When the owner's client had read the last byte of its stream.
	err     error
}

func theftKinds() []string { return []string{"websocket", "sse", "download"} }

// thieves steals a token every now and then, and returns when every stream has
// ended. The first owners come at once, the first thief after stage.
func thieves(t *testing.T, s *stack, first int, lasts time.Duration) []*theft {
	t.Helper()
	began := time.Now()
	var all []*theft
	var work sync.WaitGroup
	for at := time.Duration(0); at < lasts; at += *loopVictims {
		until(t.Context(), began.Add(at))
		x := &theft{number: first + len(all), kind: theftKinds()[len(all)%3]}
		all = append(all, x)
		work.Go(func() { x.err = x.happen(t, s, began.Add(at+stage)) })
	}
	work.Wait()
	return all
}

// happen opens the owner's stream now, and has the thief come at a moment.
func (x *theft) happen(t *testing.T, s *stack, at time.Time) error {
	t.Helper()
	token := s.token(fmt.Sprintf("owner-%d", x.number))
	tr := s.transport(t, address(home, 2000+x.number))
	wait, err := x.open(t, s, tr, token)
	if err != nil {
		return fmt.Errorf("open %s: %w", x.kind, err)
	}
	type end struct {
		at  time.Time
		err error
	}
	ended := make(chan end, 1)
	go func() {
		err := wait()
		ended <- end{time.Now(), err}
		tr.CloseIdleConnections()
	}()
	conn, err := dialFrom(t.Context(), s.host(), address(abroad, x.number))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	until(t.Context(), at)
	select {
	case e := <-ended:
		return fmt.Errorf("%s ended before the theft: %w", x.kind, e.err)
	default:
	}
	req := "GET / HTTP/1.1\r\nHost: " + s.host() + "\r\nUser-Agent: " + thiefsAgent + "\r\nAuthorization: Bearer " + token + "\r\n\r\n"
	x.sent = time.Now()
	_, err = io.WriteString(conn, req)
	if err != nil {
		return fmt.Errorf("thief sends: %w", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return fmt.Errorf("thief reads: %w", err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("thief's request: status %d", resp.StatusCode)
	}
	x.request = resp.Header.Get("X-Request-Id")
	select {
	case e := <-ended:
		x.end = e.at
		return e.err
	case <-time.After(waitMax):
		return fmt.Errorf("%s goes on", x.kind)
	}
}

// open begins the stream; the function that it returns reads it to its end.
func (x *theft) open(t *testing.T, s *stack, tr *http.Transport, token string) (func() error, error) {
	t.Helper()
	if x.kind == "websocket" {
		conn, _, err := websocket.Dial(t.Context(), s.run.Gateway+"/ws", &websocket.DialOptions{ //nolint:bodyclose // The library gives a body of its own.
			HTTPClient: &http.Client{Transport: tr}, HTTPHeader: http.Header{"User-Agent": {ownersAgent}, "Authorization": {"Bearer " + token}},
		})
		if err != nil {
			return nil, err
		}
		return func() error {
			defer func() { _ = conn.CloseNow() }()
			for {
				_, _, err := conn.Read(t.Context())
				if err == nil {
					continue
				}
				if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
					return err
				}
				return nil
			}
		}, nil
	}
	path := "/events"
	if x.kind == "download" {
		path = "/download?bytes=1000000000&rate=50000"
	}
	resp, err := tr.RoundTrip(s.request(t, http.MethodGet, path, token, ownersAgent, nil)) //nolint:bodyclose // By what reads it, below.
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	return func() error {
		defer func() { _ = resp.Body.Close() }()
		_, err := io.Copy(io.Discard, resp.Body)
		if x.kind == "sse" {
			return err // Its end is a clean one, after the final event.
		}
		if err == nil {
			return errors.New("download ended as if it were complete")
		}
		return nil
	}, nil
}
