package handshake_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/gateway/certtest"
	"github.com/vigil-gateway/vigil/gateway/listen"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/scenario"
)

const story = "../../../testdata/scenarios/forged-browser.txt"

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// serve runs a listener with TLS that answers with the fingerprint of whoever asks.
func serve(t *testing.T) (url string) {
	t.Helper()
	config := listen.DefaultConfig()
	config.Address = "127.0.0.1:0"
	config.TLS.CertFile, config.TLS.KeyFile = certtest.SelfSigned(t, certtest.Names("app.example")).Files(t, t.TempDir())
	l := must(listen.New(t.Context(), listen.Options{
		Config: config, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: time.Now,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, listen.JA4(r.Context())) }),
	}))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		err := <-done
		if err != nil {
			t.Error(err)
		}
	})
	return "https://" + l.Addr().String()
}

// greet is the fingerprint that the listener has of a client.
func greet(t *testing.T, url string, config *tls.Config) string {
	t.Helper()
	config.ServerName, config.InsecureSkipVerify = "app.example", true
	tr := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: config.MaxVersion == 0}
	defer tr.CloseIdleConnections()
	req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody))
	req.Host = "app.example"
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return string(must(io.ReadAll(res.Body)))
}

// A stolen password in a script that calls itself the victim's browser: what gives it
// away is how it greets.
func TestScriptThatSaysItIsABrowserGreetsLikeAScript(t *testing.T) {
	url := serve(t)
	browser, script := greet(t, url, &tls.Config{}), greet(t, url, &tls.Config{MaxVersion: tls.VersionTLS12})
	text := string(must(os.ReadFile(story)))
	for was, is := range map[string]string{"t13d1516h2_8daaf6152771_02713d6af862": browser, "t13d1812h1_85036bcba153_d41ae481755e": script} {
		if is == "" || !strings.Contains(text, was) {
			t.Fatalf("%s has no place in the story, or %q none on the wire", was, is)
		}
		text = strings.ReplaceAll(text, was, is)
	}
	play := func(text string) *scenario.Outcome {
		return must(scenario.Play(must(scenario.Parse("forged-browser.txt", text)), scenario.Options{NewPair: func() (*scorer.Pair, error) {
			return scorer.NewPair(scorer.Options{Model: model.Default(), OfflineClock: true})
		}}))
	}
	for _, signal := range []string{"client.new_ja4", "client.ja4_mismatch"} {
		if play(text).Signals[signal] == 0 {
			t.Errorf("%s has found nothing in a hello of %s where %s is usual", signal, script, browser)
		}
		if n := play(strings.ReplaceAll(text, script, browser)).Signals[signal]; n != 0 {
			t.Errorf("%s has found something %d times although everybody greets alike", signal, n)
		}
	}
}
