package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	"github.com/segmentio/kafka-go"
)

// leave takes the member that this process was in its last life out of the group.
// A process that was killed has said no goodbye, and the group would wait out its
// session before it gives the partitions to anybody. Where it cannot be done, just
// that happens.
func (i *Ingest) leave(ctx context.Context) {
	group := i.o.Config.Group
	id, ok := i.o.State.Member(group)
	if !ok {
		return
	}
	err := i.goodbye(ctx, id)
	switch {
	case errors.Is(err, kafka.UnknownMemberId):
		return // It said goodbye, or the group has noticed.
	case err != nil:
		i.fault(ctx, "leave", fmt.Errorf("take the member of the last life out of group %s: %w", group, err))
		return
	}
	i.o.Logger.InfoContext(ctx, "the member of the last life has left the group", "group", group)
}

// goodbye takes a member out of the group.
func (i *Ingest) goodbye(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	found, err := i.client.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{Key: i.o.Config.Group, KeyType: kafka.CoordinatorKeyTypeConsumer})
	if err == nil {
		err = found.Error
	}
	if err != nil {
		return fmt.Errorf("find the coordinator of group %s: %w", i.o.Config.Group, err)
	}
	at := net.JoinHostPort(found.Coordinator.Host, strconv.Itoa(found.Coordinator.Port))
	return i.o.Access.Leave(ctx, clientID, at, i.o.Config.Group, id) //nolint:wrapcheck // It says what and where.
}

// former is the member that this process was before it lost the group. The client
// joins again as another one, and would wait until the group has missed the first.
type former struct {
	ingest *Ingest
	id     string // Of this process while it is in the group, else "".
	stop   context.CancelFunc
	work   sync.WaitGroup
}

// lost says goodbye for the member, and tries until that is done, ctx ends or the
// process is back.
func (f *former) lost(ctx context.Context) {
	id := f.id
	if id == "" {
		return
	}
	f.id = ""
	ctx, f.stop = context.WithCancel(ctx)
	f.work.Go(func() {
		for ctx.Err() == nil {
			err := f.ingest.goodbye(ctx, id)
			if err == nil || errors.Is(err, kafka.UnknownMemberId) {
				return
			}
			pause(ctx, joinBackoff)
		}
	})
}

// back ends that: the process is a member again, or "" for none any more.
func (f *former) back(id string) {
	if f.stop != nil {
		f.stop()
		f.work.Wait()
		f.stop = nil
	}
	f.id = id
}

// remember notes as which member this process is in the group.
func (i *Ingest) remember(ctx context.Context, gen *kafka.Generation) {
	if !i.noting.CompareAndSwap(false, true) {
		return // The disk hangs.
	}
	i.patiently(ctx, "note the member", func() {
		defer i.noting.Store(false)
		err := i.o.State.NoteMember(i.o.Config.Group, gen.MemberID)
		if err != nil {
			i.fault(ctx, "state", err)
		}
	})
}
