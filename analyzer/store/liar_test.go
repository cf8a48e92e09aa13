package store_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// lie is what a proxy between the store and ClickHouse does to one insert.
type lie int

const (
	honest  lie = iota
	slow        // Passes it on a little later.
	late        // Passes it on and never answers.
	denies      // Passes it on, and answers 200 with an error in the body.
	fails       // Drops it, and answers 200 with an error in the body, as servers before 25.8 write it.
	marks       // The same as later servers write it.
	parts       // Refuses it as ClickHouse does that has too many parts.
	refuses     // Answers 503, as a proxy before a dead server.
	hangs       // Neither passes it on nor answers.
)

const memoryError = "Code: 241. DB::Exception: (total) memory limit exceeded. (MEMORY_LIMIT_EXCEEDED) (version 26.7.1.1 (official build))\n"

// liar stands between a rig's store and ClickHouse.
type liar struct {
	mu    sync.Mutex
	next  func(table string) lie // Guarded by mu.
	tries map[string]int         // Inserts by table. Guarded by mu.
	lied  int                    // Guarded by mu.
}

// lie puts a liar in front of ClickHouse. It is honest until told otherwise.
func (r *rig) lie() *liar {
	r.t.Helper()
	l := &liar{tries: make(map[string]int)}
	server := olaptest.Server(r.t)
	transport := &http.Transport{DisableKeepAlives: true}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		l.serve(w, q, transport, server.URL())
	}))
	r.t.Cleanup(proxy.Close)
	r.config.Addresses = []string{strings.TrimPrefix(proxy.URL, "http://")}
	return l
}

// tell sets what happens to each insert from here on; nil is honesty.
func (l *liar) tell(next func(table string) lie) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = next
}

// first tells the same lie about the first n inserts, of any table.
func (l *liar) first(n int, what lie) {
	l.tell(func(string) lie {
		n--
		if n < 0 {
			return honest
		}
		return what
	})
}

// counts returns how many inserts there were, and how many were lied about.
func (l *liar) counts() (tries, lied int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.tries {
		tries += n
	}
	return tries, l.lied
}

func (l *liar) decide(q *http.Request) lie {
	rest, isInsert := strings.CutPrefix(q.URL.Query().Get("query"), "INSERT INTO ")
	table, _, _ := strings.Cut(rest, " ")
	if !isInsert || table == "migrations" {
		return honest
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tries[table]++
	if l.next == nil {
		return honest
	}
	what := l.next(table)
	if what != honest {
		l.lied++
	}
	return what
}

func (l *liar) serve(w http.ResponseWriter, q *http.Request, transport http.RoundTripper, to string) {
	what := l.decide(q)
	switch what {
	case hangs:
		_, _ = io.Copy(io.Discard, q.Body) // Or the server would not notice that the client has gone.
		<-q.Context().Done()
		return
	case refuses:
		http.Error(w, "service unavailable", http.StatusServiceUnavailable)
		return
	case parts:
		w.Header().Set("X-Clickhouse-Exception-Code", "252")
		http.Error(w, "Code: 252. DB::Exception: Too many parts (3000). Merges are processing significantly slower than inserts. (TOO_MANY_PARTS)", http.StatusInternalServerError)
		return
	case fails, marks:
		_, _ = io.Copy(io.Discard, q.Body)
		if what == marks {
			_, _ = io.WriteString(w, "__exception__\r\n")
		}
		_, _ = io.WriteString(w, memoryError)
		return
	case slow:
		time.Sleep(100 * time.Millisecond) // Slowness is the point.
	case honest, late, denies:
	}
	pass, err := http.NewRequestWithContext(q.Context(), q.Method, to+"/?"+q.URL.RawQuery, q.Body)
	if err != nil {
		panic(err)
	}
	pass.Header, pass.ContentLength = q.Header.Clone(), q.ContentLength
	resp, err := transport.RoundTrip(pass)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case what == late:
		<-q.Context().Done()
	case what == denies && resp.StatusCode == http.StatusOK:
		_, _ = io.WriteString(w, memoryError)
	default:
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}
}

