package topics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// Errors that a caller may act on.
var (
	// ErrUnreachable means that no broker answered.
	ErrUnreachable = errors.New("kafka is not reachable")
	// ErrMismatch means that existing topics are not as they have to be.
	ErrMismatch = errors.New("kafka topics are not as they have to be")
)

// requestTimeout bounds each request; a cluster that needs longer to create a
// topic has other troubles.
const requestTimeout = 10 * time.Second

// Options say where the topics should be, and which.
type Options struct {
	// Brokers are the addresses of the cluster, host:port, at least one.
	Brokers []string
	// Access says how they are reached and as whom; nil is plain text, as nobody.
	Access *access.Access
	// Prefix stands in front of each topic's name.
	Prefix string
	// Specs are the topics, usually topic.All.
	Specs []topic.Spec
	// Replicas is the replication factor of new topics; 0 is the cluster's default.
	Replicas int
}

// State is what Plan found.
type State struct {
	// Missing are the topics to create, with prefix and final number of partitions.
	Missing []topic.Spec
	// Partitions are the numbers of partitions of the topics that exist, by
	// name without prefix.
	Partitions map[string]int
	// Faults wrap [ErrMismatch]: nil where everything that exists is right.
	Faults error
}

// Plan compares the cluster with the specs and changes nothing. The error
// wraps [ErrUnreachable] where nobody answered.
func Plan(ctx context.Context, o Options) (State, error) {
	c, done := connect(o)
	defer done()
	return plan(ctx, c, o)
}

// Ensure creates what is missing and checks what exists. It returns the names
// of the topics that it created. The error wraps [ErrUnreachable] or
// [ErrMismatch], or names the topics that the cluster refused to create.
func Ensure(ctx context.Context, o Options) (created []string, err error) {
	c, done := connect(o)
	defer done()
	st, err := plan(ctx, c, o)
	if err != nil {
		return nil, err
	}
	if st.Faults != nil {
		return nil, st.Faults
	}
	if len(st.Missing) == 0 {
		return nil, nil
	}
	created, err = create(ctx, c, st.Missing, o)
	if err != nil {
		return created, err
	}
	st, err = plan(ctx, c, o)
	if err != nil {
		return created, err
	}
	for _, s := range st.Missing {
		st.Faults = errors.Join(st.Faults, fmt.Errorf("topic %s: created, but not there: %w", s.Name, ErrMismatch))
	}
	return created, st.Faults
}

// connect returns a client and what closes its connections.
func connect(o Options) (*kafka.Client, func()) {
	t := o.Access.Transport("vigil-topics")
	t.DialTimeout = requestTimeout
	return &kafka.Client{Addr: kafka.TCP(o.Brokers...), Transport: t, Timeout: requestTimeout}, t.CloseIdleConnections
}

func plan(ctx context.Context, c *kafka.Client, o Options) (State, error) {
	st := State{Partitions: make(map[string]int)}
	md, err := c.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return st, fmt.Errorf("%w at %s: %w", ErrUnreachable, strings.Join(o.Brokers, ", "), o.Access.Explain(err, "", ""))
	}
	for _, s := range o.Specs {
		for _, t := range md.Topics {
			if t.Name == o.Prefix+s.Name && t.Error == nil {
				st.Partitions[s.Name] = len(t.Partitions)
			}
		}
	}
	together, fault := partitions(st.Partitions, o.Prefix)
	faults := []error{fault}
	for _, s := range o.Specs {
		if _, there := st.Partitions[s.Name]; there {
			continue
		}
		if together > 0 && slices.Contains(equal(), s.Name) {
			s.Partitions = together
		}
		s.Name = o.Prefix + s.Name
		st.Missing = append(st.Missing, s)
	}
	wrong, err := policies(ctx, c, o, st)
	if err != nil {
		return st, err
	}
	st.Faults = errors.Join(append(faults, wrong...)...)
	return st, nil
}

// equal are the topics that need the same number of partitions: what is judged
// from one partition of the first is written to the same one of the others.
func equal() []string { return []string{topic.Requests, topic.Assessments, topic.Verdicts} }

// partitions returns how many partitions the topics have that need the same
// number, 0 where none exists.
func partitions(have map[string]int, prefix string) (int, error) {
	together, first := 0, ""
	for _, name := range equal() {
		n, there := have[name]
		switch {
		case !there:
		case together == 0:
			together, first = n, name
		case n != together:
			return together, fmt.Errorf("topic %s has %d partitions, %s has %d: give them the same number (kafka-topics --alter --partitions) and restart: %w",
				prefix+name, n, prefix+first, together, ErrMismatch)
		}
	}
	return together, nil
}

// policies compares the clean-up policy of each existing topic: a compacted
// topic that deletes forgets verdicts, the other way round fills the disk.
func policies(ctx context.Context, c *kafka.Client, o Options, st State) ([]error, error) {
	const policy = "cleanup.policy"
	req := &kafka.DescribeConfigsRequest{}
	want := make(map[string]string)
	for _, s := range o.Specs {
		if _, there := st.Partitions[s.Name]; there {
			want[o.Prefix+s.Name] = s.Config()[policy]
			req.Resources = append(req.Resources, kafka.DescribeConfigRequestResource{
				ResourceType: kafka.ResourceTypeTopic, ResourceName: o.Prefix + s.Name, ConfigNames: []string{policy},
			})
		}
	}
	if len(req.Resources) == 0 {
		return nil, nil
	}
	res, err := c.DescribeConfigs(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", o.Access.Explain(err, access.DescribeConfigs, "topic "+o.Prefix+access.Prefix+"*"))
	}
	var faults []error
	for _, r := range res.Resources {
		if r.Error != nil {
			continue // Not allowed to look: whoever made the topics by hand answers for them.
		}
		for _, e := range r.ConfigEntries {
			if e.ConfigName == policy && e.ConfigValue != want[r.ResourceName] {
				faults = append(faults, fmt.Errorf("topic %s has %s=%s, needs %s: %w",
					r.ResourceName, policy, e.ConfigValue, want[r.ResourceName], ErrMismatch))
			}
		}
	}
	return faults, nil
}

// create creates topics; one that somebody else has created meanwhile is fine.
func create(ctx context.Context, c *kafka.Client, specs []topic.Spec, o Options) ([]string, error) {
	replicas := o.Replicas
	if replicas == 0 {
		replicas = -1
	}
	req := &kafka.CreateTopicsRequest{}
	for _, s := range specs {
		t := kafka.TopicConfig{Topic: s.Name, NumPartitions: s.Partitions, ReplicationFactor: replicas}
		for name, value := range s.Config() {
			t.ConfigEntries = append(t.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
		}
		req.Topics = append(req.Topics, t)
	}
	res, err := c.CreateTopics(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("create topics: %w", err)
	}
	var (
		created []string
		errs    []error
	)
	for _, s := range specs {
		err := res.Errors[s.Name]
		switch {
		case err == nil:
			created = append(created, s.Name)
		case !errors.Is(err, kafka.TopicAlreadyExists):
			errs = append(errs, fmt.Errorf("create topic %s: %w", s.Name, o.Access.Explain(err, access.Create, "topic "+s.Name)))
		}
	}
	return created, errors.Join(errs...)
}
