// Package olaptest gives the tests of one binary the embedded ClickHouse: one
// server, because the library holds one data directory per process, and a
// database for each test.
//
//	test --Server, Database--> the binary's one olap.Server
//
// # Contract
//
// TestMain calls [Close] after m.Run. A missing library fails the test; "make
// engines" fetches it.
//
// # Concurrency
//
// All functions are safe for concurrent use.
//
// # Non-obvious
//
// A test that installs a fault disturbs every other test of its binary that
// runs beside it: such tests are not parallel.
package olaptest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vigil-gateway/vigil/deploy/devstack/olap"
)

//nolint:gochecknoglobals // The library itself is one per process.
var (
	shared struct {
		sync.Mutex
		server *olap.Server
		dir    string
	}
	databases atomic.Int64
)

// Library is the path of libchdb.so in the checkout's cache. VIGIL_LIBCHDB
// names another.
func Library() (string, error) {
	if path := os.Getenv("VIGIL_LIBCHDB"); path != "" {
		return path, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		_, err = os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return filepath.Join(dir, ".cache", "chdb", "node_modules", "@chdb", "lib-linux-x64-gnu", "libchdb.so"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}

// Server is the binary's server, started by the first call.
func Server(tb testing.TB) *olap.Server {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		return shared.server
	}
	library, err := Library()
	if err != nil {
		tb.Fatal(err)
	}
	shared.dir, err = os.MkdirTemp("", "vigil-olap-") //nolint:usetesting // Outlives the test that happens to come first.
	if err != nil {
		tb.Fatal(err)
	}
	shared.server, err = olap.Start(olap.Options{Dir: shared.dir, Library: library})
	if err != nil {
		tb.Fatal(err)
	}
	return shared.server
}

// Database makes an empty database for a test and drops it at its end.
func Database(tb testing.TB) string {
	tb.Helper()
	name := "test_" + strconv.FormatInt(databases.Add(1), 10)
	Exec(tb, "CREATE DATABASE "+name)
	tb.Cleanup(func() {
		Server(tb).Resume()
		Exec(tb, "DROP DATABASE "+name+" SYNC")
	})
	return name
}

// Exec runs a statement and returns its answer as tab-separated text.
func Exec(tb testing.TB, query string) string {
	tb.Helper()
	text, err := post(Server(tb).URL(), query)
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return text
}

func post(url, query string) (text string, err error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, strings.NewReader(query))
	if err != nil {
		return "", err
	}
	req.Close = true // Leaves no idle connection behind for the leak check.
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, body)
	}
	return string(body), err
}

// Close ends the server, if one was started, and removes its data.
func Close() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return nil
	}
	err := errors.Join(shared.server.Close(), os.RemoveAll(shared.dir))
	shared.server = nil
	return err
}
