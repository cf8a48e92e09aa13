// Command vigil-gateway is the policy enforcement point: it stands in front of
// services, emits an event for every request and cuts what a verdict ends.
package main

import (
	"os"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
)

func main() {
	os.Exit(app.Main(app.OSEnv(), newCommand))
}
