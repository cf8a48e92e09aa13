package main

import (
	"github.com/vigil-gateway/vigil/cmd/internal/config"
)

const analyzerHead = `Configuration of vigil-analyzer. Every key is here with its default behind a #;
what stands without # has no default and is yours to set. Environment variables
(VIGIL_ADMIN_ADDRESS for admin.address) win over this file, and --set wins over
both. Paths count from this file's folder.

  vigil keys init .
  vigil config validate analyzer.yaml
  vigil-analyzer --config analyzer.yaml`

const gatewayHead = `Configuration of vigil-gateway. Every key is here with its default behind a #;
what stands without # has no default and is yours to set. Environment variables
(VIGIL_LISTEN_ADDRESS for listen.address) win over this file, and --set wins
over both. Paths count from this file's folder.

  vigil keys init .
  vigil config validate gateway.yaml
  vigil-gateway --config gateway.yaml`

const exampleRoutes = `- id: health
  path: /healthz
  methods: [GET]
  upstream: http://127.0.0.1:3000
  public: true
- id: sign-in
  path: /login
  methods: [POST]
  upstream: http://127.0.0.1:3000
  public: true
  sign_in:
    account: json:username
- id: accounts
  path: /accounts/{id}
  upstream: http://127.0.0.1:3000
  scopes: [accounts]
  sensitivity: high
- id: everything-else
  path: /{rest...}
  upstream: http://127.0.0.1:3000`

const exampleIssuers = `- issuer: https://idp.example.com
  audiences: [vigil]`

// roles are all kinds of configuration files.
func roles() []role {
	return []role{
		roleOf(config.RoleGateway, config.DefaultGateway(), config.GatewayWritten(), gatewayHead, map[string]string{
			"id":                    "gateway-1",
			"tenant_key_file":       "secrets/tenant.key",
			"kafka.brokers":         "[127.0.0.1:9092]",
			"keys.key_set_file":     "keys/keys.jws",
			"keys.root_public_file": "keys/root.pub.pem",
			"routes":                exampleRoutes,
			"identity.issuers":      exampleIssuers,
			"revoke.dir":            "state",
		}),
		roleOf(config.RoleAnalyzer, config.DefaultAnalyzer(), config.AnalyzerWritten(), analyzerHead, map[string]string{
			"tenant_key_file":       "secrets/tenant.key",
			"kafka.brokers":         "[127.0.0.1:9092]",
			"keys.key_set_file":     "keys/keys.jws",
			"keys.root_public_file": "keys/root.pub.pem",
			"announce.key_file":     "keys/analyzer.pem",
			"announce.kid":          "analyzer-1",
		}),
	}
}
