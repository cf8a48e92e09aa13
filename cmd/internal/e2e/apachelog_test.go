//go:build e2e

package e2e_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
)

const (
	loggedLines     = 10_000
	loggedAddresses = 1_753
	// loggedBodyMax caps an answer's body: the log has downloads of 69 MB, and
	// sizes are not what this test is about.
	loggedBodyMax = 16 << 10
	// replayers send at the same time, each for its own share of the addresses.
	replayers = 8
	// ambiguousMax is how many of these lines may have a path that two parties
	// could read differently, so that the gateway answers 400.
	ambiguousMax = 50
)

// logged is one line, read by this test's own eyes: what Vigil's reader thinks
// of it does not count here.
type logged struct {
	address netip.Addr
	method  string
	target  string // As it was sent, with its query.
	status  int
	size    int
	referer string
	agent   string
}

// answered is one entry of a ledger: who was answered how.
type answered struct {
	Address string `json:"address"`
	Method  string `json:"method"`
	Status  int    `json:"status"`
}

// TestRealAccessLog replays a real site's log as real requests through the
// gateway of "vigil up". What the clients saw must be what ClickHouse has.
func TestRealAccessLog(t *testing.T) {
	lines := readLog(t)
	site := &loggedSite{}
	web := httptest.NewServer(site)
	t.Cleanup(web.Close)

	dir := t.TempDir()
	config := filepath.Join(dir, "up.yaml")
	err := os.WriteFile(config, fmt.Appendf(nil, `gateway:
  listen: {proxy_protocol: {trusted: [127.0.0.1]}}
  routes:
    - {id: site, path: "/{path...}", upstream: %q, public: true, sensitivity: low}
`, web.URL), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	up := func() *process {
		return start(t, dir, "vigil", "up", "--data", filepath.Join(dir, "vigil"), "--config", config,
			"--chdb", filepath.Join(checkout(t), ".cache/chdb/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so"))
	}
	p := up()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.tail())
		}
	})
	want := replay(t, strings.TrimPrefix(p.ready["gateway"], "http://"), lines)
	if got := site.requests.Load() + want.refused; got != loggedLines {
		t.Errorf("the site saw %d requests and the gateway refused %d: %d, want %d", site.requests.Load(), want.refused, got, loggedLines)
	}
	if want.refused > ambiguousMax {
		t.Errorf("the gateway refused %d paths, at most %d are ambiguous", want.refused, ambiguousMax)
	}

	await(t, "every request is a row", func() bool { return rowsOf(t, dir, "count()") >= loggedLines })
	p.stop(t)
	p = up() // What was double or late would show after a restart at the latest.
	for what, n := range map[string]int{"count()": loggedLines, "uniqExact(id)": loggedLines, "uniqExact(address)": loggedAddresses} {
		if got := rowsOf(t, dir, what); got != n {
			t.Errorf("%s of the rows is %d, want %d", what, got, n)
		}
	}
	if diff := cmp.Diff(want.entries, ledgerOf(t, dir)); diff != "" {
		t.Errorf("rows are not what the clients saw (-clients +ClickHouse):\n%s", diff)
	}
	p.stop(t)
	t.Logf("%d requests of %d addresses; %d of them refused as ambiguous", loggedLines, loggedAddresses, want.refused)
}

// loggedSite answers as the real one did: its caller says how that was.
type loggedSite struct{ requests atomic.Int64 }

// The headers in which a replayed request carries its logged answer.
const (
	headerStatus = "X-Logged-Status"
	headerSize   = "X-Logged-Size"
)

func (s *loggedSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	status, err := strconv.Atoi(r.Header.Get(headerStatus))
	size, err2 := strconv.Atoi(r.Header.Get(headerSize))
	if err != nil || err2 != nil {
		http.Error(w, "not a replayed request", http.StatusTeapot)
		return
	}
	if status == http.StatusNotModified {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(size))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(make([]byte, size)) // A client that is gone shows in its own ledger.
	}
}

