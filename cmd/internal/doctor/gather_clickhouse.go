package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/analyzer/store"
	schema "github.com/vigil-gateway/vigil/schemas/clickhouse"
)

// clickHouse looks at the database; it returns its clock.
func (e *examiner) clickHouse(ctx context.Context, f *Facts) []ClockFact {
	c := e.in.ClickHouse
	archives := false
	if len(c.Addresses) == 0 && len(e.analyzers) > 0 {
		c = e.analyzers[0].config.Store
		archives = e.analyzers[0].config.State.ArchiveEvery > 0
	}
	if len(c.Addresses) == 0 {
		return nil
	}
	fact := &f.ClickHouse
	*fact = ClickHouseFact{
		Configured: true, Address: strings.Join(c.Addresses, ", "), User: c.Username, Secure: c.TLS.Enabled(),
		Loopback: !slices.ContainsFunc(c.Addresses, func(a string) bool { return !loopback(a) }), Archives: archives,
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conn, err := store.Open(ctx, c)
	if err != nil {
		fact.Err = err
		if network, refused := errors.AsType[*net.OpError](err); refused { // The driver's own text is a long URL.
			fact.Err = network
		}
		return nil
	}
	defer func() { _ = conn.Close() }() // Nothing was written.
	fact.Schema = schema.Verify(ctx, conn)
	var disks []struct {
		Free  uint64 `ch:"free"`
		Total uint64 `ch:"total"`
	}
	fact.DiskErr = conn.Select(ctx, &disks, "SELECT free_space AS free, total_space AS total FROM system.disks ORDER BY free_space / greatest(total_space, 1) LIMIT 1")
	switch {
	case fact.DiskErr != nil:
	case len(disks) == 0:
		fact.DiskErr = errors.New("no disk is told of")
	default:
		fact.Free, fact.Total = disks[0].Free, disks[0].Total
	}
	rows, err := conn.Query(ctx, "SHOW GRANTS")
	if err == nil {
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var grant string
			err = rows.Scan(&grant)
			if err != nil {
				break
			}
			fact.Grants = append(fact.Grants, grant)
		}
		err = errors.Join(err, rows.Err())
	}
	fact.RightsErr = err
	if archives {
		fact.ArchiveLacks, fact.ArchiveErr = archiveLacks(ctx, conn)
	}
	return e.clockOf(ctx, fact.Address, conn)
}

// archiveLacks are the rights that archiving snapshots takes and that the user does not
// have.
func archiveLacks(ctx context.Context, conn selecter) ([]string, error) {
	var lacks []string
	for _, right := range []string{"INSERT", "SELECT", "ALTER DELETE"} {
		var granted []struct {
			Result uint8 `ch:"result"`
		}
		err := conn.Select(ctx, &granted, "CHECK GRANT "+right+" ON snapshots")
		if err != nil {
			return nil, fmt.Errorf("check grant: %w", err)
		}
		if len(granted) != 1 || granted[0].Result == 0 {
			lacks = append(lacks, right)
		}
	}
	return lacks, nil
}

// selecter is the part of a connection that tells the time.
type selecter interface {
	Select(ctx context.Context, dest any, query string, args ...any) error
}

func (e *examiner) clockOf(ctx context.Context, host string, conn selecter) []ClockFact {
	var now []struct {
		Now time.Time `ch:"now"`
	}
	began := e.in.Now()
	err := conn.Select(ctx, &now, "SELECT now64(3, 'UTC') AS now")
	took := e.in.Now().Sub(began)
	if err != nil || len(now) != 1 {
		return nil
	}
	return []ClockFact{{Host: host, Offset: now[0].Now.Sub(began.Add(took / 2)), Within: took / 2}}
}
