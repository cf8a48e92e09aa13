package proxy_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"
	"testing"
	"unicode"

	"github.com/vigil-gateway/vigil/gateway/proxy"
)

// ownedNames are headers by which an upstream could be told who asks, from where, or
// for what else than the gateway has authorised: some of each family, and one that
// nobody uses yet.
var ownedNames = []string{
	"X-Vigil-Subject", "X-Vigil-Session", "X-Vigil-Assertion", "X-Vigil-Anything", "X-Forwarded-For", "X-Forwarded-Host",
	"X-Forwarded-Proto", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username",
	"X-Forwarded-Access-Token", "X-Forwarded-Client-Cert", "X-Forwarded-Anything", "Forwarded", "X-Forwarded", "Forwarded-For",
	"X-User", "X-User-Id", "X-User-Email", "X-User-Groups", "X-Username", "X-Userinfo", "Remote-User", "Remote-Groups", "Remote-Email",
	"X-Remote-User", "X-Remote-Group", "X-Remote-Extra-Scopes", "X-Auth-User", "X-Auth-Request-User", "X-Auth-Request-Email",
	"X-Auth-Request-Anything", "X-Authenticated-User", "X-Authenticated-Userid", "X-Authenticated-Scope", "X-WebAuth-User",
	"X-Consumer-Username", "X-Credential-Identifier", "X-Authentik-Username", "X-Pomerium-Jwt-Assertion", "X-Jwt-Assertion",
	"X-Ssl-Client-S-Dn", "X-Ssl-Client-Verify", "X-Ssl-Cert", "Ssl-Client-Cert", "X-Client-Cert", "X-Client-Cert-Dn", "X-Client-Certificate",
	"X-Client-Dn", "X-Tls-Client-Cert", "X-Arr-ClientCert", "X-Amzn-Mtls-Clientcert", "Client-Cert", "Client-Cert-Chain", "DPoP",
	"X-Goog-Authenticated-User-Email", "X-Goog-Authenticated-User-Id", "X-Goog-Iap-Jwt-Assertion", "X-Amzn-Oidc-Data", "X-Amzn-Oidc-Identity",
	"X-Amzn-Oidc-Accesstoken", "X-MS-Client-Principal", "X-MS-Client-Principal-Name", "X-MS-Token-Aad-Id-Token", "X-Appengine-User-Ip",
	"OIDC-Claim-Sub", "OIDC_CLAIM_email", "OIDC-Access-Token", "SM-User", "SM_UNIVERSALID", "Iv-User", "iv-groups", "Shib-Session-Id", "OAM-Remote-User",
	"Teleport-Jwt-Assertion", "Ajp-Remote-User", "Cf-Access-Authenticated-User-Email", "Cf-Access-Jwt-Assertion", "Tailscale-User-Login",
	"X-Envoy-External-Address", "X-Envoy-Internal", "X-Envoy-Original-Path", "Fastly-Client-IP", "True-Client-IP", "X-True-Client-IP",
	"CF-Connecting-IP", "CF-Connecting-IPv6", "Cf-Pseudo-IPv4", "Fly-Client-IP", "X-Azure-ClientIP", "Client-IP", "X-Client-IP", "X-Real-IP",
	"X-Cluster-Client-Ip", "X-Remote-Addr", "X-Remote-IP", "X-Originating-IP", "X-Original-Forwarded-For", "WL-Proxy-Client-IP",
	"X-Original-URL", "X-Original-URI", "X-Original-Method", "X-Rewrite-URL", "X-Host", "X-Scheme", "X-HTTP-Method", "X-HTTP-Method-Override",
	"X-Method-Override", "X-Request-Id", "Traceparent", "Tracestate", "Baggage",
	"SCRIPT_NAME", "PATH_INFO", "X-Script-Name", "X-Ingress-Path", "X-Waws-Unencoded-Url", "X-Matched-Path", "X-Now-Route-Matches", "X-Invoke-Path",
	"X-Middleware-Subrequest", "X-Middleware-Rewrite", "X-Sendfile-Type", "X-Accel-Mapping", "Proxy", "MS-ASPNETCORE-CLIENTCERT",
	"X-Apigateway-Event", "X-Amzn-Request-Context", "X-Auth-Email", "X-Auth-Roles", "X-Auth-Userid", "X-Auth-CouchDB-UserName",
	"X-Vouch-User", "X-Vouch-IdP-Claims-Email", "X-Proxy-User", "X-Proxy-Roles", "X-Proxy-Remote-User", "CAS-User", "Mellon-User", "kubeflow-userid",
}

// variable is what an upstream makes of a header's name that hands headers on as
// variables (RFC 3875 section 4.1.18, and servers that replace more than it asks).
func variable(name string) string {
	return strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' {
			return c
		}
		return '_'
	}, strings.ToUpper(name))
}

// oneIdentity is what the gateway says of each request of these tests.
var oneIdentity = map[string]string{
	"X_VIGIL_SUBJECT": "pseudonym", "X_VIGIL_ASSERTION": "signed", "X_FORWARDED_FOR": "203.0.113.9", "X_FORWARDED_PROTO": "https",
	"X_FORWARDED_HOST": "gateway.example", "FORWARDED": `for=203.0.113.9;host="gateway.example";proto=https`,
}

