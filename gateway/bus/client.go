package bus

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/fetch"
)

// Options are what a [Client] depends on. All but Access are required.
type Options struct {
	// Brokers are the addresses of the cluster, host:port.
	Brokers []string
	// Access says how they are reached and as whom; nil is plain text, as nobody.
	Access *access.Access
	// Gateway is this gateway's id, for the brokers' logs.
	Gateway string
	// Topics are those that the client is used for.
	Topics []string
	// Timeout bounds one request.
	Timeout time.Duration
}

// Client is kafka-go's client with connections that close together.
type Client struct {
	*kafka.Client

	access    *access.Access
	reader    *fetch.Reader
	transport *kafka.Transport
	cancel    context.CancelFunc

	mu     sync.Mutex
	open   map[*connection]struct{}
	closed bool
}

// connection is one that its client knows of.
type connection struct {
	net.Conn

	client *Client
}

// New returns a client that has not connected yet.
func New(o Options) *Client {
	c := &Client{access: o.Access, open: make(map[*connection]struct{})}
	var life context.Context
	//nolint:forbidigo // The client lives until Close. kafka-go's search for brokers goes on without end where there are none, unless its context ends.
	life, c.cancel = context.WithCancel(context.Background())
	c.transport = o.Access.Transport("vigil-gateway-" + o.Gateway)
	c.transport.Context, c.transport.Dial = life, c.dial
	c.transport.MetadataTTL, c.transport.MetadataTopics, c.transport.IdleTimeout = metadataTTL, o.Topics, idleTimeout
	c.reader = fetch.NewBounded(c.transport, kafka.TCP(o.Brokers...), batchBytesMax)
	c.Client = &kafka.Client{Addr: kafka.TCP(o.Brokers...), Transport: c.transport, Timeout: o.Timeout}
	return c
}

// Leaders asks the cluster for the leaders of a topic's partitions: ids of brokers,
// one of each partition, at least one.
func (c *Client) Leaders(ctx context.Context, topic string) ([]int, error) {
	md, err := c.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", c.access.Explain(err, access.Describe, "topic "+topic))
	}
	for _, t := range md.Topics {
		if t.Name == topic && t.Error == nil && len(t.Partitions) > 0 {
			leaders := make([]int, len(t.Partitions))
			for _, p := range t.Partitions {
				if p.ID >= 0 && p.ID < len(leaders) {
					leaders[p.ID] = p.Leader.ID
				}
			}
			return leaders, nil
		}
		if t.Name == topic && t.Error != nil {
			return nil, fmt.Errorf("topic %s: %w", topic, c.access.Explain(t.Error, access.Describe, "topic "+topic))
		}
	}
	return nil, fmt.Errorf("topic %s: %w", topic, kafka.UnknownTopicOrPartition)
}

// Partitions asks the cluster how many partitions a topic has.
func (c *Client) Partitions(ctx context.Context, topic string) (int, error) {
	leaders, err := c.Leaders(ctx, topic)
	return len(leaders), err
}

// ID is what the brokers know this gateway by, also where they set quotas.
func (c *Client) ID() string { return c.transport.ClientID }

// Read reads once from a partition; q.Wait must be below the client's timeout. A broker
// that holds back is no error: see [fetch.Answer].
func (c *Client) Read(ctx context.Context, q fetch.Request) (fetch.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	return c.reader.Read(ctx, q)
}

// Bounds returns the first offset of a partition and its end.
func (c *Client) Bounds(ctx context.Context, topic string, partition int) (first, end int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	return c.reader.Bounds(ctx, topic, partition) //nolint:wrapcheck // As Read.
}

// Explain says in words what an error of Kafka means that turns this gateway
// away: see [access.Access.Explain].
func (c *Client) Explain(err error, operation, topic string) error {
	return c.access.Explain(err, operation, "topic "+topic)
}

// Close closes every connection for good. It may be called again.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.open {
		_ = conn.Conn.Close() // It was going away; nobody reads the error.
	}
}

func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw, err := c.access.Dial(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connect to broker: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = raw.Close() // Nothing was sent on it.
		return nil, net.ErrClosed
	}
	conn := &connection{Conn: raw, client: c}
	c.open[conn] = struct{}{}
	return conn, nil
}

// Close closes the connection and forgets it.
func (c *connection) Close() error {
	c.client.mu.Lock()
	delete(c.client.open, c)
	c.client.mu.Unlock()
	return c.Conn.Close()
}
