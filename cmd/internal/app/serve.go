package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/vigil-gateway/vigil/cmd/internal/config"
	"github.com/vigil-gateway/vigil/cmd/internal/telemetry"
)

// Role is one kind of process that serves, with its configuration type.
type Role[C any] struct {
	// Name is the program's name, such as vigil-gateway.
	Name, Short, Long string
	Defaults          C
	// Written lists the keys of files that the role makes itself.
	Written []string
	// Observe returns the parts of the configuration that telemetry needs, and
	// the instance's id.
	Observe func(C) (telemetry.Config, telemetry.Log, string)
	// New opens what the role serves; it must not block.
	New func(ctx context.Context, p Parts[C]) (Service[C], error)
}

// Parts are what a role is made of.
type Parts[C any] struct {
	Config    C
	Telemetry *telemetry.Telemetry
	Env       Env
}

// Service is a role that has opened its ports.
type Service[C any] struct {
	// Run serves until ctx ends; a clean end is nil.
	Run func(ctx context.Context) error
	// Addresses are told in the ready line.
	Addresses []Address
	// Reload puts a new configuration in force; nil where a role takes one
	// only at its start.
	Reload func(ctx context.Context, c C) error
}

// Address is where a part of a service listens, as a URL.
type Address struct{ Name, URL string }

// ErrRestart means that a changed configuration needs a restart.
var ErrRestart = errors.New("this role takes a new configuration only when it starts")

// NewServeCommand is the command of a role: --config FILE, --set k=v.
func NewServeCommand[C any](env Env, role Role[C]) *cobra.Command {
	var s config.Sources
	c := &cobra.Command{
		Use: role.Name, Short: role.Short, Long: role.Long,
		Version: Version().Version,
		Args:    noFile,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.Env, s.Written = env.Environ, role.Written
			return serve(cmd.Context(), env, role, s)
		},
	}
	c.Flags().StringVarP(&s.File, "config", "c", "", "configuration file (YAML); without it all values are defaults, variables and flags")
	c.Flags().StringArrayVar(&s.Set, "set", nil, "set one key, such as --set listen.address=:8080; wins over file and environment; may be repeated")
	c.CompletionOptions.DisableDefaultCmd = true
	return c
}

// noFile refuses arguments; most who give one mean the configuration.
func noFile(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q is too much: a configuration file is named by --config FILE", args[0])
	}
	return nil
}

func serve[C any](ctx context.Context, env Env, role Role[C], s config.Sources) error {
	loaded, err := config.Load(s, role.Defaults)
	if err != nil {
		return usageUnlessFaults(err)
	}
	observe, logging, instance := role.Observe(loaded.Config)
	tel, err := telemetry.Setup(ctx, telemetry.Options{
		Config: observe, Log: logging, Service: role.Name, Version: Version().Version, Instance: instance, Stderr: env.Stderr, Now: env.Now,
	})
	if err != nil {
		return fmt.Errorf("start telemetry: %w", err)
	}
	logger := tel.Logger()
	for _, w := range loaded.Warnings {
		logger.WarnContext(ctx, "configuration", "warning", w)
	}
	err = run(ctx, env, role, s, loaded, tel)
	ended := tel.Shutdown(ctx)
	if ended != nil {
		logger.WarnContext(ctx, "telemetry not delivered", "error", ended)
	}
	return err
}

func usageUnlessFaults(err error) error {
	_, ok := errors.AsType[config.Faults](err)
	if ok {
		return err
	}
	return &ExitError{Code: ExitUsage, Err: err}
}

func run[C any](ctx context.Context, env Env, role Role[C], s config.Sources, loaded config.Loaded[C], tel *telemetry.Telemetry) error {
	service, err := role.New(ctx, Parts[C]{Config: loaded.Config, Telemetry: tel, Env: env})
	if err != nil {
		return err
	}
	asked := ctx
	g, ctx := errgroup.WithContext(ctx)
	ctx, stop := context.WithCancel(ctx)
	g.Go(func() error {
		defer stop() // A role that ends by itself ends the process.
		return service.Run(ctx)
	})
	err = reloading(ctx, g, role, s, loaded, service, tel)
	if err != nil {
		stop()
		return errors.Join(err, g.Wait())
	}
	err = WriteReady(env, service.Addresses)
	if err != nil {
		tel.Logger().WarnContext(ctx, "ready line not written", "error", err)
	}
	tel.Logger().InfoContext(ctx, "serving", addressAttrs(service.Addresses)...)
	g.Go(func() error {
		<-ctx.Done()
		if asked.Err() != nil { // Not by an error, which says so itself.
			tel.Logger().InfoContext(ctx, "stopping: what is in flight is finished first; a second signal ends it at once")
		}
		return nil
	})
	return g.Wait()
}

// reloading starts the reloader beside the service. A signal that finds a role
// that cannot reload is logged; it must not end the process, as its default would.
func reloading[C any](ctx context.Context, g *errgroup.Group, role Role[C], s config.Sources, loaded config.Loaded[C], service Service[C], tel *telemetry.Telemetry) error {
	swap := service.Reload
	if swap == nil {
		swap = func(context.Context, C) error { return ErrRestart }
	}
	hup := make(chan os.Signal, 1)
	reloader, err := config.NewReloader(config.ReloaderOptions[C]{
		Load: func() (config.Loaded[C], error) { return config.Load(s, role.Defaults) },
		Swap: swap, Files: loaded.Files(), Signals: hup,
		Logger: tel.Logger(), Meter: tel.Meter("vigil/config"),
	})
	if err != nil {
		return err
	}
	g.Go(func() error {
		signal.Notify(hup, syscall.SIGHUP)
		defer signal.Stop(hup)
		return reloader.Run(ctx)
	})
	return nil
}

func addressAttrs(addresses []Address) []any {
	attrs := make([]any, 0, len(addresses))
	for _, a := range addresses {
		attrs = append(attrs, slog.String(a.Name, a.URL))
	}
	return attrs
}

// WriteReady writes the ready line: event first, then the addresses in their order.
func WriteReady(env Env, addresses []Address) error {
	var line strings.Builder
	line.WriteString(`{"event":"ready"`)
	for _, a := range addresses {
		name, err := json.Marshal(a.Name)
		if err != nil {
			return fmt.Errorf("encode ready line: %w", err)
		}
		url, err := json.Marshal(a.URL)
		if err != nil {
			return fmt.Errorf("encode ready line: %w", err)
		}
		line.WriteString("," + string(name) + ":" + string(url))
	}
	_, err := io.WriteString(env.Stdout, line.String()+"}\n")
	if err != nil {
		return fmt.Errorf("write ready line: %w", err)
	}
	return nil
}
