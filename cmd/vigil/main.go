package main

import (
	"os"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
)

func main() {
	os.Exit(app.Main(app.OSEnv(), newRootCommand))
}
