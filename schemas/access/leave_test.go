package access_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vigil-gateway/vigil/schemas/access"
)

// What a coordinator answers is told: that it is none, which it says as long as it has
// just started, that there is no such member, and that it hangs up.
func TestLeaveTellsWhatTheCoordinatorAnswers(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	var code atomic.Int32
	var hangs atomic.Bool
	c.ControlKey(int16(kmsg.LeaveGroup), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp, ok := req.ResponseKind().(*kmsg.LeaveGroupResponse)
		if !ok {
			return nil, errors.New("another request"), true
		}
		resp.ErrorCode = int16(code.Load())
		if hangs.Load() {
			return nil, errors.New("lost on purpose"), true
		}
		return resp, nil, resp.ErrorCode != 0
	})
	leave := func() error {
		var none *access.Access
		return none.Leave(t.Context(), "test", c.ListenAddrs()[0], "group", "member")
	}
	err = leave()
	if err == nil {
		t.Error("a member that is not there has left")
	}
	for _, want := range []kafka.Error{kafka.NotCoordinatorForGroup, kafka.GroupLoadInProgress, kafka.UnknownMemberId} {
		code.Store(int32(want))
		err = leave()
		if !errors.Is(err, want) {
			t.Errorf("Leave() = %v, want %v", err, want)
		}
	}
	hangs.Store(true)
	err = leave()
	if err == nil {
		t.Error("a broker that hangs up has agreed")
	}
}
