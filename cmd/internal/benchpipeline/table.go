package benchpipeline

import (
	"fmt"
	"io"
	"strings"
)

// Print writes a report for a person to read.
func (r Report) Print(to io.Writer) error {
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	line("%d events of %d B in each of %d rounds; CPU of the measured process, on one core", r.Events, r.RecordBytes, r.Rounds)
	line("%-13s %-38s %9s %12s %7s %7s %9s %9s %11s %9s", "", "", "ns/event", "events/s", "× bare", "allocs", "B", "broker ns", "clickh. ns", "wall ns")
	for _, s := range r.Stages {
		line("%-13s %-38s %9.0f %12.0f %7.2f %7.1f %9.0f %9.0f %11.0f %9.0f",
			s.Of, s.Name, s.CPU, s.PerSecond, s.Bare, s.Allocations, s.Bytes, s.Broker, s.ClickHouse, s.Wall)
	}
	line("")
	line("What a rate needs with cores half busy: a request in a gateway takes %d µs of %d cores, an analyzer has %d, a ClickHouse shard %d; %d B a row, %d replicas in Kafka",
		gatewayMicros, gatewayCores, analyzerCores, shardCores, rowBytes, replicas)
	line("%10s %9s %10s %10s %8s %8s %9s %7s %7s %10s %7s %8s %7s", "requests/s", "gateways", "partitions", "analyzers", "scoring", "storing", "clickh.", "shards", "", "Kafka MB/s", "TB/day", "ticks/s", "beats/s")
	line("%10s %9s %10s %10s %8s %8s %9s", "", "", "", "", "cores", "cores", "cores")
	for _, s := range r.Scale {
		line("%10d %9d %10d %10d %8d %8d %9d %7d %7s %10.0f %7.2f %8d %7d",
			s.Requests, s.Gateways, s.Partitions, s.Analyzers, s.ScoringCores, s.StoringCores, s.ClickHouseCores, s.Shards, "", s.KafkaMB, s.DiskTB, s.Ticks, s.Beats)
	}
	_, err := io.WriteString(to, b.String())
	if err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	return nil
}
