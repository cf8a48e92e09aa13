package origin_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/gateway/origin"
)

// resolver returns one over the test databases, with changes to its config.
func resolver(tb testing.TB, change ...func(*origin.Config)) *origin.Resolver {
	tb.Helper()
	c := origin.DefaultConfig()
	for _, name := range []string{"GeoIP2-City-Test.mmdb", "GeoLite2-ASN-Test.mmdb", "GeoIP2-Anonymous-IP-Test.mmdb"} {
		c.Databases = append(c.Databases, filepath.Join("..", "..", "testdata", "geo", name))
	}
	for _, f := range change {
		f(&c)
	}
	r, err := origin.New(origin.Options{Config: c, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		err := r.Close()
		if err != nil {
			tb.Error(err)
		}
	})
	return r
}
