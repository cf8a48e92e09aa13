package broker

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/vigil-gateway/vigil/schemas/topic"
)

// PartitionsDefault is the number of partitions of vigil.requests where
// Options name none.
const PartitionsDefault = 6

// Options say what to start. The zero value is a cluster in memory on a free port.
type Options struct {
	// Addr is where to listen, on 127.0.0.1 only; "" is a free port.
	Addr string
	// Dir keeps topics, records and offsets; "" is memory.
	Dir string
	// Partitions of vigil.requests and the topics that have as many; 0 is PartitionsDefault.
	Partitions int
	// Topics to create if they are missing; nil is topic.All(Partitions).
	Topics []topic.Spec
}

// Broker is an embedded Kafka cluster of one node.
type Broker struct {
	cluster *kfake.Cluster
	addr    string
}

// Start starts a cluster. It serves when Start returns; Close ends it.
func Start(o Options) (*Broker, error) {
	if o.Partitions == 0 {
		o.Partitions = PartitionsDefault
	}
	if o.Topics == nil {
		o.Topics = topic.All(o.Partitions)
	}
	port, err := localPort(o.Addr)
	if err != nil {
		return nil, fmt.Errorf("start embedded kafka: %w", err)
	}
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.Ports(port),
		kfake.ClusterID("vigil"),
		kfake.DefaultNumPartitions(o.Partitions),
		kfake.GroupMinSessionTimeout(100 * time.Millisecond),
		kfake.BrokerConfigs(map[string]string{"default.replication.factor": "1"}),
	}
	if o.Dir != "" {
		opts = append(opts, kfake.DataDir(o.Dir)) // Not SyncWrites: see the package.
	}
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fmt.Errorf("start embedded kafka: %w", err)
	}
	b := &Broker{cluster: c, addr: c.ListenAddrs()[0]}
	for _, spec := range o.Topics {
		if c.TopicInfo(spec.Name) != nil {
			continue // Kept from an earlier start.
		}
		err := c.CreateTopic(spec.Name, int32(spec.Partitions), spec.Config())
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("create topic %s: %w", spec.Name, err)
		}
	}
	return b, nil
}

// Addr is the host and port of the cluster, also after Close.
func (b *Broker) Addr() string { return b.addr }

// Compact compacts every topic whose clean-up policy says so, now.
func (b *Broker) Compact() { b.cluster.Compact() }

// Close ends the cluster and, where it has a directory, writes its state. It
// may be called more than once.
func (b *Broker) Close() { b.cluster.Close() }

// localPort returns the port of a local address, 0 for any.
func localPort(addr string) (int, error) {
	if addr == "" {
		return 0, nil
	}
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, fmt.Errorf("address %q: %w", addr, err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("address %q: port: %w", addr, err)
	}
	if host != "127.0.0.1" {
		return 0, fmt.Errorf("address %q: only 127.0.0.1 is served, the cluster has no authentication", addr)
	}
	return int(port), nil
}
