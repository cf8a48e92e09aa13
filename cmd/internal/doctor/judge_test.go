package doctor_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/analyzer/standby"
	"github.com/vigil-gateway/vigil/cmd/internal/doctor"
	"github.com/vigil-gateway/vigil/schemas/access"
	schema "github.com/vigil-gateway/vigil/schemas/clickhouse"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

var errAway = errors.New("nobody is there")

// healthy is an installation of two gateways and two analyzers as it should be.
func healthy() doctor.Facts {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f := doctor.Facts{
		Now:          now,
		Directory:    doctor.Directory{Path: ".vigil", Runs: true, Start: "vigil up"},
		Configs:      []doctor.ConfigFact{{File: "gateway.yaml"}, {File: "analyzer.yaml"}},
		Secrets:      []doctor.SecretFact{{Key: "gateway.yaml tenant_key_file", Path: "tenant.key", Mode: 0o600}},
		Keys:         []doctor.KeyFact{{File: "gateway.yaml"}, {File: "analyzer.yaml"}},
		Shared:       []doctor.SharedFact{{"gateway.yaml", 16, "a"}, {"analyzer.yaml", 16, "a"}},
		Certificates: []doctor.CertificateFact{{Key: "gateway.yaml kafka.tls.cert_file", Path: "gateway-1.pem", NotAfter: now.Add(60 * 24 * time.Hour)}},
		Kafka: []doctor.KafkaFact{
			{Who: "gateway.yaml", Principal: "User:gateway-1", Secure: true, Brokers: 3}, {Who: "analyzer.yaml", Principal: "User:analyzer-1", Secure: true, Brokers: 3},
		},
		Topics: doctor.TopicFacts{Known: make(map[string]doctor.TopicFact)},
		Groups: []doctor.GroupFact{{Name: "vigil-scoring", Members: 2, Lag: 10}},
		ClickHouse: doctor.ClickHouseFact{
			Configured: true, Archives: true, Address: "ch-1:9440", User: "vigil_writer", Secure: true, Free: 100 << 30, Total: 200 << 30, Grants: []string{"GRANT INSERT ON vigil.* TO vigil_writer"},
		},
		Clocks:      []doctor.ClockFact{{"gw-1", 400 * time.Millisecond, 500 * time.Millisecond}, {"ch-1", time.Second, time.Millisecond}},
		Gateways:    []doctor.GatewayFact{{URL: "http://gw-1", ID: "gw-1", Status: "ready", Silent: time.Second, Queued: 5, Limit: 1000, Dropped: map[string]uint64{"queue_full": 0, "summarised": 9}}},
		Analyzers:   []doctor.AnalyzerFact{{URL: "http://an-1", Status: "ready", Model: "0123456789abcdef", Mode: "enforce"}, {URL: "http://an-2", Status: "ready", Model: "0123456789abcdef", Copies: copies(now)}},
		Issuers:     []doctor.IssuerFact{{Issuer: "https://idp.example.com", Keys: 2}},
		Disks:       []doctor.DiskFact{{Key: "revoke.dir", Path: "/var/lib/vigil", Free: 50 << 30, Total: 100 << 30}},
		Descriptors: []doctor.DescriptorFact{{Process: "gateway", Limit: 1 << 20, Needs: 20_000}},
	}
	for _, s := range topic.All(12) {
		t := doctor.TopicFact{Partitions: s.Partitions, Replicas: 3, Config: s.Config(), Bytes: 1 << 20}
		t.Config["min.insync.replicas"] = "2"
		f.Topics.Known[s.Name] = t
		for role, who := range map[access.Role]string{access.RoleGateway: "User:gateway-1", access.RoleAnalyzer: "User:analyzer-1"} {
			f.Grants = append(f.Grants, doctor.GrantFact{Role: role, Principal: who, Topic: s.Name, Allowed: needs(role, s.Name)})
		}
	}
	return f
}

// copies are those of a standby: one of each stage, of which the facets' may be idle.
func copies(now time.Time) []standby.Copy {
	return []standby.Copy{
		{Topic: topic.Requests, Partition: 3, Next: 900, Epoch: 7, Saved: now.Add(-5 * time.Minute), Current: true},
		{Topic: topic.Facets, Partition: 1, Next: 9, Epoch: 2, Saved: now.Add(-24 * time.Hour), Current: true},
	}
}

