package devstack

import (
	"context"
	"fmt"
	"net"
	"net/url"
)

// keepPort returns a loopback address to listen on: the one of the last run if
// it is still free, else one that the system picks. Between the look and the
// use somebody may take it; then the part's own start says so.
func keepPort(last string) (string, error) {
	lc := net.ListenConfig{}
	if last != "" {
		ln, err := lc.Listen(context.Background(), "tcp", last)
		if err == nil {
			return last, ln.Close()
		}
	}
	ln, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return ln.Addr().String(), ln.Close()
}

// hostPort is the host:port of a URL, empty where it has none.
func hostPort(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
