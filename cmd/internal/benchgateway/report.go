package benchgateway

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Report is what a run has measured.
type Report struct {
	Time    time.Time `json:"time"`
	Machine string    `json:"machine"`
	Options Options   `json:"options"`
	// Configuration lists what was set of the gateway's configuration; Digest
	// is that of the defaults, which hold for the rest.
	Configuration string `json:"configuration"`
	Digest        string `json:"digest"`
	// CPU and Cold are microseconds of processor time per request, by target,
	// one for each repetition.
	CPU  map[string][]float64 `json:"cpu_us"`
	Cold map[string][]float64 `json:"cold_cpu_us"`
	// Latency is that at Options.Rate, by target, one for each repetition.
	Latency map[string][]Latency `json:"latency_ms"`
	// HitNanoseconds and HitAllocations are of one token that is known, with its standing.
	HitNanoseconds float64 `json:"hit_ns"`
	HitAllocations float64 `json:"hit_allocations"`
	// Resident is the gateway's memory after the warm measurements, in bytes.
	Resident int64 `json:"resident_bytes"`
	// Accounts compare requests with rows.
	Accounts []Account `json:"accounts"`
}

// Latency is that of one measurement, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// Account compares what a gateway was sent with what is in ClickHouse, or in Kafka
// for the one whose events are not scored meanwhile.
type Account struct {
	Target   string `json:"target"`
	Where    string `json:"where"` // Such as "rows in ClickHouse".
	Requests int    `json:"requests"`
	Rows     int    `json:"rows"`
	Dropped  int    `json:"dropped"`
}

// Whole reports whether every request is a row.
func (r *Report) Whole() bool {
	for _, a := range r.Accounts {
		if a.Rows != a.Requests {
			return false
		}
	}
	return len(r.Accounts) > 0
}

// Goals is the table of what is asked: goal, asked, now, and met or missed.
func (r *Report) Goals() [][]string {
	warm := ratios(r.CPU[vigilWarm], r.CPU[haproxyRS256])
	events := ratios(r.CPU[vigilWarm], r.CPU[vigilSilent])
	coldRS, coldES := ratios(r.Cold[vigilWarm+", "+rs256], r.Cold[haproxyRS256]), ratios(r.Cold[vigilWarm+", "+es256], r.Cold[haproxyES256])
	ours, theirs := r.added(vigilWarm), r.added(haproxyRS256)
	tails := ratios(p99s(ours), p99s(theirs))
	apart := r.added(vigilApart)
	apartTails := ratios(p99s(apart), p99s(theirs))
	resident := float64(r.Resident) / (1 << 20)
	hit, hitCost := "–", math.NaN()
	if r.HitNanoseconds > 0 {
		hit = fmt.Sprintf("%.0f ns, %.1f allocations", r.HitNanoseconds, r.HitAllocations)
		hitCost = r.HitNanoseconds + 1e6*math.Floor(r.HitAllocations)
	}
	rows := [][]string{ // A part that was not measured is a dash.
		{"1 processor per request, warm, " + strconv.Itoa(r.Options.Tokens) + " tokens", "≤ 0.85 h", spread(warm, " h"), met(median(warm), 0.85)},
		{"2 cold, RS256", "≤ 1.6 h", spread(coldRS, " h"), met(median(coldRS), 1.6)},
		{"2 cold, ES256", "≤ 1.25 × HAProxy ES256", spread(coldES, " ×"), met(median(coldES), 1.25)},
		{"3 event, on against off", "≤ 1.12 ×", spread(events, " ×"), met(median(events), 1.12)},
		{"4 added latency at " + strconv.Itoa(r.Options.Rate) + "/s, p50", "≤ 0.20 ms", spread(p50s(ours), " ms"), met(median(p50s(ours)), 0.20)},
		{"4 added latency, p99 to HAProxy's", "≤ 1.5 ×", spread(tails, " ×"), met(median(tails), 1.5)},
		{"4 scoring elsewhere, p50", "≤ 0.20 ms", spread(p50s(apart), " ms"), met(median(p50s(apart)), 0.20)},
		{"4 scoring elsewhere, p99 to HAProxy's", "≤ 1.5 ×", spread(apartTails, " ×"), met(median(apartTails), 1.5)},
		{"5 token hit and standing, 1 M revoked", "≤ 250 ns, 0 allocations", hit, met(hitCost, 250)},
		{"8 open streams, 100,000", "≤ 20 KiB each", "make bench-streams", ""},
		{"9 resident memory", "≤ 64 MiB", fmt.Sprintf("%.0f MiB", resident), met(resident, 64)},
	}
	for _, a := range r.Accounts {
		verdict := "met"
		if a.Rows != a.Requests {
			verdict = "MISSED"
		}
		rows = append(rows, []string{a.Where + ", " + a.Target, strconv.Itoa(a.Requests) + " requests", fmt.Sprintf("%d there, %d dropped", a.Rows, a.Dropped), verdict})
	}
	return rows
}

