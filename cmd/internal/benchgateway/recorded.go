//go:build linux

package benchgateway

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/fetch"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// recorded counts the requests of a gateway that the broker of its own has an event of.
func recorded(ctx context.Context, v *vigil) (int, error) {
	at, err := net.ResolveTCPAddr("tcp", v.kafka[0])
	if err != nil {
		return 0, fmt.Errorf("find broker: %w", err)
	}
	var plain *access.Access
	transport := plain.Transport("vigil-bench")
	defer transport.CloseIdleConnections()
	reader := fetch.New(transport, at)
	seen := make(map[string]struct{})
	for partition := range broker.PartitionsDefault {
		offset, end, err := reader.Bounds(ctx, topic.Requests, partition)
		if err != nil {
			return 0, fmt.Errorf("count events: %w", err)
		}
		for offset < end {
			a, err := reader.Read(ctx, fetch.Request{Topic: topic.Requests, Partition: partition, Offset: offset, BytesMax: 1 << 20, Wait: time.Second})
			if err != nil {
				return 0, fmt.Errorf("count events: %w", err)
			}
			for _, r := range a.Records {
				e := new(event.RequestEvent)
				if event.Decode(r.Value, e) == nil && e.Gateway == v.id && e.Terminal() {
					seen[e.RequestId] = struct{}{}
				}
			}
			offset = a.Next
		}
	}
	return len(seen), nil
}
