//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"
	"time"
)

// TestOneTrace asserts that one trace leads from an offending request through
// the analyzer to the cut of another request's stream, as a collector gets it.
func TestOneTrace(t *testing.T) {
	r := startReceiver(t)
	s := startStack(t, stackOptions{otlp: r.addr, rate: 256 << 10, analyzer: eager()})
	v := newVictim(t, s, 1)
	stream := openWebSocket(t, s, v)
	await(t, "the analyzer knows the stream", func() bool {
		return number(t, s, "SELECT count() AS n FROM assessments WHERE session = '"+v.session+"'") > 0
	})
	steal(t, s, v)
	select {
	case e := <-stream:
		if e.err != nil {
			t.Fatal(e.err)
		}
	case <-time.After(waitMax):
		t.Fatal("the stream goes on")
	}
	// The offending request and its trace are those that the verdict names.
	var id string
	await(t, "the verdict and its cause are in ClickHouse", func() bool {
		err := query(t.Context(), s, `SELECT r.trace_id AS trace FROM verdicts AS v FINAL INNER JOIN requests AS r ON r.id = v.cause_event_id
			WHERE v.target_id = '`+v.session+`' AND v.action = 'revoke'`, func(row struct {
			Trace string `json:"trace"`
		},
		) {
			id = row.Trace
		})
		if err != nil {
			t.Fatal(err)
		}
		return id != ""
	})

	// From parent to child, each in its service.
	line := []struct{ service, name string }{
		{"vigil-gateway", "gateway.request"},
		{"vigil-analyzer", "assess"},
		{"vigil-analyzer", "announce"},
		{"vigil-gateway", "gateway.cut"},
	}
	var spans []span
	await(t, "the collector has the whole trace", func() bool {
		spans = r.trace(id)
		return len(spans) >= len(line)
	})
	if len(spans) != len(line) {
		t.Errorf("%d spans in the trace, want %d", len(spans), len(line))
	}
	var parent []byte
	var before span
	for _, want := range line {
		i := slices.IndexFunc(spans, func(x span) bool { return x.service == want.service && x.GetName() == want.name })
		if i < 0 {
			t.Fatalf("no span %q of %s in trace %s: %v", want.name, want.service, id, spans)
		}
		got := spans[i]
		if !bytes.Equal(got.GetParentSpanId(), parent) {
			t.Errorf("%s: parent is %s, want %s", want.name, hex.EncodeToString(got.GetParentSpanId()), hex.EncodeToString(parent))
		}
		if before.Span != nil && got.GetStartTimeUnixNano() < before.GetStartTimeUnixNano() {
			t.Errorf("%s begins before %s", want.name, before.GetName())
		}
		if got.GetEndTimeUnixNano() < got.GetStartTimeUnixNano() {
			t.Errorf("%s ends before it begins", want.name)
		}
		parent, before = got.GetSpanId(), got
	}
	// The stream that was cut has a trace of its own, which the cut links to.
	if len(before.GetLinks()) != 1 {
		t.Fatalf("the cut has %d links, want one to the stream's request", len(before.GetLinks()))
	}
	link := before.GetLinks()[0]
	await(t, "the collector has the request that was cut", func() bool {
		cut := r.trace(hex.EncodeToString(link.GetTraceId()))
		return slices.ContainsFunc(cut, func(x span) bool {
			return x.service == "vigil-gateway" && x.GetName() == "gateway.request" && bytes.Equal(x.GetSpanId(), link.GetSpanId())
		})
	})
}