// Targets is the table of everything that was measured, in ratios to h and in
// microseconds and milliseconds.
func (r *Report) Targets() [][]string {
	var rows [][]string
	for _, name := range slices.Compact(append([]string{nginxPlain, haproxyPlain, haproxyRS256, haproxyES256, envoyPlain, envoyJWT, envoyCache, floorPlain, vigilWarm, vigilSilent, vigilApart}, r.others()...)) {
		cpu, added := r.CPU[name], r.added(name)
		if len(cpu)+len(added) == 0 {
			rows = append(rows, []string{name, "not installed", "", "", ""})
			continue
		}
		row := []string{name, spread(ratios(cpu, r.CPU[haproxyRS256]), " h"), "–", "", ""}
		if len(cpu) > 0 {
			row[2] = fmt.Sprintf("%.1f µs", median(cpu))
		}
		if len(added) > 0 {
			row[3], row[4] = spread(p50s(added), " ms"), spread(p99s(added), " ms")
		}
		rows = append(rows, row)
	}
	return rows
}

// others are the targets whose names are not fixed.
func (r *Report) others() []string {
	var names []string
	for _, program := range r.Options.Beside {
		names = append(names, besideName(program))
	}
	return names
}

func besideName(program string) string { return "Vigil of " + program }

// added is what a target adds to the latencies of the service, by repetition.
func (r *Report) added(name string) []Latency {
	direct := r.Latency[noProxy]
	out := make([]Latency, 0, len(direct))
	for i, l := range r.Latency[name] {
		if i < len(direct) {
			out = append(out, Latency{P50: l.P50 - direct[i].P50, P99: l.P99 - direct[i].P99})
		}
	}
	return out
}

func p50s(l []Latency) []float64 {
	out := make([]float64, len(l))
	for i, one := range l {
		out[i] = one.P50
	}
	return out
}

func p99s(l []Latency) []float64 {
	out := make([]float64, len(l))
	for i, one := range l {
		out[i] = one.P99
	}
	return out
}

// ratios divides the measurements of each repetition.
func ratios(of, to []float64) []float64 {
	out := make([]float64, 0, len(of))
	for i, v := range of {
		if i < len(to) && to[i] > 0 {
			out = append(out, v/to[i])
		}
	}
	return out
}

// median is NaN where there is nothing.
func median(x []float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(x))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// spread is the median and the best.
func spread(x []float64, unit string) string {
	if len(x) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f%s (best %.2f)", median(x), unit, slices.Min(x))
}

func met(x, most float64) string {
	if math.IsNaN(x) {
		return ""
	}
	if x <= most {
		return "met"
	}
	return "missed"
}

// Names of the targets.
const (
	noProxy      = "no proxy"
	nginxPlain   = "nginx, plain"
	haproxyPlain = "HAProxy, plain"
	haproxyRS256 = "HAProxy, jwt_verify RS256"
	haproxyES256 = "HAProxy, jwt_verify ES256"
	envoyPlain   = "Envoy, plain"
	envoyJWT     = "Envoy, jwt_authn RS256"
	envoyCache   = "Envoy, jwt_authn RS256 with its cache"
	floorPlain   = "net/http and our upstream client, plain"
	vigilWarm    = "Vigil"
	vigilSilent  = "Vigil, no events"
	vigilApart   = "Vigil, scoring elsewhere"
)
