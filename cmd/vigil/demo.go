//go:build embedded

package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/demo"
	"github.com/vigil-gateway/vigil/cmd/internal/devstack"
)

const demoLong = `Watch ordinary users, attackers and what Vigil does about them.

The whole product runs as in "vigil up", in a directory of its own that is
removed at the end, with a sample identity provider and service, thirty days of
generated history of its users, and the risk model acting. Then attackers come:
a token stolen while its owner's live view is open, credential stuffing, a walk
through ids, an exfiltration. Who they are, where, when and in which order
follows from the seed, which is printed; the thresholds are those that everyone
gets.

Exit code 0 means: every attacker was stopped, no honest session was refused,
slowed down or cut, and ClickHouse has a row for each request that the clients
sent. Anything else is 1.`

// demoOptions are the flags of vigil demo.
type demoOptions struct {
	demo    demo.Options
	verbose bool
}

// newDemoCommand is the product at work.
func newDemoCommand(env app.Env) *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "Watch ordinary users, attackers and what Vigil does about them",
		Long:  demoLong,
		Example: `  vigil demo
  vigil demo --once -o json
  vigil demo --once --attackers 0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd, env, o) },
	}
	f := c.Flags()
	f.BoolVar(&o.demo.Once, "once", false, "end when the last attack has ended; otherwise ordinary work goes on until Ctrl-C")
	f.Uint64Var(&o.demo.Seed, "seed", 0, "repeat the demo of this seed; 0 takes a new one")
	f.IntVar(&o.demo.Attackers, "attackers", 4, "number of attackers, 0 to 16")
	f.IntVar(&o.demo.Users, "users", 50, "number of ordinary users, 10 to 500")
	f.StringSliceVar(&o.demo.Kafka, "kafka", nil, "brokers of a Kafka cluster to use instead of the embedded one")
	f.StringVar(&o.demo.Library, "chdb", "", "path of libchdb.so; without it the one that \"make engines\" fetched")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log more")
	return c
}

func (o demoOptions) validate() error {
	switch {
	case o.demo.Attackers < 0 || o.demo.Attackers > 16:
		return app.Usage("--attackers: must be between 0 and 16, is %d", o.demo.Attackers)
	case o.demo.Users < 10 || o.demo.Users > 500:
		return app.Usage("--users: must be between 10 and 500, is %d", o.demo.Users)
	}
	return nil
}

func runDemo(c *cobra.Command, env app.Env, o demoOptions) error {
	err := o.validate()
	if err != nil {
		return err
	}
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	o.demo.Library, err = devstack.FindLibrary(o.demo.Library)
	if err != nil {
		return usageIfAsked(err)
	}
	o.demo.Logger = stackLogger(env.Stderr, o.verbose)
	o.demo.Text = env.Stdout
	if asJSON {
		o.demo.Text, o.demo.JSON = env.Stderr, env.Stdout
	}
	if o.demo.Seed == 0 {
		var b [4]byte
		_, _ = rand.Read(b[:]) // Never fails; see its documentation.
		o.demo.Seed = uint64(binary.BigEndian.Uint32(b[:])) + 1
	}
	o.demo.Dir, err = os.MkdirTemp("", "vigil-demo-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	sum, err := demo.Run(c.Context(), o.demo)
	err = errors.Join(err, os.RemoveAll(o.demo.Dir))
	switch {
	case errors.Is(err, context.Canceled):
		return nil
	case err != nil:
		return err
	case !sum.OK():
		return app.Findings()
	}
	return nil
}