// seesOne fails where an upstream sees another identity than the gateway's, or one of
// its parts more or less than once. sent is what the client sent.
func seesOne(t *testing.T, h http.Header, sent string) {
	t.Helper()
	owned := make(map[string]bool)
	for _, n := range ownedNames {
		owned[variable(n)] = true
	}
	for name, values := range h {
		if v := variable(name); owned[v] && (len(values) != 1 || values[0] != oneIdentity[v]) {
			t.Fatalf("the upstream sees %s: %q of\n%s", name, values, sent)
		}
	}
	for name, want := range oneIdentity {
		found := 0
		for n := range h {
			if variable(n) == name {
				found++
			}
		}
		if found != 1 {
			t.Fatalf("%s is there %d times, want once as %q", name, found, want)
		}
	}
}

// An upstream sees exactly one identity, the gateway's, however a client spells
// its own: with other hyphens, in any case, several times, beside Connection.
func TestAnUpstreamSeesOneIdentity(t *testing.T) {
	seen := make(chan http.Header, 1)
	url, _ := upstream(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header })
	g := newRig(t, url)
	g.header = http.Header{"X-Vigil-Assertion": {"signed"}}
	random := rand.New(rand.NewPCG(1, 2)) // Not rapid: each case is a real request, and shrinking one takes minutes.
	// Each name comes in several spellings over the cases of each protocol; the channels
	// of the rig hold 100.
	next := func(i int) string { return spell(random, ownedNames[i%len(ownedNames)]) }
	const cases, each = 50, 14
	t.Run("over HTTP/1.1", func(t *testing.T) {
		for i := range cases {
			var lines strings.Builder
			for k := range each {
				name := next(i*each + k)
				fmt.Fprintf(&lines, "%s: forged\r\n", name)
				if random.IntN(2) == 0 {
					fmt.Fprintf(&lines, "Connection: %s\r\n", name)
				}
			}
			conn := g.dial(t)
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: gateway.example\r\n"+lines.String()+"Connection: close\r\n\r\n")
			seesOne(t, await(t, seen, "the request"), lines.String())
			_ = conn.Close()
			g.outcome(t)
		}
	})
	t.Run("over HTTP/2", func(t *testing.T) {
		client := g.client(t, true)
		for i := range cases {
			r := g.request(t, http.MethodGet, "/", "s", nil)
			r.Host = "gateway.example"
			for k := range each {
				r.Header[next(i*each+k)] = []string{"forged", "forged too"}[:1+random.IntN(2)]
			}
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body(t, res)
			if res.ProtoMajor != 2 {
				t.Fatalf("the request went over %s", res.Proto)
			}
			seesOne(t, await(t, seen, "the request"), fmt.Sprint(r.Header))
			g.outcome(t)
		}
	})
}

// Forwarded says the same as its older kin, whatever the host is called (RFC 7239).
func TestForwarded(t *testing.T) {
	for name, tt := range map[string]struct{ host, client, want string }{
		"a name":                     {"app.example", "203.0.113.9", `for=203.0.113.9;host="app.example";proto=https`},
		"a port needs quotes":        {"app.example:8443", "203.0.113.9", `for=203.0.113.9;host="app.example:8443";proto=https`},
		"version 6 needs brackets":   {"[2001:db8::1]", "2001:db8::9", `for="[2001:db8::9]";host="[2001:db8::1]";proto=https`},
		"an odd host is left out":    {`a";proto=http;x="`, "203.0.113.9", `for=203.0.113.9;proto=https`},
		"a list in it is left out":   {"a,for=6.6.6.6", "203.0.113.9", `for=203.0.113.9;proto=https`},
		"a client that nobody knows": {"app.example", "", `host="app.example";proto=https`},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := netip.ParseAddr(tt.client)
			if got := proxy.Forwarded(tt.host, "https", client); got != tt.want {
				t.Errorf("Forwarded: %s, want %s", got, tt.want)
			}
		})
	}
}

// spell writes a header's name in another way.
func spell(random *rand.Rand, name string) string {
	const hyphens = "-_.!#$%&'*+^`|~"
	return strings.Map(func(c rune) rune {
		switch {
		case c == '-':
			return rune(hyphens[random.IntN(len(hyphens))])
		case random.IntN(2) == 0:
			return unicode.ToLower(c)
		}
		return unicode.ToUpper(c)
	}, name)
}

// What an upstream says about its response is told, and not passed on.
func TestUpstreamLabelsItsResponse(t *testing.T) {
	for name, tt := range map[string]struct {
		label []string
		want  string
	}{
		"high":          {[]string{"high"}, "high"},
		"an empty word": {[]string{""}, ""},
		"another word":  {[]string{"secret"}, ""},
		"two labels":    {[]string{"low", "critical"}, ""},
		"none":          {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()[textproto.CanonicalMIMEHeaderKey("X-Vigil-Sensitivity")] = tt.label
			})
			g := newRig(t, url)
			res, err := g.client(t, false).Do(g.request(t, "GET", "/", "s", nil))
			if err != nil {
				t.Fatal(err)
			}
			body(t, res)
			if got := g.outcome(t).Sensitivity; got != tt.want {
				t.Errorf("sensitivity %q, want %q", got, tt.want)
			}
			if res.Header["X-Vigil-Sensitivity"] != nil {
				t.Errorf("the client is told %q", res.Header["X-Vigil-Sensitivity"])
			}
		})
	}
}
