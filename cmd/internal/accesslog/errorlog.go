package accesslog

import (
	"regexp"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// refusedLine is how Apache's error log tells of a request that it refused to
// read: such a request may be missing from the access log.
var refusedLine = regexp.MustCompile(`^\[([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? \d{4})\] .*\[client ([^\]]+)\] AH\d+: Invalid URI in request (.+)$`)

// parseErrorLog reads such a line as a request that was answered 400. The time
// has no zone and is taken as UTC.
func parseErrorLog(line string, e *event.RequestEvent) error {
	m := refusedLine.FindStringSubmatch(line)
	if m == nil {
		return ErrTime
	}
	stamp, err := time.Parse("Mon Jan _2 15:04:05 2006", m[1])
	if err != nil {
		return ErrTime
	}
	address, ok := parseAddress(m[2])
	if !ok {
		return ErrAddress
	}
	const badRequest = 400
	e.Kind, e.Phase, e.Time = event.KindRequest, event.PhaseComplete, timestamppb.New(stamp)
	e.Address, e.Status = address, badRequest
	setRequest(e, m[3])
	e.Clamp()
	return e.Check()
}