// needs is what a role may do with a topic.
func needs(role access.Role, name string) []string {
	var all []string
	for _, g := range access.Grants(role) {
		for _, n := range g.Names {
			if n == name && g.Resource == access.Topic {
				all = append(all, g.Operations...)
			}
		}
	}
	return all
}

// change changes a topic of healthy facts.
func change(f *doctor.Facts, name string, how func(*doctor.TopicFact)) {
	t := f.Topics.Known[name]
	how(&t)
	f.Topics.Known[name] = t
}

func TestAHealthyInstallationIsGreen(t *testing.T) {
	results := doctor.Judge(healthy())
	var got []string
	for _, r := range results {
		got = append(got, r.Check)
		if r.Level != doctor.Green || r.Hint != "" || r.Text == "" {
			t.Errorf("%+v", r)
		}
	}
	if diff := cmp.Diff(doctor.Names(), got); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	if len(got) < 15 || doctor.Worst(results) != doctor.Green {
		t.Errorf("%d checks, worst %s", len(got), doctor.Worst(results))
	}
}

// Every check is red once, with a hint, and no other one is.
func TestEveryCheckIsRedOnce(t *testing.T) {
	tests := map[string]struct {
		spoil func(*doctor.Facts)
		text  string
		hint  string
	}{
		"running":        {func(f *doctor.Facts) { f.Directory.Runs = false }, "nothing runs in .vigil", `start it with "vigil up"`},
		"config":         {func(f *doctor.Facts) { f.Configs[0].Faults = []string{"gateway.yaml:3:1: lanes: must be between"} }, "gateway.yaml:3:1", "vigil config validate"},
		"secret-files":   {func(f *doctor.Facts) { f.Secrets[0].Mode = 0o644 }, "everybody on this machine can use tenant.key (mode 0644)", "chmod 600 tenant.key"},
		"key-set":        {func(f *doctor.Facts) { f.Keys[1].Err = errAway }, "analyzer.yaml: nobody", "sign the key set"},
		"agreement":      {func(f *doctor.Facts) { f.Shared[1].Key = "b" }, "analyzer.yaml has another tenant key than gateway.yaml", "copy one tenant key"},
		"certificates":   {func(f *doctor.Facts) { f.Certificates[0].NotAfter = f.Now.Add(-time.Hour) }, "gateway-1.pem has expired", "renew it"},
		"kafka":          {func(f *doctor.Facts) { f.Kafka[0].Err = errAway }, "gateway.yaml as User:gateway-1: nobody", "in the way"},
		"kafka-tls":      {func(f *doctor.Facts) { f.Kafka[0].Secure = false }, "gateway.yaml speaks plain text", "kafka.tls.ca_file"},
		"topics":         {func(f *doctor.Facts) { delete(f.Topics.Known, topic.Cuts) }, "topic vigil.cuts is missing", "vigil topics apply"},
		"topic-settings": {func(f *doctor.Facts) { f.Topics.Known[topic.Verdicts].Config["cleanup.policy"] = "delete" }, "topic vigil.verdicts has cleanup.policy=delete, needs compact", "--add-config cleanup.policy=compact"},
		"topic-copies":   {func(f *doctor.Facts) { change(f, topic.Requests, func(t *doctor.TopicFact) { t.Lacking = 2 }) }, "vigil.requests has 2 partitions with too few copies", "look at the brokers"},
		"verdict-topic":  {func(f *doctor.Facts) { change(f, topic.Verdicts, func(t *doctor.TopicFact) { t.Bytes = 1 << 40 }) }, "not compacted", "log cleaner"},
		"grants-needed":  {func(f *doctor.Facts) { spoilGrant(f, topic.Verdicts, nil) }, "User:gateway-1 (gateway) lacks Read on topic vigil.verdicts", "vigil topics acl"},
		"grants-wide":    {func(f *doctor.Facts) { spoilGrant(f, topic.Verdicts, []string{access.Read, access.Write}) }, "User:gateway-1 (gateway) may write topic vigil.verdicts", "kafka-acls.sh --remove"},
		"group-lag":      {func(f *doctor.Facts) { f.Groups[0].Members = 0 }, "nobody is in group vigil-scoring", "start analyzers"},
		"clickhouse":     {func(f *doctor.Facts) { f.ClickHouse.Err = errAway }, "ch-1:9440: nobody", "in the way"},
		"schema":         {func(f *doctor.Facts) { f.ClickHouse.Schema = fmt.Errorf("migration 2: %w", schema.ErrDrift) }, "migration 2", "vigil migrate up"},
		"clickhouse-rights": {func(f *doctor.Facts) {
			f.ClickHouse.Grants = append(f.ClickHouse.Grants, "GRANT SHOW, SELECT, CREATE USER ON *.* TO vigil_writer")
		}, "vigil_writer may CREATE USER on everything", "users.sql"},
		"archive":          {func(f *doctor.Facts) { f.ClickHouse.ArchiveLacks = []string{"SELECT", "ALTER DELETE"} }, "vigil_writer may not SELECT, ALTER DELETE on table snapshots", "vigil_archive_role"},
		"clickhouse-disk":  {func(f *doctor.Facts) { f.ClickHouse.Free = 500 << 20 }, "500 MiB", "shorten the tables' TTL"},
		"clocks":           {func(f *doctor.Facts) { f.Clocks[0].Offset = -time.Minute }, "the clock of gw-1 is -1m0s off", "time synchronisation"},
		"gateways":         {func(f *doctor.Facts) { f.Gateways[0].Status = "starting" }, "gw-1 is starting", "its log"},
		"verdict-feed":     {func(f *doctor.Facts) { f.Gateways[0].Silent = 5 * time.Minute }, "gw-1 has heard nothing new of verdicts for 5m0s", "look at the analyzers"},
		"events":           {func(f *doctor.Facts) { f.Gateways[0].Queued = 900 }, "900 of at most 1000 events waiting", "look at Kafka"},
		"refused-verdicts": {func(f *doctor.Facts) { f.Gateways[0].Refused = map[string]uint64{"wrong_signature": 3} }, "gw-1 has refused verdicts: 3 wrong_signature", "who wrote them"},
		"analyzers":        {func(f *doctor.Facts) { f.Analyzers[0].Status = "not in the group" }, "http://an-1 is not in the group", "its log"},
		"standby":          {func(f *doctor.Facts) { f.Analyzers[1].Copies[1].Current = false }, "http://an-2, a standby, does not have the newest state of 1 partitions", "standby.bytes_max"},
		"models":           {func(f *doctor.Facts) { f.Analyzers[1].Model = "fedcba9876543210" }, "http://an-2 has model fedcba987654, http://an-1 has 0123456789ab", "same model file"},
		"issuers":          {func(f *doctor.Facts) { f.Issuers[0].Err = errAway }, "https://idp.example.com: nobody", "jwks_url"},
		"disks":            {func(f *doctor.Facts) { f.Disks[0].Free = 1 << 20 }, "revoke.dir /var/lib/vigil", "make room"},
		"descriptors":      {func(f *doctor.Facts) { f.Descriptors[0].Limit = 1024 }, "may have 1024 files", "LimitNOFILE"},
	}
	for _, name := range doctor.Names() {
		tt, there := tests[name]
		if !there {
			t.Errorf("%s is never red", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			f := healthy()
			tt.spoil(&f)
			found := false
			for _, r := range doctor.Judge(f) {
				switch {
				case r.Check != name && r.Level != doctor.Green && !follows(name, r.Check):
					t.Errorf("another check too: %+v", r)
				case r.Level == doctor.Red && strings.Contains(r.Text, tt.text) && strings.Contains(r.Hint, tt.hint):
					found = true
				}
			}
			if !found {
				t.Errorf("no red result says %q with the hint %q: %+v", tt.text, tt.hint, doctor.Judge(f))
			}
		})
	}
}

