package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

const (
	// adminTimeout bounds one request to an admin port.
	adminTimeout = 10 * time.Second
	// adminAnswerMax bounds what is read of its answer.
	adminAnswerMax = 64 << 10
)

// delivery is what became of a verdict at one admin port.
type delivery struct {
	Role string  `json:"role"`
	URL  string  `json:"url"`
	OK   bool    `json:"ok"`
	MS   float64 `json:"ms"`
	// Note is what the port had to say where it accepted with a reservation.
	Note string `json:"note,omitempty"`
	// Error says why it was not accepted.
	Error string `json:"error,omitempty"`

	unreachable bool
}

// deliver signs verdicts and sends each to every gateway, so that it takes effect
// there at once and without Kafka, and to an analyzer, which relays it to the
// gateways that are not known here.
func deliver(ctx context.Context, env app.Env, run runfile.Run, verdicts ...*verdict.Verdict) ([]delivery, error) {
	gateways, analyzer, err := adminURLs(run)
	if err != nil {
		return nil, err
	}
	signer, err := operator(run, env.Now())
	if err != nil {
		return nil, err
	}
	shown, err := portalOf(run)
	if err != nil {
		return nil, err
	}
	var out []delivery
	for _, v := range verdicts {
		envelope, err := signer.Verdict(v)
		if err != nil {
			return nil, fmt.Errorf("sign verdict: %w", err)
		}
		for _, u := range gateways {
			out = append(out, post(ctx, env, "gateway", u, shown, envelope))
		}
		if analyzer != "" {
			out = append(out, post(ctx, env, "analyzer", analyzer, shown, envelope))
		}
	}
	return out, nil
}

func post(ctx context.Context, env app.Env, role, base string, shown portal, envelope []byte) delivery {
	d, _, _, _ := request(ctx, env, role, http.MethodPost, base, "/v1/verdicts", shown, envelope) // An answer cut short is still shown.
	return d
}

// request sends one request to an admin port, with a signed envelope unless that is
// nil. status is 0 where nobody answered; cut says why the answer's body was not
// read to its end.
func request(ctx context.Context, env app.Env, role, method, base, path string, shown portal, envelope []byte) (d delivery, status int, body []byte, cut error) {
	d = delivery{Role: role, URL: base}
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(envelope))
	if err != nil {
		d.Error = err.Error()
		return d, 0, nil, nil
	}
	if envelope != nil {
		req.Header.Set("Content-Type", "application/jose")
	}
	began := env.Now()
	resp, err := shown.do(req)
	d.MS = float64(env.Now().Sub(began).Microseconds()) / 1000
	if err != nil {
		d.Error, d.unreachable = err.Error(), true
		return d, 0, nil, nil
	}
	defer func() { _ = resp.Body.Close() }()
	body, cut = io.ReadAll(io.LimitReader(resp.Body, adminAnswerMax))
	d.OK = resp.StatusCode >= 200 && resp.StatusCode < 300
	if resp.StatusCode == http.StatusAccepted {
		d.Note = clean(strings.TrimSpace(string(body)))
	}
	if !d.OK {
		d.Error = strings.TrimSpace(resp.Status + ": " + clean(strings.TrimSpace(string(body))))
	}
	return d, resp.StatusCode, body, cut
}

// outcome is nil where every port accepted, unreachable where none could be
// reached, else findings.
func outcome(all []delivery) error {
	reached, accepted := 0, 0
	for _, d := range all {
		if !d.unreachable {
			reached++
		}
		if d.OK {
			accepted++
		}
	}
	switch {
	case accepted == len(all):
		return nil
	case reached == 0:
		return &app.ExitError{Code: app.ExitUnreachable}
	}
	return app.Findings()
}

// printDeliveries says for each port what it answered.
func printDeliveries(w io.Writer, all []delivery) {
	for _, d := range all {
		if d.OK {
			say(w, "%s %s accepted it in %.1f ms\n", d.Role, d.URL, d.MS)
			if d.Note != "" {
				say(w, "%s %s says: %s\n", d.Role, d.URL, d.Note)
			}
			continue
		}
		say(w, "%s %s did not accept it: %s\n", d.Role, d.URL, d.Error)
	}
}

// sayUnaccepted ends with what it comes to where no port accepted a verdict,
// for whoever reads only the last line.
func sayUnaccepted(w io.Writer, all []delivery) {
	if !slices.ContainsFunc(all, func(d delivery) bool { return d.OK }) {
		sayln(w, "nobody has accepted it: nothing is in force")
	}
}
