package topic

import (
	"strconv"
	"time"

	"github.com/zeebo/xxh3"
)

// Names of the topics.
const (
	Requests     = "vigil.requests"
	Facets       = "vigil.facets"
	Assessments  = "vigil.assessments"
	Verdicts     = "vigil.verdicts"
	Control      = "vigil.control"
	Enforcements = "vigil.enforcements"
	Cuts         = "vigil.cuts"
	Dead         = "vigil.dead"
)

// LanesDefault is the number of lanes per gateway epoch: more than the
// partitions of any topic that one gateway should feed alone.
const LanesDefault = 16

// Spec is one topic as it should exist.
type Spec struct {
	Name string
	// Partitions is 0 where the topic has as many as vigil.requests.
	Partitions int
	// Compact keeps the last record per key for ever; otherwise records are deleted after Retention.
	Compact   bool
	Retention time.Duration
	// Key says what the record key is, for people.
	Key string
}

// All returns every topic with partitions filled in. partitions is that of
// vigil.requests, at least 1.
func All(partitions int) []Spec {
	specs := []Spec{
		{Name: Requests, Retention: 7 * 24 * time.Hour, Key: "tenant, subject; anonymous: tenant, address"},
		{Name: Facets, Retention: 7 * 24 * time.Hour, Key: "tenant"},
		{Name: Assessments, Retention: 7 * 24 * time.Hour, Key: "source partition"},
		{Name: Verdicts, Compact: true, Key: "tenant, target, authority"},
		{Name: Control, Partitions: 1, Compact: true, Key: "tenant, kind, id"},
		{Name: Enforcements, Partitions: 1, Retention: 7 * 24 * time.Hour, Key: "verdict id"},
		{Name: Cuts, Partitions: 1, Retention: 7 * 24 * time.Hour, Key: "source topic, partition"},
		{Name: Dead, Partitions: 1, Retention: 30 * 24 * time.Hour, Key: "source topic, partition, offset"},
	}
	for i := range specs {
		if specs[i].Partitions == 0 {
			specs[i].Partitions = partitions
		}
	}
	return specs
}

// Config returns the topic's settings as Kafka names them. Time in every topic
// is the broker's, so that a gateway with a wrong clock neither shortens the
// retention of others nor has its records refused. Compacted topics roll a
// segment every ten minutes, because the one in use is never compacted and a
// gateway that starts reads it whole.
func (s Spec) Config() map[string]string {
	c := map[string]string{"message.timestamp.type": "LogAppendTime"}
	if s.Compact {
		c["cleanup.policy"] = "compact"
		c["segment.ms"] = milliseconds(10 * time.Minute)
		c["delete.retention.ms"] = milliseconds(24 * time.Hour)
		return c
	}
	c["cleanup.policy"] = "delete"
	if s.Retention > 0 {
		c["retention.ms"] = milliseconds(s.Retention)
	}
	return c
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// RequestKey is the key of a request event: the subject, else the address.
func RequestKey(tenant, subject, address string) []byte {
	if subject != "" {
		return key(tenant, "s", subject)
	}
	return key(tenant, "a", address)
}

// VerdictKey is the key of a verdict: one writer each, because authority is part of it.
func VerdictKey(tenant, targetKind, targetID, authority string) []byte {
	return key(tenant, targetKind, targetID, authority)
}

// FacetKey is the key of what the first stage says about the facets of a tenant:
// all of them meet in one partition.
func FacetKey(tenant string) []byte { return key(tenant) }

// HeartbeatKey is the key of the heartbeat in a partition of vigil.verdicts.
func HeartbeatKey(authority string, partition int) []byte {
	return key("", "heartbeat", authority, strconv.Itoa(partition))
}

// ControlKey is the key of a record of vigil.control.
func ControlKey(tenant, kind, id string) []byte { return key(tenant, kind, id) }

// SourceKey is the key of records about a partition of another topic.
func SourceKey(source string, partition int) []byte {
	return key(source, strconv.Itoa(partition))
}

// key joins parts with NUL, which none of them can contain: it is refused in
// tenants and ids at the gateway's edge.
func key(parts ...string) []byte {
	n := len(parts)
	for _, p := range parts {
		n += len(p)
	}
	b := make([]byte, 0, n)
	for i, p := range parts {
		if i > 0 {
			b = append(b, 0)
		}
		b = append(b, p...)
	}
	return b
}

// Lanes maps keys to lanes. Count is at least 1; Seed is the installation's secret.
type Lanes struct {
	Count uint32
	Seed  uint64
}

// Of returns the lane of a key, in [0, Count).
func (l Lanes) Of(key []byte) uint32 {
	return uint32(xxh3.HashSeed(key, l.Seed) % uint64(l.Count))
}

// Partition is the partition of a lane among n. Every lane lives whole in one.
func Partition(lane uint32, n int) int { return int(lane) % n }
