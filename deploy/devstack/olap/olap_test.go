package olap_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/deploy/devstack/olap"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
)

// open returns a clickhouse-go connection to a database of the test's own.
func open(t *testing.T, method clickhouse.CompressionMethod) driver.Conn {
	t.Helper()
	return dial(t, &clickhouse.Options{
		Protocol: clickhouse.HTTP, Addr: []string{olaptest.Server(t).Addr()},
		Auth:        clickhouse.Auth{Database: olaptest.Database(t)},
		Compression: &clickhouse.Compression{Method: method},
	})
}

func dial(t *testing.T, o *clickhouse.Options) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := conn.Close()
		if err != nil {
			t.Error(err)
		}
	})
	return conn
}

func exec(t *testing.T, conn driver.Conn, query string, args ...any) {
	t.Helper()
	err := conn.Exec(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func count(t *testing.T, conn driver.Conn, from string) uint64 {
	t.Helper()
	var n uint64
	err := conn.QueryRow(t.Context(), "SELECT count() FROM "+from).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func closing(t *testing.T, c io.Closer) {
	t.Helper()
	err := c.Close()
	if err != nil {
		t.Error(err)
	}
}

type row struct {
	ID   uint64            `ch:"id"`
	Time time.Time         `ch:"time"`
	Name string            `ch:"name"`
	Tags []string          `ch:"tags"`
	Map  map[string]string `ch:"map"`
	Nats float64           `ch:"nats"`
}

// Every column kind that Vigil's tables use goes through insert and select,
// under every compression that clickhouse-go has for it.
func TestRoundTrip(t *testing.T) {
	for name, method := range map[string]clickhouse.CompressionMethod{
		"plain": clickhouse.CompressionNone, "lz4": clickhouse.CompressionLZ4, "zstd": clickhouse.CompressionZSTD,
	} {
		t.Run(name, func(t *testing.T) {
			conn := open(t, method)
			exec(t, conn, `CREATE TABLE t (id UInt64, time DateTime64(6, 'UTC'), name LowCardinality(String),
				tags Array(LowCardinality(String)), map Map(LowCardinality(String), String), nats Float64)
				ENGINE = MergeTree ORDER BY id`)
			var want []row
			batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO t (id, time, name, tags, map, nats)")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = batch.Close() }()
			for i := range 3000 {
				r := row{
					ID: uint64(i), Time: time.UnixMicro(1_700_000_000_000_000 + int64(i)).UTC(), Name: "n" + strconv.Itoa(i%7),
					Tags: []string{"a", strconv.Itoa(i % 3)}, Map: map[string]string{"k\x00'\n": strings.Repeat("v", i%50)}, Nats: float64(i) / 8,
				}
				want = append(want, r)
				err = batch.AppendStruct(&r)
				if err != nil {
					t.Fatal(err)
				}
			}
			err = batch.Send()
			if err != nil {
				t.Fatal(err)
			}
			var got []row
			err = conn.Select(t.Context(), &got, "SELECT id, time, name, tags, map, nats FROM t ORDER BY id")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("rows changed on the way (-want +got):\n%s", diff)
			}
			if n := count(t, conn, "t WHERE id < 0"); n != 0 {
				t.Errorf("count = %d, want 0", n)
			}
		})
	}
}

// A value stays a value, whatever is in it.
func TestParametersAreBoundNotPasted(t *testing.T) {
	conn := open(t, clickhouse.CompressionNone)
	hostile := "x'; DROP TABLE t; -- \\ \t\n"
	var text string
	var n uint32
	err := conn.QueryRow(t.Context(), "SELECT {text:String}, {n:UInt32}",
		clickhouse.Named("text", hostile), clickhouse.Named("n", 7)).Scan(&text, &n)
	if err != nil {
		t.Fatal(err)
	}
	if text != hostile || n != 7 {
		t.Errorf("got %q and %d, want %q and 7", text, n, hostile)
	}
}

// Errors arrive as clickhouse-go's exceptions, and settings end with their statement.
func TestErrorsKeepTheirCode(t *testing.T) {
	conn := open(t, clickhouse.CompressionLZ4)
	tests := map[string]struct {
		query    string
		settings clickhouse.Settings
		code     int32
	}{
		"unknown table":    {query: "SELECT * FROM nope", code: 60},
		"syntax":           {query: "SELEKT 1", code: 62},
		"unknown setting":  {query: "SELECT 1", settings: clickhouse.Settings{"no_such": 1, "max_threads": 1}, code: 115},
		"result too large": {query: "SELECT number FROM numbers(100000)", settings: clickhouse.Settings{"max_result_bytes": 1000}, code: 396},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(tt.settings))
			err := conn.Exec(ctx, tt.query)
			var ex *clickhouse.Exception
			if !errors.As(err, &ex) || ex.Code != tt.code {
				t.Errorf("error = %v, want an exception with code %d", err, tt.code)
			}
			var left uint64
			err = conn.QueryRow(t.Context(), "SELECT count() FROM system.settings WHERE name = 'max_threads' AND changed").Scan(&left)
			if err != nil || left != 0 {
				t.Errorf("a setting outlived its statement (%d, %v)", left, err)
			}
		})
	}
}

