package config_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/vigil-gateway/vigil/cmd/internal/config"
	"github.com/vigil-gateway/vigil/deploy/devstack/logtest"
)

// TestMain fails where a goroutine is left behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reloading is a running reloader over one file.
type reloading struct {
	file    string
	signals chan os.Signal
	applied chan sample
	reader  *sdkmetric.ManualReader
	log     *logtest.Buffer
}

func startReloading(t *testing.T, interval time.Duration) reloading {
	t.Helper()
	r := reloading{
		file: write(t, "v.yaml", "ratio: 1\n"), signals: make(chan os.Signal), applied: make(chan sample, 10),
		reader: sdkmetric.NewManualReader(), log: new(logtest.Buffer),
	}
	reloader, err := config.NewReloader(config.ReloaderOptions[sample]{
		Load: func() (config.Loaded[sample], error) { return config.Load(config.Sources{File: r.file}, defaults()) },
		Swap: func(_ context.Context, c sample) error {
			if c.Ratio == 7 {
				return errors.New("not while it rains")
			}
			r.applied <- c
			return nil
		},
		Files: []string{r.file}, Signals: r.signals, Interval: interval,
		Logger: slog.New(slog.NewTextHandler(r.log, nil)),
		Meter:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader)).Meter("test"),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- reloader.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		err := <-done
		if err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	return r
}

func (r reloading) count(t *testing.T, result string) int64 {
	t.Helper()
	var data metricdata.ResourceMetrics
	err := r.reader.Collect(t.Context(), &data)
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if !ok || m.Name != "vigil.config.reloads" {
				continue
			}
			for _, p := range sum.DataPoints {
				v, _ := p.Attributes.Value("result")
				if v.AsString() == result {
					return p.Value
				}
			}
		}
	}
	return 0
}

// await polls until a result was counted n times; the test's own deadline ends it.
func (r reloading) await(t *testing.T, result string, n int64) {
	t.Helper()
	for r.count(t, result) < n {
		if t.Context().Err() != nil {
			t.Fatalf("%s was not counted %d times", result, n)
		}
		runtime.Gosched()
	}
}

func (r reloading) rewrite(t *testing.T, text string) {
	t.Helper()
	err := os.WriteFile(r.file, []byte(text), 0o600)
	if err != nil {
		t.Fatal(err)
	}
}

// A configuration with faults changes nothing, is counted, and every fault is
// logged; the next good one is applied.
func TestReloadKeepsTheOldOne(t *testing.T) {
	r := startReloading(t, time.Hour)
	r.rewrite(t, "ratoi: 1\nmode: x\n")
	r.signals <- os.Interrupt
	r.await(t, "rejected", 1)
	r.rewrite(t, "ratio: 7\n")
	r.signals <- os.Interrupt
	r.await(t, "failed", 1)
	if len(r.applied) != 0 {
		t.Fatal("a faulty configuration was applied")
	}
	r.rewrite(t, "ratio: 0.5\n")
	r.signals <- os.Interrupt
	r.await(t, "applied", 1)
	got := <-r.applied
	if got.Ratio != 0.5 {
		t.Errorf("applied %+v", got)
	}
	if !strings.Contains(r.log.String(), `v.yaml:1:1: ratoi: unknown key; did you mean \"ratio\"?`) {
		t.Errorf("the log does not name the fault:\n%s", r.log.String())
	}
	if !strings.Contains(r.log.String(), "not while it rains") {
		t.Errorf("the log does not say why a good configuration was not applied:\n%s", r.log.String())
	}
}

// TestReloadSeesAChangedFile needs no signal.
func TestReloadSeesAChangedFile(t *testing.T) {
	r := startReloading(t, time.Millisecond)
	r.rewrite(t, "ratio: 0.25\nmode: enforce\n")
	got := <-r.applied
	if got.Ratio != 0.25 || got.Mode != "enforce" {
		t.Errorf("applied %+v", got)
	}
}
