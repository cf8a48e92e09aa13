package gateway

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-gateway/vigil/gateway/admit"
	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/gateway/release"
	"github.com/vigil-gateway/vigil/gateway/revoke"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// admin is the operators' port.
type admin struct {
	gateway  *Gateway
	listener net.Listener
	server   *http.Server
	token    []byte // Nil where sessions are not told.
}

func (g *Gateway) newAdmin(metrics http.Handler) (*admin, error) {
	token, err := keyfile.Token(g.config.Admin.TokenFile)
	if err != nil {
		return nil, err
	}
	a := &admin{gateway: g, token: token}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", a.readyz)
	mux.HandleFunc("POST /v1/verdicts", a.verdicts)
	mux.HandleFunc("GET /v1/sessions", a.sessions)
	mux.HandleFunc("POST /v1/release", a.release)
	if metrics != nil {
		mux.Handle("GET /metrics", metrics)
	}
	a.server = &http.Server{
		Handler: mux, MaxHeaderBytes: adminHeaderBytesMax, ReadHeaderTimeout: adminReadTimeout,
		ReadTimeout: adminReadTimeout, WriteTimeout: adminWriteTimeout, IdleTimeout: adminIdleTimeout,
	}
	a.listener, err = g.config.Admin.TLS.Listen(g.config.Admin.Address, tlsfile.Options{Now: g.now, Changed: tlsfile.Logged(g.logger, "the admin port")})
	if err != nil {
		return nil, under("admin", err)
	}
	return a, nil
}

// run serves the port until ctx ends.
func (a *admin) run(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		err := a.server.Serve(a.listener)
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("admin port: %w", err)
	})
	g.Go(func() error {
		<-gctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), adminShutdownTimeout)
		defer cancel()
		err := a.server.Shutdown(grace)
		if err != nil {
			return a.server.Close()
		}
		return nil
	})
	return g.Wait()
}

// readiness is the answer of /readyz?verbose.
type readiness struct {
	// Status is ready, degraded (serving, but something is missing) or why not.
	Status string `json:"status"`
	// Missing says what a degraded or unready gateway lacks.
	Missing []string `json:"missing,omitempty"`
	Feed    string   `json:"feed"`
	// Visits are open now, Verdicts held.
	Visits   int    `json:"visits"`
	Verdicts int    `json:"verdicts"`
	Routes   int    `json:"routes"`
	Gateway  string `json:"gateway"`
	// SilentFor is how long the analyzer has said nothing.
	SilentFor string           `json:"silent_for"`
	Emit      emitReadiness    `json:"emit"`
	Revoke    revokeReadiness  `json:"revoke"`
	Release   releaseReadiness `json:"release"`
}

// releaseReadiness is [release.Stats] for operators.
type releaseReadiness struct {
	OldestUnscoredMS int64 `json:"oldest_unscored_ms"`
	LaggingLanes     int   `json:"lagging_lanes"`
	Waiting          int64 `json:"waiting_responses"`
	WaitingMax       int64 `json:"waiting_responses_max"`
	HeldBytes        int64 `json:"held_bytes"`
	HeldBytesMax     int64 `json:"held_bytes_max"`
}

func releaseReadinessOf(s release.Stats) releaseReadiness {
	return releaseReadiness{
		OldestUnscoredMS: s.Oldest.Milliseconds(), LaggingLanes: s.Lagging, Waiting: s.Waiting, WaitingMax: s.WaitingMax,
		HeldBytes: s.HeldBytes, HeldBytesMax: s.HeldBytesMax,
	}
}

// emitReadiness is [emit.Stats] for operators.
type emitReadiness struct {
	Requests     streamReadiness `json:"requests"`
	Enforcements streamReadiness `json:"enforcements"`
	Spool        spoolReadiness  `json:"spool"`
}

// spoolReadiness is [spool.Figures] for operators.
type spoolReadiness struct {
	Bytes         int64  `json:"bytes"`
	Capacity      int64  `json:"capacity_bytes"`
	RecordsOnDisk int64  `json:"records_on_disk_alone"`
	Recovered     uint64 `json:"recovered_events"`
	Refused       uint64 `json:"refused_records"`
	SyncsFailed   uint64 `json:"failed_syncs"`
	Damaged       uint64 `json:"damaged_segments"`
	Torn          uint64 `json:"torn_segments"`
}

