package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/vigil-gateway/vigil/deploy/devstack/logtest"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// A token in the URL is refused on every route (RFC 6750 section 2.3), reaches no upstream,
// and neither it nor any other query is in an answer, an event, a log or a trace.
func TestTokenInTheURL(t *testing.T) {
	const secret = "s3cret-of-the-url"
	var asked atomic.Int32
	g := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = io.WriteString(w, "hello")
	})
	spans, log := tracetest.NewInMemoryExporter(), new(logtest.Buffer)
	g.tracer = sdk.NewTracerProvider(sdk.WithSyncer(spans)).Tracer("test")
	g.log = slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})
	g.start(t, true)
	for path, status := range map[string]int{
		"/open?access_token=" + secret:        400,
		"/pages/7?a=b&access_token=" + secret: 400,
		"/dead?access_token=" + secret:        400,
		"/nowhere?access_token=" + secret:     404,
		"/dead?code=" + secret:                502, // The upstream's fault must not name the query.
	} {
		for _, token := range []string{"", g.token("ann")} {
			want := status
			if token == "" && status == 502 {
				want = 401
			}
			res, text := do(t, g.request(t, http.MethodGet, path, token, nil))
			if res.StatusCode != want || want == 400 && problemOf(t, text)["code"] != "token_in_url" || strings.Contains(text, secret) {
				t.Errorf("%s, a token beside it %v: %d %s", path, token != "", res.StatusCode, text)
			}
		}
	}
	err := g.stop()
	if err != nil {
		t.Fatal(err)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the upstream was asked %d times", n)
	}
	for _, value := range g.records(t, topic.Requests) {
		if bytes.Contains(value, []byte(secret)) {
			t.Errorf("an event has it: %q", value)
		}
	}
	if strings.Contains(log.String(), secret) {
		t.Errorf("the log has it: %s", log.String())
	}
	if !strings.Contains(log.String(), "upstream fault") {
		t.Error("the log has no upstream fault")
	}
	if all := fmt.Sprintf("%+v", spans.GetSpans()); len(spans.GetSpans()) == 0 || strings.Contains(all, secret) {
		t.Errorf("the trace has it, or there is none: %s", all)
	}
}

// A session cookie beside it changes nothing, on a public route neither.
func TestTokenInTheURLBesideASession(t *testing.T) {
	s := newSignInRig(t)
	s.start(t, true)
	b := s.browser(t)
	b.signIn("/app/1", "alice", password).told(t)
	for _, path := range []string{"/open", "/app/1"} {
		got := b.get(path+"?access_token=secret", "Accept", "application/json")
		if got.Status != http.StatusBadRequest || problemOf(t, got.Text)["code"] != "token_in_url" {
			t.Errorf("%s with a session: %d %s, want 400 token_in_url", path, got.Status, got.Text)
		}
		if got := b.get(path); got.Status != http.StatusOK {
			t.Errorf("%s without: %d %s", path, got.Status, got.Text)
		}
	}
}
