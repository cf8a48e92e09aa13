package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// An idle stream over HTTP/2 has no buffer, which rests on this: net/http waits for what
// comes where nothing is to be read.
func TestHTTP2WaitsWithoutABuffer(t *testing.T) {
	more := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = io.WriteString(w, "x")
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	res, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	came := make(chan error, 1)
	go func() {
		_, err := res.Body.Read(nil)
		came <- err
	}()
	select {
	case err := <-came:
		t.Errorf("read of nothing did not wait: %v", err)
		close(more)
		return
	case <-time.After(50 * time.Millisecond):
	}
	close(more)
	err = <-came
	if err != nil {
		t.Error(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil || string(b) != "x" {
		t.Errorf("read %q, %v", b, err)
	}
}
