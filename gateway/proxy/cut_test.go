package proxy_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// endless writes until its client is gone.
func endless(w http.ResponseWriter, r *http.Request) {
	block := bytes.Repeat([]byte("x"), 32<<10)
	for r.Context().Err() == nil {
		_, err := w.Write(block)
		if err != nil {
			return
		}
	}
}

// A download over HTTP/1.1 ends with an error, never with what looks like its
// end, whether it has a length or not.
func TestCutDownload(t *testing.T) {
	for name, length := range map[string]string{"chunked": "", "with a length": "1000000000000"} {
		t.Run(name, func(t *testing.T) {
			url, ended := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				if length != "" {
					w.Header().Set("Content-Length", length)
				}
				endless(w, r)
			})
			g := newRig(t, url)
			res, err := g.client(t, false).Do(g.request(t, "GET", "/", "thief", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			_, err = io.CopyN(io.Discard, res.Body, 9<<20)
			if err != nil {
				t.Fatal(err)
			}
			await(t, g.observer.began, "the download to count as a stream")
			g.revoke("thief")
			_, err = io.Copy(io.Discard, res.Body)
			if err == nil { // Any error will do: TLS has words of its own for a record that was broken off.
				t.Error("the client took the cut for the end")
			}
			wasCut(t, g.outcome(t), event.StreamDownload)
			ends(t, ended)
		})
	}
}

// A client that does not read cannot delay its cut.
func TestCutDownloadOfAClientThatDoesNotRead(t *testing.T) {
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			url, ended := upstream(t, endless)
			g := newRig(t, url)
			res, err := g.client(t, h2).Do(g.request(t, "GET", "/", "thief", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			await(t, g.observer.began, "the stall to count as a stream")
			g.revoke("thief")
			wasCut(t, g.outcome(t), event.StreamDownload)
			ends(t, ended)
		})
	}
}

// A stream of an HTTP/2 connection is reset while its neighbour goes on.
func TestCutHTTP2Stream(t *testing.T) {
	more := make(chan struct{})
	url, _ := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_, _ = io.WriteString(w, "first\n")
		_ = rc.Flush()
		select {
		case <-more:
			_, _ = io.WriteString(w, "second\n")
		case <-r.Context().Done():
		}
	})
	g := newRig(t, url)
	client := g.client(t, true)
	open := func(name string) *bufio.Reader {
		res, err := client.Do(g.request(t, "GET", "/", name, nil))
		if err != nil {
			t.Fatal(err)
		}
		if res.ProtoMajor != 2 {
			t.Fatalf("speaks %s", res.Proto)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return bufio.NewReader(res.Body)
	}
	thief, owner := open("thief"), open("owner")
	for _, b := range []*bufio.Reader{thief, owner} {
		_, err := b.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
	}
	g.revoke("thief")
	_, err := thief.ReadString('\n')
	if err == nil || !strings.Contains(err.Error(), "stream error") {
		t.Errorf("the cut stream saw %v, want a reset", err)
	}
	wasCut(t, g.outcome(t), event.StreamRequest)
	close(more)
	line, err := owner.ReadString('\n')
	if err != nil || line != "second\n" {
		t.Errorf("the neighbour saw %q, %v", line, err)
	}
}

// An event stream ends with an event that says why, and cleanly.
func TestCutSSE(t *testing.T) {
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			url, ended := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
				_, _ = io.WriteString(w, "data: hello\n\ndata: half")
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			})
			g := newRig(t, url)
			client := g.client(t, h2)
			res, err := client.Do(g.request(t, "GET", "/", "thief", nil)) //nolint:bodyclose // Read to its end below.
			if err != nil {
				t.Fatal(err)
			}
			first := make([]byte, len("data: hello\n\ndata: half"))
			_, err = io.ReadFull(res.Body, first)
			if err != nil {
				t.Fatal(err)
			}
			if kind := await(t, g.observer.began, "the stream to open"); kind != event.StreamSSE {
				t.Errorf("opened as %s", kind)
			}
			g.revoke("thief")
			rest, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatalf("the stream did not end cleanly: %v", err)
			}
			events := parseEvents(string(first) + string(rest))
			if len(events) != 3 || events[0].data != "hello" || events[1].name != "vigil.truncated" ||
				events[2].name != "vigil.revoked" || !strings.Contains(events[2].data, "VG-CUT") {
				t.Errorf("the client saw %+v", events)
			}
			wasCut(t, g.outcome(t), event.StreamSSE)
			ends(t, ended)

			// The connection is as good as before.
			again, err := client.Do(g.request(t, "GET", "/", "owner", nil))
			if err != nil {
				t.Fatal(err)
			}
			_ = again.Body.Close()
			g.outcome(t)
		})
	}
}

