//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
)

// An operator ends a session and gives it back, and at each step the tools say
// what holds: nobody is told to lift what is lifted.
func TestOperatorRevokesAndRestores(t *testing.T) {
	s := startStack(t, stackOptions{analyzer: eager()})
	token := s.token("ana")
	session := []string{"session", "--issuer", s.idp.Issuer(), "--sid", "sid-ana"}
	client := &http.Client{Transport: s.transport(t, address(home, 1))}
	ask := func() (int, string) {
		resp, err := client.Do(s.request(t, http.MethodGet, "/", token, ownersAgent, nil))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		var problem struct {
			SupportCode string `json:"support_code"`
		}
		_ = json.Unmarshal(body, &problem) // A permitted answer is no problem body.
		return resp.StatusCode, problem.SupportCode
	}
	run := func(answer any, args ...string) {
		err := s.vigil(t, answer, args...)
		if err != nil {
			t.Fatal(err)
		}
	}
	live := func() int {
		var rows []json.RawMessage
		run(&rows, "verdicts", "--live")
		return len(rows)
	}
	type explanation struct {
		InForce bool `json:"in_force"`
		Lifted  *struct {
			OperatorText string `json:"operator_text"`
		} `json:"lifted"`
	}

	if status, _ := ask(); status != http.StatusOK {
		t.Fatalf("before: status %d", status)
	}
	run(nil, append([]string{"revoke", "--reason", "laptop stolen"}, session...)...)
	status, code := ask()
	if status != http.StatusUnauthorized || code == "" {
		t.Fatalf("after revoke: status %d, support code %q", status, code)
	}
	await(t, "the verdict in force", func() bool { return live() == 1 })
	var x explanation
	await(t, "the code explained", func() bool {
		x = explanation{}
		return s.vigil(t, &x, "explain", code) == nil && x.InForce
	})

	run(nil, append([]string{"restore", "--reason", "found it"}, session...)...)
	if status, _ := ask(); status != http.StatusOK {
		t.Fatalf("after restore: status %d", status)
	}
	await(t, "no verdict in force", func() bool { return live() == 0 })
	await(t, "the lift explained", func() bool {
		x = explanation{}
		return s.vigil(t, &x, "explain", code) == nil && x.Lifted != nil
	})
	if x.InForce || x.Lifted.OperatorText != "found it" {
		t.Errorf("after restore explain says %+v", x)
	}
	await(t, "nothing left to restore", func() bool {
		return s.vigil(t, nil, append([]string{"restore", "--reason", "again"}, session...)...) != nil
	})
}

// vigil runs a command on the installation and reads its JSON into answer,
// unless that is nil. The error is the exit code's, with what was said.
func (s *stack) vigil(t *testing.T, answer any, args ...string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(s.dir, "vigil.bin"), append(args, "--data", s.installation(), "-o", "json")...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return fmt.Errorf("%w: %s", err, said.Bytes())
	}
	if err != nil {
		t.Fatalf("vigil %v: %v: %s", args, err, said.Bytes())
	}
	if answer == nil {
		return nil
	}
	err = json.Unmarshal(out, answer)
	if err != nil {
		t.Fatalf("vigil %v: %v in %s", args, err, out)
	}
	return nil
}
