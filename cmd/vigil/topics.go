package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/topics"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// partitionsDefault is the number of partitions of vigil.requests where nobody
// says otherwise: three times two analyzers.
const partitionsDefault = 6

// newTopicsCommand keeps the topics in Kafka.
func newTopicsCommand(env app.Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "topics",
		Short: "Plan and make the topics in Kafka",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var o topics.Options
	var how access.Config
	var partitions int
	c.PersistentFlags().StringSliceVar(&o.Brokers, "kafka", []string{"127.0.0.1:9092"}, "brokers to begin with, host:port")
	addAccessFlags(c, &how)
	c.PersistentFlags().IntVar(&partitions, "partitions", partitionsDefault, "partitions of vigil.requests, vigil.assessments and vigil.verdicts")
	c.PersistentFlags().IntVar(&o.Replicas, "replicas", 1, "replicas of each partition")
	c.AddCommand(
		&cobra.Command{
			Use: "plan", Short: "List what is missing or not as it has to be", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				var err error
				o.Access, err = openAccess(env, how)
				if err != nil {
					return err
				}
				o.Specs = topic.All(partitions)
				state, err := topics.Plan(c.Context(), o)
				if err != nil {
					return reached(err)
				}
				for _, m := range state.Missing {
					say(env.Stdout, "missing  %-22s %d partitions\n", m.Name, m.Partitions)
				}
				if state.Faults != nil {
					sayln(env.Stdout, state.Faults)
				}
				if len(state.Missing) > 0 || state.Faults != nil {
					return app.Findings()
				}
				sayln(env.Stderr, "every topic is there as it has to be")
				return nil
			},
		},
		&cobra.Command{
			Use: "apply", Short: "Make what is missing", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				var err error
				o.Access, err = openAccess(env, how)
				if err != nil {
					return err
				}
				o.Specs = topic.All(partitions)
				created, err := topics.Ensure(c.Context(), o)
				for _, name := range created {
					say(env.Stdout, "made %s\n", name)
				}
				if err == nil && len(created) == 0 {
					sayln(env.Stderr, "every topic was there already")
				}
				return reached(err)
			},
		},
		newACLCommand(env),
	)
	return c
}

// reached turns "nobody answers" into its exit code.
func reached(err error) error {
	if errors.Is(err, topics.ErrUnreachable) {
		return app.Unreachable(err)
	}
	return err
}
