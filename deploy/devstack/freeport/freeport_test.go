package freeport_test

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/deploy/devstack/freeport"
)

// A port can be opened, and the system does not give it to others.
func TestPort(t *testing.T) {
	least := 32768
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		least, err = strconv.Atoi(strings.Fields(string(b))[0])
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		port, err := freeport.Port()
		if err != nil {
			t.Fatal(err)
		}
		if port >= least {
			t.Errorf("port %d is among those from %d on, which the system gives away", port, least)
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
	}
}
