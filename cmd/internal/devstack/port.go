package devstack

import (
	"context"
	"net"
	"net/url"

	"github.com/vigil-gateway/vigil/deploy/devstack/freeport"
)

// keepPort returns a loopback address to listen on: the one of the last run if
// it is still free, else another. Between the look and the
// use somebody may take it; then the part's own start says so.
func keepPort(last string) (string, error) {
	if last != "" {
		ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", last)
		if err == nil {
			return last, ln.Close()
		}
	}
	return freeport.Addr() //nolint:wrapcheck // Says it all.
}

// hostPort is the host:port of a URL, empty where it has none.
func hostPort(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
