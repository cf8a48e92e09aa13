package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/analyzer"
	"github.com/vigil-gateway/vigil/cmd/internal/accesslog"
	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

const scoreLong = `Score events from a file with the live scorer, without Kafka or ClickHouse.

Standard input, or the files that are named, hold one event per line as JSON
(the fields of an event, times in RFC 3339) or, with --input combined, the
lines of an Apache or nginx access log. Files may be gzipped. Each event gives
one assessment as JSON: the score in nats and the evidence that it is the sum of.
Behind the event that tipped it stands the assessment of what many share, such
as a prefix or JA4, where that asks for something: it has a target and neither
session nor subject.

Lines that cannot be read are reported and counted; the others are scored, and
the exit code is 1. With --by the result is a ranking instead.`

// scoreOptions are the flags of vigil score.
type scoreOptions struct {
	model, input, state, tenant, by string
	top                             int
	facets                          bool
}

// newScoreCommand is the scorer offline.
func newScoreCommand(env app.Env) *cobra.Command {
	var o scoreOptions
	c := &cobra.Command{
		Use:   "score [FILE…]",
		Short: "Score events or an access log offline with the live scorer",
		Long:  scoreLong,
		Example: `  vigil score <events.ndjson >assessments.ndjson
  vigil score --input combined --by address --top 20 access.log.1.gz access.log
  vigil score --state history.state <last-month.ndjson >/dev/null`,
		RunE: func(cmd *cobra.Command, files []string) error { return score(cmd, env, o, files) },
	}
	o.inputFlags(c)
	f := c.Flags()
	f.Lookup("state").Usage += ", written at the end"
	f.StringVar(&o.by, "by", "", "print a ranking by address, subject or session instead of assessments")
	f.BoolVar(&o.facets, "facets", true, "also write assessments of what many share, such as a prefix or JA4, once they ask for something")
	f.IntVar(&o.top, "top", 20, "length of the ranking; 0 for all")
	return c
}

// inputFlags are those of every command that scores a file.
func (o *scoreOptions) inputFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.model, "model", "", "risk model file; without it the model that ships")
	f.StringVar(&o.input, "input", "ndjson", "what the lines are: ndjson or combined (access logs: Apache, nginx, JSON, load balancers)")
	f.StringVar(&o.state, "state", "", "file of the scorer's state: read where it exists")
	f.StringVar(&o.tenant, "tenant", "default", "tenant of events that name none")
}

func (o *scoreOptions) validate() error {
	switch {
	case o.input != "ndjson" && o.input != "combined":
		return app.Usage("--input: must be one of ndjson, combined, is %q", o.input)
	case o.by != "" && o.by != "address" && o.by != "subject" && o.by != "session":
		return app.Usage("--by: must be one of address, subject, session, is %q", o.by)
	case o.top < 0:
		return app.Usage("--top: must not be negative, is %d", o.top)
	}
	return nil
}

func score(c *cobra.Command, env app.Env, o scoreOptions, files []string) error {
	err := o.validate()
	if err != nil {
		return err
	}
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	m, err := readModel(o.model)
	if err != nil {
		return err
	}
	pair, err := scorer.NewPair(scorer.Options{Model: m, OfflineClock: true})
	if err != nil {
		return fmt.Errorf("start scorer: %w", err)
	}
	err = readState(pair, o.state)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(env.Stdout, 64<<10)
	s := &scoring{pair: pair, options: o, stderr: env.Stderr}
	var ranking *ranking
	if o.by == "" {
		s.take = func(_ *event.RequestEvent, r scorer.Result, f scorer.FacetResult) error {
			return writeAssessments(out, r, f, o.facets)
		}
	} else {
		ranking = newRanking(o.by)
		s.take = func(e *event.RequestEvent, r scorer.Result, _ scorer.FacetResult) error {
			ranking.add(e, r.Assessment, r.Proposals)
			return nil
		}
	}
	err = s.inputs(c.Context(), env.Stdin, files)
	if err != nil {
		return errors.Join(err, out.Flush())
	}
	if ranking != nil {
		p := newPrinter(c, env)
		p.w = out
		err = ranking.print(p, o.top, asJSON)
		if err != nil {
			return err
		}
	}
	err = out.Flush()
	if err != nil {
		return fmt.Errorf("write assessments: %w", err)
	}
	err = writeState(pair, o.state)
	if err != nil {
		return err
	}
	s.summary()
	if s.bad > 0 {
		return app.Findings()
	}
	return nil
}

