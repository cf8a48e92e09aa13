package accesslog_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/cmd/internal/accesslog"
	"github.com/vigil-gateway/vigil/schemas/event"
)

func at(s string) *timestamppb.Timestamp {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return timestamppb.New(t)
}

func request(mods ...func(*event.RequestEvent)) *event.RequestEvent {
	e := &event.RequestEvent{
		Kind: "request", Phase: "complete", Time: at("2015-05-17T10:05:03Z"), Address: "83.149.9.216",
		Method: "GET", Path: "/a", Template: "/a", Status: 200, BytesOut: 12,
	}
	for _, m := range mods {
		m(e)
	}
	return e
}

// TestParse reads lines as servers write them, and names why it cannot read others.
func TestParse(t *testing.T) {
	tests := map[string]struct {
		line string
		want *event.RequestEvent
		err  error
	}{
		"combined": {
			line: `83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 200 12 "http://r/" "Mozilla/5.0 (X11)"`,
			want: request(func(e *event.RequestEvent) {
				e.UserAgent = "Mozilla/5.0 (X11)"
				e.Attributes = map[string]string{"query": "b=c", "referer": "http://r/"}
			}),
		},
		"common": {
			line: `83.149.9.216 - - [17/May/2015:12:05:03 +0200] "GET /a HTTP/1.0" 200 12`,
			want: request(),
		},
		"values that are missing": {
			line: `83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 304 - "-" "-"`,
			want: request(func(e *event.RequestEvent) { e.Status, e.BytesOut = 304, 0 }),
		},
		"last quote is missing": {
			line: `83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12 "-" "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html`,
			want: request(func(e *event.RequestEvent) {
				e.UserAgent = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html"
			}),
		},
		"virtual host in front and fields behind": {
			line: `example.com:443 2001:DB8::1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/2.0" 200 12 "-" "curl/8" "-" 0.003 [backend] upstream`,
			want: request(func(e *event.RequestEvent) {
				e.Host, e.Address, e.UserAgent = "example.com:443", "2001:db8::1", "curl/8"
			}),
		},
		"request id before the user": {
			line: `example.com 127.0.0.1 - req101 - [17/May/2015:10:05:03 +0000] "GET /%2fetc HTTP/1.1" 200 12 "-" "curl/7.68.0"`,
			want: request(func(e *event.RequestEvent) {
				e.Host, e.Address, e.UserAgent, e.Path, e.Template = "example.com", "127.0.0.1", "curl/7.68.0", "/%2fetc", "/%2fetc"
			}),
		},
		"syslog in front": {
			line: `<134>Oct 11 22:14:15 10.0.0.1 nginx[77]: 83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12`,
			want: request(),
		},
		"a chain of proxies": {
			line: `83.149.9.216, 10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12`,
			want: request(),
		},
		"mapped address with port": {
			line: `[::ffff:83.149.9.216]:4711 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12`,
			want: request(),
		},
		"host name instead of address": {
			line: `client.example.org - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12`,
			want: request(func(e *event.RequestEvent) { e.Address = "client.example.org" }),
		},
		"a user who is in": {
			line: `83.149.9.216 - jane doe [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12`,
			want: request(func(e *event.RequestEvent) { e.Subject, e.AuthOutcome = "jane doe", "none" }),
		},
		"a user who is refused": {
			line: `83.149.9.216 - test [17/May/2015:10:05:03 +0000] "POST /a HTTP/1.1" 401 12`,
			want: request(func(e *event.RequestEvent) {
				e.Method, e.Status, e.Account, e.AuthOutcome = "POST", 401, "test", "failure"
			}),
		},
		"escaped and plain quotes": {
			line: `83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12 "-" "a \"b\" c "d"e\\"`,
			want: request(func(e *event.RequestEvent) { e.UserAgent = `a "b" c "d"e\` }),
		},
		"a handshake": {
			line: `83.149.9.216 - - [17/May/2015:10:05:03 +0000] "\x16\x03\x01\x02" 400 12 "-" "-"`,
			want: request(func(e *event.RequestEvent) {
				e.Method, e.Path, e.Template, e.Status = "", "", "", 400
				e.Attributes = map[string]string{"request": "\x16\x03\x01\x02"}
			}),
		},
		"nothing was asked": {
			line: `83.149.9.216 - - [17/May/2015:10:05:03 +0000] "-" 408 0 "-" "-"`,
			want: request(func(e *event.RequestEvent) { e.Method, e.Path, e.Template, e.Status, e.BytesOut = "", "", "", 408, 0 }),
		},
		"ids in the path": {
			line: `83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /u/17/d/2c1743a3-91c0-4c2e-8f6a-6ff6b8a6d2a1 HTTP/1.1" 200 12`,
			want: request(func(e *event.RequestEvent) {
				e.Path, e.Template, e.Resource = "/u/17/d/2c1743a3-91c0-4c2e-8f6a-6ff6b8a6d2a1", "/u/{id}/d/{id}", "2c1743a3-91c0-4c2e-8f6a-6ff6b8a6d2a1"
			}),
		},
		"a request to a proxy": {
			line: `83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET http://victim.example/a?x HTTP/1.1" 200 12`,
			want: request(func(e *event.RequestEvent) { e.Host, e.Attributes = "victim.example", map[string]string{"query": "x"} }),
		},
		"blanks in the path": {
			line: `83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a b HTTP/1.1" 200 12`,
			want: request(func(e *event.RequestEvent) { e.Path, e.Template = "/a b", "/a b" }),
		},
		"JSON as Caddy writes it": {
			line: `{"level":"info","ts":1431857103,"request":{"remote_ip":"10.0.0.1","client_ip":"83.149.9.216","method":"GET","host":"h:1","uri":"/a?b=c","headers":{"User-Agent":["curl/8"]}},"size":12,"status":200,"resp_headers":{"Server":["Caddy"]}}`,
			want: request(func(e *event.RequestEvent) {
				e.UserAgent, e.Host, e.Attributes = "curl/8", "h:1", map[string]string{"query": "b=c"}
			}),
		},
		"JSON as Envoy writes it, behind a container's prefix": {
			line: `2015-05-17T10:05:04.1+00:00 stdout F {"start_time":"2015-05-17T10:05:03Z","method":"GET","x-envoy-original-path":"/a","response_code":200,"bytes_sent":"12","user-agent":"curl/8","downstream_remote_address":"83.149.9.216:59292",":authority":"h"}`,
			want: request(func(e *event.RequestEvent) { e.UserAgent, e.Host = "curl/8", "h" }),
		},
		"JSON as Traefik writes it": {
			line: `{"ClientAddr":"83.149.9.216:5","ClientHost":"83.149.9.216","DownstreamContentSize":12,"DownstreamStatus":200,"RequestHost":"h","RequestMethod":"GET","RequestPath":"/a","StartUTC":"2015-05-17T10:05:03Z","request_User-Agent":"curl/8"}`,
			want: request(func(e *event.RequestEvent) { e.UserAgent, e.Host = "curl/8", "h" }),
		},
		"JSON with a request line as nginx writes it": {
			line: `{"time_local":"17/May/2015:10:05:03 +0000","remote_addr":"83.149.9.216","remote_user":"test","request":"POST /a HTTP/1.1","status":"401","body_bytes_sent":"12"}`,
			want: request(func(e *event.RequestEvent) {
				e.Method, e.Status, e.Account, e.AuthOutcome = "POST", 401, "test", "failure"
			}),
		},
		"an application load balancer": {
			line: `https 2015-05-17T10:05:03Z app/a/b 83.149.9.216:44740 10.0.0.1:80 0.086 0.048 0.037 200 200 7 12 "GET https://h:443/a?b=c HTTP/1.1" "curl/8" ECDHE TLSv1.2 arn:x "Root=1"`,
			want: request(func(e *event.RequestEvent) {
				e.UserAgent, e.Host, e.BytesIn, e.Attributes = "curl/8", "h:443", 7, map[string]string{"query": "b=c"}
			}),
		},
		"a classic load balancer": {
			line: `2015-05-17T10:05:03Z elb 83.149.9.216:44740 10.0.0.1:80 0.086 0.048 0.037 200 200 7 12 "GET http://h:80/a HTTP/1.1" "curl/8" - -`,
			want: request(func(e *event.RequestEvent) { e.UserAgent, e.Host, e.BytesIn = "curl/8", "h:80", 7 }),
		},
		"a request that Apache refused to read": {
			line: `[Sun May 17 10:05:03 2015] [core:error] [pid 7005:tid 14] [client 83.149.9.216:14532] AH00126: Invalid URI in request GET /a/../../b HTTP/1.1 `,
			want: request(func(e *event.RequestEvent) {
				e.Path, e.Template, e.Status, e.BytesOut = "/a/../../b", "/a/../../b", 400, 0
			}),
		},
		"JSON without a status": {line: `{"time":"2015-05-17T10:05:03Z","remote_addr":"83.149.9.216","request":"GET /a HTTP/1.1"}`, err: accesslog.ErrJSON},
		"error log":             {line: `2021/09/30 09:23:53 [error] 1925800#1925800: *17 user "foo" was not found, client: 127.0.0.1`, err: accesslog.ErrTime},
		"json":                  {line: `{"level":"error","ts":1711741827.9}`, err: accesslog.ErrJSON},
		"no client":             {line: `[17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12`, err: accesslog.ErrAddress},
		"no request":            {line: `1.2.3.4 - - [17/May/2015:10:05:03 +0000] GET /a`, err: accesslog.ErrRequest},
		"cut in the request":    {line: `1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET /a`, err: accesslog.ErrStatus},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got event.RequestEvent
			err := accesslog.Parse(tt.line, &got)
			if !errors.Is(err, tt.err) {
				t.Fatalf("Parse = %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(tt.want, &got, protocmp.Transform()); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReaderGoesOn checks that one bad line costs one line.
func TestReaderGoesOn(t *testing.T) {
	good := `1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12` + "\r\n"
	r := accesslog.NewReader(strings.NewReader("\ufeff"+good+"\n"+strings.Repeat("x", accesslog.LineBytesMax+1)+"\nrubbish\n"+strings.TrimSpace(good)), "default")
	var got []string
	for {
		var e event.RequestEvent
		err := r.Next(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		_, ok := errors.AsType[*accesslog.LineError](err)
		if ok {
			got = append(got, err.Error())
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Id+" "+e.Tenant+" "+e.Address)
	}
	want := []string{
		"line-1 default 1.2.3.4",
		"line 3: longer than 1048576 B",
		"line 4: " + accesslog.ErrTime.Error(),
		"line-5 default 1.2.3.4",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

// Whatever stands in a log, what is read is an event that the wire accepts.
func FuzzParse(f *testing.F) {
	f.Add(`83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 200 12 "http://r/" "Mozilla/5.0 (X11)"`)
	f.Add(`{"ts":1431857103.5,"remote_addr":"83.149.9.216","request":"GET /a HTTP/1.1","status":200}`)
	f.Add(`2015-05-17T10:05:03Z elb 83.149.9.216:44740 10.0.0.1:80 0.086 0.048 0.037 200 200 7 12 "GET http://h:80/a HTTP/1.1" "curl/8"`)
	f.Add(`v 1.2.3.4 - - [17/May/2015:10:05:03 +0000] "\x16\x0" 400 - "-" "`)
	f.Fuzz(func(t *testing.T, line string) {
		var e event.RequestEvent
		err := accesslog.Parse(line, &e)
		if err != nil {
			return
		}
		record, err := event.Append(nil, &e)
		if errors.Is(err, event.ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		var back event.RequestEvent
		err = event.Decode(record, &back)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	})
}
