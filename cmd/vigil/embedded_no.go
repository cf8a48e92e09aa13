//go:build !embedded

package main

import (
	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
)

// embedded says whether this build has the engines that up and demo run on.
const embedded = false

func newUpCommand(app.Env) *cobra.Command {
	return withoutEngines("up", "Run gateway, analyzer, Kafka and ClickHouse in one process")
}

func newDemoCommand(app.Env) *cobra.Command {
	return withoutEngines("demo", "Watch ordinary users, attackers and what Vigil does about them")
}

func newAttackCommand(app.Env) *cobra.Command {
	return withoutEngines("attack", "Attack the invented users of vigil up and measure what was got")
}

func newBenchAttacksCommand(app.Env) *cobra.Command {
	return withoutEngines("attacks", "Measure what attackers get before they are stopped")
}

func newBenchGatewayCommand(app.Env) *cobra.Command {
	return withoutEngines("gateway", "Measure the gateway beside HAProxy, nginx and Envoy")
}

// withoutEngines is a command that says how to get a build that can run it.
func withoutEngines(name, short string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short,
		DisableFlagParsing: true, // Any flag gets the same answer.
		RunE: func(*cobra.Command, []string) error {
			return app.Usage("this build has no embedded engines; \"make build\" in the source makes bin/vigil with them")
		},
	}
}
