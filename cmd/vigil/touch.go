package main

import (
	"context"
	"fmt"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// touchWindow is how far back one looks for who would be touched.
const touchWindow = time.Hour

// touchTimeout bounds the look: nobody who stops a thief waits for statistics.
const touchTimeout = 2 * time.Second

// touches is what a verdict about a target meets, as far as the last hour shows.
type touches struct {
	Sessions uint64    `json:"sessions" ch:"sessions"`
	Subjects uint64    `json:"subjects" ch:"subjects"`
	Requests uint64    `json:"requests" ch:"requests"`
	Last     time.Time `json:"last" ch:"last"`
	// Unknown says why it cannot be said.
	Unknown string `json:"unknown,omitempty"`
}

// String is the sentence for a person.
func (t *touches) String() string {
	switch {
	case t.Unknown != "":
		return "what it touches cannot be said: " + t.Unknown
	case t.Requests == 0:
		return "nothing of it was seen in the last hour"
	}
	return fmt.Sprintf("in the last hour: %d sessions of %d subjects, %d requests, the last at %s",
		t.Sessions, t.Subjects, t.Requests, t.Last.UTC().Format(time.RFC3339))
}

// condition is the WHERE clause by which rows of requests show a target.
func condition(t *verdict.Target) string {
	switch t.Kind {
	case verdict.TargetToken:
		return "token_id = ?"
	case verdict.TargetClient:
		return "client_id = ?"
	case verdict.TargetPrefix:
		return "isIPAddressInRange(if(address = '', '::', address), ?)"
	case verdict.TargetSession, verdict.TargetSubject, verdict.TargetDevice, verdict.TargetAddress,
		verdict.TargetAccount, verdict.TargetJA4, verdict.TargetRoute:
		return t.Kind + " = ?"
	}
	return "? = ''"
}

// touch looks what a target meets. It never fails: a verdict must go out also
// while ClickHouse is down.
func touch(ctx context.Context, env app.Env, run runfile.Run, t *verdict.Target) *touches {
	if run.ClickHouse == "" {
		return &touches{Unknown: "no ClickHouse is known (--clickhouse)"}
	}
	ctx, cancel := context.WithTimeout(ctx, touchTimeout)
	defer cancel()
	db, err := open(ctx, run)
	if err != nil {
		return &touches{Unknown: err.Error()}
	}
	defer func() { _ = db.Close() }()
	var rows []touches
	err = db.Select(ctx, &rows, `SELECT uniqExact(session) AS sessions, uniqExact(subject) AS subjects, count() AS requests, max(time) AS last
FROM requests WHERE tenant = ? AND time > ? AND `+condition(t), run.Tenant, env.Now().Add(-touchWindow), t.Id)
	if err != nil {
		return &touches{Unknown: err.Error()}
	}
	return &rows[0]
}
