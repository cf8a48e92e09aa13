package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// clientID is ours in the brokers' logs.
const clientID = "vigil-doctor"

// Versions of requests that kafka-go does not know: both are those of Kafka 2.8
// and of Kafka 4.
const (
	metadataVersion = 10
	logDirsVersion  = 1
)

// kafka looks at the cluster: with each configuration's own access whether it is
// let in and what it may do, and with the operator's what is there.
func (e *examiner) kafka(ctx context.Context, f *Facts) {
	type way struct {
		who     string
		role    access.Role
		brokers []string
		config  access.Config
	}
	var ways []way
	if len(e.in.Brokers) > 0 {
		ways = append(ways, way{"the doctor", access.RoleOperator, e.in.Brokers, e.in.Operator})
	}
	for _, a := range e.analyzers {
		ways = append(ways, way{a.file, access.RoleAnalyzer, a.config.Kafka.Brokers, a.config.Kafka.Config})
	}
	for _, g := range e.gateways {
		ways = append(ways, way{g.file, access.RoleGateway, g.config.Kafka.Brokers, g.config.Kafka.Config})
	}
	looked := false
	for _, w := range ways {
		via, err := access.Open(w.config, tlsfile.Options{Now: e.in.Now})
		fact := KafkaFact{Who: w.who, Principal: via.Principal(), Secure: w.config.TLS.Enabled(), Err: err}
		if err == nil {
			var grants []GrantFact
			grants, fact.Err = allowed(ctx, via, w.brokers, w.role, &fact)
			f.Grants = append(f.Grants, grants...)
		}
		f.Kafka = append(f.Kafka, fact)
		if fact.Err == nil && !looked {
			looked = true
			e.cluster(ctx, via, w.brokers, f)
		}
	}
}

// connect reaches the first broker that answers.
func connect(ctx context.Context, via *access.Access, brokers []string) (net.Conn, error) {
	var errs []error
	for _, b := range brokers {
		conn, err := via.Connect(ctx, clientID, b)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// shown is the certificate of who is at the other end; nil in plain text.
func shown(who string, conn net.Conn) *CertificateFact {
	secured, ok := conn.(*tls.Conn)
	if !ok {
		return nil
	}
	leaf := secured.ConnectionState().PeerCertificates[0] // There is one: it was verified.
	return &CertificateFact{Key: who, Path: "the certificate of broker " + conn.RemoteAddr().String(), NotAfter: leaf.NotAfter, Shown: true}
}

// allowed asks what a principal may do with each topic, and notes what the brokers
// say of themselves.
func allowed(ctx context.Context, via *access.Access, brokers []string, role access.Role, seen *KafkaFact) (grants []GrantFact, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conn, err := connect(ctx, via, brokers)
	if err != nil {
		return nil, err
	}
	seen.Shown = shown(seen.Who, conn)
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }() // Nothing was written.
	req := kmsg.NewPtrMetadataRequest()
	req.Version, req.IncludeTopicAuthorizedOperations = metadataVersion, true
	for _, s := range topic.All(1) {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &s.Name
		req.Topics = append(req.Topics, t)
	}
	answer, err := access.Ask(conn, clientID, req)
	if err != nil {
		return nil, via.Explain(fmt.Errorf("ask for topics: %w", err), access.Describe, "topics")
	}
	resp, ok := answer.(*kmsg.MetadataResponse)
	if !ok {
		return nil, access.ErrAnswer
	}
	for _, t := range resp.Topics {
		code := kafka.Error(t.ErrorCode)
		if t.Topic == nil || code == kafka.UnknownTopicOrPartition {
			continue // The check of topics says so.
		}
		g := GrantFact{Role: role, Principal: via.Principal(), Topic: *t.Topic}
		switch {
		case code == kafka.TopicAuthorizationFailed: // Not even Describe.
		case code != 0:
			g.Err = code
		case t.AuthorizedOperations < 0:
			g.Err = errors.New("the broker does not say")
		default:
			g.Allowed = operations(t.AuthorizedOperations)
		}
		grants = append(grants, g)
	}
	seen.Brokers = len(resp.Brokers)
	return grants, nil
}

// operations are the names of the bits of a broker's answer.
func operations(bits int32) []string {
	var all []string
	for _, o := range []struct {
		bit  kmsg.ACLOperation
		name string
	}{
		{kmsg.ACLOperationRead, access.Read},
		{kmsg.ACLOperationWrite, access.Write},
		{kmsg.ACLOperationCreate, access.Create},
		{kmsg.ACLOperationDescribe, access.Describe},
		{kmsg.ACLOperationDescribeConfigs, access.DescribeConfigs},
	} {
		if bits&(1<<o.bit) != 0 {
			all = append(all, o.name)
		}
	}
	return all
}

// cluster looks at topics and groups.
func (e *examiner) cluster(ctx context.Context, via *access.Access, brokers []string, f *Facts) {
	ctx, cancel := context.WithTimeout(ctx, 2*askTimeout)
	defer cancel()
	tr := via.Transport(clientID)
	defer tr.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(brokers...), Transport: tr, Timeout: askTimeout}
	f.Topics = lookAtTopics(ctx, via, c)
	if f.Topics.Err != nil {
		return
	}
	sizes, err := logBytes(ctx, via, brokers)
	for name, t := range f.Topics.Known {
		n, said := sizes[name]
		if err != nil || !said {
			n = -1
		}
		t.Bytes = n
		f.Topics.Known[name] = t
	}
	seen := make(map[string]bool)
	for _, a := range e.analyzers {
		for _, group := range a.config.Groups() {
			if !seen[group] {
				seen[group] = true
				f.Groups = append(f.Groups, patiently(ctx, func() GroupFact { return lookAtGroup(ctx, via, c, group, f.Topics.Known) }))
			}
		}
	}
}

