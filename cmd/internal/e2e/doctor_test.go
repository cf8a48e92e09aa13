//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/cmd/internal/doctor"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// machineChecks are about the machine that tests run on, not about Vigil.
var machineChecks = []string{"disks", "clickhouse-disk", "descriptors"}

// examine runs "vigil doctor" and returns what is not green, and the exit code.
func examine(t *testing.T, binary, dir string, args ...string) (all, lacking []doctor.Result, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append([]string{"doctor", "-o", "json"}, args...)...)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	err = json.Unmarshal(out, &all)
	if err != nil {
		t.Fatalf("vigil doctor: %v: %s", err, out)
	}
	for _, r := range all {
		if r.Level != doctor.Green && !slices.Contains(machineChecks, r.Check) {
			lacking = append(lacking, r)
		}
	}
	return all, lacking, cmd.ProcessState.ExitCode()
}

// says reports whether a result of a check has a level and a text.
func says(results []doctor.Result, check string, level doctor.Level, text string) bool {
	return slices.ContainsFunc(results, func(r doctor.Result) bool {
		return r.Check == check && r.Level == level && strings.Contains(r.Text, text) && r.Hint != ""
	})
}

// TestDoctor examines what "vigil up" runs: all is green. Then it is broken in
// places, and stopped.
func TestDoctor(t *testing.T) {
	s := startStack(t, stackOptions{})
	binary := filepath.Join(s.dir, "vigil.bin")
	run := func() (all, lacking []doctor.Result, code int) {
		return examine(t, binary, s.dir, "--data", s.installation())
	}
	var all, lacking []doctor.Result
	await(t, "a healthy installation", func() bool { // The facet stage joins its group a moment after the gateway serves.
		all, lacking, _ = run()
		return len(lacking) == 0
	})
	seen := make(map[string]bool)
	for _, r := range all {
		seen[r.Check] = true
	}
	if len(seen) < 25 {
		t.Errorf("%d checks have looked: %+v", len(seen), all)
	}

	err := os.Chmod(s.run.TenantKeyFile, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(s.run.Kafka...), Transport: tr, Timeout: patience}
	resp, err := c.IncrementalAlterConfigs(t.Context(), &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic.Verdicts,
		Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: "cleanup.policy", Value: "delete", ConfigOperation: kafka.ConfigOperationSet}},
	}}})
	if err != nil || resp.Resources[0].Error != nil {
		t.Fatal(err, resp)
	}
	_, lacking, code := run()
	if code != 1 || len(lacking) != 4 || !says(lacking, "secret-files", doctor.Red, "tenant.key (mode 0644)") || !says(lacking, "config", doctor.Red, "tenant_key_file: everybody") ||
		!says(lacking, "topic-settings", doctor.Red, "topic vigil.verdicts has cleanup.policy=delete, needs compact") {
		t.Errorf("exit code %d: %+v", code, lacking)
	}

	_, lacking, code = examine(t, binary, t.TempDir(), "--gateway-admin", "http://127.0.0.1:1")
	if code != 4 || !says(lacking, "gateways", doctor.Red, "connection refused") {
		t.Errorf("nobody answers: exit code %d: %+v", code, lacking)
	}
}

// examineSecure looks at an installation with least privilege as its operator, and
// then gives a gateway too much.
func examineSecure(t *testing.T, s *site, k *secureKafka, operator []string) {
	t.Helper()
	args := append([]string{
		"--gateway-config", "gateway.yaml", "--analyzer-config", "analyzer.yaml", "--gateway-admin", s.gateway.ready["admin"], "--analyzer-admin", s.analyzer.ready["admin"],
	}, operator...)
	var all, lacking []doctor.Result
	await(t, "nothing red", func() bool { // A broker that has been busy is forgiven, and so is this machine.
		all, lacking, _ = examine(t, binary(t, "vigil"), s.dir, args...)
		return !slices.ContainsFunc(lacking, func(r doctor.Result) bool { return r.Level == doctor.Red })
	})
	for _, check := range []string{"kafka", "kafka-tls", "topics", "topic-settings", "verdict-topic", "grants-needed", "grants-wide", "group-lag", "certificates"} {
		if !slices.ContainsFunc(all, func(r doctor.Result) bool { return r.Check == check && r.Level == doctor.Green }) {
			t.Errorf("%s is not green: %+v", check, lacking)
		}
	}
	if !slices.ContainsFunc(all, func(r doctor.Result) bool { return strings.HasPrefix(r.Text, "4 certificates hold") }) { // The gateway's, and the broker's as three have seen it.
		t.Errorf("not all certificates were seen: %+v", all)
	}
	resp, err := k.client(t, k.Addr(), k.user("admin")).CreateACLs(t.Context(), &kafka.CreateACLsRequest{ACLs: []kafka.ACLEntry{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic.Verdicts, ResourcePatternType: kafka.PatternTypeLiteral,
		Principal: "User:gateway-1", Host: "*", Operation: kafka.ACLOperationTypeWrite, PermissionType: kafka.ACLPermissionTypeAllow,
	}}})
	if err != nil || resp.Errors[0] != nil {
		t.Fatal(err, resp)
	}
	await(t, "a grant too many", func() bool {
		_, lacking, code := examine(t, binary(t, "vigil"), s.dir, args...)
		return code == 1 && says(lacking, "grants-wide", doctor.Red, "("+string(access.RoleGateway)+") may write topic vigil.verdicts")
	})
}
