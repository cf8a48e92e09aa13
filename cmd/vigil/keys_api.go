package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/keys"
	"github.com/vigil-gateway/vigil/gateway/identity"
)

// apiKeyOptions are the flags of vigil keys api.
type apiKeyOptions struct {
	entry        identity.APIKey
	file, pepper string
	lasts        time.Duration
}

// newKeysAPICommand draws an API key.
func newKeysAPICommand(env app.Env) *cobra.Command {
	var o apiKeyOptions
	c := &cobra.Command{
		Use:   "api ID",
		Short: "Draw an API key, keep its hash in a file and print the key this once",
		Long: `Draw an API key, ID.SECRET, for a subject. Its hash goes to the end of a file
that gateways read under identity.api_keys.keys_file, and again when it changes; the
key itself is printed and kept nowhere. The hash is made with a pepper, a file of
its own, which is made where it is missing and must be the same on every gateway.
To take a key back, take its line out of the file.`,
		Example: "  vigil keys api vk_billing --subject billing --scope orders:read --file api-keys.json --pepper-file pepper",
		Args:    oneArg("the id of the key, the part before its dot"),
		RunE: func(c *cobra.Command, args []string) error {
			o.entry.ID = args[0]
			return drawAPIKey(c, env, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.file, "file", "api-keys.json", "the file of API keys")
	f.StringVar(&o.pepper, "pepper-file", "pepper", "the file of the pepper")
	f.StringVar(&o.entry.Subject, "subject", "", "who acts with the key (needed)")
	f.StringVar(&o.entry.Tenant, "tenant", "", "the tenant of the subject (default: default)")
	f.StringVar(&o.entry.Kind, "kind", "", "human, service or agent (default: service)")
	f.StringArrayVar(&o.entry.Scopes, "scope", nil, "a scope that the key has; may be repeated")
	durationVar(f, &o.lasts, "for", 90*24*time.Hour, "how long the key lasts, such as 30d")
	return c
}

// drawAPIKey appends the entry before it prints the key: a key that is nowhere
// in the file is of no use to anybody.
func drawAPIKey(c *cobra.Command, env app.Env, o apiKeyOptions) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	if o.entry.Subject == "" || o.lasts <= 0 {
		return app.Usage("--subject is needed, and --for must be positive")
	}
	err = keys.EnsureSecret(o.pepper)
	if err != nil {
		return fmt.Errorf("pepper: %w", err)
	}
	pepper, err := identity.ReadPepper(o.pepper)
	if err != nil {
		return fmt.Errorf("pepper: %w", err)
	}
	o.entry.Issued = env.Now().UTC().Truncate(time.Second)
	o.entry.Expires = o.entry.Issued.Add(o.lasts)
	key, entry, err := identity.NewAPIKey(pepper, o.entry)
	if err != nil {
		return app.Usage("%w", err)
	}
	err = appendEntry(o.file, entry)
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(env.Stdout, struct {
			Key   string          `json:"key"`
			Entry identity.APIKey `json:"entry"`
		}{key, entry})
	}
	_, err = fmt.Fprintln(env.Stdout, key)
	return err
}

// appendEntry writes one line in one piece, so that a gateway that reads at the
// time finds it whole or not at all.
func appendEntry(name string, entry identity.APIKey) error {
	line, err := json.Marshal(entry)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // The operator names the file.
	if err != nil {
		return fmt.Errorf("keep key: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	closed := f.Close()
	if err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("keep key: %w", err)
	}
	return nil
}
