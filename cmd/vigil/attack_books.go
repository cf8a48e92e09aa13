//go:build embedded

package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/attack"
)

// attackBooks reads what the installation wrote down.
type attackBooks struct {
	db     database
	tenant string
}

// Judged implements [attack.Books].
func (b attackBooks) Judged(ctx context.Context) (map[string]bool, error) {
	var rows []struct {
		ID string `ch:"id"`
	}
	err := b.db.Select(ctx, &rows, `SELECT DISTINCT arrayJoin([target_id, subject]) AS id FROM verdicts WHERE tenant = ? AND origin = 'model'`, b.tenant)
	if err != nil {
		return nil, fmt.Errorf("read verdicts: %w", err)
	}
	judged := make(map[string]bool, len(rows))
	for _, r := range rows {
		judged[r.ID] = true
	}
	return judged, nil
}

const stopsQuery = `SELECT v.target_id AS target, e.session AS session, v.action AS action, v.evidence_signal AS signals,
	min(if(e.event_to_cut_us > 0, e.event_to_cut_us, dateDiff('microsecond', v.cause_event_time, e.time))) AS us, min(e.time) AS at
	FROM enforcements AS e FINAL INNER JOIN verdicts AS v FINAL ON v.tenant = e.tenant AND v.id = e.verdict_id
	WHERE v.tenant = ? AND v.origin = 'model' AND v.action IN ('step_up', 'revoke', 'block')
	GROUP BY target, session, action, signals ORDER BY at`

// Stops implements [attack.Books].
func (b attackBooks) Stops(ctx context.Context) (map[string]attack.Stop, error) {
	var rows []struct {
		Target  string    `ch:"target"`
		Session string    `ch:"session"`
		Action  string    `ch:"action"`
		Signals []string  `ch:"signals"`
		US      int64     `ch:"us"`
		At      time.Time `ch:"at"`
	}
	err := b.db.Select(ctx, &rows, stopsQuery, b.tenant)
	if err != nil {
		return nil, fmt.Errorf("read enforcements: %w", err)
	}
	stops := make(map[string]attack.Stop)
	for _, r := range rows {
		s := attack.Stop{Action: r.Action, EventToCut: time.Duration(r.US) * time.Microsecond}
		if len(r.Signals) > 0 {
			s.Signal = r.Signals[0]
		}
		for _, id := range []string{r.Target, r.Session} {
			_, known := stops[id]
			if id != "" && !known {
				stops[id] = s
			}
		}
	}
	return stops, nil
}

// roundLine is a round for people, as it ends.
func roundLine(r attack.Round) string {
	who := r.From
	if r.Victim != "" {
		who = r.Victim + ", " + r.From
	}
	end := "got away"
	switch {
	case r.Failed != "":
		return fmt.Sprintf("%-13s %3d  %s: not played: %s", r.Scenario, r.Number, clean(who), clean(r.Failed))
	case r.Stopped:
		end = "stopped: " + r.Answer
	}
	return fmt.Sprintf("%-13s %3d  %s: %d requests, %s; %s", r.Scenario, r.Number, clean(who), r.Served, byteText(r.Bytes), clean(end))
}

// attacks prints one line for each scenario.
func (p printer) attacks(reports []attack.Report) error {
	var rows [][]string
	for i := range reports {
		r := &reports[i]
		how := map[string]int{}
		first := ""
		for _, x := range r.Rounds {
			if x.Action == "" {
				continue
			}
			key := x.Action + " by " + x.Signal
			how[key]++
			if first == "" || how[key] > how[first] {
				first = key
			}
		}
		kept := "kept"
		if !r.Kept {
			kept = "BROKEN"
		}
		rows = append(rows, []string{
			r.Scenario, r.Promise.String(), figure(r.Median), figure(r.P95), figure(r.Max), byteText(r.BytesMedian), byteText(r.BytesMax),
			stoppedText(r), figure(r.EventToCutMS) + " ms", kept, first, strconv.Itoa(r.TurnedAway),
		})
	}
	return p.table([]string{"SCENARIO", "PROMISED", "MEDIAN", "P95", "MAX", "BYTES", "MAX", "STOPPED", "EVENT TO CUT", "PROMISE", "MOSTLY BY", "TURNED AWAY"}, rows)
}

// stoppedText says how many of those rounds that were played were stopped, and how
// many were not played.
func stoppedText(r *attack.Report) string {
	text := fmt.Sprintf("%d of %d", r.Stopped, r.Played)
	if missing := len(r.Rounds) - r.Played; missing > 0 {
		text += fmt.Sprintf(", %d not played", missing)
	}
	return text
}

// figure is a number with as many digits as are worth reading.
func figure(x float64) string {
	if x >= 10 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 2, 64)
}

// byteText is a size for people.
func byteText(n uint64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
