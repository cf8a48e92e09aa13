package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/accesslog"
	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// waterfallOptions are the flags of vigil explain FILE.
type waterfallOptions struct {
	code    bool
	event   string
	session string
	model   string
	kind    string
	top     int
}

func (o *waterfallOptions) addTo(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&o.code, "code", false, "the argument is a code, also where it looks like a file")
	f.StringVar(&o.event, "event", "", "FILE: only the event with this id")
	f.StringVar(&o.session, "session", "", "FILE: only events of this session, all that have evidence")
	f.IntVar(&o.top, "top", 3, "FILE: how many events, the worst first; 0 for all")
	f.StringVar(&o.model, "model", "", "FILE: risk model whose ladder is shown; without it the model that ships")
	f.StringVar(&o.kind, "kind", event.SubjectHuman, "FILE: whose ladder is shown: human, service or agent")
}

// isFile tells a file from a code, by rules that the help states.
func (o *waterfallOptions) isFile(arg string) bool {
	if o.code {
		return false
	}
	if arg == "-" || strings.ContainsRune(arg, filepath.Separator) || strings.Contains(arg, "/") {
		return true
	}
	if slices.Contains([]string{".json", ".ndjson", ".jsonl", ".gz"}, filepath.Ext(arg)) {
		return true
	}
	info, err := os.Stat(arg)
	return err == nil && !info.IsDir()
}

// ofFile names a flag that was given and needs a file.
func (o *waterfallOptions) ofFile(c *cobra.Command) string {
	for _, name := range []string{"event", "session", "top", "model", "kind"} {
		if c.Flags().Changed(name) {
			return name
		}
	}
	return ""
}

// assessed is one line of a file of assessments.
type assessed struct {
	line *jsonAssessment
	// Before is the session's score before the event, in the order of the file,
	// Trail its last values up to and with this event.
	Before float64
	Trail  []float64
	// Others counts the session's other events that have evidence.
	Others int
}

// trailMax bounds the values that are shown of a session's score.
const trailMax = 6

func explainFile(c *cobra.Command, env app.Env, o waterfallOptions, file string) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	m, err := readModel(o.model)
	if err != nil {
		return err
	}
	if o.top < 0 {
		return app.Usage("--top: must not be negative, is %d", o.top)
	}
	if !slices.Contains(model.ActorKinds(), o.kind) {
		return app.Usage("--kind: must be one of %s, is %q", strings.Join(model.ActorKinds(), ", "), o.kind)
	}
	r := env.Stdin
	if file != "-" {
		f, err := os.Open(file) //nolint:gosec // The operator names it.
		if err != nil {
			return app.Usage("open assessments: %w", err)
		}
		defer func() { _ = f.Close() }()
		r = f
	}
	in, err := unzipped(r)
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	name := file
	if file == "-" {
		name = "stdin"
	}
	s := &search{options: o, sessions: make(map[string]*trail)}
	err = s.read(in, name)
	if err != nil {
		return err
	}
	found := s.worst()
	if len(found) == 0 {
		what := "no event has evidence: nothing to explain"
		if o.event != "" {
			what = "no event has the id " + clean(o.event)
		} else if o.session != "" {
			what = "no event of session " + clean(o.session) + " has evidence"
		}
		say(env.Stderr, "%s: %s, in %d assessments\n", name, what, s.lines)
		return app.Findings()
	}
	if asJSON {
		return writeJSON(env.Stdout, views(found))
	}
	p := newPrinter(c, env)
	for i := range found {
		if i > 0 {
			sayln(p.w)
		}
		printWaterfall(p, &found[i], m, o.kind)
	}
	if o.event == "" && s.events > len(found) {
		say(env.Stderr, "%d of %d events with evidence; --top and --session show more\n", len(found), s.events)
	}
	return nil
}

// search reads a file once and keeps the worst.
type search struct {
	options  waterfallOptions
	sessions map[string]*trail
	found    []assessed
	lines    int // Assessments that were read.
	events   int // Of them, those with evidence.
}

