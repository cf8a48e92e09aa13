package main

import (
	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/topics"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// addAccessFlags lets a command say how Kafka is reached and as whom.
func addAccessFlags(c *cobra.Command, to *access.Config) {
	f := c.PersistentFlags()
	f.StringVar(&to.TLS.CAFile, "kafka-ca-file", "", "certificates that the brokers are verified against (PEM); without it, plain text")
	f.StringVar(&to.TLS.CertFile, "kafka-cert-file", "", "certificate that is shown to them (PEM)")
	f.StringVar(&to.TLS.KeyFile, "kafka-key-file", "", "its key (PEM)")
	f.StringVar(&to.TLS.ServerName, "kafka-server-name", "", "name in the brokers' certificates where it is not the one that is dialled")
	f.StringVar(&to.SASL.Mechanism, "kafka-sasl-mechanism", "", "SCRAM-SHA-256, SCRAM-SHA-512 or PLAIN")
	f.StringVar(&to.SASL.Username, "kafka-username", "", "name of the principal")
	f.StringVar(&to.SASL.PasswordFile, "kafka-password-file", "", "file of its password")
}

// openAccess reads the files that the flags name.
func openAccess(env app.Env, c access.Config) (*access.Access, error) {
	via, err := access.Open(c, tlsfile.Options{Now: env.Now})
	if err != nil {
		return nil, app.Usage("kafka: %w", err)
	}
	return via, nil
}

// newACLCommand prints the grants that least privilege takes.
func newACLCommand(env app.Env) *cobra.Command {
	p := make(map[access.Role]*[]string)
	c := &cobra.Command{
		Use:   "acl",
		Short: "Print what each part may do in Kafka, as a script of kafka-acls.sh",
		Long: `Print what each part of Vigil may do in Kafka and nothing else, as a shell script
that runs Kafka's own kafka-acls.sh. It reaches no broker.

A gateway writes what it saw and follows verdicts; only analyzers write verdicts.
Give each gateway a principal of its own, so that one can be shut out alone.`,
		Example: "  vigil topics acl --gateway User:gateway-1,User:gateway-2 --analyzer User:analyzer >acls.sh",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			all := make(topics.Principals)
			for role, names := range p {
				all[role] = *names
			}
			text, err := topics.Script(all)
			if err != nil {
				return app.Usage("%w", err)
			}
			say(env.Stdout, "%s", text)
			return nil
		},
	}
	for _, role := range access.Roles() {
		p[role] = c.Flags().StringSlice(string(role), []string{"User:" + string(role)}, "principals of this role; empty for none")
	}
	return c
}
