package release_test

import (
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/gateway/release"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// BenchmarkIssued is what each event pays for its lane to be known stale or not.
func BenchmarkIssued(b *testing.B) {
	p, err := release.New(release.Options{
		Config: release.DefaultConfig(), Gateway: gateway, Epoch: epoch, Lanes: 1, Meter: noop.NewMeterProvider().Meter(""), Now: time.Now,
	})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	beat := []*verdict.LanePosition{through(0, 0)}
	b.ReportAllocs()
	for i := range b.N {
		p.Issued(0, uint64(i+1), now.Add(time.Duration(i)*100*time.Microsecond)) // 10,000 events/s in one lane.
		if i%1000 == 999 {
			beat[0].Seq = uint64(i - 100)
			p.Scored(beat)
		}
	}
}
