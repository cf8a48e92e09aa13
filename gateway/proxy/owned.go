package proxy

import (
	"net/http"
	"net/netip"
	"strings"
)

// owned are the headers that only the gateway may set: those by which some proxy,
// platform or server tells an upstream who asks or from where, whether the gateway sets
// them itself or not; those that would change path or method after they were authorised,
// or pass by who authorises them there; and those that lead an upstream elsewhere. An
// upstream that believes one believes a client otherwise. Spelled as spelled does.
func owned(name string) bool {
	if strings.HasPrefix(name, "x-") {
		return ownedX(name[len("x-"):])
	}
	for _, p := range [...]string{
		"remote-", "ssl-client-", "cf-access-", "tailscale-user-", // Web servers, Authelia; nginx; Cloudflare Access; Tailscale.
		"client-cert", "cf-connecting-", // RFC 9440; Cloudflare.
		"oidc-", "shib-", "sm-", "iv-", "oam-", "ajp-", "teleport-jwt-", // mod_auth_openidc, Shibboleth, SiteMinder, WebSEAL, Oracle, Tomcat, Teleport.
		"ms-aspnetcore-", "mellon-", // IIS; mod_auth_mellon.
	} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	switch name {
	case "forwarded", "forwarded-for", "client-ip", "true-client-ip", "fastly-client-ip", "fly-client-ip", "cf-pseudo-ipv4", "proxy-client-ip", "wl-proxy-client-ip",
		"dpop",                     // A proof is for us alone.
		"script-name", "path-info", // Gunicorn takes the first off the path, and lets whoever is near set both.
		"proxy", // By which CGI programs would send out their own requests (CVE-2016-5385).
		"traceparent", "tracestate", "baggage", "front-end-https", "auth-user", "authenticated-user",
		"cas-user", "kubeflow-userid":
		return true
	}
	return false
}

// ownedX is owned for a name without the x- in front.
func ownedX(name string) bool {
	for _, p := range [...]string{
		"vigil-", "forwarded-", "original-", "rewrite-", "envoy-",
		"auth-request-", "authenticated-", "remote-", "webauth-", // oauth2-proxy; Kong and others; Kubernetes; Grafana.
		"ssl-", "client-cert", "client-dn", "client-verify", "tls-client-", "arr-clientcert", "amzn-mtls-", // Whoever ends TLS.
		"goog-authenticated-user-", "goog-iap-", "amzn-oidc-", "ms-client-principal", "ms-token-", "appengine-", "apigateway-", // Clouds.
		"pomerium-", "authentik-", "vouch-", "consumer-", "credential-", // Identity-aware proxies; Kong.
		"auth-couchdb-", "proxy-remote-", // CouchDB; web servers before applications.
		"middleware-", "invoke-", // Next.js (CVE-2025-29927).
	} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	switch name {
	case "forwarded", "real-ip", "client-ip", "cluster-client-ip", "originating-ip", "proxyuser-ip", "true-client-ip", "nf-client-connection-ip", "azure-clientip", "azure-socketip",
		"user", "user-id", "user-name", "user-email", "user-groups", "user-roles", "username", "userinfo", "auth-user", "anonymous-consumer",
		"auth-audience", "auth-email", "auth-groups", "auth-roles", "auth-subject", "auth-userid", "auth-username", // Gatekeeper.
		"proxy-user", "proxy-roles", // OpenSearch.
		"endpoint-api-userinfo", "jwt-assertion", "jwt-payload",
		"amzn-request-context", "amzn-lambda-context",
		"request-id", "host", "override-url", "url-scheme", "scheme",
		"script-name", "ingress-path", "waws-unencoded-url", "matched-path", "now-route-matches", // Flask and others; Home Assistant; Azure; Next.js.
		"sendfile-type", "accel-mapping", // Rack (CVE-2025-61780).
		"http-method", "http-method-override", "method-override":
		return true
	}
	return false
}

// forwarded is what the gateway says of a request in the words of RFC 7239: for, host
// and proto of the one hop that it has seen. A host that needs more than its quotes is
// left out: who reads the header might read another one.
func forwarded(r *http.Request, proto string, client netip.Addr) string {
	b := make([]byte, 0, 96)
	if client.IsValid() {
		b = append(b, "for="...)
		if client.Is4() {
			b = client.AppendTo(b)
		} else {
			b = append(b, `"[`...)
			b = client.WithZone("").AppendTo(b)
			b = append(b, `]"`...)
		}
		b = append(b, ';')
	}
	if plainHost(r.Host) {
		b = append(b, `host="`...)
		b = append(b, r.Host...)
		b = append(b, `";`...)
	}
	b = append(b, "proto="...)
	b = append(b, proto...)
	return string(b)
}

// plainHost reports whether a host has only what names, addresses and ports are made of.
func plainHost(host string) bool {
	for i := range len(host) {
		c := host[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_', c == ':', c == '[', c == ']':
		default:
			return false
		}
	}
	return host != ""
}
