package attacklog

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/cmd/internal/accesslog"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// Kinds of log.
const (
	KindHTTP     = "http"     // Access logs.
	KindFirewall = "firewall" // What another product found in requests.
	KindSignIn   = "sign-in"  // Authentication logs.
)

// Results for a source.
const (
	Acted    = "acted"    // Throttle or more.
	Positive = "positive" // Evidence, below every rung.
	Missed   = "missed"
)

// Source is what became of one address that was to be caught.
type Source struct {
	Test    string `json:"test"`
	Kind    string `json:"kind"`
	Address string `json:"address"`
	Result  string `json:"result"`
	// Notice says that the project's own scenario gives a notice and bans nobody:
	// evidence is all that is asked.
	Notice bool    `json:"notice,omitempty"`
	Nats   float64 `json:"nats"` // The most that it was suspected of.
	// After is the number of its events up to the first action, Bucket that of
	// the project's own bucket. 0 where it did not act.
	After  int `json:"after,omitempty"`
	Bucket int `json:"bucket"`
	// ByFacet says that it was acted on only for what it shares with others.
	ByFacet bool `json:"by_facet,omitempty"`
	// Events is how many it has in the log.
	Events int `json:"events"`
}

// Report is what was measured.
type Report struct {
	Sources []Source `json:"sources"`
	// Wrong are addresses that were acted on and that nobody expected.
	Wrong []Source `json:"wrong"`
	// Unmapped are the logs that tell of nothing that a gateway sees, Unread
	// those that it would see and that are not read.
	Unmapped []string `json:"unmapped"`
	Unread   []string `json:"unread"`
	// Lines and LinesUnread are over the logs that count.
	Lines       int `json:"lines"`
	LinesUnread int `json:"lines_unread"`
}

// AsAsked reports whether the source came out as it is asked.
func (s *Source) AsAsked() bool {
	return s.Result == Acted || s.Notice && s.Result == Positive
}

// InTime reports whether it did so no later than the project's own bucket.
func (s *Source) InTime() bool { return s.AsAsked() && s.After <= s.Bucket }

// Run replays every log below dir through a scorer of its own with the given
// model. The error wraps [fs.ErrNotExist] where the set is not there.
func Run(dir string, m *model.Model) (Report, error) {
	cases, err := readManifest(dir)
	if err != nil {
		return Report{}, err
	}
	var r Report
	for i := range cases {
		c := &cases[i]
		if !c.mapped() {
			r.Unmapped = append(r.Unmapped, c.Test)
			continue
		}
		err := r.replay(filepath.Join(dir, c.Test, c.Log), c, m)
		if err != nil {
			return Report{}, err
		}
	}
	return r, nil
}

// suspect is what is known of one address of a log.
type suspect struct {
	events, after int
	nats          float64
	byFacet       bool
	last          *event.RequestEvent
}

// see takes note of what was found.
func (s *suspect) see(f Finding) {
	s.nats = max(s.nats, f.Nats)
	if s.after == 0 && f.Acted {
		s.after, s.byFacet = s.events, f.ByFacet
	}
}

// replay scores one log from its first line to its last.
func (r *Report) replay(name string, c *Case, m *model.Model) error {
	f, err := os.Open(name) //nolint:gosec // The operator names the folder.
	if err != nil {
		return fmt.Errorf("read attack log: %w", err)
	}
	defer func() { _ = f.Close() }()
	stages, err := NewStages(m)
	if err != nil {
		return fmt.Errorf("replay %s: %w", c.Test, err)
	}
	suspects := make(map[string]*suspect)
	kind := ""
	var reader reader
	in := bufio.NewScanner(f)
	in.Buffer(nil, accesslog.LineBytesMax)
	for in.Scan() {
		line := in.Text()
		if line == "" {
			continue
		}
		r.Lines++
		var e event.RequestEvent
		k, ok := reader.read(line, &e)
		if !ok {
			r.LinesUnread++
			continue
		}
		kind = k
		s := suspects[e.GetAddress()]
		if s == nil {
			s = &suspect{}
			suspects[e.GetAddress()] = s
		}
		s.events++
		s.last = proto.CloneOf(&e)
		s.see(stages.Assess(&e))
	}
	err = in.Err()
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	var last []*event.RequestEvent
	addresses := slices.Sorted(maps.Keys(suspects))
	for _, a := range addresses {
		last = append(last, suspects[a].last)
	}
	for i, f := range stages.End(last) {
		suspects[addresses[i]].see(f)
	}
	if kind == "" {
		r.Unread = append(r.Unread, c.Test)
	}
	r.settle(c, kind, suspects)
	return nil
}

// settle compares what happened in a log with what was expected.
func (r *Report) settle(c *Case, kind string, suspects map[string]*suspect) {
	expected := make([]string, 0, len(c.Sources))
	for _, name := range c.Sources {
		address, ok := addressOf(name)
		if !ok {
			continue // A user or a program.
		}
		expected = append(expected, address)
		s := suspects[address]
		if s == nil {
			s = &suspect{}
		}
		r.Sources = append(r.Sources, s.source(c, kind, address))
	}
	for address, s := range suspects {
		if s.after > 0 && !slices.Contains(expected, address) {
			r.Wrong = append(r.Wrong, s.source(c, kind, address))
		}
	}
	slices.SortFunc(r.Wrong, func(a, b Source) int { return compare(&a, &b) })
}

func (s *suspect) source(c *Case, kind, address string) Source {
	result := Missed
	switch {
	case s.after > 0:
		result = Acted
	case s.nats > 0:
		result = Positive
	}
	return Source{
		Test: c.Test, Kind: kind, Address: address, Result: result, Notice: c.notice(), Nats: s.nats,
		After: s.after, Bucket: c.bucket(), Events: s.events, ByFacet: s.byFacet,
	}
}

// reader reads lines of any of the kinds.
type reader struct{ clock clock }

func (r *reader) read(line string, e *event.RequestEvent) (kind string, ok bool) {
	stamp := r.clock.of(line)
	switch {
	case readSignIn(line, e):
		kind = KindSignIn
	case readFirewall(line, e):
		kind = KindFirewall
	case readRequest(line, e):
		e.Tenant = tenant
		return KindHTTP, true
	case readAnySignIn(line, e):
		kind = KindSignIn
	default:
		return "", false
	}
	e.Time, e.Tenant = timestamppb.New(stamp), tenant
	e.Clamp()
	return kind, e.Check() == nil
}

func readRequest(line string, e *event.RequestEvent) bool {
	err := accesslog.Parse(line, e)
	if err != nil {
		e.Reset()
	}
	return err == nil
}

// tenant is that of all events of the set.
const tenant = "default"
