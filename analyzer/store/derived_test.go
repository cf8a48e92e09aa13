package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// What is not stored because it can be derived reads as it came, whatever a
// client writes into a path.
func TestDerivedColumnsReadAsTheyCame(t *testing.T) {
	r := newRig(t)
	tests := []struct{ template, resource, path, requestID string }{
		{"/accounts/{id}", "17", "/accounts/17", ""},
		{"/accounts/{id}/orders", "17", "/accounts/17/orders", "of a stream"},
		{"/accounts/{id}/orders/{order}", "18", "/accounts/17/orders/18", ""},
		{"/files/{path...}", "c.txt", "/files/a/b/c.txt", ""},
		{"/files/{path...}", "c.txt", "/files/c.txt", ""},
		{"/feed", "", "/feed", ""},
		{"/feed", "9", "/feed/", ""},
		{"", "", "/nowhere/{id}", ""},
		{"", "", "", ""},
		{"/a/{id}", `\1$1\\{}`, `/a/\1$1\\{}`, ""},
		{"/a/{id}", "%2F%00", "/a/%2F%00", ""},
		{"/a/{id}", "ü\n", "/a/ü\n", ""},
		{"/a/{x}{y}/b", "1", "/a/1/b", ""},
		{"/a/{/b/{id}", "1", "/a/{/b/1", ""},
		{"/a/}{", "1", "/a/}1", ""},
	}
	var events [][]byte
	for i, tt := range tests {
		events = append(events, request(t, 0, uint64(i+1), func(e *event.RequestEvent) {
			e.Template, e.Resource, e.Path, e.RequestId = tt.template, tt.resource, tt.path, tt.requestID
			if tt.requestID == "" {
				e.RequestId = e.Id
			}
		}))
	}
	r.produce(topic.Requests, 0, events...)
	r.start()
	r.eventually("SELECT count() FROM @requests", fmt.Sprint(len(tests)))
	for i, tt := range tests {
		want := tt.requestID
		if want == "" {
			want = fmt.Sprintf("0-%d", i+1)
		}
		got := r.ask(fmt.Sprintf("SELECT concat(hex(path), ' ', request_id) FROM @requests WHERE seq = %d", i+1))
		if diff := cmp.Diff(strings.TrimSpace(fmt.Sprintf("%X %s", tt.path, want)), got); diff != "" {
			t.Errorf("%q with %q reads otherwise (-came +reads):\n%s", tt.template, tt.resource, diff)
		}
	}
	// Only what cannot be derived takes room.
	r.eventually("SELECT countIf(other_request_id != ''), countIf(other_path = '') >= 6 FROM @requests", "1\t1")
}
