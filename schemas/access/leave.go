package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// leaveVersion is the version of the request to leave a group that names its members:
// that of Kafka 2.4. To an earlier one some brokers answer no error but hang up.
const leaveVersion = 3

// Leave takes a member out of a consumer group, at the broker that coordinates it; ctx
// bounds it. The error wraps [kafka.UnknownMemberId] where the group has no such member.
//
// kafka-go v0.4.51 reads the code of this answer as a time: a coordinator that has just
// started and does not know the group yet would seem to have agreed.
func (a *Access) Leave(ctx context.Context, clientID, coordinator, group, member string) error {
	conn, done, err := a.connectFor(ctx, clientID, coordinator)
	if err != nil {
		return fmt.Errorf("leave group %s at %s: %w", group, coordinator, err)
	}
	defer done()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version, req.Group = leaveVersion, group
	who := kmsg.NewLeaveGroupRequestMember()
	who.MemberID = member
	req.Members = append(req.Members, who)
	answer, err := Ask(conn, clientID, req)
	if err != nil {
		return fmt.Errorf("leave group %s at %s: %w", group, coordinator, err)
	}
	resp, ok := answer.(*kmsg.LeaveGroupResponse)
	if !ok {
		return fmt.Errorf("leave group %s at %s: %w", group, coordinator, ErrAnswer)
	}
	errs := []error{codeOf(resp.ErrorCode)}
	for _, m := range resp.Members {
		errs = append(errs, codeOf(m.ErrorCode))
	}
	err = errors.Join(errs...)
	if err != nil {
		return fmt.Errorf("leave group %s at %s: %w", group, coordinator, err)
	}
	return nil
}

// codeOf is the error that a broker's answer names, nil for none.
func codeOf(code int16) error {
	if code == 0 {
		return nil
	}
	return kafka.Error(code)
}