// A facet stage that is dead is seen, though gateways hear the subject stage.
func TestADeadFacetStageIsSeen(t *testing.T) {
	f := healthy()
	f.Gateways[0].FacetSilent = 5 * time.Minute
	for _, r := range doctor.Judge(f) {
		if (r.Level == doctor.Red) != (r.Check == "verdict-feed") {
			t.Errorf("%+v", r)
		}
		if r.Level == doctor.Red && !strings.Contains(r.Text, "gw-1 has heard nothing of the facet stage for 5m0s") {
			t.Errorf("%+v", r)
		}
	}
}

// Copies that are old though nothing newer is archived are told of.
func TestCopiesThatGrowOldAreSeen(t *testing.T) {
	f := healthy()
	f.Analyzers[1].Copies[0].Saved = f.Now.Add(-time.Hour)
	for _, r := range doctor.Judge(f) {
		if (r.Level == doctor.Yellow) != (r.Check == "standby") {
			t.Errorf("%+v", r)
		}
		if r.Level == doctor.Yellow && !strings.Contains(r.Text, "http://an-2, a standby, has copied is up to 1h0m0s old") {
			t.Errorf("%+v", r)
		}
	}
}

// A broker's certificate is not a file of ours.
func TestABrokersCertificateIsRenewedThere(t *testing.T) {
	f := healthy()
	f.Kafka[1].Shown = &doctor.CertificateFact{Key: "analyzer.yaml", Path: "the certificate of broker 192.0.2.1:9092", NotAfter: f.Now.Add(3 * 24 * time.Hour), Shown: true}
	for _, r := range doctor.Judge(f) {
		if (r.Level == doctor.Yellow) != (r.Check == "certificates") {
			t.Errorf("%+v", r)
		}
		if r.Level == doctor.Yellow && (!strings.Contains(r.Text, "broker 192.0.2.1:9092 expires in 3 days") || !strings.Contains(r.Hint, "at the broker")) {
			t.Errorf("%+v", r)
		}
	}
}