// Whatever ClickHouse does to an insert, each row is there once: in the tables,
// and in every view on them.
func TestEveryFaultOfAnInsertIsOneRow(t *testing.T) {
	tests := map[string]lie{
		"ClickHouse is slow":                                slow,
		"ClickHouse takes the block and never answers":      late,
		"ClickHouse answers 200 with an error, and did it":  denies,
		"ClickHouse answers 200 with an error, and did not": fails,
		"ClickHouse answers 200 with an error in markers":   marks,
		"ClickHouse has too many parts":                     parts,
		"ClickHouse is down behind a proxy":                 refuses,
		"ClickHouse hangs":                                  hangs,
	}
	for name, what := range tests {
		if testing.Short() && what != fails && what != late {
			continue
		}
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if what == late || what == hangs {
				r.config.InsertTimeout = 2 * time.Second // Each of these lies lasts so long.
			}
			l := r.lie()
			r.start()
			r.requests(1, 10)
			r.once(10)
			const lies = 3
			l.first(lies, what)
			r.requests(14, 27) // Numbers 11 to 13 never come, so that losses are inserted too.
			r.judgements(40)
			for {
				_, lied := l.counts()
				if lied >= lies {
					break
				}
				time.Sleep(10 * time.Millisecond) // It goes on trying.
			}
			r.requests(41, 10)
			r.once(47)
			r.eventually("SELECT count(), sum(n) FROM @losses", "2\t6")
			r.judged(40)
		})
	}
}

// What waited is stored in fewer blocks than it came in: the cure for a
// ClickHouse that has too many parts, or is slow.
func TestWhatWaitedIsStoredInLargerBlocks(t *testing.T) {
	r := newRig(t)
	l := r.lie()
	r.start()
	r.requests(1, 1)
	r.once(1)
	const waits = 30
	l.tell(func(string) lie { return parts })
	for i := range waits {
		r.requests(uint64(2+10*i), 10)
		time.Sleep(20 * time.Millisecond) // Longer than the linger: each would be a cut of its own.
	}
	before, _ := l.counts()
	l.tell(nil)
	r.once(1 + 10*waits)
	after, _ := l.counts()
	if after-before > waits/3*partitions {
		t.Errorf("%d inserts for %d batches that waited", after-before, waits*partitions)
	}
}

// A cut that ClickHouse did not take in time is repeated as it was declared, and the
// one behind it is smaller.
func TestCutsAreSmallerWhereClickHouseIsLate(t *testing.T) {
	r := newRig(t)
	const full = 2000 // More than one read brings.
	r.config.RecordsMax, r.config.Linger, r.config.InsertTimeout = full, time.Second, time.Second
	l := r.lie()
	l.first(1, hangs)
	values := make([][]byte, 0, 3*full)
	for seq := range cap(values) {
		values = append(values, request(t, 0, uint64(seq+1), func(e *event.RequestEvent) { e.UserAgent = strings.Repeat("x", 1000) }))
	}
	for some := range slices.Chunk(values, 500) {
		r.produce(topic.Requests, 0, some...)
	}
	r.start()
	r.eventually("SELECT count(), uniqExact(seq) FROM @requests", fmt.Sprintf("%d\t%[1]d", len(values)))
	sizes := r.cuts(topic.Requests, 0)
	if len(sizes) < 2 || sizes[0] < full || sizes[1] >= full {
		t.Errorf("cuts of %d records: want one of %d, and a smaller one behind it", sizes, full)
	}
}

// A cut of one record cannot be halved: what comes behind a late one is stored all the same.
func TestTheSmallestCutsAreNotHalved(t *testing.T) {
	r := newRig(t)
	r.config.RecordsMax, r.config.InsertTimeout = 1, 500*time.Millisecond
	l := r.lie()
	l.first(partitions, hangs)
	r.start()
	r.requests(1, 1)
	r.once(1)
	r.requests(2, 3)
	r.once(4)
}

// cuts are how many offsets each cut of a partition has, in their order.
func (r *rig) cuts(name string, partition int) []int64 {
	r.t.Helper()
	resp, err := r.client.Fetch(r.t.Context(), &kafka.FetchRequest{Topic: topic.Cuts, MinBytes: 1, MaxBytes: 8 << 20, MaxWait: time.Second})
	if err == nil {
		err = resp.Error
	}
	if err != nil {
		r.t.Fatal(err)
	}
	var out []int64
	for {
		rec, err := resp.Records.ReadRecord()
		if err != nil {
			return out
		}
		value, err := kafka.ReadAll(rec.Value)
		var c store.Cut
		if err == nil {
			err = json.Unmarshal(value, &c)
		}
		if err != nil {
			r.t.Fatal(err)
		}
		if c.Topic == name && c.Partition == partition {
			out = append(out, c.Last-c.First+1)
		}
	}
}
