package access_test

import (
	"context"
	"errors"
	"os"
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

// rig is Apache Kafka with TLS, names and an authorizer.
type rig struct {
	apache    *broker.Apache
	authority *broker.Authority
	dir       string
}

func newRig(ctx context.Context, t *testing.T) *rig {
	t.Helper()
	r := &rig{dir: t.TempDir()}
	o, a, err := broker.SecureOptions(r.dir, map[string]string{
		"admin": "admin-password", "gateway-1": "gateway-password", "analyzer": "analyzer-password", "reader": "reader-password",
	})
	if err != nil {
		t.Fatal(err)
	}
	r.authority, o.Dir = a, t.TempDir()
	r.apache, err = broker.NewApache(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.apache.Kill)
	err = r.apache.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) password(t *testing.T, name, password string) string {
	t.Helper()
	file := filepath.Join(r.dir, name+".password")
	err := os.WriteFile(file, []byte(password+"\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// as is the access of a user with a password.
func (r *rig) as(t *testing.T, name, password string) access.Config {
	t.Helper()
	return access.Config{
		TLS:  tlsfile.Client{CAFile: r.authority.CAFile()},
		SASL: access.SASL{Mechanism: access.ScramSHA512, Username: name, PasswordFile: r.password(t, name, password)},
	}
}

// holder is the access of whoever holds a certificate.
func (r *rig) holder(t *testing.T, name string) access.Config {
	t.Helper()
	cert, key, err := r.authority.Issue(name)
	if err != nil {
		t.Fatal(err)
	}
	return access.Config{TLS: tlsfile.Client{CAFile: r.authority.CAFile(), CertFile: cert, KeyFile: key}}
}

func open(t *testing.T, c access.Config) *access.Access {
	t.Helper()
	a, err := access.Open(c, tlsfile.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func client(t *testing.T, a *access.Access, addr string) *kafka.Client {
	t.Helper()
	tr := a.Transport("test")
	tr.MetadataTTL = 200 * time.Millisecond
	t.Cleanup(tr.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(addr), Transport: tr, Timeout: 10 * time.Second}
}

// reached is a client that has spoken with the cluster: kafka-go says only in
// answer to that question why it cannot.
func reached(ctx context.Context, t *testing.T, a *access.Access, addr string) (*kafka.Client, error) {
	t.Helper()
	c := client(t, a, addr)
	_, err := c.Metadata(ctx, &kafka.MetadataRequest{})
	return c, a.Explain(err, access.Describe, "cluster")
}

// write writes a record and returns what a person is told of it.
func write(ctx context.Context, t *testing.T, a *access.Access, addr, name string) error {
	t.Helper()
	c, err := reached(ctx, t, a, addr)
	if err != nil {
		return err
	}
	resp, err := c.Produce(ctx, &kafka.ProduceRequest{
		Topic: name, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte("x"))}),
	})
	if err == nil {
		err = resp.Error
	}
	return a.Explain(err, access.Write, "topic "+name)
}

func read(ctx context.Context, t *testing.T, a *access.Access, addr, name string) error {
	t.Helper()
	c, err := reached(ctx, t, a, addr)
	if err != nil {
		return err
	}
	resp, err := c.Fetch(ctx, &kafka.FetchRequest{Topic: name, MinBytes: 0, MaxBytes: 1 << 20, MaxWait: time.Millisecond})
	if err == nil {
		err = resp.Error
	}
	return a.Explain(err, access.Read, "topic "+name)
}

// setUp makes the topics and grants gateway-1, analyzer and reader their share.
func (r *rig) setUp(ctx context.Context, t *testing.T) {
	t.Helper()
	admin := client(t, open(t, r.as(t, "admin", "admin-password")), r.apache.Addr())
	req := &kafka.CreateTopicsRequest{}
	for _, s := range topic.All(1) {
		req.Topics = append(req.Topics, kafka.TopicConfig{Topic: s.Name, NumPartitions: 1, ReplicationFactor: 1})
	}
	made, err := admin.CreateTopics(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range made.Errors {
		if err != nil {
			t.Fatal(name, err)
		}
	}
	acls := &kafka.CreateACLsRequest{}
	for name, role := range map[string]access.Role{"gateway-1": access.RoleGateway, "analyzer": access.RoleAnalyzer, "reader": access.RoleReader} {
		for _, g := range access.Grants(role) {
			for _, resource := range g.Names {
				for _, o := range g.Operations {
					acls.ACLs = append(acls.ACLs, entry(t, name, g, resource, o))
				}
			}
		}
	}
	granted, err := admin.CreateACLs(ctx, acls)
	if err == nil {
		err = errors.Join(granted.Errors...)
	}
	if err != nil {
		t.Fatal(err)
	}
	anything := &kafka.DescribeACLsRequest{Filter: kafka.ACLFilter{
		ResourceTypeFilter: kafka.ResourceTypeAny, ResourcePatternTypeFilter: kafka.PatternTypeAny, Operation: kafka.ACLOperationTypeAny, PermissionType: kafka.ACLPermissionTypeAny,
	}}
	for bound := 0; bound < len(acls.ACLs); { // A moment after the answer.
		bound = 0
		now, err := admin.DescribeACLs(ctx, anything)
		if err != nil {
			t.Fatal(err)
		}
		for _, resource := range now.Resources {
			bound += len(resource.ACLs)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func entry(t *testing.T, name string, g access.Grant, resource, operation string) kafka.ACLEntry {
	t.Helper()
	e := kafka.ACLEntry{
		ResourceName: resource, ResourcePatternType: kafka.PatternTypeLiteral, Principal: "User:" + name, Host: "*", PermissionType: kafka.ACLPermissionTypeAllow,
	}
	if g.Prefixed {
		e.ResourcePatternType = kafka.PatternTypePrefixed
	}
	err := errors.Join(e.ResourceType.UnmarshalText([]byte(g.Resource)), e.Operation.UnmarshalText([]byte(operation)))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestApacheKafkaTurnsAway asks Apache Kafka for what somebody may and may not do,
// and reads what a person would be told.
func TestApacheKafkaTurnsAway(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Apache Kafka")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	r := newRig(ctx, t)
	r.setUp(ctx, t)
	passwords, certificates := r.apache.Addr(), r.apache.AddrOf(broker.ListenerBrokers)
	gateway := r.as(t, "gateway-1", "gateway-password")
	stranger, err := broker.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	wrongCA, wrongName := gateway, gateway
	wrongCA.TLS.CAFile, wrongName.TLS.ServerName = stranger.CAFile(), "kafka.example"
	wrongPassword := gateway
	wrongPassword.SASL.PasswordFile = r.password(t, "wrong", "not-the-password")
	wrongMechanism := gateway
	wrongMechanism.SASL.Mechanism = access.ScramSHA256
	nobody := access.Config{TLS: tlsfile.Client{CAFile: r.authority.CAFile()}}

	tests := map[string]struct {
		as    access.Config
		addr  string
		do    func(context.Context, *testing.T, *access.Access, string, string) error
		topic string
		want  []string // What the error says; none where it is allowed.
	}{
		"a gateway writes a request":             {gateway, passwords, write, topic.Requests, nil},
		"a gateway reads verdicts":               {gateway, passwords, read, topic.Verdicts, nil},
		"a gateway with a certificate writes":    {r.holder(t, "gateway-1"), certificates, write, topic.Requests, nil},
		"an analyzer writes a verdict":           {r.as(t, "analyzer", "analyzer-password"), passwords, write, topic.Verdicts, nil},
		"a reader reads assessments":             {r.as(t, "reader", "reader-password"), passwords, read, topic.Assessments, nil},
		"a gateway writes a verdict":             {gateway, passwords, write, topic.Verdicts, []string{"User:gateway-1 lacks Write on topic vigil.verdicts", "kafka-acls.sh"}},
		"a certificate writes a verdict":         {r.holder(t, "gateway-1"), certificates, write, topic.Verdicts, []string{"lacks Write on topic vigil.verdicts"}},
		"a gateway writes what is shared":        {gateway, passwords, write, topic.Control, []string{"topic vigil.control is not there, or User:gateway-1 lacks Describe"}},
		"a reader reads verdicts":                {r.as(t, "reader", "reader-password"), passwords, read, topic.Verdicts, []string{"or User:reader lacks Describe"}},
		"a reader writes assessments":            {r.as(t, "reader", "reader-password"), passwords, write, topic.Assessments, []string{"User:reader lacks Write on topic vigil.assessments"}},
		"a certificate that nobody was granted":  {r.holder(t, "somebody"), certificates, write, topic.Requests, []string{"or User:CN=somebody lacks Describe"}},
		"no certificate where one is asked for":  {nobody, certificates, read, topic.Verdicts, []string{"bad certificate", "look at kafka.tls.cert_file"}},
		"nobody where a name is asked for":       {nobody, passwords, read, topic.Verdicts, []string{"EOF"}},
		"plain text where TLS is asked for":      {access.Config{}, passwords, read, topic.Verdicts, []string{"EOF"}},
		"another authority":                      {wrongCA, passwords, read, topic.Verdicts, []string{"not signed by an authority of tls.ca_file"}},
		"another name":                           {wrongName, passwords, read, topic.Verdicts, []string{"certificate is valid for", "tls.server_name"}},
		"a wrong password":                       {wrongPassword, passwords, read, topic.Verdicts, []string{"refuses User:gateway-1", "kafka.sasl.username and password_file"}},
		"a mechanism that the broker lacks":      {wrongMechanism, passwords, read, topic.Verdicts, []string{"does not take kafka.sasl.mechanism SCRAM-SHA-256"}},
		"a user that the broker does not know":   {r.as(t, "ghost", "ghost-password"), passwords, read, topic.Verdicts, []string{"refuses User:ghost"}},
		"an analyzer that writes as a gateway's": {r.as(t, "analyzer", "analyzer-password"), passwords, write, topic.Enforcements, []string{"User:analyzer lacks Write on topic vigil.enforcements"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
			defer cancel()
			a := open(t, tt.as)
			err := tt.do(ctx, t, a, tt.addr, tt.topic)
			if len(tt.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil {
				t.Fatalf("it is done, want an error that says %q", tt.want)
			}
			t.Log(err)
			for _, want := range append(tt.want, "") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %q in it", err, want)
				}
			}
			for _, secret := range []string{"gateway-password", "not-the-password", "ghost-password"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error tells a password: %v", err)
				}
			}
		})
	}

	t.Run("a connection for requests of one's own", func(t *testing.T) {
		conn, err := open(t, gateway).Connect(ctx, "test", passwords)
		if err != nil {
			t.Fatal(err)
		}
		err = conn.Close()
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("a password that is replaced", func(t *testing.T) {
		a := open(t, wrongPassword)
		r.password(t, "wrong", "gateway-password")
		err := read(ctx, t, a, passwords, topic.Verdicts)
		if err != nil {
			t.Error(err)
		}
	})
}
