package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/app"
	"github.com/vigil-gateway/vigil/cmd/internal/keys"
)

const file = `
tenant_key_file: secrets/tenant.key
kafka: {brokers: ["127.0.0.1:1"]}
keys: {key_set_file: keys/keys.jws, root_public_file: keys/root.pub.pem}
admin: {address: "127.0.0.1:0"}
announce: {key_file: keys/analyzer.pem, kid: analyzer-1}
`

// firstLine ends a process once it has said that it is ready.
type firstLine struct {
	text string
	stop context.CancelFunc
}

func (f *firstLine) Write(p []byte) (int, error) {
	f.text += string(p)
	if strings.Contains(f.text, "\n") {
		f.stop()
	}
	return len(p), nil
}

// TestReady checks that the process serves without Kafka, says where on the
// first line of its output, and ends cleanly when it is asked to.
func TestReady(t *testing.T) {
	dir := t.TempDir()
	_, err := keys.Init(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(filepath.Join(dir, "c.yaml"), []byte(file), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	out, errs := &firstLine{stop: stop}, new(bytes.Buffer)
	env := app.Env{Args: []string{"--config", filepath.Join(dir, "c.yaml"), "--set", "log.level=warn"}, Stdout: out, Stderr: errs, Now: time.Now}
	code := app.Execute(ctx, env, newCommand(env))
	if code != app.ExitOK {
		t.Fatalf("exit code %d, log:\n%s", code, errs.String())
	}
	if !regexp.MustCompile(`^{"event":"ready","admin":"http://127\.0\.0\.1:\d+"}\n$`).MatchString(out.text) {
		t.Errorf("stdout is %q", out.text)
	}
}

// TestFaults checks that a faulty start says everything, with exit code 2.
func TestFaults(t *testing.T) {
	var out, errs bytes.Buffer
	env := app.Env{Args: []string{"--set", "kafka.brokers=a:1", "--set", "log.levle=warn"}, Stdout: &out, Stderr: &errs, Now: time.Now}
	code := app.Execute(t.Context(), env, newCommand(env))
	if code != app.ExitUsage {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"tenant_key_file: is required\n", "keys.key_set_file: is required\n", `--set log.levle: log.levle: unknown key; did you mean "log.level"?`} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("%q is not said in:\n%s", want, errs.String())
		}
	}
}

// TestBadFiles checks that files that hold the wrong thing are faults of the
// configuration, all told at once with their place and exit code 2.
func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	k, err := keys.Init(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := filepath.Join(dir, "c.yaml")
	for name, text := range map[string]string{c: file, k.KeySet: "garbage", k.TenantKey: "short", k.AnalyzerKey: "garbage"} {
		err = os.WriteFile(name, []byte(text), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	env := app.Env{Args: []string{"--config", c}, Stdout: &out, Stderr: &errs, Now: time.Now}
	code := app.Execute(t.Context(), env, newCommand(env))
	if code != app.ExitUsage {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"tenant_key_file: tenant key: needs at least 32 bytes\n", "keys.key_set_file: key set is not signed", "announce.key_file: no PEM block\n"} {
		if !strings.Contains(errs.String(), want) || !strings.HasPrefix(errs.String(), c+":") {
			t.Errorf("%q is not said with its place in:\n%s", want, errs.String())
		}
	}
}
