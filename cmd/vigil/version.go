package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
)

// newVersionCommand says what this binary was made from.
func newVersionCommand(env app.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say what this binary was made from",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			asJSON, err := wantsJSON(c)
			if err != nil {
				return err
			}
			b := app.Version()
			b.Embedded = embedded
			if asJSON {
				return writeJSON(env.Stdout, b)
			}
			engines := "without embedded engines"
			if b.Embedded {
				engines = "with embedded engines"
			}
			_, err = fmt.Fprintf(env.Stdout, "vigil %s (%s, %s, %s)\n", b.Version, b.Go, b.Platform, engines)
			return err
		},
	}
}
