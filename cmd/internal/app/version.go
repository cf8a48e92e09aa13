package app

import (
	"runtime/debug"
)

// version is set by the linker: -X github.com/vigil-gateway/vigil/cmd/internal/app.version=v1.2.3.
var version string

// Build says what a binary was made from.
type Build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"time,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// Embedded is true where the binary can run vigil up and vigil demo.
	Embedded bool `json:"embedded"`
}

// Version reads the linker's and the toolchain's notes in the binary.
func Version() Build {
	b := Build{Version: version}
	bi, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Go = bi.GoVersion
	var system, arch string
	for _, s := range bi.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "GOOS":
			system = s.Value
		case "GOARCH":
			arch = s.Value
		}
	}
	b.Platform = system + "/" + arch
	if b.Version == "" {
		b.Version = bi.Main.Version
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "unknown"
	}
	return b
}
