package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/analyzer/standby"
	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// answerBytesMax bounds an answer.
const answerBytesMax = 1 << 20

// get asks for a JSON document; clock is how far the answer's Date is from here.
func (e *examiner) get(ctx context.Context, by *http.Client, address string, into any) (clock ClockFact, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return clock, fmt.Errorf("address %q: %w", address, err)
	}
	began := e.in.Now()
	resp, err := by.Do(req)
	if err != nil {
		return clock, err //nolint:wrapcheck // Names the method and the address.
	}
	defer func() { _ = resp.Body.Close() }() // Read to its end, or of no more use.
	ended := e.in.Now()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err == nil { // In whole seconds, cut off; half of one is its middle.
		middle := began.Add(ended.Sub(began) / 2)
		clock = ClockFact{Host: req.URL.Host, Offset: date.Add(time.Second / 2).Sub(middle), Within: time.Second/2 + ended.Sub(began)/2}
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, answerBytesMax)).Decode(into)
	if err != nil {
		return clock, fmt.Errorf("%s answers %s, and not with JSON: %w", address, resp.Status, err)
	}
	return clock, nil
}

// admin asks gateways and analyzers about themselves.
func (e *examiner) admin(ctx context.Context, f *Facts) []ClockFact {
	var clocks []ClockFact
	const page = "/readyz?verbose"
	for _, base := range e.in.GatewayAdmin {
		var said struct {
			Status  string   `json:"status"`
			Missing []string `json:"missing"`
			Gateway string   `json:"gateway"`
			Emit    struct {
				Requests struct {
					Queued  int64             `json:"queued_records"`
					Limit   int64             `json:"queued_records_max"`
					Dropped map[string]uint64 `json:"dropped_events"`
				} `json:"requests"`
			} `json:"emit"`
			Revoke struct {
				StalenessMS int64             `json:"staleness_ms"`
				Stages      map[string]int64  `json:"stages_staleness_ms"`
				Refused     map[string]uint64 `json:"refused_records"`
			} `json:"revoke"`
		}
		clock, err := e.get(ctx, e.admins, base+page, &said)
		f.Gateways = append(f.Gateways, GatewayFact{
			URL: base, ID: said.Gateway, Status: said.Status, Missing: said.Missing, Silent: time.Duration(said.Revoke.StalenessMS) * time.Millisecond,
			FacetSilent: time.Duration(said.Revoke.Stages[verdict.AuthorityFacet]) * time.Millisecond,
			Queued:      said.Emit.Requests.Queued, Limit: said.Emit.Requests.Limit, Dropped: said.Emit.Requests.Dropped, Refused: said.Revoke.Refused, Err: err,
		})
		if clock.Host != "" {
			clocks = append(clocks, clock)
		}
	}
	for _, base := range e.in.AnalyzerAdmin {
		var said struct {
			Status     string         `json:"status"`
			Model      string         `json:"model"`
			Mode       string         `json:"mode"`
			Lag        int64          `json:"lag"`
			StoreLag   int64          `json:"store_lag"`
			ClickHouse string         `json:"clickhouse"`
			Copies     []standby.Copy `json:"copies"`
		}
		clock, err := e.get(ctx, e.admins, base+page, &said)
		f.Analyzers = append(f.Analyzers, AnalyzerFact{
			URL: base, Status: said.Status, Model: said.Model, Mode: said.Mode, ClickHouse: said.ClickHouse, Lag: said.Lag, StoreLag: said.StoreLag, Copies: said.Copies, Err: err,
		})
		if clock.Host != "" {
			clocks = append(clocks, clock)
		}
	}
	return clocks
}

// issuers fetches the keys of each issuer whose tokens gateways take, and of each
// provider at which they sign people in.
func (e *examiner) issuers(ctx context.Context, f *Facts) {
	asked := make(map[string]bool)
	ask := func(issuer, address string) {
		if asked[issuer] {
			return
		}
		asked[issuer] = true
		fact := IssuerFact{Issuer: issuer, URL: address}
		fact.Keys, fact.Err = e.keysOf(ctx, issuer, &fact.URL)
		f.Issuers = append(f.Issuers, fact)
	}
	for _, g := range e.gateways {
		for _, i := range g.config.Identity.Issuers {
			introspected := i.Introspection.URL != "" && !i.Introspection.Signed // It need have no keys.
			if i.JWKSFile == "" && !introspected {
				ask(i.Issuer, i.JWKSURL)
			}
		}
		for _, p := range g.config.Login.Providers {
			if p.Type != login.TypeOAuth2 { // That signs nothing.
				ask(p.Issuer, "")
			}
		}
	}
}

// keysOf counts the keys at an address; where none is known the issuer's OpenID
// configuration says.
func (e *examiner) keysOf(ctx context.Context, issuer string, address *string) (int, error) {
	if *address == "" {
		var said struct {
			JWKSURL string `json:"jwks_uri"`
		}
		_, err := e.get(ctx, e.client, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", &said)
		if err != nil {
			return 0, err
		}
		_, err = url.ParseRequestURI(said.JWKSURL)
		if err != nil {
			return 0, fmt.Errorf("its OpenID configuration names no key set: %w", err)
		}
		*address = said.JWKSURL
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	_, err := e.get(ctx, e.client, *address, &set)
	return len(set.Keys), err
}
