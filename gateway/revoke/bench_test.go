package revoke_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/gateway/revoke"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// arrival tells when a verdict is applied.
type arrival chan string

func (a arrival) Apply(v *verdict.Verdict, _ time.Time) { a <- v.Id }

func (a arrival) Withdraw(*verdict.Verdict) {}

func (a arrival) Sessions(string, *verdict.Target) int { return 0 }

// BenchmarkArrival is the way of a signed verdict from the analyzer's hands to
// the session table, one at a time, over the embedded broker.
func BenchmarkArrival(b *testing.B) {
	k, err := broker.Start(broker.Options{Partitions: 6})
	if err != nil {
		b.Fatal(err)
	}
	defer k.Close()
	r, applied := newRing(b), make(arrival, 1)
	f := newFollower(b, k.Addr(), b.TempDir(), r, func(o *revoke.Options) { o.Table = applied })
	stop := f.run(b)
	defer stop()
	until(b, "caught up", f.CaughtUp)
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(k.Addr()), Transport: tr}
	var took []time.Duration
	for i := range b.N {
		record := sign(b, r.analyzer, revocation(fmt.Sprint("s", i), 1))
		from := time.Now()
		_, err := c.Produce(b.Context(), &kafka.ProduceRequest{
			Topic: topic.Verdicts, Partition: i % 6, RequiredAcks: kafka.RequireAll,
			Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes(record)}),
		})
		if err != nil {
			b.Fatal(err)
		}
		<-applied
		took = append(took, time.Since(from))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
