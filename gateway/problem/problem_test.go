package problem_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// write answers a request with p.
func write(t *testing.T, method, contentType string, p problem.Problem) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/", http.NoBody)
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	problem.Write(w, r, p)
	return w.Result()
}

// Every kind has its status, code and challenge here, and nowhere else.
func TestKinds(t *testing.T) {
	v := &verdict.Verdict{PublicText: "Used from two places at once.", SupportCode: "VG-1234-5678"}
	type want struct {
		Status                           int
		Code, Challenge, Retry, Allow    string
		Detail, Action, SupportCode, Con string
		Nonce                            string
	}
	const retry5 = "5"
	tests := map[string]struct {
		problem problem.Problem
		want    want
	}{
		"no route": {problem.From(fmt.Errorf("x: %w", route.ErrNoRoute)), want{Status: 404, Code: "no_route"}},
		"path":     {problem.From(fmt.Errorf("%w: secret", route.ErrPath)), want{Status: 400, Code: "ambiguous_path", Detail: "The path could be read in two ways, so it is refused."}},
		"method":   {problem.From(fmt.Errorf("x: %w", &route.MethodError{Allow: []string{"GET", "HEAD"}})), want{Status: 405, Code: "method_not_allowed", Allow: "GET, HEAD"}},
		"no credential": {problem.From(identity.ErrNone), want{
			Status: 401, Code: "token_missing", Challenge: `Bearer realm="vigil"`, Detail: "Send a bearer token.",
		}},
		"bad token": {problem.From(&identity.Error{Code: identity.CodeExpired, Description: `It "has" expired`}), want{
			Status: 401, Code: "token_expired", Challenge: `Bearer realm="vigil", error="invalid_token", error_description="It has expired"`, Detail: `It "has" expired`,
		}},
		"two credentials": {problem.From(&identity.Error{Code: identity.CodeMultipleCredentials}), want{
			Status: 401, Code: "multiple_credentials", Challenge: `Bearer realm="vigil", error="invalid_request"`,
		}},
		"a proof is at fault": {problem.From(&identity.Error{Code: identity.CodeProofURL, Description: "Another URL"}), want{
			Status: 401, Code: "dpop_htu", Detail: "Another URL",
			Challenge: `DPoP realm="vigil", error="invalid_dpop_proof", error_description="Another URL", algs="` + identity.ProofAlgorithms + `"`,
		}},
		"a nonce is wanted": {problem.From(&identity.Error{Code: identity.CodeProofNonce, Nonce: "n-1"}), want{
			Status: 401, Code: "use_dpop_nonce", Nonce: "n-1", Challenge: `DPoP realm="vigil", error="use_dpop_nonce", algs="` + identity.ProofAlgorithms + `"`,
		}},
		"a bound token as bearer": {problem.From(&identity.Error{Code: identity.CodeBound}), want{
			Status: 401, Code: "token_bound", Challenge: `Bearer realm="vigil", error="invalid_token", DPoP realm="vigil", algs="` + identity.ProofAlgorithms + `"`,
		}},
		"no credential on a route that binds": {problem.Missing([]string{"dpop"}), want{
			Status: 401, Code: "token_missing", Detail: "Send a bearer token.", Challenge: `Bearer realm="vigil", DPoP realm="vigil", algs="` + identity.ProofAlgorithms + `"`,
		}},
		"a route that binds": {problem.Binding([]string{"dpop", "mtls"}), want{
			Status: 401, Code: "binding_required", Detail: "The token must be bound to a key: dpop or mtls.",
			Challenge: `Bearer realm="vigil", error="invalid_token", error_description="The token must be bound to a key", DPoP realm="vigil", algs="` + identity.ProofAlgorithms + `"`,
		}},
		"a route that binds to certificates": {problem.Binding([]string{"mtls"}), want{
			Status: 401, Code: "binding_required", Detail: "The token must be bound to a key: mtls.",
			Challenge: `Bearer realm="vigil", error="invalid_token", error_description="The token must be bound to a key"`,
		}},
		"verifier at fault": {problem.From(errors.New("dial tcp 10.0.0.1: secret")), want{
			Status: 503, Code: "verifier_unavailable", Retry: retry5, Detail: "The credential could not be checked just now.",
		}},
		"revoked": {problem.Revoked(v), want{
			Status: 401, Code: "session_revoked", Challenge: `Bearer realm="vigil", error="invalid_token", error_description="The session was ended"`,
			Detail: v.PublicText, Action: "revoke", SupportCode: v.SupportCode,
		}},
		"blocked": {problem.Blocked(v), want{Status: 403, Code: "blocked", Detail: v.PublicText, Action: "block", SupportCode: v.SupportCode}},
		"step up": {problem.StepUp(v, []string{"phr", "mfa"}, 10*time.Minute), want{
			Status: 401, Code: "step_up_required", Detail: v.PublicText, Action: "step_up", SupportCode: v.SupportCode,
			Challenge: `Bearer realm="vigil", error="insufficient_user_authentication", error_description="A fresh sign-in is required", acr_values="phr mfa", max_age="600"`,
		}},
		"a stronger sign-in, by the route": {problem.StepUp(nil, []string{"phr"}, 0), want{
			Status: 401, Code: "step_up_required", Detail: "Sign in again to go on.",
			Challenge: `Bearer realm="vigil", error="insufficient_user_authentication", error_description="A stronger sign-in is required", acr_values="phr"`,
		}},
		"step up by the route": {problem.StepUp(nil, nil, 0), want{
			Status: 401, Code: "step_up_required", Detail: "Sign in again to go on.",
			Challenge: `Bearer realm="vigil", error="insufficient_user_authentication", error_description="A fresh sign-in is required"`,
		}},
		"read only": {problem.ReadOnly(v), want{Status: 403, Code: "read_only", Detail: v.PublicText, Action: "read_only", SupportCode: v.SupportCode}},
		"throttled": {problem.Throttled(v, 1500*time.Millisecond), want{Status: 429, Code: "throttled", Retry: "2", Detail: v.PublicText, Action: "throttle", SupportCode: v.SupportCode}},
		"scope": {problem.Scope([]string{"a", `b"`}), want{
			Status: 403, Code: "insufficient_scope", Challenge: `Bearer realm="vigil", error="insufficient_scope", scope="a b"`, Detail: "The token lacks a scope that this needs.",
		}},
		"posture":             {problem.Posture(), want{Status: 503, Code: "standing_unknown", Retry: retry5, Detail: "This resource is closed until the session can be judged."}},
		"not ready":           {problem.NotReady(), want{Status: 503, Code: "not_ready", Retry: "2"}},
		"not durable":         {problem.NotDurable(), want{Status: 503, Code: "not_durable", Retry: "2", Detail: "The request could not be put on record, so nothing was done."}},
		"too many streams":    {problem.TooManyStreams(), want{Status: 503, Code: "too_many_streams", Retry: retry5}},
		"framing":             {problem.Framing(), want{Status: 400, Code: "malformed_request", Detail: "The request's framing is not what HTTP allows.", Con: "close"}},
		"misdirected":         {problem.Misdirected(), want{Status: 421, Code: "misdirected_request"}},
		"request too large":   {problem.RequestTooLarge(), want{Status: 413, Code: "request_too_large", Con: "close"}},
		"internal":            {problem.Internal(), want{Status: 500, Code: "internal_error"}},
		"client closed":       {problem.ClientClosed(), want{Status: 499, Code: "client_closed_request", Con: "close"}},
		"upstream refused":    {problem.Upstream(problem.UpstreamRefused), want{Status: 502, Code: "upstream_refused", Retry: "2"}},
		"upstream timeout":    {problem.Upstream(problem.UpstreamTimeout), want{Status: 504, Code: "upstream_timeout"}},
		"upstream reset":      {problem.Upstream(problem.UpstreamReset), want{Status: 502, Code: "upstream_reset"}},
		"upstream header":     {problem.Upstream(problem.UpstreamHeaderTooLarge), want{Status: 502, Code: "upstream_header_too_large"}},
		"upstream is no http": {problem.Upstream(problem.UpstreamProtocol), want{Status: 502, Code: "upstream_protocol"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			resp := write(t, "GET", "", tt.problem)
			defer func() { _ = resp.Body.Close() }()
			var doc struct {
				Type, Title, Detail, Code, Action string
				Status                            int
				SupportCode                       string `json:"support_code"`
			}
			err := json.NewDecoder(resp.Body).Decode(&doc)
			if err != nil {
				t.Fatal(err)
			}
			h := resp.Header
			got := want{
				Status: resp.StatusCode, Code: doc.Code, Challenge: h.Get("WWW-Authenticate"), Retry: h.Get("Retry-After"), Allow: h.Get("Allow"),
				Detail: doc.Detail, Action: doc.Action, SupportCode: doc.SupportCode, Con: h.Get("Connection"),
				Nonce: h.Get("DPoP-Nonce"),
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if doc.Type != problem.TypePrefix+doc.Code || doc.Status != resp.StatusCode || doc.Title == "" {
				t.Errorf("document is incomplete: %+v", doc)
			}
			if h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "application/problem+json" {
				t.Errorf("header is %v", h)
			}
		})
	}
}

func TestWriteNamesTheRequest(t *testing.T) {
	resp := write(t, "GET", "", problem.NotReady().With("r-1", "VG-AAAA-BBBB"))
	defer func() { _ = resp.Body.Close() }()
	var doc map[string]any
	err := json.NewDecoder(resp.Body).Decode(&doc)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"type": "urn:vigil:problem:not_ready", "title": "Starting", "status": 503.0, "code": "not_ready", "retry_after": 2.0,
		"instance": "urn:vigil:request:r-1", "request_id": "r-1", "support_code": "VG-AAAA-BBBB",
	}
	if diff := cmp.Diff(want, doc); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
	if got := resp.Header.Get(problem.HeaderRequestID); got != "r-1" {
		t.Errorf("request id is %q", got)
	}
}

