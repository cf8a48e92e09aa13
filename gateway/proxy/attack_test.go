package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// net/http passes a status on that it panics to write. A service that has been
// taken over must not leave a stream behind that is reported for an hour.
func TestAStatusThatIsNone(t *testing.T) {
	for _, status := range []string{"000", "099"} {
		g := newRig(t, raw(t, answer("HTTP/1.1 "+status+" Gone\r\nContent-Length: 2\r\n\r\nok")),
			func(c *proxyConfig) { c.LongAfter, c.TickEvery = 10*time.Millisecond, 10*time.Millisecond })
		res, err := g.client(t, false).Do(g.request(t, "POST", "/", "s", strings.NewReader("x")))
		if err != nil {
			t.Fatalf("status %s: %v", status, err)
		}
		text := body(t, res)
		if out := g.outcome(t); res.StatusCode != 502 || out.Reason != "upstream_protocol" || out.Abort {
			t.Errorf("status %s: %d %s, outcome = %+v", status, res.StatusCode, text, out)
		}
	}
}

// broken panics when the answer begins.
type broken struct{ http.ResponseWriter }

func (b broken) Unwrap() http.ResponseWriter { return b.ResponseWriter }

func (broken) WriteHeader(int) { panic(http.ErrAbortHandler) }

// Whatever makes an answer panic, nothing goes on about a request that is over.
func TestAPanicLeavesNoStreamBehind(t *testing.T) {
	g := newRig(t, raw(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")),
		func(c *proxyConfig) { c.LongAfter, c.TickEvery = 20*time.Millisecond, 10*time.Millisecond })
	inner := g.server.Config.Handler
	g.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { inner.ServeHTTP(broken{w}, r) })
	_, err := g.client(t, false).Do(g.request(t, "GET", "/", "s", nil)) //nolint:bodyclose // There is none.
	if err == nil {
		t.Fatal("no error")
	}
	select {
	case kind := <-g.observer.began:
		t.Errorf("a %s was reported behind the end of its request", kind)
	case <-time.After(200 * time.Millisecond):
	}
}

// A fault of ours in what goes on without a handler, which net/http would catch, ends the
// stream that it is in: neither the process nor anybody else's. Whoever accounts for the
// stream is told.
func TestAPanicBesideTheHandlerEndsItsStreamAlone(t *testing.T) {
	deaf := func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err == nil {
			_, _, _ = c.Read(context.WithoutCancel(r.Context()))
			_, _, _ = c.Read(context.WithoutCancel(r.Context()))
			_ = c.CloseNow()
		}
	}
	chatter := func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		for ; err == nil; time.Sleep(time.Millisecond) {
			err = c.Write(context.WithoutCancel(r.Context()), websocket.MessageText, []byte("x"))
		}
		if c != nil {
			_ = c.CloseNow()
		}
	}
	for name, tt := range map[string]struct {
		change func(*proxyConfig)
		app    http.HandlerFunc
		happen func(*rig, *websocket.Conn)
	}{
		"in what it receives": {func(c *proxyConfig) { c.LongBytes, c.TickBytes = 1, 1 }, chatter, func(g *rig, _ *websocket.Conn) {
			g.observer.bug.Store(true)
		}},
		"in what it sends": {func(c *proxyConfig) { c.LongBytes, c.TickBytes = 1, 1 }, deaf, func(g *rig, c *websocket.Conn) {
			g.observer.bug.Store(true)
			_ = c.Write(t.Context(), websocket.MessageText, []byte("speak"))
		}},
		"in its timer": {func(c *proxyConfig) { c.LongAfter, c.TickEvery = time.Millisecond, time.Millisecond }, deaf, func(g *rig, _ *websocket.Conn) {
			g.observer.bug.Store(true)
		}},
		"in its last words": {func(*proxyConfig) {}, deaf, func(g *rig, _ *websocket.Conn) {
			g.bug.Store(true)
			g.revoke("s")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := upstream(t, tt.app)
			g := newRig(t, url, tt.change)
			c, ctx := g.websocket(t, "s")
			tt.happen(g, c)
			for err := error(nil); err == nil; {
				_, _, err = c.Read(ctx)
			}
			e := await(t, g.panics, "the panic to be told")
			if !strings.Contains(fmt.Sprint(e), "a bug") {
				t.Errorf("told %v", e)
			}
			g.outcome(t)
		})
	}
	t.Run("in the timer of an answer", func(t *testing.T) {
		url, _ := upstream(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		g := newRig(t, url, func(c *proxyConfig) { c.TickEvery = time.Millisecond })
		g.observer.bug.Store(true)
		res, err := g.client(t, false).Do(g.request(t, "GET", "/", "s", nil))
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if err == nil {
			t.Error("the answer looks whole")
		}
	})
}

