package people

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/vigil-gateway/vigil/analyzer"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// learn scores events in order, by their own clock, and writes what the scorer
// knows then.
func learn(ctx context.Context, modelFile string, events []*event.RequestEvent, file string) (err error) {
	b, err := os.ReadFile(modelFile) //nolint:gosec // The installation made it.
	if err != nil {
		return fmt.Errorf("read model: %w", err)
	}
	m, err := model.ParseWith(modelFile, b, analyzer.Beside(modelFile))
	if err != nil {
		return err
	}
	pair, err := scorer.NewPair(scorer.Options{Model: m, OfflineClock: true})
	if err != nil {
		return err
	}
	for i, e := range events {
		if i%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		pair.Assess(scorer.Record{Event: e, Topic: topic.Requests, Offset: int64(i)})
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // In the installation's own folder.
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	out := bufio.NewWriter(f)
	err = pair.Snapshot(out)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return out.Flush()
}