func TestHeadHasNoBody(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { problem.Write(w, r, problem.Internal()) }))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), "HEAD", server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != 500 || resp.ContentLength != int64(len(problem.Internal().JSON())) {
		t.Errorf("status %d, length %d", resp.StatusCode, resp.ContentLength)
	}
	rec := httptest.NewRecorder()
	problem.Write(rec, req, problem.Internal())
	if rec.Body.Len() != 0 {
		t.Errorf("HEAD was given a body of %d bytes", rec.Body.Len())
	}
}

func TestGRPCGetsTrailersOnly(t *testing.T) {
	resp := write(t, "POST", "application/grpc+proto", problem.Revoked(&verdict.Verdict{SupportCode: "VG-1"}))
	defer func() { _ = resp.Body.Close() }()
	h := resp.Header
	if resp.StatusCode != 200 || h.Get("Grpc-Status") != "16" || h.Get("Grpc-Message") != "Session%20ended%20%28VG-1%29" || h.Get("Content-Type") != "application/grpc" {
		t.Errorf("status %d, header %v", resp.StatusCode, h)
	}
}

func TestTextFitsAWebSocketClose(t *testing.T) {
	p := problem.Problem{Title: strings.Repeat("x", 500), SupportCode: "VG"}
	if n := len(p.Text()); n > 123 {
		t.Errorf("text has %d bytes", n)
	}
	if got := problem.Revoked(nil).With("", "VG-1").Text(); got != "Session ended (VG-1)" {
		t.Errorf("text is %q", got)
	}
}