// follows reports whether a fault shows in two checks.
func follows(fault, check string) bool { return fault == "analyzers" && check == "models" }

// spoilGrant changes what the gateway may do with a topic.
func spoilGrant(f *doctor.Facts, name string, allowed []string) {
	for i, g := range f.Grants {
		if g.Role == access.RoleGateway && g.Topic == name {
			f.Grants[i].Allowed = allowed
		}
	}
}

// What cannot be seen is said, and is not taken for good.
func TestWhatIsNotSeenIsYellow(t *testing.T) {
	tests := map[string]func(*doctor.Facts){
		"topic-settings":    func(f *doctor.Facts) { f.Topics.Unseen = errAway },
		"verdict-topic":     func(f *doctor.Facts) { change(f, topic.Verdicts, func(t *doctor.TopicFact) { t.Bytes = -1 }) },
		"grants-needed":     func(f *doctor.Facts) { f.Grants[0].Err = errAway },
		"group-lag":         func(f *doctor.Facts) { f.Groups[0].Err = errAway },
		"schema":            func(f *doctor.Facts) { f.ClickHouse.Schema = errAway },
		"clickhouse-rights": func(f *doctor.Facts) { f.ClickHouse.RightsErr = errAway },
		"archive":           func(f *doctor.Facts) { f.ClickHouse.ArchiveErr = errAway },
		"clickhouse-disk":   func(f *doctor.Facts) { f.ClickHouse.DiskErr = errAway },
		"descriptors":       func(f *doctor.Facts) { f.Descriptors[0].Err = errAway },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			f := healthy()
			spoil(&f)
			results := doctor.Judge(f)
			if doctor.Worst(results) != doctor.Yellow {
				t.Fatalf("worst is %s: %+v", doctor.Worst(results), results)
			}
			for _, r := range results {
				if r.Level == doctor.Yellow && (r.Check != name || r.Hint == "" || !strings.Contains(r.Text, errAway.Error()) && r.Check != "verdict-topic") {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

// On one machine, in plain text, what would be red elsewhere is green, and says why.
func TestATrialIsGreen(t *testing.T) {
	f := healthy()
	f.Trial, f.ClickHouse.Loopback = true, true
	f.ClickHouse.Grants = []string{"GRANT ALL ON *.* TO default"}
	for i := range f.Kafka {
		f.Kafka[i].Secure, f.Kafka[i].Principal = false, "User:ANONYMOUS"
	}
	for i := range f.Grants {
		f.Grants[i].Allowed = []string{access.Read, access.Write}
	}
	for name := range f.Topics.Known {
		change(&f, name, func(t *doctor.TopicFact) { t.Replicas = 1 })
	}
	for _, r := range doctor.Judge(f) {
		if r.Level != doctor.Green {
			t.Errorf("%+v", r)
		}
	}
	f.Trial = false
	if doctor.Worst(doctor.Judge(f)) != doctor.Red {
		t.Error("elsewhere it is not red")
	}
}
