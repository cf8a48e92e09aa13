package attacklog

import (
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
)

func TestReader(t *testing.T) {
	tests := map[string]struct {
		line                   string
		kind, address, account string
		outcome                string
		status                 uint32
		score                  float64
		at                     string
	}{
		"a product with a form of its own": {
			line: "Feb 12 14:10:21 host sshd[16378]: Invalid user pascal from 192.0.2.7 port 53502",
			kind: KindSignIn, address: "192.0.2.7", account: "pascal", outcome: event.AuthFailure, status: 401, at: "2026-02-12T14:10:21Z",
		},
		"an address of IPv4 within IPv6": {
			line: `Mon Jun 8 12:08:53 2020 [pid 27244] [user] FAIL LOGIN: Client "::ffff:192.0.2.7"`,
			kind: KindSignIn, address: "192.0.2.7", account: "user", outcome: event.AuthFailure, status: 401, at: "2020-06-08T12:08:53Z",
		},
		"a second factor": {
			line: "2023-04-23 22:07:05.311 -05:00 [WRN] Failed login attempt, 2FA invalid. 192.0.2.7",
			kind: KindSignIn, address: "192.0.2.7", outcome: event.AuthMFAFailure, status: 401, at: "2023-04-23T22:07:05Z",
		},
		"a success": {
			line: "(N) 2024-11-26T01:26:58 - WebAPI login success. IP: 2001:db8::1",
			kind: KindSignIn, address: "2001:db8::1", outcome: event.AuthSuccess, status: 200, at: "2024-11-26T01:26:58Z",
		},
		"a product that nobody has a form for": {
			line: "2024-05-01 10:00:00 [auth] Authentication failed for user 'bob' (client: 192.0.2.7)",
			kind: KindSignIn, address: "192.0.2.7", account: "bob", outcome: event.AuthFailure, status: 401, at: "2024-05-01T10:00:00Z",
		},
		"a firewall's total": {
			line: `[Thu Sep 30 13:27:06.010641 2021] [:error] [client ::1:37752] [client ::1] ModSecurity: Warning. [msg "Inbound Anomaly Score Exceeded (Total Inbound Score: 40 - SQLI=0)"] [uri "/a?b"]`,
			kind: KindFirewall, address: "::1", status: 403, score: 40, at: "2021-09-30T13:27:06.010641Z",
		},
		"a request": {
			line: `192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET /login HTTP/1.1" 404 12 "-" "failed"`,
			kind: KindHTTP, address: "192.0.2.7", status: 404, at: "2015-05-17T10:05:03Z",
		},
		"seconds since 1970": {
			line: `{"level":"error","ts":1700935280.5,"msg":"Unsuccessful 1FA authentication attempt by user 'a'","remote_ip":"192.0.2.7"}`,
			kind: KindSignIn, address: "192.0.2.7", account: "a", outcome: event.AuthFailure, status: 401, at: "2023-11-25T18:01:20.5Z",
		},
		"a user of one of the databases": {
			line: `{"t":{"$date":"2022-07-28T19:05:16.428+02:00"},"msg":"Authentication failed","attr":{"principalName":"root","authenticationDatabase":"local","remote":"[::1]:4125"}}`,
			kind: KindSignIn, address: "::1", account: `"principalName":"root","authenticationDatabase":"local",`, outcome: event.AuthFailure, status: 401, at: "2022-07-28T17:05:16.428Z",
		},
		"a second factor of a web application": {
			line: `{"method":"POST","path":"/users/sign_in","time":"2022-04-15T12:58:50.060Z","params":[{"key":"user","value":{"otp_attempt":"[FILTERED]"}}],"remote_ip":"192.0.2.7"}`,
			kind: KindSignIn, address: "192.0.2.7", outcome: event.AuthMFAFailure, status: 401, at: "2022-04-15T12:58:50.06Z",
		},
		"an incident with a total": {
			line: `{"eventTime":"2023-04-03T10:02:47","eventSeverity":"Critical","eventData":{"sourceIP":"192.0.2.7","waapIncidentType":"SQL Injection","waapFinalScore":1000}}`,
			kind: KindFirewall, address: "192.0.2.7", status: 403, score: 20, at: "2023-04-03T10:02:47Z",
		},
		"something else": {line: "Jan  4 17:34:03 host pvedaemon[28]: <root@pam> successful auth for user 'root@pam'"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var r reader
			var e event.RequestEvent
			kind, ok := r.read(tt.line, &e)
			if kind != tt.kind || ok != (tt.kind != "") {
				t.Fatalf("read as %q, %t, want %q", kind, ok, tt.kind)
			}
			if !ok {
				return
			}
			if e.GetAddress() != tt.address || e.GetAccount() != tt.account || e.GetAuthOutcome() != tt.outcome || e.GetStatus() != tt.status || e.GetWafScore() != tt.score {
				t.Errorf("event %v, want %+v", &e, tt)
			}
			if got := e.GetTime().AsTime().Format(time.RFC3339Nano); got != tt.at {
				t.Errorf("time %s, want %s", got, tt.at)
			}
		})
	}
}

func TestBuckets(t *testing.T) {
	tests := map[string]struct {
		scenarios []string
		want      int
	}{
		"guessing":                     {[]string{"a/ssh-bf"}, 6},
		"an exploit":                   {[]string{"a/CVE-2019-18935"}, 1},
		"the smallest of two counts":   {[]string{"a/keycloak-slow-bf", "a/email-user-bf"}, 4},
		"slow guessing is given more":  {[]string{"a/cas-slow-bf", "a/cas-slow-bf_user-enum"}, 11},
		"many paths that do not exist": {[]string{"a/http-probing"}, 11},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := Case{Scenarios: tt.scenarios}
			if got := c.bucket(); got != tt.want {
				t.Errorf("bucket = %d, want %d", got, tt.want)
			}
		})
	}
}

// Whatever stands in a log, what is read is an event that the wire accepts.
func FuzzReader(f *testing.F) {
	f.Add("Feb 12 14:10:21 host sshd[16378]: Invalid user pascal from 192.0.2.7 port 53502")
	f.Add("2024-05-01 10:00:00 [auth] Authentication failed for user 'bob' (client: 192.0.2.7)")
	f.Add(`[client ::1] ModSecurity: [msg "Inbound Anomaly Score Exceeded (Total Inbound Score: 40)"]`)
	f.Add(`{"eventSeverity":"High","eventData":{"sourceIP":"192.0.2.7","waapIncidentType":"XSS"}}`)
	f.Fuzz(func(t *testing.T, line string) {
		var r reader
		var e event.RequestEvent
		_, ok := r.read(line, &e)
		if !ok {
			return
		}
		err := e.Check()
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	})
}
