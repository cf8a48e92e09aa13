package olap_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vigil-gateway/vigil/deploy/devstack/olap"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
)

// Statements beyond the queue are refused at once, not kept.
func TestQueueIsBounded(t *testing.T) {
	url := olaptest.Server(t).URL()
	ctx, cancel := context.WithCancel(t.Context())
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var refused atomic.Int64
	var wg sync.WaitGroup
	for range olap.ConnectionsDefault + olap.QueueMax + 20 {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("SELECT sleep(1)"))
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := client.Do(req)
			if err != nil {
				return // Waited until the test had seen enough.
			}
			defer closing(t, resp.Body)
			if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("X-ClickHouse-Exception-Code") == "202" {
				refused.Add(1)
				cancel()
			}
		})
	}
	wg.Wait()
	cancel()
	if refused.Load() == 0 {
		t.Error("no statement was refused")
	}
}

// A statement cannot bring more settings and parameters than the limits.
func TestSettingsAndParametersAreBounded(t *testing.T) {
	for prefix, most := range map[string]int{"param_p": olap.ParametersMax, "s": olap.SettingsMax} {
		var b strings.Builder
		for i := range most + 1 {
			fmt.Fprintf(&b, "&%s%d=1", prefix, i)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, olaptest.Server(t).URL()+"/?x=1"+b.String(), strings.NewReader("SELECT 1"))
		if err != nil {
			t.Fatal(err)
		}
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer closing(t, resp.Body)
		if code := resp.Header.Get("X-ClickHouse-Exception-Code"); code != "307" {
			t.Errorf("%d of %s gave code %q, want 307", most+1, prefix, code)
		}
	}
}