func TestChallengeIsBounded(t *testing.T) {
	p := problem.StepUp(nil, make([]string, 1000), 0)
	if len(p.Challenge) > 512 {
		t.Errorf("challenge has %d bytes", len(p.Challenge))
	}
}

// Clients that one verdict has cut come back at different times; who cannot mend
// anything by waiting is not told to.
func TestRetryHintsAreSpread(t *testing.T) {
	v := &verdict.Verdict{Id: "v"}
	tests := map[string]struct {
		p           problem.Problem
		first, last time.Duration
	}{
		"a session that a verdict ended":  {problem.Revoked(v), 2 * time.Second, 20 * time.Second},
		"a step-up that a verdict asks":   {problem.StepUp(v, nil, 0), 2 * time.Second, 20 * time.Second},
		"a step-up that the route asks":   {problem.StepUp(nil, nil, 0), 0, 0},
		"a blocked caller":                {problem.Blocked(v), time.Minute, 2 * time.Minute},
		"a session that may only read":    {problem.ReadOnly(v), 0, 0},
		"a throttled caller":              {problem.Throttled(v, 3*time.Second), 3 * time.Second, 6 * time.Second},
		"a gateway that starts":           {problem.NotReady(), 2 * time.Second, 4 * time.Second},
		"a route that nobody has written": {problem.From(route.ErrNoRoute), 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			first, last := tt.p.Spread(0).RetryAfter, tt.p.Spread(0.999_999).RetryAfter
			if first != tt.first || last > tt.last || last < tt.last*99/100 {
				t.Errorf("hints from %s to %s, want from %s to %s", first, last, tt.first, tt.last)
			}
		})
	}
	if text := problem.Revoked(v).With("q", "VG-0000-0000").Spread(0.5).Text(); text != "Session ended (VG-0000-0000); retry after 11 s" {
		t.Errorf("Text() = %q", text)
	}
}

// The scorer knows a refusal by a verdict from its code.
func TestRefusalsByVerdictAreKnown(t *testing.T) {
	v := &verdict.Verdict{}
	tests := map[string]struct {
		problem problem.Problem
		want    bool
	}{
		"revoked":         {problem.Revoked(v), true},
		"blocked":         {problem.Blocked(v), true},
		"read only":       {problem.ReadOnly(v), true},
		"throttled":       {problem.Throttled(v, time.Second), true},
		"not allowed":     {problem.Scope([]string{"a"}), false},
		"standing closed": {problem.Posture(), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ev := &event.RequestEvent{Decision: event.DecisionDeny, Reason: tt.problem.Code}
			if got := ev.ByVerdict(); got != tt.want {
				t.Errorf("a refusal with reason %s is by a verdict: %t, want %t", ev.GetReason(), got, tt.want)
			}
		})
	}
}

// What a stream is told that has outlived its credential is what the next request with it
// is told.
func TestExpired(t *testing.T) {
	for method, code := range map[string]string{
		identity.MethodJWT: identity.CodeExpired, identity.MethodIntrospection: identity.CodeExpired,
		identity.MethodAPIKey: identity.CodeAPIKeyExpired, identity.MethodMTLS: identity.CodeCertificateExpired,
	} {
		p := problem.Expired(method)
		if p.Code != code || p.Status != 401 || p.GRPCStatus() != 16 || p.Title != "Credential expired" || p.RetryAfter != 0 {
			t.Errorf("%s: %+v", method, p)
		}
		if next := problem.From(&identity.Error{Code: code, Description: p.Detail}); !cmp.Equal(next, p) {
			t.Errorf("%s: the next request is told %+v, the stream %+v", method, next, p)
		}
	}
}
