package benchpipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// Options say how much is measured.
type Options struct {
	// Library is the path of libchdb.so.
	Library string
	// Events are measured in each round, after Warmup that only teach.
	Events, Warmup int
	// Subjects is how many people, services and agents there are.
	Subjects int
	// Rounds are folded into their median.
	Rounds int
}

// Report is what was measured.
type Report struct {
	Events int `json:"events"`
	Rounds int `json:"rounds"`
	// RecordBytes is the mean size of a record of vigil.requests, key and headers
	// included.
	RecordBytes int     `json:"record_bytes"`
	Stages      []Stage `json:"stages"`
	Scale       []Scale `json:"scale"`
}

// Names of the stages that others are compared with or computed from.
const (
	ofClient  = "bare client"
	ofScoring = "scoring path"
	ofStoring = "storing path"

	bareProduce = "produce"
	bareFetch   = "fetch, looking into none"
	wholePath   = "the whole"
	facetStage  = "facet stage"
)

// Measure runs all rounds.
func Measure(ctx context.Context, o Options) (Report, error) {
	l, err := newLoad(o)
	if err != nil {
		return Report{}, err
	}
	clickhouse, err := launch(ctx, roleClickHouse, o.Library)
	if err != nil {
		return Report{}, err
	}
	procs := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(procs)
	var rounds [][]Stage
	for n := range o.Rounds {
		stages, roundErr := round(ctx, l, clickhouse, fmt.Sprintf("round_%d", n))
		if roundErr != nil {
			err = roundErr
			break
		}
		ratios(stages)
		rounds = append(rounds, stages)
	}
	err = errors.Join(err, clickhouse.stop())
	if err != nil {
		return Report{}, err
	}
	r := Report{Events: o.Events, Rounds: o.Rounds, RecordBytes: len(l.memory) / len(l.records), Stages: medians(rounds)}
	r.Scale = scales(r.Stages, r.RecordBytes)
	return r, nil
}

// round measures every stage once, on a broker of its own.
func round(ctx context.Context, l *load, clickhouse *engine, database string) (stages []Stage, err error) {
	broker, err := launch(ctx, roleBroker, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, broker.stop()) }()
	transport := new(kafka.Transport)
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(broker.addr), Transport: transport}
	m := &meter{events: len(l.records), broker: broker, clickhouse: clickhouse}
	err = m.measure(ofClient, bareProduce, func() error { return l.produce(ctx, client) })
	if err == nil {
		err = m.measure(ofClient, bareFetch, func() error { return fetch(ctx, client, len(l.records)) })
	}
	if err == nil {
		err = m.parts(l)
	}
	if err == nil {
		err = m.paths(ctx, l, client, database)
	}
	return m.stages, err
}

// parts measures what a worker does with each record, without Kafka.
func (m *meter) parts(l *load) error {
	err := errors.Join(m.measure(ofScoring, "read headers", l.headers), m.measure(ofScoring, "verify seals", l.verify), m.measure(ofScoring, "decode event", l.decode))
	if err != nil {
		return err
	}
	e, err := l.engineOf()
	if err != nil {
		return err
	}
	err = m.measure(ofScoring, "decode, score with explanation", func() error { return l.score(e, nil) })
	if err != nil {
		return err
	}
	e, err = l.engineOf()
	if err != nil {
		return err
	}
	return m.measure(ofScoring, "decode, score, record of assessments", func() error { return l.score(e, new(assessment.Batch)) })
}

// paths measures the whole paths as the analyzer runs them.
func (m *meter) paths(ctx context.Context, l *load, client *kafka.Client, database string) error {
	a, err := newAnalyzer(m.broker.addr, l.keys)
	if err != nil {
		return err
	}
	defer a.options.Writer.Close()
	e, err := l.engineOf()
	if err != nil {
		return err
	}
	err = m.measure(ofScoring, wholePath, func() error { return run(ctx, a.subjects(e), int64(len(l.records))) })
	if err != nil {
		return err
	}
	cuts, err := end(ctx, client, topic.Facets)
	if err != nil {
		return err
	}
	err = m.measure(ofScoring, facetStage, func() error { return run(ctx, a.facets(), cuts) })
	if err != nil {
		return err
	}
	s, err := newStore(m.broker.addr, m.clickhouse.addr, database, l.keys)
	if err != nil {
		return err
	}
	c := store.DefaultConfig()
	c.Addresses, c.Protocol, c.Database = []string{m.clickhouse.addr}, store.ProtocolHTTP, database
	_, err = store.Migrate(ctx, c) // Not part of what an event costs.
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return m.measure(ofStoring, wholePath, func() error { return storeAll(ctx, s, 2*int64(l.rows)) }) // Each has an assessment.
}
