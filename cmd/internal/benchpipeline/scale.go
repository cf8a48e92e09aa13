package benchpipeline

import (
	"math"

	"github.com/vigil-gateway/vigil/schemas/topic"
)

// Assumptions of [Scale]: what was measured elsewhere, and what is left free.
const (
	// busy is the share of a core that is planned with; the rest is for bursts, for
	// the collector and for taking over what another has left.
	busy = 0.5
	// gatewayMicros is the CPU of a request in a gateway, "make bench-gateway": 1.74
	// times HAProxy's 51.9 µs.
	gatewayMicros = 90
	// gatewayCores, analyzerCores and shardCores are the machines.
	gatewayCores  = 4
	analyzerCores = 8
	shardCores    = 16
	// rowBytes is an event on ClickHouse's disk with its assessment, its evidence and
	// the roll-ups, "make bench-questions": 57.7, 37.5, 5.9 and 21.
	rowBytes = 122
	// replicas of each partition: a record is written as often, and read by two groups.
	replicas = 3
	groups   = 2
)

// Scale is what a rate of requests needs, by the unit costs of this run.
type Scale struct {
	// Requests is the rate, per second.
	Requests int `json:"requests_per_second"`
	Gateways int `json:"gateways"`
	// Partitions of vigil.requests: each is one core's work at most.
	Partitions int `json:"partitions"`
	// ScoringCores hold both stages, StoringCores the rows' columns.
	ScoringCores    int `json:"scoring_cores"`
	StoringCores    int `json:"storing_cores"`
	Analyzers       int `json:"analyzers"`
	ClickHouseCores int `json:"clickhouse_cores"`
	Shards          int `json:"clickhouse_shards"`
	// KafkaMB is what the brokers' network carries, in MB/s, DiskTB what a day
	// takes of ClickHouse's disks before replication.
	KafkaMB float64 `json:"kafka_mb_per_second"`
	DiskTB  float64 `json:"clickhouse_tb_per_day"`
	// Ticks is how many tick records the gateways write in a second, Beats how many
	// heartbeats each of them reads.
	Ticks int `json:"ticks_per_second"`
	Beats int `json:"heartbeats_per_gateway_second"`
}

// scales are the rates from ten thousand to a million.
func scales(stages []Stage, recordBytes int) []Scale {
	var out []Scale
	for rate := 10_000; rate <= 1_000_000; rate *= 10 {
		out = append(out, scale(stages, recordBytes, rate))
	}
	return out
}

// scale is what one rate needs.
func scale(stages []Stage, recordBytes, rate int) Scale {
	nanos := func(of, name string) float64 {
		for _, s := range stages {
			if s.Of == of && s.Name == name {
				return s.CPU
			}
		}
		return math.NaN()
	}
	clickhouse := 0.0
	for _, s := range stages {
		if s.Of == ofStoring {
			clickhouse = max(clickhouse, s.ClickHouse)
		}
	}
	gateways := machines(gatewayMicros*1000, rate, gatewayCores)
	ticks := gateways * topic.LanesDefault
	events := rate + ticks
	scoring := nanos(ofScoring, wholePath)
	s := Scale{
		Requests: rate, Gateways: gateways, Ticks: ticks,
		ScoringCores:    machines(scoring+nanos(ofScoring, facetStage), events, 1),
		StoringCores:    machines(nanos(ofStoring, wholePath), rate, 1),
		ClickHouseCores: machines(clickhouse, rate, 1),
		Shards:          machines(clickhouse, rate, shardCores),
		KafkaMB:         float64(events) * float64(recordBytes) * (replicas + groups) / 1e6,
		DiskTB:          float64(rate) * rowBytes * 86_400 / 1e12,
	}
	s.Partitions = 2 * machines(scoring, events, 1) // Keys do not spread evenly, and partitions are not added lightly.
	s.Analyzers = (s.ScoringCores + s.StoringCores + analyzerCores - 1) / analyzerCores
	s.Beats = s.Partitions
	return s
}

// machines is how many machines of some cores do rate operations a second of so
// many nanoseconds each.
func machines(nanos float64, rate, cores int) int {
	return max(1, int(math.Ceil(nanos*float64(rate)/1e9/busy/float64(cores))))
}
