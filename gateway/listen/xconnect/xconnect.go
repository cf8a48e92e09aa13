package xconnect

import (
	"os"
	"strings"
)

const (
	variable = "GODEBUG"
	name     = "http2xconnect="
)

//nolint:gochecknoinits // The only moment before net/http has looked.
func init() {
	value := os.Getenv(variable) //nolint:forbidigo // Where net/http looks, and nobody else can say it.
	if strings.Contains(value, name) {
		return // The operator has spoken.
	}
	if value != "" {
		value += ","
	}
	_ = os.Setenv(variable, value+name+"1") // Without it WebSockets take HTTP/1.1, as they do everywhere else.
}