// readLog reads the lines; the last quote may be missing, as in one of them.
func readLog(t *testing.T) []logged {
	t.Helper()
	f, err := os.Open(filepath.Join(checkout(t), "testdata/accesslogs/apache.log.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	plain, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^(\S+) \S+ \S+ \[[^\]]+\] "(\S+) (\S+) HTTP/\d\.\d" (\d{3}) (\S+) "(.*?)" "(.*?)"?$`)
	var lines []logged
	for in := bufio.NewScanner(plain); in.Scan(); {
		m := form.FindStringSubmatch(in.Text())
		if m == nil {
			t.Fatalf("line %d: %s", len(lines)+1, in.Text())
		}
		status, _ := strconv.Atoi(m[4]) // Three digits.
		size, _ := strconv.Atoi(m[5])   // "-" is nothing.
		lines = append(lines, logged{
			address: netip.MustParseAddr(m[1]), method: m[2], target: m[3], status: status,
			size: min(size, loggedBodyMax), referer: m[6], agent: m[7],
		})
	}
	if len(lines) != loggedLines {
		t.Fatalf("%d lines, want %d", len(lines), loggedLines)
	}
	return lines
}

// seenAnswers is the clients' ledger.
type seenAnswers struct {
	mu      sync.Mutex
	entries map[answered]int
	refused int64
}

// replay sends every line in the order of the log, each address on a
// connection of its own.
func replay(t *testing.T, host string, lines []logged) *seenAnswers {
	t.Helper()
	last := make(map[netip.Addr]int)
	for i, l := range lines {
		last[l.address] = i
	}
	book := &seenAnswers{entries: make(map[answered]int)}
	seed := maphash.MakeSeed() // Which replayer sends for an address makes no difference.
	var work sync.WaitGroup
	for share := range uint64(replayers) {
		work.Go(func() {
			open := make(map[netip.Addr]*loggedClient)
			for i, l := range lines {
				if maphash.Comparable(seed, l.address)%replayers != share {
					continue
				}
				c := open[l.address]
				if c == nil {
					c = &loggedClient{host: host, from: l.address}
					open[l.address] = c
				}
				status, err := c.send(t.Context(), l)
				if err != nil {
					t.Errorf("line %d: %v", i+1, err)
				}
				book.note(t, i, l, status)
				if last[l.address] == i {
					_ = c.close() // Everything was read.
				}
			}
		})
	}
	work.Wait()
	return book
}

// note enters an answer. It must be the logged one, except where the gateway
// refuses the path.
func (b *seenAnswers) note(t *testing.T, i int, l logged, status int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries[answered{l.address.String(), l.method, status}]++
	if status == http.StatusBadRequest && l.status != status {
		b.refused++
		t.Logf("line %d: 400 for %s", i+1, l.target)
		return
	}
	if status != l.status {
		t.Errorf("line %d: status %d, want %d: %s %s", i+1, status, l.status, l.method, l.target)
	}
}

// loggedClient is one address behind the load balancer.
type loggedClient struct {
	host string
	from netip.Addr
	conn net.Conn
	in   *bufio.Reader
}

// send writes the request byte for byte as the log has it, because a client
// library would mend its target, and reads the answer to its end.
func (c *loggedClient) send(ctx context.Context, l logged) (status int, err error) {
	if c.conn == nil {
		c.conn, err = dialFrom(ctx, c.host, c.from)
		if err != nil {
			return 0, err
		}
		c.in = bufio.NewReader(c.conn)
	}
	var req strings.Builder
	fmt.Fprintf(&req, "%s %s HTTP/1.1\r\nHost: www.semicomplete.com\r\n%s: %d\r\n%s: %d\r\n", l.method, l.target, headerStatus, l.status, headerSize, l.size)
	if l.agent != "-" {
		fmt.Fprintf(&req, "User-Agent: %s\r\n", l.agent)
	}
	if l.referer != "-" {
		fmt.Fprintf(&req, "Referer: %s\r\n", l.referer)
	}
	if l.method == http.MethodPost {
		req.WriteString("Content-Length: 0\r\n")
	}
	req.WriteString("\r\n")
	_, err = io.WriteString(c.conn, req.String())
	if err != nil {
		return 0, errors.Join(fmt.Errorf("send: %w", err), c.close())
	}
	resp, err := http.ReadResponse(c.in, &http.Request{Method: l.method})
	if err != nil {
		return 0, errors.Join(fmt.Errorf("read answer: %w", err), c.close())
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	if err != nil {
		return 0, errors.Join(fmt.Errorf("read body: %w", err), c.close())
	}
	if resp.Close {
		_ = c.close()
	}
	return resp.StatusCode, nil
}

func (c *loggedClient) close() error {
	if c.conn == nil {
		return nil
	}
	conn := c.conn
	c.conn = nil
	return conn.Close()
}

// askUp asks the ClickHouse of an installation in dir/vigil, one JSON row per
// line of the answer.
func askUp(t *testing.T, dir, query string) string {
	t.Helper()
	run, err := runfile.Read(filepath.Join(dir, "vigil"))
	if err != nil {
		t.Fatal(err)
	}
	password, err := os.ReadFile(run.ClickHousePasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	params := url.Values{"database": {run.ClickHouseDatabase}, "output_format_json_quote_64bit_integers": {"0"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, run.ClickHouse+"/?"+params.Encode(),
		strings.NewReader(query+" FORMAT JSONEachRow"))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(run.ClickHouseUser, strings.TrimSpace(string(password)))
	req.Close = true // The next "vigil up" has another server on this port.
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d: %s", query, resp.StatusCode, body)
	}
	return string(body)
}

// rowsOf is one number about the requests that the replay left.
func rowsOf(t *testing.T, dir, what string) int {
	t.Helper()
	var row struct{ N int }
	text := askUp(t, dir, "SELECT "+what+" AS n FROM requests WHERE kind = 'request'")
	err := json.Unmarshal([]byte(text), &row)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return row.N
}

// ledgerOf is ClickHouse's ledger.
func ledgerOf(t *testing.T, dir string) map[answered]int {
	t.Helper()
	entries := make(map[answered]int)
	text := askUp(t, dir, "SELECT address, method, status, count() AS n FROM requests WHERE kind = 'request' GROUP BY address, method, status")
	for line := range strings.Lines(text) {
		var row struct {
			answered
			N int
		}
		err := json.Unmarshal([]byte(line), &row)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		entries[row.answered] = row.N
	}
	return entries
}

// handChecked are the addresses of the log that a person who reads their lines
// would call scanners, among those that the scorer may act on: they ask for
// consoles, editors and logins that the site never had, and for little else.
func handChecked() map[string]string {
	return map[string]string{
		"91.236.75.25":   "nine places where FCKeditor's upload page could be",
		"198.245.61.43":  "/wp-login.php, /administrator/, /admin.php",
		"188.165.243.45": "/wp-login.php, /administrator/, /admin.php",
		"195.250.34.144": "/wp-login.php, /administrator/, /admin.php",
		"95.78.54.93":    "/wp-login.php, /administrator/, /admin.php",
		"199.168.96.66":  "copies the site in a minute, without a user agent, with two consoles in between",
		"144.76.194.187": "copies the site in a minute, without a user agent, with two consoles in between",
		"212.90.148.107": "two WordPress administrations",
	}
}

// TestRealAccessLogRanking scores the same log offline. Every line counts, the
// scanners come first, and hardly anybody else would be slowed down.
func TestRealAccessLogRanking(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary(t, "vigil"), "score", "--input", "combined", "--by", "address", "--top", "0", "-o", "json",
		filepath.Join(checkout(t), "testdata/accesslogs/apache.log.gz")).Output()
	if err != nil {
		t.Fatalf("score: %v", err) // Exit code 1 would mean that a line was not read.
	}
	var ranking []struct {
		Key    string
		Events int
		Max    float64
		Action string
	}
	err = json.Unmarshal(out, &ranking)
	if err != nil {
		t.Fatal(err)
	}
	events, alarms, found, honest := 0, 0, map[string]bool{}, []string(nil)
	for i, r := range ranking {
		events += r.Events
		_, scanner := handChecked()[r.Key]
		if scanner && i < len(handChecked()) {
			found[r.Key] = true
		}
		if r.Action == "observe" {
			continue
		}
		alarms++
		if !scanner {
			honest = append(honest, r.Key)
		}
	}
	if events != loggedLines || len(ranking) != loggedAddresses {
		t.Errorf("%d events of %d addresses, want %d of %d", events, len(ranking), loggedLines, loggedAddresses)
	}
	if len(found) != len(handChecked()) {
		t.Errorf("the first of the ranking are %v, want all of %v", found, handChecked())
	}
	if len(honest) > loggedAddresses/1000 {
		t.Errorf("%d of %d addresses would be acted on that are no scanners: %v", len(honest), loggedAddresses, honest)
	}
	if alarms < 5 {
		t.Errorf("%d addresses would be acted on, want the 5 that do nothing but scan", alarms)
	}
}
