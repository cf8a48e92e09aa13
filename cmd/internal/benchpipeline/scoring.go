package benchpipeline

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/facet"
	"github.com/vigil-gateway/vigil/scorer/model"
)

const (
	// recordBytesMax is where the analyzer cuts a record of assessments.
	recordBytesMax = 800 << 10
	// look is the pause between two looks at how far a path is.
	look = time.Millisecond
)

// headers reads what a worker needs of every record's headers.
func (l *load) headers() error {
	for i := range l.records {
		_, err := cloudevent.ContentType(func(name string) ([]byte, bool) { return l.header(&l.records[i], name) })
		if err != nil {
			return fmt.Errorf("headers: %w", err)
		}
	}
	return nil
}

// decode reads every record's event.
func (l *load) decode() error {
	var ev event.RequestEvent
	for i := range l.records {
		err := event.DecodeLent(l.of(l.records[i].value), &ev)
		if err != nil {
			return fmt.Errorf("decode: %w", err)
		}
	}
	return nil
}

// engineOf is an engine with the load's past.
func (l *load) engineOf() (*scorer.Engine, error) {
	e, err := newEngine()
	if err != nil {
		return nil, err
	}
	err = e.Restore(bytes.NewReader(l.state), nil)
	if err != nil {
		return nil, fmt.Errorf("restore engine: %w", err)
	}
	return e, nil
}

// score decodes and assesses every record; with a batch it also makes the records
// of assessments, one for each fetch's worth of events.
func (l *load) score(e *scorer.Engine, batch *assessment.Batch) error {
	var ev event.RequestEvent
	const fetched = fetchBytes / 1024
	from := int64(0)
	for i := range l.records {
		err := event.DecodeLent(l.of(l.records[i].value), &ev)
		if err != nil {
			return fmt.Errorf("decode: %w", err)
		}
		res := e.Assess(scorer.Record{Event: &ev, Topic: topic.Requests, Offset: int64(i)})
		if batch == nil {
			continue
		}
		if res.Assessment != nil {
			err = batch.Add(res.Assessment)
			if err != nil {
				return err
			}
		}
		if i%fetched == fetched-1 || i == len(l.records)-1 {
			err = batch.Records(topic.Requests, "", 0, from, int64(i), recordBytesMax, func(int64, int64, []byte) {})
			if err != nil {
				return err
			}
			batch.Reset()
			from = int64(i) + 1
		}
	}
	return nil
}

// analyzer is what both stages have in common.
type analyzer struct {
	options ingest.Options
	seals   seal.Keys // Those of the first stage: the second reads what analyzers write.
}

func newAnalyzer(addr string, keys *verdict.KeySet) (*analyzer, error) {
	logger, meter := slog.New(slog.DiscardHandler), noop.Meter{}
	w, err := announce.NewWriter(nil, []string{addr}, logger, meter)
	if err != nil {
		return nil, err
	}
	config := announce.DefaultConfig()
	config.KeyFile, config.KeyID = "unused", analyzerKey
	ann, err := announce.New(announce.Options{
		Config: config, Writer: w, Signer: verdict.NewSigner(analyzerKey, key(analyzerKey)), Keys: keys, Logger: logger, Meter: meter,
		Tracer: tracenoop.Tracer{}, Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	keep, err := state.New(state.Options{Config: state.DefaultConfig(), Logger: logger, Meter: meter, Now: time.Now})
	if err != nil {
		return nil, err
	}
	return &analyzer{seals: keys, options: ingest.Options{
		Config: ingest.DefaultConfig(), Brokers: []string{addr}, Model: model.Default(), Lanes: topic.Lanes{Count: topic.LanesDefault, Seed: 1},
		State: keep, Keep: state.DefaultConfig(), Announcer: ann, Writer: w, Logger: logger, Meter: meter, Tracer: tracenoop.Tracer{}, Now: time.Now,
	}}, nil
}

// subjects is the first stage, which begins with an engine that has a past.
func (a *analyzer) subjects(e *scorer.Engine) ingest.Options {
	o := a.options
	o.Stage, o.Seals = announce.SubjectStage(), a.seals
	o.NewEngine = func(*model.Model) (ingest.Engine, error) { return e, nil }
	return o
}

// facets is the second stage.
func (a *analyzer) facets() ingest.Options {
	o := a.options
	o.Stage = announce.FacetStage()
	o.Config.Group += "-facets"
	o.NewEngine = func(m *model.Model) (ingest.Engine, error) { return facet.New(m) }
	return o
}

// run works a stage until it has scored records of partition 0, and everything
// that follows from them is acknowledged.
func run(ctx context.Context, o ingest.Options, records int64) error {
	in, err := ingest.New(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	for ctx.Err() == nil {
		if s := in.Status(); len(s) > 0 && s[0].Next >= records {
			break
		}
		select {
		case err := <-done:
			return fmt.Errorf("ingest ended: %w", err)
		case <-time.After(look):
		}
	}
	cancel()
	return <-done
}

// end is how many records partition 0 of a topic holds.
func end(ctx context.Context, client *kafka.Client, name string) (int64, error) {
	resp, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{name: {kafka.LastOffsetOf(0)}}})
	if err != nil {
		return 0, fmt.Errorf("end of %s: %w", name, err)
	}
	for _, p := range resp.Topics[name] {
		if p.Partition == 0 {
			return p.LastOffset, p.Error
		}
	}
	return 0, fmt.Errorf("end of %s: %w", name, kafka.UnknownTopicOrPartition)
}