// The token is what makes "insert, crash, insert again" one copy, in the table
// and in the view on it.
func TestDeduplicationToken(t *testing.T) {
	conn := open(t, clickhouse.CompressionLZ4)
	exec(t, conn, "CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100")
	exec(t, conn, `CREATE TABLE s (n UInt64) ENGINE = SummingMergeTree ORDER BY tuple() SETTINGS non_replicated_deduplication_window = 100`)
	exec(t, conn, "CREATE MATERIALIZED VIEW v TO s AS SELECT count() AS n FROM t")
	send := func(token string) {
		t.Helper()
		ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{
			"async_insert": 0, "insert_deduplicate": 1, "insert_deduplication_token": token,
			"deduplicate_blocks_in_dependent_materialized_views": 1,
		}))
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO t (id)")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = batch.Close() }()
		for i := range 10 {
			err = batch.Append(uint64(i))
			if err != nil {
				t.Fatal(err)
			}
		}
		err = batch.Send()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, token := range []string{"a", "a", "b", "a", "b"} {
		send(token)
	}
	var sum uint64
	err := conn.QueryRow(t.Context(), "SELECT sum(n) FROM s").Scan(&sum)
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, conn, "t"); n != 20 || sum != 20 {
		t.Errorf("table has %d rows and the view counts %d, want 20 and 20", n, sum)
	}
}

// Each fault does to the client what it says, and no more to the data.
func TestFaults(t *testing.T) {
	server := olaptest.Server(t)
	conn := open(t, clickhouse.CompressionNone)
	exec(t, conn, "CREATE TABLE t (id UInt64) ENGINE = MergeTree ORDER BY id")
	t.Cleanup(server.Resume)
	for name, tt := range map[string]struct {
		fault olap.Fault
		rows  uint64 // That the statement leaves although it fails.
	}{
		"refuse": {olap.FaultRefuse, 0}, "memory": {olap.FaultMemory, 0}, "drop": {olap.FaultDrop, 0},
		"hang": {olap.FaultHang, 0}, "cut after the work": {olap.FaultCut, 1},
	} {
		t.Run(name, func(t *testing.T) {
			exec(t, conn, "TRUNCATE TABLE t")
			server.SetFault(func(*http.Request) olap.Fault { return tt.fault })
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := conn.Exec(ctx, "INSERT INTO t VALUES (1)")
			cancel()
			server.Resume()
			if err == nil {
				t.Error("the statement succeeded, want an error")
			}
			if n := count(t, conn, "t"); n != tt.rows {
				t.Errorf("%d rows, want %d", n, tt.rows)
			}
		})
	}
}

