package freeport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The range lies below where systems give ports away: from 32768 on Linux and from
// 49152 by RFC 6335, section 6.
const (
	first = 10_000
	count = 32_768 - first
	tries = 200
)

// Addr is 127.0.0.1 with a port that nobody listens on.
func Addr() (string, error) {
	last := errors.New("none tried")
	for range tries {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(count))) //nolint:gosec // Nothing is lost to whoever guesses it.
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
		last = err
	}
	return "", fmt.Errorf("find a free port: %w", last)
}

// Port is the port of an [Addr].
func Port() (int, error) {
	addr, err := Addr()
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return strconv.Atoi(port)
}
