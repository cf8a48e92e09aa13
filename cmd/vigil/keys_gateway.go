package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/keys"
)

// newKeysGatewayCommand makes the key by which a gateway seals what it writes.
func newKeysGatewayCommand(env app.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "gateway DIR ID",
		Short: "Make the key of a gateway and list it in the key set",
		Long: `Make the key by which gateway ID seals what it writes to vigil.requests, and list
it in the key set of DIR, which takes keys/root.pem there.

Roll it out so that nothing is refused on the way: first the gateway gets the new
keys.jws and keys/gateway-ID.pem (emit.key_file), then the analyzers get keys.jws.
From then on nothing is believed without a seal, of any gateway. Where others have
no key yet, set ingest.unsigned: mark first, and auto again when the last one has one.

To replace a gateway's key, move keys/gateway-ID.pem away and run this again. Once the
new key has sealed something, the old one is believed no longer.`,
		Example: "  vigil keys gateway deploy/compose/installation gateway-1",
		Args:    exactArgs("DIR, of the installation, and ID, of the gateway", 2),
		RunE: func(c *cobra.Command, args []string) error {
			asJSON, err := wantsJSON(c)
			if err != nil {
				return err
			}
			added, err := keys.AddGateway(args[0], args[1], env.Now())
			if errors.Is(err, keys.ErrRootOffline) {
				return app.Usage("%w: bring it back for this command, then take it offline again", err)
			}
			if err != nil {
				return err
			}
			file, set := keys.GatewayKey(args[0], args[1]), keys.In(args[0]).KeySet
			if asJSON {
				return writeJSON(env.Stdout, map[string]any{"added": added, "key": file, "key_set": set})
			}
			done := "kept"
			if added {
				done = "made"
			}
			say(env.Stdout, "%s  %-50s gateway %s: emit.key_file\n%s  %-50s gateways first, then analyzers\n", done, file, args[1], done, set)
			return nil
		},
	}
}