// A body that ends in mid-block must not be committed as if it were whole.
func TestCutOffInsertLeavesNothing(t *testing.T) {
	conn := open(t, clickhouse.CompressionNone)
	exec(t, conn, "CREATE TABLE t (id UInt64, s String) ENGINE = MergeTree ORDER BY id")
	database := strings.TrimSpace(olaptest.Exec(t, "SELECT max(name) FROM system.databases WHERE name LIKE 'test_%'"))
	ctx, cancel := context.WithCancel(t.Context())
	body := &cutBody{text: strings.Repeat("1,abcdef\n", 100_000), cut: make(chan struct{}), done: ctx.Done()}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, olaptest.Server(t).URL()+
		"/?database="+database+"&query=INSERT+INTO+t+FORMAT+CSV", body)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		<-body.cut // Everything but the end has been sent.
		cancel()
	})
	resp, err := http.DefaultClient.Do(req)
	wg.Wait()
	if err == nil {
		defer closing(t, resp.Body)
		t.Fatalf("status %d, want the request to be cut", resp.StatusCode)
	}
	for range 50 { // The server may notice a little later; a test that looks too early can only be too kind.
		if n := count(t, conn, "t"); n != 0 {
			t.Fatalf("%d rows, want none", n)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// cutBody gives its text, says so, and then neither goes on nor ends.
type cutBody struct {
	text string
	cut  chan struct{}
	done <-chan struct{}
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.text == "" {
		close(b.cut)
		<-b.done
		return 0, context.Canceled
	}
	n := copy(p, b.text)
	b.text = b.text[n:]
	return n, nil
}

// Statements on different connections do not see each other's settings.
func TestConcurrentStatementsKeepTheirSettings(t *testing.T) {
	conn := open(t, clickhouse.CompressionNone)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 10 {
				ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_block_size": 1000 + i}))
				var got uint64
				err := conn.QueryRow(ctx, "SELECT toUInt64(getSetting('max_block_size'))").Scan(&got)
				if err != nil || got != uint64(1000+i) {
					t.Errorf("max_block_size = %d (%v), want %d", got, err, 1000+i)
				}
			}
		})
	}
	wg.Wait()
	for range 4 * olap.ConnectionsDefault {
		if n := count(t, conn, "system.settings WHERE name = 'max_block_size' AND changed"); n != 0 {
			t.Fatal("a setting outlived its statement")
		}
	}
}

// The edges of the protocol, with the status and code of each.
func TestReadOnlyGetAndSizes(t *testing.T) {
	url := olaptest.Server(t).URL()
	tests := map[string]struct {
		method, path, body string
		status             int
		code               string
	}{
		"ping":             {method: "GET", path: "/ping", status: 200},
		"select by GET":    {method: "GET", path: "/?query=SELECT+1", status: 200},
		"create by GET":    {method: "GET", path: "/?query=CREATE+DATABASE+x", status: 500, code: "164"},
		"query too large":  {method: "POST", path: "/", body: "SELECT '" + strings.Repeat("x", olap.QueryBytesMax) + "'", status: 500, code: "307"},
		"empty":            {method: "POST", path: "/", status: 500, code: "36"},
		"session":          {method: "POST", path: "/?session_id=1", body: "SELECT 1", status: 500, code: "48"},
		"hostile setting":  {method: "POST", path: "/?a%20%3D1%2Cb=1", body: "SELECT 1", status: 500, code: "115"},
		"unknown database": {method: "POST", path: "/?database=no%60pe", body: "SELECT 1", status: 500, code: "81"},
		"another path":     {method: "POST", path: "/play", body: "SELECT 1", status: 404},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, url+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Close = true
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer closing(t, resp.Body)
			if resp.StatusCode != tt.status || resp.Header.Get("X-ClickHouse-Exception-Code") != tt.code {
				t.Errorf("status %d, code %q, want %d, %q", resp.StatusCode, resp.Header.Get("X-ClickHouse-Exception-Code"), tt.status, tt.code)
			}
		})
	}
}
