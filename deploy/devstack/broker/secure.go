package broker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vigil-gateway/vigil/deploy/devstack/freeport"
)

// Listeners of a node that [SecureOptions] describes.
const (
	// ListenerClients asks for a name and a password.
	ListenerClients = "CLIENTS"
	// ListenerBrokers asks for a certificate.
	ListenerBrokers = "BROKERS"
)

// SecureOptions are those of a node that is set up as deploy/kafka says: TLS
// everywhere, an authorizer that knows no grant yet, and the users of passwords,
// of whom admin may do everything. Dir is the caller's to set; certificates are
// written to dir.
func SecureOptions(dir string, passwords map[string]string) (ApacheOptions, *Authority, error) {
	a, err := NewAuthority(dir)
	if err != nil {
		return ApacheOptions{}, nil, err
	}
	_, _, err = a.Issue("broker", "127.0.0.1", "localhost")
	if err != nil {
		return ApacheOptions{}, nil, err
	}
	text, err := os.ReadFile(filepath.Join(checkout(), "deploy", "kafka", "server.properties"))
	if err != nil {
		return ApacheOptions{}, nil, fmt.Errorf("read the properties of a secure node: %w", err)
	}
	o := ApacheOptions{Passwords: passwords}
	places := strings.NewReplacer("/etc/kafka/secrets/broker.pem", filepath.Join(dir, "broker.both.pem"), "/etc/kafka/secrets/ca.pem", a.CAFile())
	for line := range strings.Lines(places.Replace(string(text))) {
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' && !strings.HasPrefix(line, "listeners=") {
			o.Properties = append(o.Properties, line)
		}
	}
	var where []string
	for _, name := range []string{ListenerBrokers, ListenerClients} {
		addr, err := freeport.Addr()
		if err != nil {
			return ApacheOptions{}, nil, err //nolint:wrapcheck // Says it all.
		}
		where = append(where, name+"://"+addr)
	}
	o.Listeners = strings.Join(where, ",")
	return o, a, nil
}

// AddrOf is the host and port of a listener that was named in the options; "" for
// no such.
func (a *Apache) AddrOf(listener string) string {
	for l := range strings.SplitSeq(a.listeners, ",") {
		if addr, ok := strings.CutPrefix(l, listener+"://"); ok {
			return addr
		}
	}
	return ""
}
