//go:build linux

package benchgateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// revokedOfHit is how many sessions are revoked while a hit is measured; a
// gateway holds half as many by default.
const revokedOfHit = 1_000_000

// hitRounds is how often each token is taken.
const hitRounds = 100

// hit measures what a request pays for a token that has been verified before
// and for its standing, as the gateway does both: [identity.Verifier.Verify],
// then listing it in the session table, asking for its standing and leaving. The
// time is that of the processor, garbage collection included.
func hit(tokens, revoked int) (nanoseconds, allocations float64, err error) {
	dir, err := os.MkdirTemp("", "vigil-bench-hit-")
	if err != nil {
		return 0, 0, fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	now := time.Now()
	v, requests, err := verified(dir, tokens, now)
	if err != nil {
		return 0, 0, err
	}
	table, err := revokedTable(revoked, now)
	if err != nil {
		return 0, 0, err
	}
	ctx := context.Background()
	from := netip.MustParseAddr("127.0.0.1")
	// The gateway's visits are parts of their requests' accounts.
	visits := make([]session.Visit, len(requests)*(1+hitRounds))
	one := func(r *http.Request) error {
		visit := &visits[0]
		visits = visits[1:]
		id, err := v.Verify(ctx, r, from)
		if err != nil {
			return err
		}
		err = table.List(visit, &session.Entry{Route: "orders", Time: now, Who: session.Who{
			Tenant: id.Tenant, Subject: id.Subject, Session: id.Session, TokenID: id.TokenID, ClientID: id.ClientID,
			SubjectKind: id.Kind, Aliases: id.Aliases, AuthTime: id.AuthTime, IssuedAt: id.IssuedAt, Address: from,
		}, Memo: id.Memo})
		if err != nil {
			return err
		}
		standing := visit.Standing()
		visit.Leave()
		if standing.Verdict != nil {
			return errors.New("a token in use is revoked")
		}
		return nil
	}
	for _, r := range requests { // Verified once each.
		err = one(r)
		if err != nil {
			return 0, 0, fmt.Errorf("measure a hit: %w", err)
		}
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, err := processorOfSelf()
	if err != nil {
		return 0, 0, err
	}
	for range hitRounds {
		for _, r := range requests {
			err = one(r)
			if err != nil {
				return 0, 0, fmt.Errorf("measure a hit: %w", err)
			}
		}
	}
	ended, err := processorOfSelf()
	if err != nil {
		return 0, 0, err
	}
	took := ended - began
	runtime.ReadMemStats(&after)
	n := float64(hitRounds * len(requests))
	return float64(took.Nanoseconds()) / n, float64(after.Mallocs-before.Mallocs) / n, nil
}

func processorOfSelf() (time.Duration, error) {
	var ts unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts)
	if err != nil {
		return 0, fmt.Errorf("read processor time: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// verified is a verifier as it ships, and requests with good tokens.
func verified(dir string, tokens int, now time.Time) (*identity.Verifier, []*http.Request, error) {
	m, err := newMint(now)
	if err != nil {
		return nil, nil, err
	}
	err = m.write(dir)
	if err != nil {
		return nil, nil, err
	}
	c := identity.DefaultConfig()
	c.Issuers = []identity.Issuer{{Issuer: issuer, Audiences: []string{audience}, JWKSFile: filepath.Join(dir, "jwks.json")}}
	names, err := event.NewNames(make([]byte, 32))
	if err != nil {
		return nil, nil, fmt.Errorf("make names: %w", err)
	}
	v, err := identity.New(identity.Options{
		Config: c, Names: names, Logger: slog.New(slog.DiscardHandler), Meter: noop.NewMeterProvider().Meter(""), Now: time.Now,
	})
	if err != nil {
		return nil, nil, err
	}
	var requests []*http.Request
	for range tokens {
		token, err := m.token(es256)
		if err != nil {
			return nil, nil, err
		}
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://api.example.test/", http.NoBody)
		if err != nil {
			return nil, nil, fmt.Errorf("make request: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		requests = append(requests, r)
	}
	return v, requests, nil
}

// revokedTable is a session table with so many sessions that are revoked.
func revokedTable(revoked int, now time.Time) (*session.Table, error) {
	c := session.DefaultConfig()
	c.VerdictsMax = max(c.VerdictsMax, revoked)
	table, err := session.New(session.Options{
		Config: c, Tenant: "default", Logger: slog.New(slog.DiscardHandler), Meter: noop.NewMeterProvider().Meter(""), Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	until := timestamppb.New(now.Add(time.Hour))
	for i := range revoked {
		id := fmt.Sprintf("revoked-%08d", i)
		table.Apply(&verdict.Verdict{
			Id: id, Epoch: 1, Seq: 1, Authority: verdict.AuthorityOperator, Action: verdict.ActionRevoke, Until: until,
			Target: &verdict.Target{Kind: verdict.TargetSession, Id: id},
		}, now)
	}
	if table.Verdicts() != revoked {
		return nil, fmt.Errorf("the table holds %d verdicts, not %d", table.Verdicts(), revoked)
	}
	return table, nil
}
