//go:build linux

package benchgateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func served(t *testing.T, h http.HandlerFunc) netip.AddrPort {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return netip.MustParseAddrPort(u.Host)
}

// Every request is sent once and answered once, at once and in time.
func TestLoad(t *testing.T) {
	at := served(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer good" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = io.WriteString(w, "body")
	})
	both := [][]byte{request("good"), request("bad")}
	for name, tt := range map[string]struct {
		load        load
		good, other int
	}{
		"a number":                         {load{requests: both, conns: 3, count: 100}, 50, 50},
		"a number in time":                 {load{requests: both, conns: 2, count: 40, rate: 2000, last: time.Minute, seed: 1}, 20, 20},
		"fewer than there are connections": {load{requests: both, conns: 8, count: 3}, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			tt.load.to = at
			y, err := tt.load.run()
			if err != nil || y.sent != tt.load.count || y.good != tt.good || y.other != tt.other {
				t.Errorf("%+v, %v", y, err)
			}
			if tt.load.rate > 0 && (len(y.late) != y.sent || !slices.IsSorted(y.late) || y.at(0.5) <= 0) {
				t.Errorf("latencies: %v", y.late)
			}
		})
	}
}

// A latency counts from when the request was due, not from when it could be sent.
func TestLatencyCountsTheQueue(t *testing.T) {
	const each = 20 * time.Millisecond
	at := served(t, func(http.ResponseWriter, *http.Request) { time.Sleep(each) })
	y, err := load{to: at, requests: [][]byte{request("")}, conns: 1, count: 10, rate: 20_000, last: time.Minute}.run()
	if err != nil {
		t.Fatal(err)
	}
	if y.at(1) < 9*each {
		t.Errorf("the last of ten waited %s, want at least %s", y.at(1), 9*each)
	}
}

func TestHeader(t *testing.T) {
	for name, tt := range map[string]struct {
		answer string
		need   int
		good   bool
		fault  string
	}{
		"whole":                         {"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", 41, true, ""},
		"refused":                       {"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", 38, false, ""},
		"not yet complete":              {"HTTP/1.1 200 OK\r\nContent-", 0, false, ""},
		"without a length":              {"HTTP/1.1 200 OK\r\n\r\n", 0, false, "no length"},
		"with a false one":              {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 0, false, "length is"},
		"larger than there is room for": {"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", 0, false, "length is"},
	} {
		t.Run(name, func(t *testing.T) {
			need, good, err := header([]byte(tt.answer))
			if tt.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fault) {
					t.Fatalf("error = %v, want %q", err, tt.fault)
				}
				return
			}
			if err != nil || need != tt.need || tt.need > 0 && good != tt.good {
				t.Errorf("%d, %t, %v; want %d, %t", need, good, err, tt.need, tt.good)
			}
		})
	}
}

// Each target has each place in the order, from both sides.
func TestTurn(t *testing.T) {
	a, b, c := &target{name: "a"}, &target{name: "b"}, &target{name: "c"}
	var got []string
	for r := range 4 {
		var names []string
		for _, t := range turn([]*target{a, b, c}, r) {
			names = append(names, t.name)
		}
		got = append(got, strings.Join(names, ""))
	}
	want := []string{"abc", "acb", "cab", "cba"}
	if !slices.Equal(got, want) {
		t.Errorf("orders are %v, want %v", got, want)
	}
}

// A token that the bench signs passes the gateway's own verifier, and a hit
// costs something.
func TestHit(t *testing.T) {
	nanoseconds, _, err := hit(3, 10)
	if err != nil || nanoseconds <= 0 {
		t.Errorf("%f, %v", nanoseconds, err)
	}
}

// What this process and its children take is counted.
func TestProcess(t *testing.T) {
	all, err := processors()
	if err != nil {
		t.Fatal(err)
	}
	p, first, err := start(t.TempDir(), "shell", all[0], "sh", "-c", "echo begun; n=0; while [ $n -lt 20000 ]; do n=$((n+1)); done; sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	if line := <-first; line != "begun" {
		t.Errorf("first line is %q", line)
	}
	for deadline := time.Now().Add(time.Minute); len(family(p.cmd.Process.Pid)) < 2; time.Sleep(lookGap) {
		if time.Now().After(deadline) {
			t.Fatal("the shell's child is not seen")
		}
	}
	err = p.yieldAll()
	if err != nil {
		t.Error(err)
	}
	took, err := p.processor()
	if err != nil || took <= 0 {
		t.Errorf("processor time is %s, %v", took, err)
	}
	bytes, err := p.resident()
	if err != nil || bytes <= 0 {
		t.Errorf("memory is %d, %v", bytes, err)
	}
	err = p.stop()
	if err != nil {
		t.Error(err)
	}
	if p.ended() == nil {
		t.Error("it has ended, and is said to run")
	}
}
