package sim_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

const (
	brokers    = 3
	partitions = 4
	// auditor is the node that reads what there is; nothing goes wrong for it once all is healed.
	auditor = "auditor"
	// groupOfScoring is the consumer group of the analyzers.
	groupOfScoring = "vigil-scoring"
)

// cluster is a Kafka of three brokers on a network.
type cluster struct {
	*kfake.Cluster

	network *network
	addrs   []string
	client  *kafka.Client
	via     *kafka.Transport
	faults  []*kfake.FaultHandle
	large   *kfake.FaultHandle // The last that finds a record too large.
}

func newCluster(t *testing.T, n *network) *cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(brokers), kfake.ListenFn(n.listen), kfake.GroupMinSessionTimeout(100*time.Millisecond),
		kfake.BrokerConfigs(map[string]string{"default.replication.factor": "1"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range topic.All(partitions) {
		err := c.CreateTopic(spec.Name, int32(spec.Partitions), spec.Config())
		if err != nil {
			t.Fatal(err)
		}
	}
	k := &cluster{Cluster: c, network: n, addrs: c.ListenAddrs()}
	k.via = access.Through(n.dialer(auditor)).Transport(auditor)
	k.via.MetadataTTL = 100 * time.Millisecond
	k.client = &kafka.Client{Addr: kafka.TCP(k.addrs...), Transport: k.via, Timeout: 10 * time.Second}
	return k
}

// answers are errors that a broker may give. Those that say that the work was done
// all the same are among them.
func answers() map[kmsg.Key][]*kerr.Error {
	return map[kmsg.Key][]*kerr.Error{
		kmsg.Produce: {
			kerr.NotLeaderForPartition, kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend, kerr.LeaderNotAvailable,
			kerr.NotEnoughReplicas, kerr.MessageTooLarge,
		},
		kmsg.Fetch:           {kerr.NotLeaderForPartition, kerr.UnknownLeaderEpoch, kerr.LeaderNotAvailable},
		kmsg.ListOffsets:     {kerr.NotLeaderForPartition, kerr.LeaderNotAvailable},
		kmsg.Heartbeat:       {kerr.CoordinatorNotAvailable, kerr.RebalanceInProgress, kerr.NotCoordinator},
		kmsg.OffsetCommit:    {kerr.CoordinatorLoadInProgress, kerr.IllegalGeneration, kerr.NotCoordinator},
		kmsg.FindCoordinator: {kerr.CoordinatorNotAvailable},
		kmsg.JoinGroup:       {kerr.CoordinatorLoadInProgress, kerr.NotCoordinator},
	}
}

// misanswer lets the brokers answer with errors for a few requests. Who is told that a
// record is too large is a gateway, for what the analyzer writes is cut to size by
// itself; and once only, for else a tombstone would be too large, which none is.
func (k *cluster) misanswer(r *rand.Rand) string {
	keys := []kmsg.Key{kmsg.Produce, kmsg.Produce, kmsg.Fetch, kmsg.ListOffsets, kmsg.Heartbeat, kmsg.OffsetCommit, kmsg.FindCoordinator, kmsg.JoinGroup}
	key := keys[r.IntN(len(keys))]
	all := answers()[key]
	f := kfake.Fault{Keys: []kmsg.Key{key}, Err: all[r.IntN(len(all))], Count: 1 + r.IntN(6)}
	if f.Err == kerr.MessageTooLarge {
		if k.large != nil && k.large.Hits() == 0 {
			return "nothing"
		}
		f.Topic, f.Count = topic.Requests, 1
		k.large = k.Fault(f)
		k.faults = append(k.faults, k.large)
		return "brokers find a record too large"
	}
	k.faults = append(k.faults, k.Fault(f))
	return "brokers err"
}

// heal takes back what misanswer has begun.
func (k *cluster) heal() {
	for _, f := range k.faults {
		f.Remove()
	}
	k.faults = nil
}

// close ends the cluster and the auditor's connections.
func (k *cluster) close() {
	k.via.CloseIdleConnections()
	k.Close()
}

// found is a record of a topic.
type found struct {
	partition int
	offset    int64
	key       []byte
	value     []byte
	headers   []kafka.Header
}

// read reads a topic to its end.
func (k *cluster) read(t *testing.T, name string) []found {
	t.Helper()
	var all []found
	for p := range len(k.PartitionInfos(name)) {
		for offset, end := int64(0), int64(1); offset < end; {
			res := k.fetch(t, name, p, offset)
			before := offset
			for end = res.HighWatermark; ; {
				r, err := res.Records.ReadRecord()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("read %s/%d at %d: %v", name, p, offset, err)
				}
				if r.Offset < offset {
					continue
				}
				offset = r.Offset + 1
				all = append(all, found{p, r.Offset, whole(t, r.Key), whole(t, r.Value), r.Headers})
			}
			if offset == before {
				offset++ // Compaction has taken what was here.
			}
		}
	}
	return all
}

// fetch asks once more where it has to: kafka-go may still keep a connection that
// broke during the trouble, and tells of it only when it is used.
func (k *cluster) fetch(t *testing.T, name string, partition int, offset int64) *kafka.FetchResponse {
	t.Helper()
	for left := 10; ; left-- {
		res, err := k.client.Fetch(t.Context(), &kafka.FetchRequest{
			Topic: name, Partition: partition, Offset: offset, MinBytes: 1, MaxBytes: 4 << 20, MaxWait: 10 * time.Millisecond,
		})
		if err == nil && res.Error == nil {
			return res
		}
		if left == 0 {
			t.Fatalf("fetch %s/%d: %v, %v", name, partition, err, res)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func whole(t *testing.T, b kafka.Bytes) []byte {
	t.Helper()
	if b == nil {
		return nil
	}
	all, err := kafka.ReadAll(b)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// ring is the keys of an installation.
type ring struct {
	keys   *verdict.KeySet
	signer verdict.Signer
}

// newRing makes keys for the analyzers, and for gateways.
func newRing(t *testing.T, gateways ...string) ring {
	t.Helper()
	root := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	key := ed25519.NewKeyFromSeed([]byte("analyzer key for tests, 32 bytes"))
	listed := []verdict.Key{{ID: "a", Class: verdict.ClassAnalyzer, Public: key.Public().(ed25519.PublicKey)}}
	for _, id := range gateways {
		listed = append(listed, verdict.Key{ID: id, Class: verdict.ClassGateway, Gateway: id, Public: gatewayKey(id).Public().(ed25519.PublicKey)})
	}
	file, err := verdict.SignKeySet(root, listed)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := verdict.OpenKeySet(root.Public().(ed25519.PublicKey), file)
	if err != nil {
		t.Fatal(err)
	}
	return ring{keys, verdict.NewSigner("a", key)}
}

// gatewayKey is the key by which a gateway seals.
func gatewayKey(id string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(id))
	return ed25519.NewKeyFromSeed(seed[:])
}
