package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/deploy/devstack/freeport"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// TestMain lets scripts run this command: the test binary is vigil where it is
// called by that name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"vigil": func() { os.Exit(app.Main(app.OSEnv(), newRootCommand)) },
	})
}

// Scripts need nothing but files.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, UpdateScripts: os.Getenv("UPDATE_GOLDEN") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("CONFIG", filepath.Join(root(t), "testdata", "config"))
			e.Setenv("ACCESSLOG", filepath.Join(root(t), "testdata", "accesslogs", "apache.log.gz"))
			e.Setenv("MODELS", filepath.Join(root(t), "testdata", "models"))
			e.Setenv("BENCH", filepath.Join(root(t), "testdata", "bench"))
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "embedded" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return embedded, nil
		},
	})
}

// Operator scripts have a ClickHouse with a few rows in it, two admin ports
// that note what they receive, and an operator's key.
func TestOperatorScripts(t *testing.T) {
	db, brokers := startClickHouse(t), startKafka(t)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "operator"), RequireExplicitExec: true, UpdateScripts: os.Getenv("UPDATE_GOLDEN") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("VIGIL_CLICKHOUSE", db)
			e.Setenv("KAFKA", brokers)
			e.Setenv("NOBODY", closedPort(t))
			return setUpAdmin(t, e)
		},
	})
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	addr, err := freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func startClickHouse(t *testing.T) string {
	t.Helper()
	s, err := olap.Start(olap.Options{
		Dir:     t.TempDir(),
		Library: filepath.Join(root(t), ".cache/chdb/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so"),
	})
	if err != nil {
		t.Fatalf("%v; \"make engines\" fetches it", err)
	}
	t.Cleanup(func() {
		err := s.Close()
		if err != nil {
			t.Error(err)
		}
	})
	c := store.DefaultConfig()
	c.Protocol, c.Addresses = store.ProtocolHTTP, []string{s.Addr()}
	_, err = store.Migrate(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, statement := range []string{
		// The thief's request, with the verdict that it caused.
		`INSERT INTO requests (tenant, time, kind, id, phase, other_request_id, subject, session, address, country, as_org, user_agent, method, host, other_path, route, status, decision, reason, support_code, ingested_at)
SELECT 'default', now64(6) - 60, 'request', 'ev-1', 'complete', 'rq-1', 'subj-1', 'sess-1AAAAAAAAAAAAAAAA', '203.0.113.7', 'NL', 'Example Hosting', 'curl/8', 'GET', 'shop.example', '/accounts/1', 'accounts', 401, 'deny', 'session_revoked', 'VG-AAAA-AAAA', now64(3)`,
		// Somebody else's, refused for its own sake, and one that met no route.
		`INSERT INTO requests (tenant, time, kind, id, phase, other_request_id, subject, session, address, user_agent, method, host, other_path, route, status, decision, reason, support_code, ingested_at)
SELECT 'default', now64(6) - 50, 'request', 'ev-2', 'complete', 'rq-2', '', '', '203.0.113.8', 'curl/8', 'GET', 'shop.example', '/accounts/2', 'accounts', 401, 'deny', 'token_expired', 'VG-BBBB-BBBB', now64(3)`,
		`INSERT INTO requests (tenant, time, kind, id, phase, other_request_id, subject, session, address, user_agent, method, host, other_path, route, status, decision, reason, ingested_at)
SELECT 'default', now64(6) - 40, 'request', 'ev-3', 'complete', 'rq-3', '', '', '203.0.113.8', 'curl/8', 'GET', 'shop.example', '/nowhere', '', 404, 'deny', 'no_route', now64(3)`,
		`INSERT INTO verdicts (tenant, time, id, epoch, seq, authority, target_kind, target_id, action, until, score, evidence_signal, evidence_group, evidence_nats, evidence_text, evidence_hard, evidence_technique, origin, cause_event_id, support_code, subject, ingested_at)
SELECT 'default', now64(6) - 60, 'vd-1', 3, 17, 'subject', 'session', 'sess-1AAAAAAAAAAAAAAAA', 'revoke', now64(6) + 3600, 21.5, ['geo.impossible_travel'], ['network'], [12.25], ['Lisbon to Amsterdam in 40 s'], [false], ['T1078'], 'model', 'ev-0', 'VG-CCCC-CCCC', 'subj-1', now64(3)`,
		// One of another tenant.
		`INSERT INTO requests (tenant, time, kind, id, phase, other_request_id, subject, session, address, user_agent, method, host, other_path, route, status, decision, ingested_at)
SELECT 'partner', now64(6) - 60, 'request', 'ev-9', 'complete', 'rq-9', 'subj-9', 'elsewhereAAAAAAAAAAAAA', '192.0.2.9', 'curl/8', 'GET', 'shop.example', '/accounts/9', 'accounts', 200, 'permit', now64(3)`,
		// One request with two verdicts, both lapsed: its code is the first one's.
		`INSERT INTO requests (tenant, time, kind, id, phase, other_request_id, subject, session, address, user_agent, method, host, other_path, route, status, decision, reason, support_code, ingested_at)
SELECT 'default', now64(6) - 4000, 'request', 'ev-7', 'complete', 'rq-7', '', '', '192.0.2.77', 'curl/8', 'GET', 'shop.example', '/accounts/7', 'accounts', 403, 'deny', 'blocked', 'VG-7777-7777', now64(3)`,
		`INSERT INTO verdicts (tenant, time, id, epoch, seq, authority, target_kind, target_id, action, until, origin, cause_event_id, support_code, ingested_at)
SELECT 'default', now64(6) - 4000 + number, concat('vd-7', toString(number)), 1, 6 + number, 'facet', 'address', '192.0.2.77', 'block', now64(6) - 3000, 'model', 'ev-7', if(number = 0, 'VG-7777-7777', 'VG-8888-8888'), now64(3) FROM numbers(2)`,
		// An address that an operator has let in again.
		`INSERT INTO verdicts (tenant, time, id, epoch, seq, authority, target_kind, target_id, action, until, origin, ingested_at)
SELECT 'default', now64(6) - 60, 'vd-2', 1, 5, 'facet', 'address', '192.0.2.99', 'block', now64(6) + 3600, 'model', now64(3)`,
		`INSERT INTO verdicts (tenant, time, id, epoch, seq, authority, target_kind, target_id, action, until, origin, clears_authority, clears_epoch, clears_seq, ingested_at)
SELECT 'default', now64(6) - 50, 'vd-3', 1700000000, 1, 'operator', 'address', '192.0.2.99', 'observe', now64(6) + 3600, 'operator', ['facet'], [1], [5], now64(3)`,
		`INSERT INTO enforcements (tenant, time, id, gateway, verdict_id, target_kind, target_id, action, stream, session, subject, request_id, event_to_cut_us, support_code, ingested_at)
SELECT 'default', now64(6) - 60, 'en-1', 'gw-1', 'vd-1', 'session', 'sess-1AAAAAAAAAAAAAAAA', 'revoke', 'request', 'sess-1AAAAAAAAAAAAAAAA', 'subj-1', 'rq-1', 8000, 'VG-AAAA-AAAA', now64(3)`,
		// A campaign that was two for a while.
		`INSERT INTO incident_findings (tenant, verdict_id, ordinal, incident_id, merges, time, target_kind, target_id, action, score, announced, signals, shown_kind, shown_id, ingested_at)
SELECT 'default', concat('vd-i', toString(number)), number + 1, if(number = 1, 'IN-2222', 'IN-1111'), if(number = 2, ['IN-2222'], []), now64(6) - 60, 'address', concat('203.0.113.', toString(number)), if(number = 2, 'step_up', 'throttle'), 7, number != 1, ['stuffing.accounts'], ['ja4', 'account'], ['tool', concat('acc', toString(number % 2))], now64(3) FROM numbers(3)`,
	} {
		err = conn.Exec(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
	}
	leaveHalfway(t, c)
	return "http://" + s.Addr()
}

// leaveHalfway makes a database whose seventh migration broke off after its second
// statement.
func leaveHalfway(t *testing.T, c store.Config) {
	t.Helper()
	c.Database = "halfway"
	_, err := store.Migrate(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, statement := range []string{
		"ALTER TABLE migration_turns DELETE WHERE version = 7 AND done > 2 SETTINGS mutations_sync = 2",
		"INSERT INTO migrations (version, name, checksum, finished) SELECT version, name, checksum, false FROM migrations WHERE version = 7",
	} {
		err = conn.Exec(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
	}
}

const testToken = "an-admin-token-of-some-length"

// setUpAdmin makes an operator's key with its key set, and admin ports that
// verify what they are sent, as a gateway and an analyzer do.
func setUpAdmin(t *testing.T, e *testscript.Env) error {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	rootPublic, rootPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	file, err := verdict.SignKeySet(rootPrivate, []verdict.Key{{ID: "operator-1", Class: verdict.ClassOperator, Public: public}})
	if err != nil {
		return err
	}
	keys, err := verdict.OpenKeySet(rootPublic, file)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	rootDER, err := x509.MarshalPKIXPublicKey(rootPublic)
	if err != nil {
		return err
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(e.WorkDir, "keys.jws"), file, 0o600),
		os.WriteFile(filepath.Join(e.WorkDir, "root.pem"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: rootDER}), 0o600),
		os.WriteFile(filepath.Join(e.WorkDir, "operator.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600),
		os.WriteFile(filepath.Join(e.WorkDir, "token"), []byte(testToken+"\n"), 0o600),
		os.WriteFile(filepath.Join(e.WorkDir, "tenant.key"), []byte(strings.Repeat("k", 32)), 0o600),
	)
	if err != nil {
		return err
	}
	pseudonyms, err := event.NewNames([]byte(strings.Repeat("k", 32)))
	if err != nil {
		return err
	}
	e.Setenv("ALICE", pseudonyms.Subject("https://idp.example", "alice"))
	var mu sync.Mutex
	for _, role := range []string{"gateway", "analyzer"} {
		s := httptest.NewServer(admin(role, keys, &mu, filepath.Join(e.WorkDir, "received")))
		e.Defer(s.Close)
		e.Setenv("VIGIL_"+strings.ToUpper(role)+"_ADMIN", s.URL)
	}
	e.Setenv("VIGIL_OPERATOR_KEY_FILE", filepath.Join(e.WorkDir, "operator.pem"))
	e.Setenv("VIGIL_OPERATOR_KID", "operator-1")
	e.Setenv("VIGIL_ADMIN_TOKEN_FILE", filepath.Join(e.WorkDir, "token"))
	e.Setenv("VIGIL_TENANT_KEY_FILE", filepath.Join(e.WorkDir, "tenant.key"))
	return nil
}

// admin notes what it accepts, one line each, in a file.
func admin(role string, keys *verdict.KeySet, mu *sync.Mutex, file string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/sessions", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+testToken {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.URL.Query().Get("id") == "sess-1AAAAAAAAAAAAAAAA" {
			_, _ = fmt.Fprint(w, `{"gateway":"gw-1","total":2,"sessions":[{"session":"sess-1AAAAAAAAAAAAAAAA","stream":"websocket"},{"session":"sess-1AAAAAAAAAAAAAAAA","stream":"request"}]}`)
			return
		}
		_, _ = fmt.Fprint(w, `{"gateway":"gw-1","total":0,"sessions":[]}`)
	})
	if role == "gateway" {
		var blown atomic.Bool
		blown.Store(true)
		mux.HandleFunc("POST /v1/release", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("tenant") != "default" || !blown.Swap(false) {
				w.WriteHeader(http.StatusNotFound)
			}
		})
	}
	if role == "analyzer" {
		heldAndRelease(mux)
		epochsAndPromote(mux, keys)
	}
	mux.HandleFunc("POST /v1/verdicts", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Authorization") != "Bearer "+testToken {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		m, err := keys.Open(body)
		if err != nil {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, err)
			return
		}
		v := m.Verdict
		line := fmt.Sprintf("%s: %s %s %s %s for %s not_before=%t %s", role, v.Authority, v.Action, v.Target.Kind, v.Target.Id,
			v.Until.AsTime().Sub(v.Time.AsTime()).Round(60e9), v.NotBefore != nil, v.OperatorText)
		for _, c := range v.Clears {
			line += fmt.Sprintf(" clears %s %d:%d", c.Authority, c.Epoch, c.Seq)
		}
		mu.Lock()
		defer mu.Unlock()
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprintln(f, line)
		_ = f.Close()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// epochsAndPromote has epoch 7 in force and 8 as a candidate until somebody promotes it.
func epochsAndPromote(mux *http.ServeMux, keys *verdict.KeySet) {
	mux.HandleFunc("GET /v1/epochs", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		const in, out = `{"tenant":"default","number":7,"digest":"7777777777777777","origin":5,"built":"2026-03-02T08:00:00Z","state":"in force","held":true,"by":"operator-1","against":7,"shift":0}`,
			`{"tenant":"default","number":8,"digest":"8888888888888888","origin":8,"built":"2026-03-03T08:00:00Z","state":"candidate","against":7,"shift":0.31`
		const parts = `,"parts":[{"part":"detector of human/normal","holds":"2048 rows of 9000","shift":0.31,"says":"another population; most in answering took: median 90 ms, was 20 ms"}]}`
		switch {
		case r.Header.Get("Authorization") != "Bearer "+testToken:
			w.WriteHeader(http.StatusUnauthorized)
		case q.Get("tenant") != "default" || q.Get("number") != "" && q.Get("number") != "7" && q.Get("number") != "8":
			_, _ = fmt.Fprint(w, "[]")
		case q.Get("number") == "8":
			_, _ = fmt.Fprint(w, "["+out+parts+"]")
		case q.Get("number") == "7":
			_, _ = fmt.Fprint(w, "["+in+"]")
		default:
			_, _ = fmt.Fprint(w, "["+out+"},"+in+"]")
		}
	})
	mux.HandleFunc("POST /v1/epochs/promote", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Authorization") != "Bearer "+testToken {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		said, _, err := keys.OpenOrder(body)
		switch string(said) {
		case `{"tenant":"default","promote":8,"digest":"8888888888888888","over":7}`:
			_, _ = fmt.Fprint(w, `{"tenant":"default","number":8,"digest":"8888888888888888"}`)
		case `{"tenant":"default","promote":7,"digest":"7777777777777777","over":7}`:
			_, _ = fmt.Fprint(w, `{"tenant":"default","number":9,"digest":"9999999999999999"}`)
		default:
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = fmt.Fprint(w, err)
		}
	})
}

// heldAndRelease holds verdicts by the evidence of group walk until they are released.
func heldAndRelease(mux *http.ServeMux) {
	var released atomic.Bool
	mux.HandleFunc("GET /v1/held", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer "+testToken:
			w.WriteHeader(http.StatusUnauthorized)
		case released.Load():
			_, _ = fmt.Fprint(w, "[]")
		default:
			_, _ = fmt.Fprint(w, `[{"tenant":"default","group":"walk","limit":"blast_radius","since":"2026-03-02T08:00:00Z","held":7}]`)
		}
	})
	mux.HandleFunc("POST /v1/release", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case r.Header.Get("Authorization") != "Bearer "+testToken:
			w.WriteHeader(http.StatusUnauthorized)
		case q.Get("tenant") != "default" || q.Get("group") != "walk" || !released.CompareAndSwap(false, true):
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, `{"error":"nothing of that tenant and group waits here"}`)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
}
