package falsealarm

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/vigil-gateway/vigil/cmd/internal/accesslog"
	"github.com/vigil-gateway/vigil/cmd/internal/benchdata/attacklog"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// scanners were looked at by hand in this log.
//
//nolint:gochecknoglobals // A constant: Go has no constant lists.
var scanners = []string{"188.165.243.45", "195.250.34.144", "198.245.61.43", "212.90.148.107", "91.236.75.25", "95.78.54.93"}

// Report is what was counted.
type Report struct {
	Events    int `json:"events"`
	Unread    int `json:"unread"`
	Addresses int `json:"addresses"`
	// Scanners are the addresses that were acted on and are known to be
	// scanners, Others those that are not.
	Scanners []string `json:"scanners"`
	Others   []string `json:"others"`
}

// PerThousand is the number of others for every 1,000 addresses.
func (r *Report) PerThousand() float64 {
	return 1000 * float64(len(r.Others)) / float64(max(1, r.Addresses))
}

// String names everybody who was acted on.
func (r *Report) String() string {
	return fmt.Sprintf("%d events of %d addresses, %d lines unread\nknown scanners acted on: %s\nothers acted on: %s\n",
		r.Events, r.Addresses, r.Unread, strings.Join(r.Scanners, " "), strings.Join(r.Others, " "))
}

// Run replays the log below dir, or the copy that ships. The error wraps
// [fs.ErrNotExist] where there is none.
func Run(dir string, m *model.Model) (Report, error) {
	var f *os.File
	var err error
	for _, name := range []string{"elastic-examples/apache_logs.gz", "apache_logs.gz", "../accesslogs/apache.log.gz"} {
		f, err = os.Open(filepath.Join(dir, name)) //nolint:gosec // The operator names the folder.
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return Report{}, fmt.Errorf("read access log: %w", err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return Report{}, fmt.Errorf("read access log: %w", err)
	}
	return replay(z, m)
}

func replay(log io.Reader, m *model.Model) (Report, error) {
	stages, err := attacklog.NewStages(m)
	if err != nil {
		return Report{}, fmt.Errorf("replay access log: %w", err)
	}
	var r Report
	acted, last := make(map[string]bool), make(map[string]*event.RequestEvent)
	reader := accesslog.NewReader(log, "default")
	var e event.RequestEvent
	for {
		err := reader.Next(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if _, bad := errors.AsType[*accesslog.LineError](err); bad {
			r.Unread++
			continue
		}
		if err != nil {
			return Report{}, err
		}
		r.Events++
		f := stages.Assess(&e)
		address := strings.Clone(e.GetAddress())
		acted[address] = acted[address] || f.Acted
		last[address] = proto.CloneOf(&e)
	}
	addresses := slices.Sorted(maps.Keys(last))
	var events []*event.RequestEvent
	for _, a := range addresses {
		events = append(events, last[a])
	}
	for i, f := range stages.End(events) {
		acted[addresses[i]] = acted[addresses[i]] || f.Acted
	}
	r.Addresses = len(acted)
	for address, acts := range acted {
		switch {
		case !acts:
		case slices.Contains(scanners, address):
			r.Scanners = append(r.Scanners, address)
		default:
			r.Others = append(r.Others, address)
		}
	}
	slices.Sort(r.Scanners)
	slices.Sort(r.Others)
	return r, nil
}