// A compressed event stream has no place for an event of ours.
func TestCutCompressedSSE(t *testing.T) {
	url, _ := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "?")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	g := newRig(t, url)
	r := g.request(t, "GET", "/", "thief", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	res, err := g.client(t, false).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	first := make([]byte, 1)
	_, err = io.ReadFull(res.Body, first)
	if err != nil {
		t.Fatal(err)
	}
	g.revoke("thief")
	b, err := io.ReadAll(res.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(b) != 0 {
		t.Errorf("the client saw %q, %v", b, err)
	}
	wasCut(t, g.outcome(t), event.StreamSSE)
}

// A request that waits for its upstream is answered with the reason.
func TestCutWaitingRequest(t *testing.T) {
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			arrived := make(chan struct{}, 1)
			url, ended := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
				arrived <- struct{}{}
				<-r.Context().Done()
			})
			g := newRig(t, url)
			go func() {
				<-arrived
				g.revoke("thief")
			}()
			res, err := g.client(t, h2).Do(g.request(t, "GET", "/", "thief", nil))
			if err != nil {
				t.Fatal(err)
			}
			text := body(t, res)
			if res.StatusCode != 401 || !strings.Contains(text, "session_revoked") || !strings.Contains(text, "VG-CUT") {
				t.Errorf("the client saw %d %s", res.StatusCode, text)
			}
			wasCut(t, g.outcome(t), event.StreamRequest)
			ends(t, ended)
		})
	}
}

// An upload ends with the reason while the client is still sending.
func TestCutUpload(t *testing.T) {
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			url, ended := upstream(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
			g := newRig(t, url)
			out, in := io.Pipe()
			stop := make(chan struct{})
			go func() {
				defer func() { _ = in.Close() }()
				block := make([]byte, 64<<10)
				for {
					_, err := in.Write(block)
					if err != nil {
						return
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			}()
			defer close(stop)
			go func() {
				<-g.observer.began
				g.revoke("thief")
			}()
			res, err := g.client(t, h2).Do(g.request(t, "POST", "/", "thief", out))
			if err != nil {
				t.Fatal(err)
			}
			text := body(t, res)
			if res.StatusCode != 401 || !strings.Contains(text, "session_revoked") {
				t.Errorf("the client saw %d %s", res.StatusCode, text)
			}
			got := g.outcome(t)
			wasCut(t, got, event.StreamUpload)
			if got.BytesIn == 0 {
				t.Error("no byte was counted")
			}
			ends(t, ended)
		})
	}
}

// An upload whose client has stopped sending ends as well.
func TestCutStalledUpload(t *testing.T) {
	url, ended := upstream(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	g := newRig(t, url)
	conn := g.dial(t)
	_, _ = fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: a\r\nX-Test-Session: thief\r\nContent-Length: 1000\r\n\r\nabc")
	await(t, g.observer.began, "the stall to count as an upload")
	g.revoke("thief")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if text := body(t, res); res.StatusCode != 401 || !res.Close || !strings.Contains(text, "session_revoked") {
		t.Errorf("the client saw %d, close %v, %s", res.StatusCode, res.Close, text)
	}
	got := g.outcome(t)
	wasCut(t, got, event.StreamUpload)
	if got.BytesIn != 3 {
		t.Errorf("%d bytes in, want 3", got.BytesIn)
	}
	ends(t, ended)
}

// What nothing moves on ends by itself.
func TestIdleStreamEnds(t *testing.T) {
	url, ended := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	g := newRig(t, url, quick)
	res, err := g.client(t, false).Do(g.request(t, "GET", "/", "s", nil))
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(res.Body)
	_ = res.Body.Close()
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the client saw %v, want an unexpected end", err)
	}
	if out := g.outcome(t); out.Reason != "upstream_timeout" || out.Cut != nil {
		t.Errorf("outcome = %+v", out)
	}
	ends(t, ended)
}

func quick(c *proxyConfig) {
	c.LongAfter, c.TickEvery, c.IdleTimeout = time.Millisecond, 5*time.Millisecond, 50*time.Millisecond
}

// A gateway that goes away ends event streams cleanly, without an event of its
// own, so that clients come back to another.
func TestDrainEndsSSE(t *testing.T) {
	url, ended := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	g := newRig(t, url)
	res, err := g.client(t, false).Do(g.request(t, "GET", "/", "s", nil))
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, len("data: hello\n\n"))
	_, err = io.ReadFull(res.Body, first)
	if err != nil {
		t.Fatal(err)
	}
	g.proxy.Drain()
	if rest := body(t, res); !regexp.MustCompile(`^retry: \d+$`).MatchString(rest) {
		t.Errorf("the client saw %q, want no event and when to come back", rest)
	}
	if out := g.outcome(t); out.Cut != nil || out.Abort || out.Reason != "" {
		t.Errorf("outcome = %+v", out)
	}
	ends(t, ended)
}