// What follows a body is no way round what is taken out of the header.
func TestAnAnswerWhoseTrailerPlantsWhatTheHeaderMustNot(t *testing.T) {
	g := newRig(t, raw(t, answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Set-Cookie, X-Vigil-Subject\r\n\r\n"+
		"2\r\nok\r\n0\r\nX-Sum: 1\r\nSet-Cookie: __Host-vigil=planted\r\nX-Vigil-Subject: x\r\nAlt-Svc: h3\r\nConnection: close\r\n\r\n")))
	for _, h2 := range []bool{false, true} {
		res, err := g.client(t, h2).Do(g.request(t, "GET", "/", "s", nil))
		if err != nil {
			t.Fatal(err)
		}
		_ = body(t, res)
		if len(res.Trailer) != 1 || res.Trailer.Get("X-Sum") != "1" {
			t.Errorf("trailer = %v, want X-Sum alone", res.Trailer)
		}
	}
}

// A cookie without a name is sent back as its value alone, which may be the whole
// of one of ours.
func TestAPlantedCookieWithoutAName(t *testing.T) {
	g := newRig(t, raw(t, answer("HTTP/1.1 200 OK\r\nSet-Cookie: =__Host-vigil=planted; Path=/\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")))
	res, err := g.client(t, false).Do(g.request(t, "GET", "/", "s", nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = body(t, res)
	if got := res.Header["Set-Cookie"]; len(got) != 1 || got[0] != "a=b" {
		t.Errorf("cookies = %q", got)
	}
}

// What a client says in the trailer of its request no check of headers has seen: an
// upstream gets none of it, and no identity by it.
func TestAnIdentitySmuggledInATrailerOfTheRequest(t *testing.T) {
	type sent struct{ header, trailer http.Header }
	seen := make(chan sent, 1)
	url, _ := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		seen <- sent{r.Header, r.Trailer}
	})
	g := newRig(t, url)
	for _, h2 := range []bool{false, true} {
		r := g.request(t, http.MethodPost, "/", "s", struct{ io.Reader }{strings.NewReader("body")}) // Of no known length.
		r.Trailer = http.Header{"X-Vigil-Subject": {"forged"}, "X-Forwarded-For": {"203.0.113.66"}, "X-Sum": {"1"}}
		res, err := g.client(t, h2).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body(t, res)
		got := await(t, seen, "the request")
		if len(got.trailer) > 0 || len(got.header["Trailer"]) > 0 || !slices.Equal(got.header["X-Vigil-Subject"], []string{"pseudonym"}) || got.header.Get("X-Forwarded-For") == "203.0.113.66" {
			t.Errorf("over HTTP/2 %t: the upstream sees %v with the trailer %v", h2, got.header, got.trailer)
		}
		g.outcome(t)
	}
}

// Whoever guesses passwords could have the account read by one type, and the type taken
// off on the way, so that the service reads the body by another.
func TestATypeThatConnectionTakesAway(t *testing.T) {
	seen := make(chan http.Header, 1)
	url, _ := upstream(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header })
	g := newRig(t, url)
	for _, spelt := range []string{"Content-Type, content-encoding", "content_type, CONTENT.ENCODING"} {
		conn := g.dial(t)
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Type: text/plain\r\nContent-Encoding: br\r\n"+
			"X-Own: 1\r\nConnection: close, x-own, "+spelt+"\r\nContent-Length: 6\r\n\r\nuser=a")
		h := await(t, seen, "the request")
		if h.Get("Content-Type") != "text/plain" || h.Get("Content-Encoding") != "br" || h.Get("X-Own") != "" {
			t.Errorf("Connection: %s: the upstream sees %v", spelt, h)
		}
		g.outcome(t)
	}
}

// Servers that make one of all spellings of a header would end the content, or read it,
// where another one says so than the gateway has gone by: what is left of it on a
// connection that they share is the next client's request.
func TestAnotherSpellingOfWhatSaysHowTheContentIsRead(t *testing.T) {
	seen := make(chan http.Header, 1)
	url, _ := upstream(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header })
	g := newRig(t, url)
	for _, request := range []string{"GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nContent-Length: 6\r\nContent-Type: text/plain\r\nContent-Language: fr\r\n"} {
		conn := g.dial(t)
		_, _ = io.WriteString(conn, request+"Host: example.com\r\nContent_Length: 60\r\ncontent.length: 60\r\nTransfer_Encoding: chunked\r\n"+
			"CONTENT_TYPE: multipart/form-data\r\nContent~Encoding: gzip\r\nX_Content_Length: 7\r\nConnection: close\r\n\r\nuser=a")
		h := await(t, seen, "the request")
		for name := range h {
			v := variable(name)
			if (strings.HasPrefix(v, "CONTENT_") || v == "TRANSFER_ENCODING") && strings.ReplaceAll(v, "_", "-") != strings.ToUpper(name) {
				t.Errorf("%.4s: the upstream sees %s: %q", request, name, h[name])
			}
		}
		if post := strings.HasPrefix(request, "POST"); post && (h.Get("Content-Type") != "text/plain" || h.Get("Content-Length") != "6" || h.Get("Content-Language") != "fr") || h.Get("X_Content_Length") != "7" {
			t.Errorf("%.4s: the upstream sees %v", request, h)
		}
		g.outcome(t)
	}
}
