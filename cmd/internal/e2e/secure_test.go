//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// secureKafka is Apache Kafka as deploy/kafka sets it up.
type secureKafka struct {
	apacheKafka

	dir       string // Certificates and passwords.
	authority *broker.Authority
}

// passwordOf is a user's.
func passwordOf(user string) string { return "password of " + user }

func newSecureKafka(t *testing.T) *secureKafka {
	t.Helper()
	k := &secureKafka{dir: t.TempDir()}
	passwords := make(map[string]string)
	for _, user := range []string{"admin", "analyzer-1", "operator", "reader"} { // Gateways show certificates.
		passwords[user] = passwordOf(user)
		err := os.WriteFile(k.passwordFile(user), []byte(passwords[user]+"\n"), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	o, a, err := broker.SecureOptions(k.dir, passwords)
	if err != nil {
		t.Fatal(err)
	}
	k.authority, o.Dir = a, t.TempDir()
	o.Properties = append(o.Properties, "broker.session.timeout.ms=9000") // It is not killed here, and a busy machine must not fence it.
	k.Apache, err = broker.NewApache(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	k.Return(t)
	t.Cleanup(k.Kill)
	return k
}

func (k *secureKafka) passwordFile(user string) string { return filepath.Join(k.dir, user+".password") }

// user is the access of a user with a password.
func (k *secureKafka) user(name string) access.Config {
	return access.Config{
		TLS:  tlsfile.Client{CAFile: k.authority.CAFile()},
		SASL: access.SASL{Mechanism: access.ScramSHA512, Username: name, PasswordFile: k.passwordFile(name)},
	}
}

// client talks to the broker as somebody.
func (k *secureKafka) client(t *testing.T, addr string, c access.Config) *kafka.Client {
	t.Helper()
	via, err := access.Open(c, tlsfile.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	tr := via.Transport("vigil-e2e")
	tr.MetadataTTL = 200 * time.Millisecond
	t.Cleanup(tr.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(addr), Transport: tr, Timeout: patience}
}

// grant runs deploy/kafka/acls.sh with a stand-in for kafka-acls.sh that writes its
// arguments down, and asks the broker for what they say.
func (k *secureKafka) grant(t *testing.T) {
	t.Helper()
	said, standIn := filepath.Join(k.dir, "said"), filepath.Join(k.dir, "kafka-acls.sh")
	err := os.WriteFile(standIn, []byte("#!/bin/sh\n(IFS='|'; echo \"$*\") >>"+said+"\n"), 0o700)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", filepath.Join(checkout(t), "deploy", "kafka", "acls.sh"))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "KAFKA_ACLS=" + standIn, "BOOTSTRAP=" + k.Addr(), "COMMAND_CONFIG=client.properties"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("acls.sh: %v\n%s", err, out)
	}
	text, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	req := &kafka.CreateACLsRequest{}
	for line := range strings.Lines(string(text)) {
		req.ACLs = append(req.ACLs, entries(t, strings.Split(strings.TrimSpace(line), "|"))...)
	}
	resp, err := k.client(t, k.Addr(), k.user("admin")).CreateACLs(t.Context(), req)
	if err == nil {
		err = errors.Join(resp.Errors...)
	}
	if err != nil || len(req.ACLs) == 0 {
		t.Fatalf("%d grants: %v", len(req.ACLs), err)
	}
	anything := &kafka.DescribeACLsRequest{Filter: kafka.ACLFilter{
		ResourceTypeFilter: kafka.ResourceTypeAny, ResourcePatternTypeFilter: kafka.PatternTypeAny, Operation: kafka.ACLOperationTypeAny, PermissionType: kafka.ACLPermissionTypeAny,
	}}
	await(t, "grants that bind", func() bool { // A moment after the answer.
		now, err := k.client(t, k.Addr(), k.user("admin")).DescribeACLs(t.Context(), anything)
		if err != nil {
			t.Fatal(err)
		}
		bound := 0
		for _, resource := range now.Resources {
			bound += len(resource.ACLs)
		}
		return bound >= len(req.ACLs)
	})
}

// entries are what the arguments of one call of kafka-acls.sh --add mean.
func entries(t *testing.T, args []string) []kafka.ACLEntry {
	t.Helper()
	var who, what, operations []string
	var kind kafka.ResourceType
	pattern := kafka.PatternTypeLiteral
	for i := 0; i < len(args); i++ {
		value := func() string { i++; return args[i] }
		switch args[i] {
		case "--add", "--force":
		case "--bootstrap-server", "--command-config":
			value()
		case "--allow-principal":
			who = append(who, value())
		case "--operation":
			operations = append(operations, value())
		case "--topic":
			kind, what = kafka.ResourceTypeTopic, append(what, value())
		case "--group":
			kind, what = kafka.ResourceTypeGroup, append(what, value())
		case "--cluster":
			kind, what = kafka.ResourceTypeCluster, append(what, "kafka-cluster")
		case "--resource-pattern-type":
			if got := value(); got != "prefixed" {
				t.Fatalf("pattern type %q", got)
			}
			pattern = kafka.PatternTypePrefixed
		default:
			t.Fatalf("kafka-acls.sh has no option %q", args[i])
		}
	}
	var all []kafka.ACLEntry
	for _, principal := range who {
		for _, name := range what {
			for _, o := range operations {
				e := kafka.ACLEntry{
					ResourceType: kind, ResourceName: name, ResourcePatternType: pattern, Principal: principal, Host: "*", PermissionType: kafka.ACLPermissionTypeAllow,
				}
				err := e.Operation.UnmarshalText([]byte(o))
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, e)
			}
		}
	}
	return all
}

// secureSite is an installation on it: the gateway shows a certificate, the
// analyzer a name and a password.
func secureSite(t *testing.T, k *secureKafka) *site {
	t.Helper()
	s := newSite(t, k)
	cert, key, err := k.authority.Issue("gateway-1")
	if err != nil {
		t.Fatal(err)
	}
	open := fmt.Sprintf("kafka: {brokers: [%q]}", k.Addr())
	s.write(t, "gateway.yaml", strings.Replace(s.gatewayFile(), open, fmt.Sprintf(`kafka:
  brokers: [%q]
  tls: {ca_file: %q, cert_file: %q, key_file: %q}`, k.AddrOf(broker.ListenerBrokers), k.authority.CAFile(), cert, key), 1))
	s.write(t, "analyzer.yaml", strings.Replace(s.analyzerFile(), open, fmt.Sprintf(`kafka:
  brokers: [%q]
  tls: {ca_file: %q}
  sasl: {mechanism: SCRAM-SHA-512, username: analyzer-1, password_file: %q}`, k.Addr(), k.authority.CAFile(), k.passwordFile("analyzer-1")), 1))
	return s
}

// withoutGrant takes the gateway's right to write events away for a while: they
// wait, the log says who lacks what, and nothing is lost.
func (s *site) withoutGrant(t *testing.T, k *secureKafka) {
	t.Helper()
	admin := k.client(t, k.Addr(), k.user("admin"))
	grant := kafka.ACLEntry{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic.Requests, ResourcePatternType: kafka.PatternTypeLiteral,
		Principal: "User:gateway-1", Host: "*", Operation: kafka.ACLOperationTypeWrite, PermissionType: kafka.ACLPermissionTypeAllow,
	}
	gone, err := admin.DeleteACLs(t.Context(), &kafka.DeleteACLsRequest{Filters: []kafka.DeleteACLsFilter{{
		ResourceTypeFilter: grant.ResourceType, ResourceNameFilter: grant.ResourceName, ResourcePatternTypeFilter: grant.ResourcePatternType,
		PrincipalFilter: grant.Principal, HostFilter: grant.Host, Operation: grant.Operation, PermissionType: grant.PermissionType,
	}}})
	if err != nil || len(gone.Results) != 1 || len(gone.Results[0].MatchingACLs) != 1 {
		t.Fatalf("%+v, %v", gone, err)
	}
	p := s.somebody()
	await(t, "a refusal in the gateway's log", func() bool {
		s.expect(t, p, "/me", 200)
		return s.gateway.logged(t, "kafka does not take events", "lacks", "topic vigil.requests") > 0
	})
	back, err := admin.CreateACLs(t.Context(), &kafka.CreateACLsRequest{ACLs: []kafka.ACLEntry{grant}})
	if err != nil || back.Errors[0] != nil {
		t.Fatalf("%+v, %v", back, err)
	}
	await(t, "events that leave again", func() bool { return s.gateway.logged(t, "kafka takes events again", "vigil.requests") > 0 })
}

// TestLeastPrivilege runs the whole line over TLS on an Apache Kafka that refuses
// everything that deploy/kafka/acls.sh does not grant, and asks it for what each
// part must not be able to do.
func TestLeastPrivilege(t *testing.T) {
	k := newSecureKafka(t)
	k.grant(t)
	s := secureSite(t, k)
	operator := []string{
		"--kafka", k.Addr(), "--kafka-ca-file", k.authority.CAFile(), "--kafka-sasl-mechanism", "SCRAM-SHA-512",
		"--kafka-username", "operator", "--kafka-password-file", k.passwordFile("operator"),
	}
	s.vigil(t, append([]string{"topics", "apply", "--partitions", fmt.Sprint(partitions)}, operator...)...)
	s.vigil(t, append([]string{"topics", "plan", "--partitions", fmt.Sprint(partitions)}, operator...)...)
	s.vigil(t, "migrate", "up", "--clickhouse", "http://"+s.olap, "--clickhouse-database", s.database)
	s.startAnalyzer(t)
	s.startGateway(t)
	s.awaitReady(t, s.analyzer)
	s.awaitReady(t, s.gateway)

	owner := s.theft(t)
	receipts := fmt.Sprintf("SELECT count() FROM db.enforcements AS e JOIN db.verdicts AS v ON v.id = e.verdict_id WHERE e.session = '%s'", owner.session())
	await(t, "the enforcement's row", func() bool { return s.number(t, receipts) >= 1 })
	s.ledger.check(t, 101, 200, 401)
	for _, p := range []*process{s.gateway, s.analyzer} {
		if n := p.logged(t, "lacks"); n != 0 {
			t.Errorf("%s was refused something %d times", p.name, n)
		}
	}

	s.withoutGrant(t, k)
	examineSecure(t, s, k, operator)

	cert, key, err := k.authority.Issue("gateway-2")
	if err != nil {
		t.Fatal(err)
	}
	gateway := access.Config{TLS: tlsfile.Client{CAFile: k.authority.CAFile(), CertFile: cert, KeyFile: key}}
	nobody := access.Config{TLS: tlsfile.Client{CAFile: k.authority.CAFile()}}
	for name, tt := range map[string]struct {
		as    access.Config
		addr  string
		topic string
	}{
		"a gateway writes a verdict":        {gateway, k.AddrOf(broker.ListenerBrokers), topic.Verdicts},
		"a gateway writes a control record": {gateway, k.AddrOf(broker.ListenerBrokers), topic.Control},
		"an operator writes a verdict":      {k.user("operator"), k.Addr(), topic.Verdicts},
		"a reader writes an assessment":     {k.user("reader"), k.Addr(), topic.Assessments},
		"nobody writes a request":           {nobody, k.Addr(), topic.Requests},
		"nobody in plain text":              {access.Config{}, k.Addr(), topic.Requests},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			resp, err := k.client(t, tt.addr, tt.as).Produce(ctx, &kafka.ProduceRequest{
				Topic: tt.topic, RequiredAcks: kafka.RequireAll,
				Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte("forged"))}),
			})
			if err == nil {
				err = resp.Error
			}
			if err == nil {
				t.Error("the broker took it")
			}
		})
	}
	s.reckon(t)
	if lost := s.number(t, "SELECT sum(n) FROM db.losses"); lost != 0 {
		t.Errorf("%d events were lost, though the queue was never full", lost)
	}
}
