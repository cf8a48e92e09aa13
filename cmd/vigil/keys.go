package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/keys"
)

// newKeysCommand makes the keys of an installation.
func newKeysCommand(env app.Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "keys",
		Short: "Make, rotate and check the keys of an installation",
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
		Args:    oneArg("the directory of the installation"),
		RunE: func(c *cobra.Command, args []string) error {
			asJSON, err := wantsJSON(c)
			if err != nil {
				return err
			}
			there := make(map[string]bool)
			list := keyUses(keys.In(args[0]))
			for _, f := range list {
				_, err = os.Stat(f.file)
				there[f.file] = err == nil
			}
			files, err := keys.Init(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(env.Stdout, files)
			}
			for _, f := range list {
				done := "made"
				if there[f.file] {
					done = "kept"
				}
				_, err = fmt.Fprintf(env.Stdout, "%s  %-50s %s\n", done, f.file, f.use)
				if err != nil {
					return err
				}
			}
			return nil
		},
	}, newKeysRotateCommand(env), newKeysResignCommand(env), newKeysShowCommand(env), newKeysVerifyCommand(env), newKeysGatewayCommand(env), newKeysAPICommand(env))
	return c
}

// keyUse is a file of an installation and who needs it.
type keyUse struct{ file, use string }

func keyUses(files keys.Files) []keyUse {
	return []keyUse{
		{files.TenantKey, "gateways, analyzers: names become pseudonyms under it"},
		{files.AdminToken, "gateways, analyzers, operators: opens the admin ports"},
		{files.ClickHousePassword, "analyzers"},
		{files.KeySet, "gateways, analyzers: public keys, signed by the root"},
		{files.RootPublic, "gateways, analyzers"},
		{files.AnalyzerKey, "analyzers: signs verdicts, id " + keys.AnalyzerKid},
		{files.OperatorKey, "operators: signs their verdicts, id " + keys.OperatorKid},
		{files.RootKey, "nobody: take it offline"},
	}
}
