package olap_test

import (
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/vigil-gateway/vigil/deploy/devstack/olap"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
)

// A second start on the same directory goes on where the first stopped. The
// binary's shared server makes way for it: the library holds one directory.
func TestRestartFindsTheDataAndChecksThePassword(t *testing.T) {
	err := olaptest.Close()
	if err != nil {
		t.Fatal(err)
	}
	library, err := olaptest.Library()
	if err != nil {
		t.Fatal(err)
	}
	o := olap.Options{Dir: t.TempDir(), Library: library, Username: "vigil", Password: "secret"}
	for start := range 2 {
		server, err := olap.Start(o)
		if err != nil {
			t.Fatal(err)
		}
		conn := dial(t, &clickhouse.Options{
			Protocol: clickhouse.HTTP, Addr: []string{server.Addr()},
			Auth: clickhouse.Auth{Username: o.Username, Password: o.Password},
		})
		exec(t, conn, "CREATE TABLE IF NOT EXISTS t (id UInt64) ENGINE = MergeTree ORDER BY id")
		exec(t, conn, "INSERT INTO t VALUES (1)")
		if n := count(t, conn, "t"); n != uint64(start+1) {
			t.Errorf("start %d: %d rows, want %d", start, n, start+1)
		}
		for _, auth := range []clickhouse.Auth{{}, {Username: "vigil"}, {Username: "vigil", Password: "secre"}, {Username: "root", Password: "secret"}} {
			stranger := dial(t, &clickhouse.Options{Protocol: clickhouse.HTTP, Addr: []string{server.Addr()}, Auth: auth})
			err = stranger.Ping(t.Context())
			if err == nil {
				t.Errorf("%q with password %q was let in", auth.Username, auth.Password)
			}
		}
		err = server.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// What cannot work is refused before the engine is loaded.
func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]olap.Options{
		"no directory": {Library: "x"},
		"no library":   {Dir: "x"},
		"not loopback": {Dir: "x", Library: "x", Addr: "0.0.0.0:0"},
		"too many":     {Dir: "x", Library: "x", Connections: olap.ConnectionsMax + 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := olap.Start(o)
			if err == nil {
				t.Error("started, want an error", s.Close())
			}
		})
	}
}
