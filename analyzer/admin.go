package analyzer

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/analyzer/standby"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// openAdmin reads the token and opens the port.
func (a *Analyzer) openAdmin(metrics http.Handler) error {
	var err error
	a.token, err = keyfile.Token(a.config.Admin.TokenFile)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /{$}", frontPage)
	mux.HandleFunc("GET /readyz", a.readyz)
	mux.HandleFunc("POST /v1/verdicts", a.relay)
	mux.HandleFunc("GET /v1/held", a.held)
	mux.HandleFunc("POST /v1/release", a.release)
	mux.HandleFunc("GET /v1/epochs", a.listEpochs)
	mux.HandleFunc("POST /v1/epochs/promote", a.promote)
	if metrics != nil {
		mux.Handle("GET /metrics", metrics)
	}
	a.admin = &http.Server{
		Handler: mux, MaxHeaderBytes: adminHeaderBytesMax, ReadHeaderTimeout: adminReadTimeout,
		ReadTimeout: adminReadTimeout, WriteTimeout: adminWriteTimeout, IdleTimeout: adminIdleTimeout,
	}
	a.listener, err = a.config.Admin.TLS.Listen(a.config.Admin.Address, tlsfile.Options{Now: a.now, Changed: tlsfile.Logged(a.logger, "the admin port")})
	return under("admin", err)
}

// frontText is for people who open the port in a browser.
const frontText = `Vigil analyzer, admin port

  GET  /livez            is the process alive
  GET  /readyz?verbose   does it do its share: group, lag, model, ClickHouse
  GET  /metrics          for Prometheus
  POST /v1/verdicts      an operator's signed verdict, as vigil revoke sends it
  GET  /v1/held          groups of evidence whose verdicts wait for a person
  POST /v1/release       ?tenant=T&group=G lets them go out
  GET  /v1/epochs        ?tenant=T what partitions share: in force, candidates, earlier
  POST /v1/epochs/promote  an operator's signed order, as vigil epoch promote sends it

There is no web console yet: vigil verdicts, vigil explain and vigil query show
the same on the command line.
`

func frontPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, frontText) // A client that has gone needs no answer.
}

// serveAdmin serves the port until ctx ends.
func (a *Analyzer) serveAdmin(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		err := a.admin.Serve(a.listener)
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("admin port: %w", err)
	})
	g.Go(func() error {
		<-gctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), adminShutdownTimeout)
		defer cancel()
		err := a.admin.Shutdown(grace)
		if err != nil {
			return a.admin.Close()
		}
		return nil
	})
	return g.Wait()
}

// readiness is the answer of /readyz?verbose.
type readiness struct {
	Status string `json:"status"`
	// Model is the digest of the model in force, Mode what it does.
	Model      string          `json:"model"`
	Mode       string          `json:"mode"`
	Joined     bool            `json:"joined"`
	Lag        int64           `json:"lag"`
	Partitions []ingest.Status `json:"partitions"`
	// Facets are the partitions of the facet stage.
	Facets []ingest.Status `json:"facets"`
	// Copies are what a standby has of other analyzers' state.
	Copies []standby.Copy `json:"copies,omitempty"`
	// ClickHouse is ok or down; storing that is down is lag, not unreadiness.
	ClickHouse  string `json:"clickhouse"`
	RowsStored  int64  `json:"rows_stored"`
	StoreLag    int64  `json:"store_lag"`
	StoreShares int    `json:"store_partitions"`
}

// readyz says whether this analyzer does its share: it is in the group, and
// what it owns has state and is scored up to where it was at assignment.
func (a *Analyzer) readyz(w http.ResponseWriter, r *http.Request) {
	m := a.ingest.Model()
	out := readiness{Status: "ready", Model: m.Digest(), Mode: m.Mode, Joined: a.ingest.Joined() && a.facets.Joined(), Partitions: a.ingest.Status(), Facets: a.facets.Status()}
	rows := a.store.Load().Stats()
	out.ClickHouse, out.RowsStored, out.StoreLag, out.StoreShares = "ok", rows.Rows, rows.Lag, rows.Partitions
	if rows.Down {
		out.ClickHouse = "down"
	}
	if a.standby != nil {
		out.Copies = a.standby.Copies()
	}
	code := http.StatusOK
	for _, p := range slices.Concat(out.Partitions, out.Facets) {
		out.Lag += p.Lag()
		if !p.Ready {
			out.Status, code = "catching up", http.StatusServiceUnavailable
		}
	}
	if !out.Joined {
		out.Status, code = "not in the group", http.StatusServiceUnavailable
	}
	if !r.URL.Query().Has("verbose") {
		answer(w, code, map[string]string{"status": out.Status})
		return
	}
	answer(w, code, out)
}

// operator reports whether a request shows the admin token, and refuses it else.
func (a *Analyzer) operator(w http.ResponseWriter, r *http.Request) bool {
	given, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if a.token == nil || !isBearer || subtle.ConstantTimeCompare([]byte(given), a.token) != 1 {
		w.Header().Set("WWW-Authenticate", `Bearer realm="vigil-admin"`)
		answer(w, http.StatusUnauthorized, map[string]string{"error": "a valid admin token is required"})
		return false
	}
	return true
}

// heldGroup is one group of evidence whose verdicts wait for a person.
type heldGroup struct {
	Tenant string `json:"tenant"`
	Group  string `json:"group"`
	// Limit is what holds them, a key of the configuration.
	Limit string    `json:"limit"`
	Since time.Time `json:"since"`
	Held  int       `json:"held"`
}

// held lists what waits for a person in this process.
func (a *Analyzer) held(w http.ResponseWriter, r *http.Request) {
	if !a.operator(w, r) {
		return
	}
	list := []heldGroup{}
	for _, t := range a.announcer.Held() {
		list = append(list, heldGroup{t.Tenant, t.Group, t.Limit, t.Since, t.Held})
	}
	answer(w, http.StatusOK, list)
}

// release lets what waits go out.
func (a *Analyzer) release(w http.ResponseWriter, r *http.Request) {
	if !a.operator(w, r) {
		return
	}
	q := r.URL.Query()
	if !a.announcer.Release(r.Context(), q.Get("tenant"), q.Get("group")) {
		answer(w, http.StatusNotFound, map[string]string{"error": "nothing of that tenant and group waits here"})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// relay takes an operator's signed verdict.
func (a *Analyzer) relay(w http.ResponseWriter, r *http.Request) {
	if !a.operator(w, r) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, verdict.EnvelopeBytesMax))
	if err != nil {
		answer(w, http.StatusRequestEntityTooLarge, map[string]string{"error": err.Error()})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), relayTimeout)
	defer cancel()
	err = a.announcer.Relay(ctx, bytes.TrimSpace(body))
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case refused(err):
		answer(w, http.StatusUnprocessableEntity, map[string]string{"error": err.Error()})
	default:
		a.logger.ErrorContext(r.Context(), "operator's verdict is not relayed", "error", err)
		answer(w, http.StatusServiceUnavailable, map[string]string{"error": "kafka is unreachable; send the verdict to the gateways' admin ports"})
	}
}

// refused reports whether the envelope is at fault, not Kafka.
func refused(err error) bool {
	for _, why := range []error{
		announce.ErrNotRelayed, verdict.ErrUnsigned, verdict.ErrUnknownKey, verdict.ErrSignature,
		verdict.ErrAuthority, verdict.ErrMalformed, verdict.ErrExpired,
	} {
		if errors.Is(err, why) {
			return true
		}
	}
	return false
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // A client that has gone needs no answer.
}
