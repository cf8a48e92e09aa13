package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/keys"
)

// newKeysCommand makes the keys of an installation.
func newKeysCommand(env app.Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "keys",
		Short: "Make the keys and secrets of an installation",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(&cobra.Command{
		Use:   "init DIR",
		Short: "Make what is missing in DIR; what is there is never replaced",
		Long: `Make the keys and secrets of an installation in DIR.

keys/root.pem signs the key set and is needed for nothing else: take it offline.
Gateways get keys/keys.jws, keys/root.pub.pem, secrets/tenant.key and
secrets/admin-token; the analyzer also keys/analyzer.pem and
secrets/clickhouse-password; operators get keys/operator.pem.`,
		Example: "  vigil keys init deploy/compose/installation",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			asJSON, err := wantsJSON(c)
			if err != nil {
				return err
			}
			files, err := keys.Init(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(env.Stdout, files)
			}
			for _, f := range []struct{ file, use string }{
				{files.TenantKey, "gateways, analyzers: names become pseudonyms under it"},
				{files.AdminToken, "gateways, analyzers, operators: opens the admin ports"},
				{files.ClickHousePassword, "analyzers"},
				{files.KeySet, "gateways, analyzers: public keys, signed by the root"},
				{files.RootPublic, "gateways, analyzers"},
				{files.AnalyzerKey, "analyzers: signs verdicts, id " + keys.AnalyzerKid},
				{files.OperatorKey, "operators: signs their verdicts, id " + keys.OperatorKid},
				{files.RootKey, "nobody: take it offline"},
			} {
				_, err = fmt.Fprintf(env.Stdout, "%-50s %s\n", f.file, f.use)
				if err != nil {
					return err
				}
			}
			return nil
		},
	})
	return c
}