func readModel(file string) (*model.Model, error) {
	if file == "" {
		return model.Default(), nil
	}
	b, err := os.ReadFile(file) //nolint:gosec // The operator names it.
	if err != nil {
		return nil, app.Usage("read model: %w", err)
	}
	m, err := model.ParseWith(file, b, analyzer.Beside(file))
	if err != nil {
		return nil, &app.ExitError{Code: app.ExitUsage, Err: err}
	}
	return m, nil
}

// scoring is one run over all inputs.
type scoring struct {
	pair    *scorer.Pair
	options scoreOptions
	stderr  io.Writer
	// take receives each result with an assessment. Event and assessment are gone
	// with the next.
	take func(*event.RequestEvent, scorer.Result, scorer.FacetResult) error

	fields  *fieldCheck // nil where the lines are no JSON.
	decoder event.Decoder
	event   event.RequestEvent // Of JSON lines, one after the other.
	// logLines counts bad lines that an access log could hold.
	logLines    int
	offset      int64
	scored, bad int
	first, last time.Time
	actions     map[string]int
	// facets counts verdicts about what many share.
	facets int
}

// badLinesShown bounds the complaints, so that a file of another kind does not
// fill the terminal.
const badLinesShown = 20

func (s *scoring) inputs(ctx context.Context, stdin io.Reader, files []string) error {
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, name := range files {
		err := s.input(ctx, stdin, name)
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *scoring) input(ctx context.Context, stdin io.Reader, name string) error {
	r := stdin
	if name != "-" {
		f, err := os.Open(name) //nolint:gosec // The operator names it.
		if err != nil {
			return app.Usage("open input: %w", err)
		}
		defer func() { _ = f.Close() }()
		info, err := f.Stat()
		if err != nil {
			return app.Usage("open input: %w", err)
		}
		if info.IsDir() {
			return app.Usage("open input: %s is a folder; name the files in it", name)
		}
		r = f
	}
	r, err := unzipped(r)
	if err == nil {
		r, err = asUTF8(r)
	}
	if err != nil {
		return app.Usage("read %s: %w", inputName(name), err)
	}
	next := s.ndjson(name, r)
	if s.options.input == "combined" {
		next = accesslog.NewReader(r, s.options.tenant).Next
	}
	for ctx.Err() == nil {
		e := &s.event // Who takes it keeps nothing of it.
		err = next(e)
		var bad *accesslog.LineError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &bad):
			s.complain(name, bad)
			continue
		case err != nil:
			return fmt.Errorf("read %s: %w", name, err)
		}
		err = s.one(e)
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("stopped, the state was not written: %w", ctx.Err())
}

// unzipped reads what gzip wrote as what went in.
func unzipped(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	magic, err := b.Peek(2)
	if err != nil || !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return b, nil //nolint:nilerr // Too short to be gzip; the reader says what else is wrong.
	}
	return gzip.NewReader(b)
}

// ndjson returns the next event of a file of JSON lines.
func (s *scoring) ndjson(name string, r io.Reader) func(*event.RequestEvent) error {
	if s.fields == nil {
		s.fields = newFieldCheck()
	}
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 64<<10), accesslog.LineBytesMax)
	line := 0
	return func(e *event.RequestEvent) error {
		for in.Scan() {
			line++
			text := bytes.TrimSpace(in.Bytes())
			if len(text) == 0 {
				continue
			}
			err := s.decoder.Decode(text, e)
			if err != nil {
				if accesslog.Parse(string(text), new(event.RequestEvent)) == nil {
					s.logLines++
				}
				return &accesslog.LineError{Line: line, Err: err}
			}
			if !s.decoder.Canonical {
				s.fields.look(text, func(field, guess string) {
					say(s.stderr, "%s:%d: warning: no event has a field %q%s\n", inputName(name), line, clean(field), guess)
				})
			}
			if e.Tenant == "" {
				e.Tenant = s.options.tenant
			}
			return nil
		}
		err := in.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			return fmt.Errorf("line %d is longer than %d B", line+1, accesslog.LineBytesMax)
		}
		if err != nil {
			return err
		}
		return io.EOF
	}
}

