package ingest

import (
	"context"
	"errors"
	"fmt"

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
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	resp, err := i.client.LeaveGroup(ctx, &kafka.LeaveGroupRequest{
		GroupID: group, Members: []kafka.LeaveGroupRequestMember{{ID: id}},
	})
	if err == nil {
		err = resp.Error
		for _, m := range resp.Members {
			err = errors.Join(err, m.Error)
		}
	}
	switch {
	case errors.Is(err, kafka.UnknownMemberId):
		return // It said goodbye, or the group has noticed.
	case err != nil:
		i.fault(ctx, "leave", fmt.Errorf("take the member of the last life out of group %s: %w", group, err))
		return
	}
	i.o.Logger.InfoContext(ctx, "the member of the last life has left the group", "group", group)
}

// remember notes as which member this process is in the group.
func (i *Ingest) remember(ctx context.Context, gen *kafka.Generation) {
	err := i.o.State.NoteMember(i.o.Config.Group, gen.MemberID)
	if err != nil {
		i.fault(ctx, "state", err)
	}
}
