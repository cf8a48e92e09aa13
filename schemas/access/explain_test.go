package access_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/vigil-gateway/vigil/schemas/access"
)

// A topic that somebody may not see looks as if it were not there.
func TestWhatIsHidden(t *testing.T) {
	for _, err := range []error{kafka.UnknownTopicOrPartition, protocol.NewErrNoTopic("vigil.requests"), protocol.NewErrNoPartition("vigil.requests", 3)} {
		got := new(access.Access).Explain(fmt.Errorf("produce: %w", err), access.Write, "topic vigil.requests")
		if !strings.Contains(fmt.Sprint(got), "topic vigil.requests is not there, or User:ANONYMOUS lacks Describe on it") {
			t.Errorf("%v", got)
		}
	}
}

// Nobody in particular, in plain text, is an access too.
func TestNilIsNobody(t *testing.T) {
	var nobody *access.Access
	if nobody.Mechanism() != nil || nobody.Principal() != "User:ANONYMOUS" {
		t.Errorf("%v, %s", nobody.Mechanism(), nobody.Principal())
	}
	tests := map[string]struct {
		err  error
		want string // What is added, "" for nothing.
	}{
		"nothing":             {},
		"what is not a no":    {errors.New("connection refused"), ""},
		"a topic's no":        {fmt.Errorf("fetch: %w", kafka.TopicAuthorizationFailed), "User:ANONYMOUS lacks Read on topic vigil.requests"},
		"a group's no":        {kafka.GroupAuthorizationFailed, "User:ANONYMOUS lacks Read on topic vigil.requests"},
		"a mechanism's no":    {kafka.UnsupportedSASLMechanism, ""},
		"a topic that is not": {kafka.UnknownTopicOrPartition, ""},
		"a refused name":      {kafka.SASLAuthenticationFailed, "the broker refuses User:ANONYMOUS"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := nobody.Explain(tt.err, access.Read, "topic vigil.requests")
			if !errors.Is(got, tt.err) {
				t.Fatalf("%v is not %v any more", got, tt.err)
			}
			added := strings.TrimPrefix(fmt.Sprint(got), fmt.Sprint(tt.err))
			if (added == "") != (tt.want == "") || !strings.Contains(added, tt.want) {
				t.Errorf("adds %q, want %q", added, tt.want)
			}
		})
	}
}
