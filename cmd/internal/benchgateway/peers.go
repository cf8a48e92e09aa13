//go:build linux

package benchgateway

import (
	"context"
	"embed"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/freeport"
)

//go:embed peers
var peers embed.FS

// target is something that is measured.
type target struct {
	name      string
	process   *process // Nil for the service itself.
	at        netip.AddrPort
	algorithm string // Of the tokens it is sent.
	checks    bool   // Refuses what has no good token.
	vigil     *vigil // Nil for a peer.
}

// places are ports by name.
type places map[string]netip.AddrPort

// reserve finds free ports. Another program may take one before it is used; then
// the target does not start, and says so.
func reserve(names ...string) (places, error) {
	p := make(places, len(names))
	for _, name := range names {
		addr, err := freeport.Addr()
		if err != nil {
			return nil, err //nolint:wrapcheck // Says it all.
		}
		p[name] = netip.MustParseAddrPort(addr)
	}
	return p, nil
}

// configure writes a peer's configuration, with what stands between @s filled in.
func (b *bench) configure(name string) (string, error) {
	raw, err := peers.ReadFile("peers/" + name)
	if err != nil {
		return "", fmt.Errorf("read configuration: %w", err)
	}
	fill := []string{
		"@DIR@", b.dir, "@ISSUER@", issuer, "@AUDIENCE@", audience,
		"@BODY@", `{"pad":"` + strings.Repeat("x", bodyBytes-len(`{"pad":""}`)) + `"}`,
	}
	for port, at := range b.places {
		fill = append(fill, "@"+port+"@", strconv.Itoa(int(at.Port())))
	}
	file := filepath.Join(b.dir, name)
	err = os.WriteFile(file, []byte(strings.NewReplacer(fill...).Replace(string(raw))), 0o600)
	if err != nil {
		return "", fmt.Errorf("write configuration: %w", err)
	}
	return file, nil
}

// peer starts a program with a configuration of ours and waits until each of
// its ports takes connections.
func (b *bench) peer(ctx context.Context, name, config string, processor int, program string, args []string, ports ...string) (*process, error) {
	file, err := b.configure(config)
	if err != nil {
		return nil, err
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "@FILE@", file)
	}
	p, _, err := start(b.dir, name, processor, program, args...)
	if err != nil {
		return nil, err
	}
	b.processes = append(b.processes, p)
	for _, port := range ports {
		err = p.await(ctx, b.places[port])
		if err != nil {
			return nil, err
		}
	}
	return p, nil
}

// await waits until the program takes connections.
func (p *process) await(ctx context.Context, at netip.AddrPort) error {
	var d net.Dialer
	for deadline := time.Now().Add(startMax); time.Now().Before(deadline); time.Sleep(lookGap) {
		c, err := d.DialContext(ctx, "tcp4", at.String())
		if err == nil {
			_ = c.Close()
			return nil
		}
		err = p.ended()
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("start %s: %w", p.name, ctx.Err())
		}
	}
	return fmt.Errorf("%s does not listen at %s: %s", p.name, at, p.tail())
}

// startPeers starts the service and what Vigil is compared with.
func (b *bench) startPeers(ctx context.Context) error {
	var err error
	b.places, err = reserve("UPSTREAM", "NGINX", "HAPROXY", "HAPROXY_RS256", "HAPROXY_ES256", "ENVOY", "ENVOY_JWT", "ENVOY_CACHE")
	if err != nil {
		return err
	}
	_, err = b.peer(ctx, "upstream", "upstream.conf", b.elsewhere, b.o.Nginx, []string{"-c", "@FILE@"}, "UPSTREAM")
	if err != nil {
		return err
	}
	b.direct = &target{name: noProxy, at: b.places["UPSTREAM"], algorithm: rs256}
	nginx, err := b.peer(ctx, "nginx", "nginx.conf", b.alone, b.o.Nginx, []string{"-c", "@FILE@"}, "NGINX")
	if err != nil {
		return err
	}
	haproxy, err := b.peer(ctx, "haproxy", "haproxy.cfg", b.alone, b.o.HAProxy, []string{"-f", "@FILE@", "-db"}, "HAPROXY", "HAPROXY_RS256", "HAPROXY_ES256")
	if err != nil {
		return err
	}
	b.targets = append(b.targets,
		&target{name: nginxPlain, process: nginx, at: b.places["NGINX"], algorithm: rs256},
		&target{name: haproxyPlain, process: haproxy, at: b.places["HAPROXY"], algorithm: rs256},
		&target{name: haproxyRS256, process: haproxy, at: b.places["HAPROXY_RS256"], algorithm: rs256, checks: true},
		&target{name: haproxyES256, process: haproxy, at: b.places["HAPROXY_ES256"], algorithm: es256, checks: true})
	if b.o.Envoy == "" {
		return nil
	}
	envoy, err := b.peer(ctx, "envoy", "envoy.json", b.alone, b.o.Envoy, []string{"-c", "@FILE@", "--concurrency", "1", "-l", "error", "--use-dynamic-base-id"}, "ENVOY", "ENVOY_JWT", "ENVOY_CACHE")
	if err != nil {
		return err
	}
	b.targets = append(b.targets,
		&target{name: envoyPlain, process: envoy, at: b.places["ENVOY"], algorithm: rs256},
		&target{name: envoyJWT, process: envoy, at: b.places["ENVOY_JWT"], algorithm: rs256, checks: true},
		&target{name: envoyCache, process: envoy, at: b.places["ENVOY_CACHE"], algorithm: rs256, checks: true})
	return nil
}
