package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/people"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// watch reads verdicts and enforcements out of ClickHouse as they arrive,
// which shows that they are there too.
type watch struct {
	run      *run
	password string
	client   *http.Client

	verdicts map[string]VerdictLine
	cuts     map[string]CutLine // By id of the receipt; of refusals only the first of a verdict.
	refused  map[string]string  // Id of the first refusal by verdict.
	refusals int
	rows     uint64
}

const (
	// lookEvery is the pause between two looks.
	lookEvery = 150 * time.Millisecond
	// answerBytesMax bounds one answer.
	answerBytesMax = 16 << 20
)

func newWatch(d *run) *watch {
	return &watch{
		run: d, client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2}},
		verdicts: make(map[string]VerdictLine), cuts: make(map[string]CutLine), refused: make(map[string]string),
	}
}

// follow looks again and again until ctx is done, and once more then.
func (w *watch) follow(ctx context.Context) error {
	defer w.client.CloseIdleConnections()
	defer func() { w.run.story.release(time.Now()) }()
	password, err := os.ReadFile(w.run.stack.Run().ClickHousePasswordFile)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	w.password = strings.TrimSpace(string(password))
	for people.Sleep(ctx, lookEvery) {
		due := time.Now().Add(-holdFor)
		err := w.look(ctx)
		w.run.story.release(due)
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	ctx = context.WithoutCancel(ctx)
	err = w.look(ctx)
	if err != nil {
		return err
	}
	return w.look(ctx) // For the cuts whose verdict came between the queries of the first.
}

// verdictRow, countRow and cutRow are rows as ClickHouse writes them.
type verdictRow struct {
	ID       string    `json:"id"`
	Kind     string    `json:"target_kind"`
	Target   string    `json:"target_id"`
	Subject  string    `json:"subject"`
	Action   string    `json:"action"`
	Score    float64   `json:"score"`
	Signals  []string  `json:"evidence_signal"`
	Nats     []float64 `json:"evidence_nats"`
	Evidence []string  `json:"evidence_text"`
}

type countRow struct {
	N uint64 `json:"n"`
}

type cutRow struct {
	ID      string `json:"id"`
	Verdict string `json:"verdict_id"`
	Stream  string `json:"stream"`
	Action  string `json:"action"`
	Session string `json:"session"`
	Subject string `json:"subject"`
	Target  string `json:"target_id"`
	EventUS int64  `json:"event_us"`
	ApplyUS int64  `json:"apply_us"`
}

// A refused request has no cut to measure: what counts is how long after the
// offending event it was turned away, both on the gateway's clock. The verdict
// itself may be stored a moment after its receipt; then the receipt waits too.
const cutQuery = `SELECT e.id AS id, e.verdict_id AS verdict_id, e.stream AS stream, e.action AS action, e.session AS session,
	e.subject AS subject, e.target_id AS target_id, e.apply_us AS apply_us,
	if(e.event_to_cut_us > 0, e.event_to_cut_us, dateDiff('microsecond', v.cause_event_time, e.time)) AS event_us
	FROM enforcements AS e FINAL INNER JOIN verdicts AS v FINAL ON v.tenant = e.tenant AND v.id = e.verdict_id
	WHERE v.origin = 'model' ORDER BY e.time, id`

// look tells what is new.
func (w *watch) look(ctx context.Context) error {
	err := each(ctx, w, `SELECT id, target_kind, target_id, subject, action, score, evidence_signal, evidence_nats, evidence_text
		FROM verdicts FINAL WHERE origin = 'model' ORDER BY time, id`, func(r verdictRow) {
		if _, known := w.verdicts[r.ID]; known {
			return
		}
		line := VerdictLine{Event: "verdict", ID: r.ID, Subject: r.Subject, Target: r.Kind, TargetID: r.Target, Action: r.Action, Score: r.Score, Evidence: []Reason{}}
		if r.Kind == "session" {
			line.Session = r.Target
		}
		for i := range r.Signals {
			line.Evidence = append(line.Evidence, Reason{Signal: r.Signals[i], Nats: r.Nats[i], Text: r.Evidence[i]})
		}
		w.verdicts[r.ID] = line
		w.run.story.verdict(line)
	})
	if err != nil {
		return err
	}
	w.refusals = 0
	return each(ctx, w, cutQuery, func(r cutRow) {
		if _, told := w.verdicts[r.Verdict]; !told {
			return // Stored since the query above: the next look tells it, cause first.
		}
		if r.Stream == event.StreamRequest {
			w.refusals++
			first, known := w.refused[r.Verdict]
			if known && first != r.ID {
				return // He goes on knocking.
			}
			w.refused[r.Verdict] = r.ID
		}
		if _, known := w.cuts[r.ID]; known {
			return
		}
		line := CutLine{
			Event: "cut", Kind: r.Stream, Session: r.Session, Subject: r.Subject, Verdict: r.Verdict, Action: r.Action,
			EventToCutMS: float64(r.EventUS) / 1000, ApplyMS: float64(r.ApplyUS) / 1000,
		}
		w.cuts[r.ID] = line
		w.run.story.cut(line, r.Target)
	})
}

// settle waits until ClickHouse has a row for each request, or has had its time.
func (w *watch) settle(ctx context.Context) error {
	deadline := time.Now().Add(settleMax)
	for {
		err := each(ctx, w, `SELECT count() AS n FROM requests WHERE kind = 'request' AND gateway = '`+w.run.gatewayID+`'`, func(r countRow) { w.rows = r.N })
		if err != nil {
			return err
		}
		if w.rows >= w.run.ledger.Sent() || time.Now().After(deadline) || !people.Sleep(ctx, lookEvery) {
			return nil
		}
	}
}

// latency is the distribution of event to cut over the streams that were cut:
// when a refused client knocks is his choice, so refusals count only where
// nothing was open.
func (w *watch) latency() Latency {
	var streams, refusals []float64
	for _, c := range w.cuts {
		if c.Kind == event.StreamRequest {
			refusals = append(refusals, c.EventToCutMS)
		} else {
			streams = append(streams, c.EventToCutMS)
		}
	}
	ms := streams
	if len(ms) == 0 {
		ms = refusals
	}
	if len(ms) == 0 {
		return Latency{}
	}
	slices.Sort(ms)
	at := func(q float64) float64 { return ms[min(len(ms)-1, int(q*float64(len(ms))))] }
	return Latency{P50: at(0.5), P99: at(0.99)}
}

// each runs a query and visits its rows.
func each[R any](ctx context.Context, w *watch, query string, visit func(R)) error {
	body, err := w.query(ctx, query)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, answerBytesMax)
	for lines.Scan() {
		var row R
		err := json.Unmarshal(lines.Bytes(), &row)
		if err != nil {
			return fmt.Errorf("watch: read row: %w", err)
		}
		visit(row)
	}
	return lines.Err()
}

// query asks ClickHouse over HTTP, as any tool of an analyst's could.
func (w *watch) query(ctx context.Context, query string) ([]byte, error) {
	r := w.run.stack.Run()
	params := url.Values{"database": {r.ClickHouseDatabase}, "output_format_json_quote_64bit_integers": {"0"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.ClickHouse+"/?"+params.Encode(), strings.NewReader(query+" FORMAT JSONEachRow"))
	if err != nil {
		return nil, fmt.Errorf("ask clickhouse: %w", err)
	}
	req.SetBasicAuth(r.ClickHouseUser, w.password)
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask clickhouse: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
	if err != nil {
		return nil, fmt.Errorf("ask clickhouse: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask clickhouse: status %d: %s", resp.StatusCode, body[:min(len(body), 300)])
	}
	return body, nil
}
