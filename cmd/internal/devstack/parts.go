package devstack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// part is something that runs and can be stopped.
type part struct {
	name string
	stop func() error
}

// parts are what runs, in the order in which it was started.
type parts struct {
	logger *slog.Logger

	mu     sync.Mutex
	list   []part
	failed chan error // The first part that ended by itself.
}

func newParts(logger *slog.Logger) *parts {
	return &parts{logger: logger, failed: make(chan error, 1)}
}

// add notes a part that runs.
func (p *parts) add(name string, stop func() error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, part{name: name, stop: stop})
}

// run starts a role in a goroutine of its own. Its end, when nobody asked for
// it, is a failure of the whole.
func (p *parts) run(name string, role func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		err := role(ctx)
		if ctx.Err() == nil {
			select {
			case p.failed <- fmt.Errorf("%s ended: %w", name, errors.Join(err, errEnded)):
			default: // Another was first.
			}
		}
		ended <- err
	}()
	p.add(name, func() error {
		cancel()
		select {
		case err := <-ended:
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		case <-time.After(stopTimeout):
			return fmt.Errorf("did not end within %v", stopTimeout)
		}
	})
}

// errEnded is added to the error of a role that returned without being asked,
// with or without a reason of its own.
var errEnded = errors.New("a part of the installation ended by itself")

// stop ends all parts, the last one first.
func (p *parts) stop() error {
	p.mu.Lock()
	list := p.list
	p.list = nil
	p.mu.Unlock()
	var errs []error
	for _, one := range slices.Backward(list) {
		began := time.Now()
		err := one.stop()
		if err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", one.name, err))
		}
		p.logger.Debug("part stopped", "part", one.name, "took", time.Since(began))
	}
	return errors.Join(errs...)
}
