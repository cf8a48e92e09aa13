// Command vigil-analyzer is the policy decision point: it scores every event
// that gateways emit and answers with signed verdicts.
package main

import (
	"os"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
)

func main() {
	os.Exit(app.Main(app.OSEnv(), newCommand))
}
