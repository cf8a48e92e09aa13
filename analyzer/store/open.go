package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	schema "github.com/vigil-gateway/vigil/schemas/clickhouse"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// Open connects to ClickHouse, by the protocol that c names, and makes sure
// that it answers. The caller closes the connection.
func Open(ctx context.Context, c Config) (driver.Conn, error) { return openFor(ctx, c, answerMax) }

// openFor is Open where an answer may take so long.
func openFor(ctx context.Context, c Config, wait time.Duration) (driver.Conn, error) {
	conn, err := connect(c, wait, tlsfile.Options{Now: time.Now}) //nolint:forbidigo // It says when certificates are looked at again; nothing is scored by it.
	if err != nil {
		return nil, err
	}
	err = conn.Ping(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reach clickhouse at %v: %w", c.Addresses, err), conn.Close())
	}
	return conn, nil
}

// connect prepares a connection pool without dialing; answers are waited for so long.
func connect(c Config, wait time.Duration, files tlsfile.Options) (driver.Conn, error) {
	err := c.ValidateClickHouse()
	if err != nil {
		return nil, err
	}
	var password []byte
	if c.PasswordFile != "" {
		password, err = keyfile.Password("password_file", c.PasswordFile)
		if err != nil {
			return nil, err
		}
	}
	dialer, err := tlsfile.NewDialer(c.TLS, files)
	if err != nil {
		return nil, err
	}
	protocol, compression := clickhouse.Native, clickhouse.CompressionLZ4
	if c.Protocol == ProtocolHTTP {
		protocol, compression = clickhouse.HTTP, clickhouse.CompressionNone // The embedded engine: loopback has room.
	}
	conn, err := clickhouse.Open(&clickhouse.Options{
		Protocol:    protocol,
		Addr:        c.Addresses,
		Auth:        clickhouse.Auth{Database: c.Database, Username: c.Username, Password: string(password)},
		Compression: &clickhouse.Compression{Method: compression},
		DialTimeout: 5 * time.Second,
		ReadTimeout: wait,
		// HTTP, too, gets a connection that is TLS already, with the same checks.
		DialContext:   func(ctx context.Context, address string) (net.Conn, error) { return dialer.Dial(ctx, "tcp", address) },
		TransportFunc: func(t *http.Transport) (http.RoundTripper, error) { return inBand{t}, nil },
		MaxOpenConns:  32, // One per worker that inserts at the same moment; the default of 10 makes the others wait.
		MaxIdleConns:  8,
		ClientInfo: clickhouse.ClientInfo{Products: []struct{ Name, Version string }{
			{Name: "vigil", Version: "1"},
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	return conn, nil
}

// Migrate makes the database, where it is missing, and applies the migrations
// that are pending. It returns how many those were. The error wraps
// [schema.ErrBusy] where another process is at it.
func Migrate(ctx context.Context, c Config) (applied int, err error) {
	err = c.Form().Validate() // A cluster's name becomes part of a statement.
	if err != nil {
		return 0, err
	}
	first := c
	first.Database = "default"
	conn, err := openFor(ctx, first, migrateMax)
	if err != nil {
		return 0, err
	}
	// Validate has let a plain name pass alone: nothing in it needs quoting.
	err = errors.Join(conn.Exec(ctx, c.Form().Render("CREATE DATABASE IF NOT EXISTS "+c.Database)), conn.Close())
	if err != nil {
		return 0, fmt.Errorf("create database %s: %w", c.Database, err)
	}
	conn, err = openFor(ctx, c, migrateMax)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return schema.Migrate(ctx, conn, c.Form())
}
