package topics_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"go.uber.org/goleak"

	"github.com/vigil-gateway/vigil/cmd/internal/topics"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker/brokertest"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// empty starts a broker without topics.
func empty(t *testing.T) (addr string) {
	t.Helper()
	b, err := broker.Start(broker.Options{Topics: []topic.Spec{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b.Addr()
}

func names(specs []topic.Spec) []string {
	var all []string
	for _, s := range specs {
		all = append(all, s.Name)
	}
	return all
}

// create makes a topic behind Ensure's back.
func create(t *testing.T, addr, name string, partitions int, policy string) {
	t.Helper()
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(addr), Transport: tr}
	res, err := c.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: name, NumPartitions: partitions, ReplicationFactor: 1,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "cleanup.policy", ConfigValue: policy}},
	}}})
	if err != nil || res.Errors[name] != nil {
		t.Fatal(err, res)
	}
}

func checkEnsure(ctx context.Context, t *testing.T, addr string) {
	t.Helper()
	o := topics.Options{Brokers: []string{addr}, Specs: topic.All(3), Prefix: "test.", Replicas: 1}
	st, err := topics.Plan(ctx, o)
	if err != nil || st.Faults != nil || len(st.Missing) != len(o.Specs) {
		t.Fatalf("Plan() = %+v, %v; want every topic missing", st, err)
	}
	created, err := topics.Ensure(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	want := names(o.Specs)
	for i := range want {
		want[i] = "test." + want[i]
	}
	if diff := cmp.Diff(want, created); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	created, err = topics.Ensure(ctx, o)
	if err != nil || len(created) != 0 {
		t.Errorf("second Ensure() = %v, %v; want nothing to do", created, err)
	}
	st, err = topics.Plan(ctx, o)
	if err != nil || st.Faults != nil || len(st.Missing) != 0 || st.Partitions[topic.Verdicts] != 3 || st.Partitions[topic.Control] != 1 {
		t.Errorf("Plan() = %+v, %v", st, err)
	}
}

func TestEnsureCreatesWhatIsMissing(t *testing.T) {
	checkEnsure(t.Context(), t, empty(t))
}

func TestEnsureOnApacheKafka(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Apache Kafka")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	a := brokertest.Apache(ctx, t)
	checkEnsure(ctx, t, a.Addr())
}

func TestNewTopicsTakeThePartitionsOfThoseThatExist(t *testing.T) {
	addr := empty(t)
	create(t, addr, topic.Requests, 5, "delete")
	o := topics.Options{Brokers: []string{addr}, Specs: topic.All(3)}
	_, err := topics.Ensure(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	st, err := topics.Plan(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if st.Partitions[topic.Verdicts] != 5 || st.Partitions[topic.Assessments] != 5 || st.Partitions[topic.Facets] != 3 {
		t.Errorf("partitions = %v", st.Partitions)
	}
}

func TestEveryFaultIsNamed(t *testing.T) {
	addr := empty(t)
	create(t, addr, topic.Requests, 5, "delete")
	create(t, addr, topic.Assessments, 4, "delete")
	create(t, addr, topic.Verdicts, 5, "delete")
	create(t, addr, topic.Cuts, 1, "compact")
	created, err := topics.Ensure(t.Context(), topics.Options{Brokers: []string{addr}, Specs: topic.All(5)})
	if !errors.Is(err, topics.ErrMismatch) || len(created) > 0 {
		t.Fatalf("Ensure() = %v, %v; want a mismatch and nothing created", created, err)
	}
	for _, want := range []string{
		"topic vigil.assessments has 4 partitions, vigil.requests has 5",
		"topic vigil.verdicts has cleanup.policy=delete, needs compact",
		"topic vigil.cuts has cleanup.policy=compact, needs delete",
	} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("no fault says %q: %v", want, err)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	_, err = topics.Ensure(t.Context(), topics.Options{Brokers: []string{b.Addr()}, Specs: topic.All(1)})
	if !errors.Is(err, topics.ErrUnreachable) || !strings.Contains(err.Error(), b.Addr()) {
		t.Errorf("Ensure() = %v, want an error that says where nobody answered", err)
	}
}

func TestTwoProcessesAtOnce(t *testing.T) {
	addr := empty(t)
	o := topics.Options{Brokers: []string{addr}, Specs: topic.All(2)}
	type result struct {
		created []string
		err     error
	}
	results := make(chan result)
	for range 4 {
		go func() {
			created, err := topics.Ensure(t.Context(), o)
			results <- result{created, err}
		}()
	}
	var all []string
	for range 4 {
		r := <-results
		if r.err != nil {
			t.Errorf("Ensure() = %v", r.err)
		}
		all = append(all, r.created...)
	}
	slices.Sort(all)
	want := names(o.Specs)
	slices.Sort(want)
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("created by all together (-want +got):\n%s", diff)
	}
}
