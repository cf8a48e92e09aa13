package accesslog

import (
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// parseBalancer reads a line of an AWS load balancer, application or classic:
//
//	[type] time balancer client:port target:port 3 times status target-status received sent "request" "agent" …
func parseBalancer(line string, e *event.RequestEvent) error {
	front, rest, found := strings.Cut(line, `"`)
	if !found {
		return ErrTime
	}
	words := strings.Fields(front)
	const classic, application = 11, 12
	if len(words) != classic && len(words) != application {
		return ErrTime
	}
	words = words[len(words)-classic:]
	stamp, err := time.Parse(time.RFC3339, words[0])
	if err != nil {
		return ErrTime
	}
	address, ok := parseAddress(words[2])
	if !ok {
		return ErrAddress
	}
	status, err := strconv.ParseUint(words[7], 10, 32)
	if err != nil || status > 999 {
		return ErrStatus
	}
	request, rest, _ := quoted(`"` + rest)
	agent, _, _ := quoted(rest)
	e.Kind, e.Phase, e.Time = event.KindRequest, event.PhaseComplete, timestamppb.New(stamp)
	e.Address, e.Status, e.UserAgent = address, uint32(status), dash(agent)
	e.BytesIn, _ = strconv.ParseUint(words[9], 10, 64)
	e.BytesOut, _ = strconv.ParseUint(words[10], 10, 64)
	setRequest(e, request)
	setUser(e, "")
	e.Clamp()
	return e.Check()
}