func (s *scoring) complain(name string, bad *accesslog.LineError) {
	s.bad++
	if s.bad == badLinesShown+1 {
		sayln(s.stderr, "… further bad lines are only counted")
	}
	if s.bad > badLinesShown {
		return
	}
	say(s.stderr, "%s:%d: %s\n", inputName(name), bad.Line, bad.Err)
}

// inputName is what messages call an input.
func inputName(name string) string {
	if name == "-" {
		return "stdin"
	}
	return name
}

func (s *scoring) one(e *event.RequestEvent) error {
	result, facets := s.pair.Assess(scorer.Record{Event: e, Topic: topic.Requests, Offset: s.offset})
	s.offset++
	a := result.Assessment
	if a == nil {
		return nil
	}
	s.scored++
	at := e.GetTime().AsTime()
	if s.first.IsZero() || at.Before(s.first) {
		s.first = at
	}
	if at.After(s.last) {
		s.last = at
	}
	if s.actions == nil {
		s.actions = make(map[string]int)
	}
	s.actions[a.GetAction()]++
	s.facets += len(facets.Proposals)
	return s.take(e, result, facets)
}

// writeAssessments writes that of an event, and behind it those of facets, where
// they are wanted and ask for something.
func writeAssessments(w *bufio.Writer, r scorer.Result, f scorer.FacetResult, facets bool) error {
	err := writeAssessment(w, r.Assessment)
	for _, a := range f.Assessments {
		if err == nil && facets && a.GetAction() != verdict.ActionObserve {
			err = writeAssessment(w, a)
		}
	}
	return err
}

// writeAssessment writes one line, without a copy where it fits into the buffer.
func writeAssessment(w *bufio.Writer, a *assessment.Assessment) error {
	_, err := w.Write(append(assessment.AppendJSON(w.AvailableBuffer(), a), '\n'))
	if err != nil {
		return fmt.Errorf("write assessment: %w", err)
	}
	return nil
}

// summary tells a person what was done; it is not part of the result.
func (s *scoring) summary() {
	var b strings.Builder
	fmt.Fprintf(&b, "scored %d events", s.scored)
	if s.scored > 0 {
		fmt.Fprintf(&b, " from %s to %s", s.first.UTC().Format(time.RFC3339), s.last.UTC().Format(time.RFC3339))
	}
	for _, action := range ladder() {
		if s.actions[action] > 0 && action != ladder()[0] {
			fmt.Fprintf(&b, "; %s asked for after %d", action, s.actions[action])
		}
	}
	if s.facets > 0 {
		fmt.Fprintf(&b, "; %d verdicts about what many share", s.facets)
	}
	if s.bad > 0 {
		fmt.Fprintf(&b, "; %d lines could not be read", s.bad)
	}
	if s.fields != nil && s.fields.total > 0 {
		fmt.Fprintf(&b, "; %d unknown fields were left out", s.fields.total)
	}
	sayln(s.stderr, b.String())
	for _, missed := range addMissed(nil, s.pair.Engine.Rules()) {
		sayln(s.stderr, missed)
	}
	if s.scored == 0 && s.logLines > 0 {
		sayln(s.stderr, "the lines look like those of an access log: say --input combined")
	}
}

func readState(pair *scorer.Pair, file string) error {
	if file == "" {
		return nil
	}
	f, err := os.Open(file) //nolint:gosec // The operator names it.
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return app.Usage("open state: %w", err)
	}
	defer func() { _ = f.Close() }()
	err = pair.Restore(bufio.NewReaderSize(f, 1<<20), nil)
	if err != nil {
		return app.Usage("read state %s: %w", file, err)
	}
	return nil
}

// writeState replaces the file as a whole, so that a crash leaves the old one.
func writeState(pair *scorer.Pair, file string) error {
	if file == "" {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = pair.Snapshot(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write state: %w", err), os.Remove(f.Name()))
	}
	return nil
}