// streamReadiness is [emit.StreamStats] for operators.
type streamReadiness struct {
	QueuedRecords     int64             `json:"queued_records"`
	QueuedRecordsMax  int64             `json:"queued_records_max"`
	QueuedBytes       int64             `json:"queued_bytes"`
	QueuedBytesMax    int64             `json:"queued_bytes_max"`
	OldestMS          int64             `json:"oldest_ms"`
	EmittedEvents     uint64            `json:"emitted_events"`
	AckedEvents       uint64            `json:"acked_events"`
	DroppedEvents     map[string]uint64 `json:"dropped_events"`
	SentRecords       uint64            `json:"sent_records"`
	AckedRecords      uint64            `json:"acked_records"`
	FailingPartitions int               `json:"failing_partitions"`
}

func streamReadinessOf(s emit.StreamStats) streamReadiness {
	return streamReadiness{
		QueuedRecords: s.Depth, QueuedRecordsMax: s.Capacity, QueuedBytes: s.Bytes, QueuedBytesMax: s.CapacityBytes,
		OldestMS: s.Oldest.Milliseconds(), EmittedEvents: s.Emitted, AckedEvents: s.AckedEvents, DroppedEvents: s.Dropped,
		SentRecords: s.Sent, AckedRecords: s.Acked, FailingPartitions: s.Failing,
	}
}

// revokeReadiness is [revoke.Stats] for operators.
type revokeReadiness struct {
	Verdicts        int               `json:"verdicts"`
	UnsavedVerdicts uint64            `json:"unsaved_verdicts"`
	FileBytes       int64             `json:"file_bytes"`
	AppliedRecords  uint64            `json:"applied_records"`
	RepeatedRecords uint64            `json:"repeated_records"`
	DamagedLines    uint64            `json:"damaged_lines"`
	RefusedRecords  map[string]uint64 `json:"refused_records"`
	CaughtUp        bool              `json:"caught_up"`
	StalenessMS     int64             `json:"staleness_ms"`
	// Stages are the same for each of the analyzer's stages.
	Stages         map[string]int64 `json:"stages_staleness_ms"`
	MissingRecords uint64           `json:"missing_records"`
	// FuseBlown says since when which tenants' verdicts are held.
	FuseBlown map[string]time.Time `json:"fuse_blown,omitempty"`
	KeySet    uint64               `json:"key_set_version"`
}

func revokeReadinessOf(s revoke.Stats) revokeReadiness {
	stages := make(map[string]int64, len(s.Staleness))
	for stage, age := range s.Staleness {
		stages[stage] = age.Milliseconds()
	}
	return revokeReadiness{
		Verdicts: s.Verdicts, UnsavedVerdicts: s.Unsaved, FileBytes: s.FileBytes, AppliedRecords: s.Applied,
		RepeatedRecords: s.Repeated, DamagedLines: s.Damaged, RefusedRecords: s.Refused,
		CaughtUp: s.CaughtUp, StalenessMS: stages[verdict.AuthoritySubject], Stages: stages,
		MissingRecords: s.Missing, FuseBlown: s.Blown, KeySet: s.KeySet,
	}
}

// readyz says whether clients should be sent here. A gateway without Kafka or
// identity provider is degraded, not unready: the others have none either.
func (a *admin) readyz(w http.ResponseWriter, r *http.Request) {
	g := a.gateway
	out := readiness{
		Status: "ready", Gateway: g.config.ID, Visits: g.table.Visits(), Verdicts: g.table.Verdicts(),
		Routes: len(g.rules.Load().routes.Routes()), SilentFor: g.follower.Staleness(g.now()).Round(time.Millisecond).String(),
		Revoke: revokeReadinessOf(g.follower.Stats()), Release: releaseReadinessOf(g.positions.Stats(g.now())),
	}
	sent := g.emitter.Stats()
	out.Emit = emitReadiness{Requests: streamReadinessOf(sent.Requests), Enforcements: streamReadinessOf(sent.Enforcements)}
	code := http.StatusOK
	lacks := func(what string) { out.Status, out.Missing = "degraded", append(out.Missing, what) }
	if err := g.rules.Load().verifier.Ready(); err != nil { //nolint:noinlineerr // The error lives for one line.
		lacks(err.Error())
	}
	out.Emit.Spool = spoolReadiness{
		Bytes: sent.Spool.Bytes, Capacity: sent.Spool.Capacity, RecordsOnDisk: sent.Requests.Spooled, Recovered: sent.Requests.Recovered,
		Refused: sent.Spool.Refused, SyncsFailed: sent.Spool.SyncsFailed, Damaged: sent.Spool.Damaged, Torn: sent.Spool.Torn,
	}
	if sent.Spool.Broken {
		lacks("the spool keeps no events: they are in memory alone, and strict routes refuse")
	}
	if sent.Requests.Failing > 0 || sent.Enforcements.Failing > 0 {
		lacks("kafka takes no events")
	}
	if len(out.Revoke.FuseBlown) > 0 {
		lacks("the analyzer's verdicts would end too many sessions: they are held until POST /v1/release?tenant=T")
	}
	switch g.feed() {
	case admit.FeedKnown:
		out.Feed = "known"
	case admit.FeedUnknown:
		out.Feed = "unknown"
		lacks("verdicts are not known up to now: the routes' postures count")
	case admit.FeedStarting:
		out.Feed, out.Status, code = "starting", "starting", http.StatusServiceUnavailable
	}
	if g.draining.Load() {
		out.Status, code = "draining", http.StatusServiceUnavailable
	}
	if !r.URL.Query().Has("verbose") {
		answer(w, code, map[string]string{"status": out.Status})
		return
	}
	answer(w, code, out)
}

