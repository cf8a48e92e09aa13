package benchpipeline

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// newStore follows all topics into a database of the round's own.
func newStore(broker, clickhouse, database string, keys *verdict.KeySet) (*store.Store, error) {
	c := store.DefaultConfig()
	c.Brokers, c.Addresses, c.Protocol, c.Database = []string{broker}, []string{clickhouse}, store.ProtocolHTTP, database
	return store.New(store.Options{
		Config: c, Keys: keys, Seals: keys, Unsigned: seal.Auto, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Tracer: tracenoop.Tracer{}, Now: time.Now,
	})
}

// storeAll stores everything that the topics hold: at least rows rows, and then
// what is left.
func storeAll(ctx context.Context, s *store.Store, rows int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for ctx.Err() == nil {
		if st := s.Stats(); st.Rows >= rows && st.Lag == 0 {
			break
		}
		select {
		case err := <-done:
			return fmt.Errorf("store ended: %w", err)
		case <-time.After(look):
		}
	}
	cancel()
	return <-done
}
