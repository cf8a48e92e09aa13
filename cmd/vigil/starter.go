package main

import (
	"github.com/vigil-gateway/vigil/cmd/internal/config"
)

const analyzerHead = `Configuration of vigil-analyzer. Every key is here with its default behind a #;
what stands without # has no default and is yours to set. Environment variables
(VIGIL_ADMIN_ADDRESS for admin.address) win over this file, and --set wins over
both. Paths count from this file's folder.

  vigil config validate analyzer.yaml
  vigil-analyzer --config analyzer.yaml`

// roles are all kinds of configuration files.
func roles() []role {
	return []role{
		roleOf(config.RoleAnalyzer, config.DefaultAnalyzer(), config.AnalyzerWritten(), analyzerHead, map[string]string{
			"tenant_key_file":       "tenant.key",
			"kafka.brokers":         "[127.0.0.1:9092]",
			"keys.key_set_file":     "keys.jws",
			"keys.root_public_file": "root.pub.pem",
			"announce.key_file":     "analyzer.pem",
			"announce.kid":          "analyzer-1",
		}),
	}
}