func lookAtTopics(ctx context.Context, via *access.Access, c *kafka.Client) TopicFacts {
	md, err := c.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return TopicFacts{Err: via.Explain(err, access.Describe, "topics")}
	}
	out := TopicFacts{Known: make(map[string]TopicFact)}
	req := &kafka.DescribeConfigsRequest{}
	for _, t := range md.Topics {
		if t.Error != nil || !ours(t.Name) {
			continue
		}
		fact := TopicFact{Partitions: len(t.Partitions), Config: make(map[string]string)}
		for _, p := range t.Partitions {
			fact.Replicas = max(fact.Replicas, len(p.Replicas))
			if p.Error != nil || p.Leader.Host == "" {
				fact.Leaderless++
			} else if len(p.Isr) < len(p.Replicas) {
				fact.Lacking++
			}
		}
		out.Known[t.Name] = fact
		req.Resources = append(req.Resources, kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: t.Name})
	}
	if len(req.Resources) == 0 {
		return out
	}
	resp, err := c.DescribeConfigs(ctx, req)
	if err != nil {
		out.Unseen = err
		return out
	}
	for _, r := range resp.Resources {
		if r.Error != nil {
			out.Unseen = via.Explain(r.Error, access.DescribeConfigs, "topic "+r.ResourceName)
			continue
		}
		for _, entry := range r.ConfigEntries {
			out.Known[r.ResourceName].Config[entry.ConfigName] = entry.ConfigValue
		}
	}
	return out
}

// ours reports whether a topic is one of Vigil's.
func ours(name string) bool {
	for _, s := range topic.All(1) {
		if s.Name == name {
			return true
		}
	}
	return false
}

// logBytes is how much one broker keeps of each topic.
func logBytes(ctx context.Context, via *access.Access, brokers []string) (map[string]int64, error) {
	conn, err := connect(ctx, via, brokers)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }() // Nothing was written.
	req := kmsg.NewPtrDescribeLogDirsRequest()
	req.Version = logDirsVersion
	answer, err := access.Ask(conn, clientID, req)
	if err != nil {
		return nil, err
	}
	resp, ok := answer.(*kmsg.DescribeLogDirsResponse)
	if !ok {
		return nil, access.ErrAnswer
	}
	bytes := make(map[string]int64)
	for _, d := range resp.Dirs {
		for _, t := range d.Topics {
			for _, p := range t.Partitions {
				bytes[t.Topic] += p.Size
			}
		}
	}
	return bytes, nil
}

// patiently looks again a few times where a broker says that it will know soon.
func patiently(ctx context.Context, look func() GroupFact) GroupFact {
	const tries, pause = 5, 300 * time.Millisecond
	fact := look()
	for range tries {
		code, ok := errors.AsType[kafka.Error](fact.Err)
		if !ok || !code.Temporary() {
			return fact
		}
		select {
		case <-ctx.Done():
			return fact
		case <-time.After(pause):
		}
		fact = look()
	}
	return fact
}

// lookAtGroup counts a group's members and compares where it is with the ends of
// what it has ever read.
func lookAtGroup(ctx context.Context, via *access.Access, c *kafka.Client, group string, known map[string]TopicFact) GroupFact {
	fact := GroupFact{Name: group}
	ask := &kafka.OffsetFetchRequest{GroupID: group, Topics: make(map[string][]int)}
	ends := &kafka.ListOffsetsRequest{Topics: make(map[string][]kafka.OffsetRequest)}
	for name, t := range known {
		for p := range t.Partitions {
			ask.Topics[name] = append(ask.Topics[name], p)
			ends.Topics[name] = append(ends.Topics[name], kafka.LastOffsetOf(p))
		}
	}
	in, err := c.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err == nil && len(in.Groups) == 1 {
		err, fact.Members = in.Groups[0].Error, len(in.Groups[0].Members)
	}
	if err != nil && !errors.Is(err, kafka.GroupIdNotFound) { // Then nobody has ever been in it.
		fact.Err = via.Explain(err, access.Describe, "group "+group)
		return fact
	}
	at, err := c.OffsetFetch(ctx, ask)
	if err == nil {
		err = at.Error
	}
	if errors.Is(err, kafka.GroupIdNotFound) {
		return fact
	}
	if err != nil {
		fact.Err = via.Explain(err, access.Describe, "group "+group)
		return fact
	}
	last, err := c.ListOffsets(ctx, ends)
	if err != nil {
		fact.Err = via.Explain(err, access.Describe, "topics")
		return fact
	}
	end := make(map[string]map[int]int64)
	for name, partitions := range last.Topics {
		end[name] = make(map[int]int64)
		for _, p := range partitions {
			end[name][p.Partition] = p.LastOffset
		}
	}
	for name, partitions := range at.Topics {
		for _, p := range partitions {
			if p.Error == nil && p.CommittedOffset >= 0 {
				fact.Lag += max(end[name][p.Partition]-p.CommittedOffset, 0)
			}
		}
	}
	return fact
}
