package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/analyzer/query"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
)

// TestClickHouseFaultsAreSentences checks that who is turned away or not answered is
// told what to do, and that any other error stays what it is.
func TestClickHouseFaultsAreSentences(t *testing.T) {
	other := errors.New("code 60: UNKNOWN_TABLE")
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("sendQuery: [HTTP 403] code: 516, message: (AUTHENTICATION_FAILED)"), `does not let user "default" in with this password: say --clickhouse-user`},
		{fmt.Errorf("hello: %w", context.DeadlineExceeded), "does not answer in time"},
		{errors.New("clickhouse: acquire conn timeout. you can increase"), "does not answer in time"},
		{other, "UNKNOWN_TABLE"},
	} {
		got := clickhouseFault(tt.err, "h:1", "").Error()
		if !strings.Contains(got, tt.want) {
			t.Errorf("%v: says %q, want %q in it", tt.err, got, tt.want)
		}
	}
}

// TestQuestionsTakeRawNames checks that a raw name comes as its pseudonym into the
// parameter that is for it, and into no other.
func TestQuestionsTakeRawNames(t *testing.T) {
	run := runfile.Run{TenantKeyFile: filepath.Join(t.TempDir(), "tenant.key")}
	err := os.WriteFile(run.TenantKeyFile, []byte(strings.Repeat("k", 32)), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	hashed, err := names(run)
	if err != nil {
		t.Fatal(err)
	}
	const issuer = "https://login.example.com"
	for _, tt := range []struct {
		question, param, want string
		raw                   rawNames
	}{
		{"timeline", "subject", hashed.Subject(issuer, "ana"), rawNames{issuer: issuer, sub: "ana"}},
		{"why", "session", hashed.Session(issuer, "s1"), rawNames{issuer: issuer, sid: "s1"}},
	} {
		q, err := query.Find(tt.question)
		if err != nil {
			t.Fatal(err)
		}
		params := make(map[string]string)
		err = tt.raw.into(params, q, run)
		if err != nil || len(params) != 1 || params[tt.param] != tt.want {
			t.Errorf("%s: parameters %v, error %v; want %s=%s alone", tt.question, params, err, tt.param, tt.want)
		}
		err = tt.raw.into(params, q, run)
		if err == nil {
			t.Errorf("%s: a parameter and a raw name for it are taken", tt.question)
		}
	}
}

// TestQuestionsAskWhatTheyAreAbout checks that a question that needs to know somebody
// or something says so with an example, before anything is reached.
func TestQuestionsAskWhatTheyAreAbout(t *testing.T) {
	for name, tt := range map[string]struct {
		question string
		params   map[string]string
		raw      rawNames
		want     string
	}{
		"one of several, none is given":  {question: "why", want: `needs to know session (The session's pseudonym; or a subject, a token or another target) or code (`},
		"one of several, it is empty":    {question: "why", params: map[string]string{"code": ""}, want: `as in "vigil query why --param session=…"; a raw name of a session is given by --issuer and --sid`},
		"one of several, one is given":   {question: "why", params: map[string]string{"code": "VG-ABCD-1234"}},
		"one of several, by a raw name":  {question: "why", raw: rawNames{sid: "s1"}},
		"the one, it is not given":       {question: "incident", want: `as in "vigil query incident --param id=…"`},
		"the one, another name is given": {question: "timeline", raw: rawNames{sid: "s1"}, want: "needs to know subject"},
		"the one, that of nobody":        {question: "timeline", params: map[string]string{"subject": ""}},
		"nothing is needed":              {question: "traffic"},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := query.Find(tt.question)
			if err != nil {
				t.Fatal(err)
			}
			err = checkSubject(q, tt.params, tt.raw)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("checkSubject: %v, want %q", err, tt.want)
			}
		})
	}
}
