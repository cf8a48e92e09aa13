package certified

import (
	"bufio"
	"context"
	_ "embed" // For the provider's program.
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/freeport"
)

//go:embed provider.mjs
var program string

// Resources that a client may ask access tokens for: signed ones name the person, the
// provider's session and the audience [Audience]; about opaque ones the provider is
// asked.
const (
	Signed   = "https://api.test/signed"
	Opaque   = "https://api.test/opaque"
	Audience = "app"
)

// Client is a relying party, in the words of OpenID Connect Dynamic Registration.
type Client struct {
	ID                       string   `json:"client_id"`
	Secret                   string   `json:"client_secret,omitempty"`
	AuthMethod               string   `json:"token_endpoint_auth_method,omitempty"`
	RedirectURIs             []string `json:"redirect_uris"`
	PostLogoutURIs           []string `json:"post_logout_redirect_uris,omitempty"`
	GrantTypes               []string `json:"grant_types"`
	BackchannelLogoutURI     string   `json:"backchannel_logout_uri,omitempty"`
	BackchannelSessionNeeded bool     `json:"backchannel_logout_session_required,omitempty"`
	IDTokenAlgorithm         string   `json:"id_token_signed_response_alg,omitempty"`
	DefaultACRValues         []string `json:"default_acr_values,omitempty"`
	// PushedOnly refuses sign-ins that are not pushed (RFC 9126), DPoPOnly tokens that
	// are not bound (RFC 9449).
	PushedOnly bool `json:"require_pushed_authorization_requests,omitempty"`
	DPoPOnly   bool `json:"dpop_bound_access_tokens,omitempty"`
}

// Options say how a provider runs.
type Options struct {
	// Modules is the folder with oidc-provider; "" is .cache/oidc of the checkout.
	Modules string
	// Port on loopback; 0 picks a free one.
	Port    int
	Clients []Client
	// AccessTokenFor is the life of access tokens, whole seconds; a minute where 0.
	AccessTokenFor time.Duration
	// DPoPNonce asks for the provider's own nonce in every DPoP proof.
	DPoPNonce bool
	// Keys is a private JWKS to sign with.
	Keys json.RawMessage
	// CAFile holds the certificate that the provider believes clients by when it
	// calls them.
	CAFile string
	// Log takes what the provider writes to standard error; nil for nowhere.
	Log io.Writer
}

// Provider is a provider that runs.
type Provider struct {
	issuer string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	once   sync.Once
	err    error
}

// startMax is how long node may take on a busy machine.
const startMax = time.Minute

// Start runs a provider and returns when it serves. Its error says in one line what
// is missing on this machine and how to get it.
func Start(ctx context.Context, o Options) (*Provider, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, errors.New("the certified provider needs node 20 or later on the PATH")
	}
	if o.Modules == "" {
		o.Modules = filepath.Join(checkout(), ".cache", "oidc")
	}
	_, err = os.Stat(filepath.Join(o.Modules, "node_modules", "oidc-provider"))
	if err != nil {
		return nil, fmt.Errorf("no oidc-provider in %s: run `make engines`", o.Modules)
	}
	if o.Port == 0 {
		o.Port, err = freeport.Port()
		if err != nil {
			return nil, err
		}
	}
	if o.AccessTokenFor == 0 {
		o.AccessTokenFor = time.Minute
	}
	p := &Provider{issuer: "http://127.0.0.1:" + strconv.Itoa(o.Port)}
	config, err := json.Marshal(map[string]any{
		"issuer": p.issuer, "clients": o.Clients, "accessTokenSeconds": int(o.AccessTokenFor / time.Second),
		"jwks": o.Keys, "dpopNonce": o.DPoPNonce,
	})
	if err != nil {
		return nil, fmt.Errorf("encode options: %w", err)
	}
	return p, p.run(ctx, node, o, config)
}

func (p *Provider) run(ctx context.Context, node string, o Options, config []byte) error {
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), node, "--input-type=module", "--eval", program) //nolint:gosec // Our own program.
	p.cmd.Dir, p.cmd.Stderr = o.Modules, o.Log
	p.cmd.Env = append(os.Environ(), "NODE_ENV=production", "NODE_NO_WARNINGS=1")
	if o.CAFile != "" {
		p.cmd.Env = append(p.cmd.Env, "NODE_EXTRA_CA_CERTS="+o.CAFile)
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	p.stdin, err = p.cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start provider: %w", err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start provider: %w", err)
	}
	err = p.cmd.Start()
	if err != nil {
		return fmt.Errorf("start provider: %w", err)
	}
	late := time.AfterFunc(startMax, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	_, err = p.stdin.Write(append(config, '\n'))
	if err == nil {
		_, err = bufio.NewReader(out).ReadString('\n')
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start provider: %w", err), p.Close())
	}
	return nil
}

// Issuer is the provider's.
func (p *Provider) Issuer() string { return p.issuer }

// Close ends the provider, at once: that is what an outage looks like.
func (p *Provider) Close() error {
	p.once.Do(func() {
		_ = p.cmd.Process.Kill() // It may have ended already.
		_ = p.stdin.Close()
		err := p.cmd.Wait()
		if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
			p.err = fmt.Errorf("end provider: %w", err)
		}
	})
	return p.err
}

// checkout is the directory with go.mod above the working directory, "." for none.
func checkout() string {
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		_, found := os.Stat(filepath.Join(dir, "go.mod"))
		if found == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return "."
}