// verdicts takes a signed verdict: its signature is its credential.
func (a *admin) verdicts(w http.ResponseWriter, r *http.Request) {
	record, err := io.ReadAll(http.MaxBytesReader(w, r.Body, verdict.EnvelopeBytesMax))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "the envelope is too large or was broken off")
		return
	}
	err = a.gateway.follower.Accept(record)
	switch {
	case err == nil:
		answer(w, http.StatusOK, map[string]string{"status": "in force"})
	case errors.Is(err, revoke.ErrAhead):
		answer(w, http.StatusAccepted, map[string]string{"status": err.Error()})
	case errors.Is(err, revoke.ErrStale), errors.Is(err, revoke.ErrOutranked):
		refuse(w, http.StatusConflict, err.Error())
	case errors.Is(err, verdict.ErrUnsigned), errors.Is(err, verdict.ErrUnknownKey), errors.Is(err, verdict.ErrSignature), errors.Is(err, verdict.ErrAuthority), errors.Is(err, verdict.ErrNotInForce):
		refuse(w, http.StatusForbidden, err.Error())
	case errors.Is(err, verdict.ErrMalformed), errors.Is(err, verdict.ErrExpired), errors.Is(err, verdict.ErrFuture):
		refuse(w, http.StatusUnprocessableEntity, err.Error())
	default:
		refuse(w, http.StatusInternalServerError, err.Error())
	}
}

// sessions tells who is here, in pseudonyms: all, or whom a verdict about a
// target (kind, id, tenant) would touch.
func (a *admin) sessions(w http.ResponseWriter, r *http.Request) {
	if !a.operator(w, r) {
		return
	}
	q := r.URL.Query()
	var open []session.Open
	if q.Has("kind") {
		open = a.gateway.table.Touched(q.Get("tenant"), &verdict.Target{Kind: q.Get("kind"), Id: q.Get("id")})
	} else {
		open = a.gateway.table.Live()
	}
	total := len(open)
	answer(w, http.StatusOK, struct {
		Gateway  string         `json:"gateway"`
		Total    int            `json:"total"`
		Sessions []session.Open `json:"sessions"`
	}{a.gateway.config.ID, total, open[:min(total, sessionsListMax)]})
}

// operator reports whether a request shows the admin token, and refuses it else.
func (a *admin) operator(w http.ResponseWriter, r *http.Request) bool {
	given, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if a.token == nil || !isBearer || subtle.ConstantTimeCompare([]byte(given), a.token) != 1 {
		w.Header().Set("WWW-Authenticate", `Bearer realm="vigil-admin"`)
		refuse(w, http.StatusUnauthorized, "a valid admin token is required")
		return false
	}
	return true
}

// release mends the fuse of a tenant.
func (a *admin) release(w http.ResponseWriter, r *http.Request) {
	if !a.operator(w, r) {
		return
	}
	if !a.gateway.follower.Release(r.URL.Query().Get("tenant")) {
		refuse(w, http.StatusNotFound, "no verdicts of that tenant are held here")
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "released"})
}

func refuse(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	answer(w, status, map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
}

func answer(w http.ResponseWriter, status int, v any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // An operator who is gone reads no answer either.
}
