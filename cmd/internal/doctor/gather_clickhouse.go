package doctor

import (
	"context"
	"errors"
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
	if len(c.Addresses) == 0 && len(e.analyzers) > 0 {
		c = e.analyzers[0].config.Store
	}
	if len(c.Addresses) == 0 {
		return nil
	}
	fact := &f.ClickHouse
	*fact = ClickHouseFact{
		Configured: true, Address: strings.Join(c.Addresses, ", "), User: c.Username, Secure: c.TLS.Enabled(),
		Loopback: !slices.ContainsFunc(c.Addresses, func(a string) bool { return !loopback(a) }),
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
	return e.clockOf(ctx, fact.Address, conn)
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
