package proxy_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
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
