package keycloak

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/freeport"
)

// Options say how a server runs.
type Options struct {
	// Home is the prepared folder.
	Home string
	// CAFile holds the certificate (PEM) that the server believes clients by when it
	// calls them; empty for the system's.
	CAFile string
	// Log takes what the server writes; nil for nowhere.
	Log io.Writer
}

// Server is a Keycloak that runs.
type Server struct {
	base string // Its address, without a slash at the end.
	cmd  *exec.Cmd
	done chan struct{} // Closed when it has ended.
	once sync.Once
}

const (
	// startMax is how long Java may take on a busy machine.
	startMax = 3 * time.Minute
	// callTimeout bounds one call of the admin API.
	callTimeout = time.Minute
	// admin is the name and the password of who makes realms.
	admin = "admin"
)

// Start runs a server and returns when it serves. Its error says in one line what is
// missing on this machine and how to get it.
func Start(ctx context.Context, o Options) (*Server, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, errors.New("Keycloak needs java 17 or later on the PATH") //nolint:staticcheck // A name.
	}
	_, err = os.Stat(filepath.Join(o.Home, ".complete"))
	if err != nil {
		return nil, fmt.Errorf("no Keycloak in %s: run `make keycloak`", o.Home)
	}
	port, err := freeport.Port()
	if err != nil {
		return nil, err
	}
	s := &Server{base: "http://127.0.0.1:" + strconv.Itoa(port), done: make(chan struct{})}
	args := []string{
		// What bin/kc.sh says, without the shell between us and it.
		"-Xmx400m", "-XX:MaxMetaspaceSize=256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
		"--add-opens=java.base/java.security=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED",
		"-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
		"-Dkc.home.dir=" + o.Home, "-Djboss.server.config.dir=" + filepath.Join(o.Home, "conf"), "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
		"-cp", filepath.Join(o.Home, "lib", "quarkus-run.jar"), "io.quarkus.bootstrap.runner.QuarkusEntryPoint",
		"start", "--optimized", "--http-enabled=true", "--hostname=" + s.base, "--http-host=127.0.0.1", "--http-port=" + strconv.Itoa(port), "--log-level=warn",
	}
	if o.CAFile != "" {
		args = append(args, "--truststore-paths="+o.CAFile)
	}
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), java, args...) //nolint:gosec // Our own words.
	s.cmd.Env = append(os.Environ(), "KC_BOOTSTRAP_ADMIN_USERNAME="+admin, "KC_BOOTSTRAP_ADMIN_PASSWORD="+admin)
	s.cmd.Stdout, s.cmd.Stderr = o.Log, o.Log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = s.cmd.Start()
	if err != nil {
		return nil, fmt.Errorf("start Keycloak: %w", err)
	}
	go func() {
		_ = s.cmd.Wait() // That it was killed is no fault.
		close(s.done)
	}()
	return s, s.await(ctx)
}

// await returns once the server answers.
func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startMax)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.call(ctx, http.MethodGet, "/realms/master", "", nil, nil)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.done:
			return errors.New("start Keycloak: it has ended")
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("start Keycloak: %w", err), s.Close())
		}
	}
}

// Issuer is the issuer of a realm.
func (s *Server) Issuer(realm string) string { return s.base + "/realms/" + realm }

// AddRealm makes a realm with its clients and people.
func (s *Server) AddRealm(ctx context.Context, realm map[string]any) error {
	form := url.Values{"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {admin}, "password": {admin}}
	var token struct {
		Access string `json:"access_token"`
	}
	err := s.call(ctx, http.MethodPost, "/realms/master/protocol/openid-connect/token", "", form, &token)
	if err != nil {
		return fmt.Errorf("sign in as the administrator: %w", err)
	}
	err = s.call(ctx, http.MethodPost, "/admin/realms", token.Access, realm, nil)
	if err != nil {
		return fmt.Errorf("add realm: %w", err)
	}
	return nil
}

// call sends a form or JSON and decodes the answer into out, where it is not nil.
func (s *Server) call(ctx context.Context, method, path, token string, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var content []byte
	kind := "application/json"
	form, isForm := body.(url.Values)
	switch {
	case isForm:
		content, kind = []byte(form.Encode()), "application/x-www-form-urlencoded"
	case body != nil:
		var err error
		content, err = json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("call Keycloak: %w", err)
	}
	r.Header.Set("Content-Type", kind)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("call Keycloak: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // Read only: nothing is lost.
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("call Keycloak: %w", err)
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("call Keycloak: status %d: %s", res.StatusCode, strings.TrimSpace(string(b)))
	}
	if out == nil {
		return nil
	}
	err = json.Unmarshal(b, out)
	if err != nil {
		return fmt.Errorf("decode answer of Keycloak: %w", err)
	}
	return nil
}

// Close ends the server, at once, and returns when it has ended.
func (s *Server) Close() error {
	s.once.Do(func() { _ = s.cmd.Process.Kill() }) // It may have ended already.
	<-s.done
	return nil
}