// trail is how a session's score went.
type trail struct {
	values []float64
	events int // With evidence.
	worst  int // Index in found, -1 for none.
}

func (s *search) read(r io.Reader, name string) error {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 64<<10), accesslog.LineBytesMax)
	for line := 1; in.Scan(); line++ {
		text := bytes.TrimSpace(in.Bytes())
		if len(text) == 0 {
			continue
		}
		a, err := decodeAssessment(text)
		if err != nil {
			return app.Usage("%s:%d: %w", name, line, err)
		}
		s.lines++
		s.add(a)
	}
	err := in.Err()
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

var errNoAssessment = errors.New(`not an assessment: it has no score ("vigil score" makes assessments of events)`)

func decodeAssessment(text []byte) (*jsonAssessment, error) {
	a := &jsonAssessment{plainAssessment: new(plainAssessment)}
	var score struct {
		Score *float64 `json:"score"`
	}
	err := json.Unmarshal(text, &score)
	if err == nil && score.Score == nil {
		return nil, errNoAssessment
	}
	if err == nil {
		err = json.Unmarshal(text, a)
	}
	if err != nil {
		return nil, fmt.Errorf("not an assessment: %w", err)
	}
	a.plainAssessment.Score = a.Score
	return a, nil
}

func (s *search) add(a *jsonAssessment) {
	key := heldBy(a)
	t := s.sessions[key]
	if t == nil {
		t = &trail{worst: -1}
		s.sessions[key] = t
	}
	before := 0.0
	if len(t.values) > 0 {
		before = t.values[len(t.values)-1]
	}
	if len(t.values) == trailMax {
		t.values = t.values[:copy(t.values, t.values[1:])]
	}
	t.values = append(t.values, a.SessionScore)
	if len(a.Evidence) > 0 {
		s.events++
		t.events++
	}
	switch {
	case s.options.event != "" && a.EventId != s.options.event,
		s.options.event == "" && len(a.Evidence) == 0,
		s.options.session != "" && a.Session != s.options.session:
		return
	}
	one := assessed{line: a, Before: before, Trail: slices.Clone(t.values)}
	all := s.options.event != "" || s.options.session != ""
	switch {
	case all || t.worst < 0:
		s.found = append(s.found, one)
		t.worst = len(s.found) - 1
	case worse(&one, &s.found[t.worst]) < 0:
		s.found[t.worst] = one
	}
}

// heldBy is the actor of an assessment, or the facet that it is of.
func heldBy(a *jsonAssessment) string {
	return cmp.Or(a.Session, a.Subject, a.Address, a.Target.GetKind()+" "+a.Target.GetId())
}

// worse orders events: the greater score first, then the greater session score.
func worse(a, b *assessed) int {
	return cmp.Or(cmp.Compare(b.line.Score, a.line.Score), cmp.Compare(b.line.SessionScore, a.line.SessionScore))
}

// worst are the events to show, the worst first.
func (s *search) worst() []assessed {
	for i := range s.found {
		a := s.found[i].line
		s.found[i].Others = max(0, s.sessions[heldBy(a)].events-1)
	}
	if s.options.session == "" { // A session's events tell more in their order.
		slices.SortStableFunc(s.found, func(a, b assessed) int { return worse(&a, &b) })
	}
	if s.options.top > 0 && len(s.found) > s.options.top && s.options.event == "" {
		return s.found[:s.options.top]
	}
	return s.found
}

// explainedView is one explained event as JSON.
type explainedView struct {
	*jsonAssessment

	Before float64 `json:"session_score_before"`
	Others int     `json:"other_events_of_session"`
}

func views(found []assessed) []explainedView {
	list := make([]explainedView, len(found))
	for i := range found {
		list[i] = explainedView{found[i].line, found[i].Before, found[i].Others}
	}
	return list
}
