package benchpipeline

import (
	"cmp"
	"context"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/cost"
)

// Stage is what one stage took for each event, the median of all rounds.
type Stage struct {
	Name string `json:"name"`
	// Of is what the stage is part of: the bare client, a path, or the parts of one.
	Of string `json:"of"`
	// CPU is of the process that is measured, in nanoseconds; PerSecond is how many
	// events a core takes then.
	CPU       float64 `json:"cpu_ns"`
	PerSecond float64 `json:"events_per_core_second"`
	// Bare is how often the bare client's fetch fits into CPU, in the same round.
	Bare        float64 `json:"ratio_to_bare_fetch"`
	Allocations float64 `json:"allocations"`
	Bytes       float64 `json:"allocated_bytes"`
	// Broker and ClickHouse are the CPU of these processes meanwhile, in nanoseconds.
	Broker     float64 `json:"broker_cpu_ns"`
	ClickHouse float64 `json:"clickhouse_cpu_ns"`
	// Wall is from begin to end, in nanoseconds, on however busy a machine.
	Wall float64 `json:"wall_ns"`
}

// meter measures stages.
type meter struct {
	events             int
	broker, clickhouse *engine
	stages             []Stage
}

// measure runs a stage.
func (m *meter) measure(of, name string, do func() error) error {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	broker, clickhouse := m.broker.cpu(), m.clickhouse.cpu()
	began, busy := time.Now(), cost.CPU()
	var err error
	pprof.Do(context.Background(), pprof.Labels("stage", of+", "+name), func(context.Context) { err = do() })
	busy, wall := cost.CPU()-busy, time.Since(began)
	broker, clickhouse = m.broker.cpu()-broker, m.clickhouse.cpu()-clickhouse
	if err != nil {
		return err
	}
	runtime.ReadMemStats(&after)
	each := func(d time.Duration) float64 { return float64(d) / float64(m.events) }
	m.stages = append(m.stages, Stage{
		Name: name, Of: of, CPU: each(busy), Wall: each(wall), Broker: each(broker), ClickHouse: each(clickhouse),
		Allocations: float64(after.Mallocs-before.Mallocs) / float64(m.events),
		Bytes:       float64(after.TotalAlloc-before.TotalAlloc) / float64(m.events),
	})
	return nil
}

// ratios sets Bare by the stage called bareFetch, and PerSecond.
func ratios(stages []Stage) {
	i := slices.IndexFunc(stages, func(s Stage) bool { return s.Name == bareFetch })
	for j := range stages {
		stages[j].PerSecond = 1e9 / stages[j].CPU
		if i >= 0 {
			stages[j].Bare = stages[j].CPU / stages[i].CPU
		}
	}
}

// medians folds rounds of the same stages into one.
func medians(rounds [][]Stage) []Stage {
	out := slices.Clone(rounds[0])
	for i := range out {
		of := func(field func(*Stage) float64) float64 {
			values := make([]float64, 0, len(rounds))
			for _, r := range rounds {
				values = append(values, field(&r[i]))
			}
			slices.SortFunc(values, cmp.Compare[float64])
			return values[len(values)/2]
		}
		s := &out[i]
		s.CPU = of(func(s *Stage) float64 { return s.CPU })
		s.Bare = of(func(s *Stage) float64 { return s.Bare })
		s.Allocations = of(func(s *Stage) float64 { return s.Allocations })
		s.Bytes = of(func(s *Stage) float64 { return s.Bytes })
		s.Broker = of(func(s *Stage) float64 { return s.Broker })
		s.ClickHouse = of(func(s *Stage) float64 { return s.ClickHouse })
		s.Wall = of(func(s *Stage) float64 { return s.Wall })
		s.PerSecond = 1e9 / s.CPU
	}
	return out
}
