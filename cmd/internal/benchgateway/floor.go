//go:build linux

package benchgateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/gateway/upstream"
)

// Floor serves like a gateway that does nothing until ctx ends: net/http's server
// before the client that the gateway has for its services. What is below it cannot
// be saved by anything that the gateway does itself, short of a server of its own.
// It writes one line to ready when it serves, of the form that a gateway writes.
func Floor(ctx context.Context, service *url.URL, ready io.Writer) error {
	client, err := upstream.New(upstream.Options{
		Dial: new(net.Dialer).DialContext, HeaderTimeout: answerMax, HeaderBytesMax: answerBytesMax, ConnectionsMax: 1024,
		IdleMax: 1024, IdleTimeout: time.Minute, Now: time.Now,
	})
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("open port: %w", err)
	}
	buffers := &sync.Pool{New: func() any { return new([answerBytesMax]byte) }}
	server := &http.Server{Handler: floor{client: client, service: service, buffers: buffers}, ReadHeaderTimeout: answerMax}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	err = json.NewEncoder(ready).Encode(map[string]string{"gateway": "http://" + l.Addr().String()})
	if err != nil {
		return fmt.Errorf("say where it serves: %w", err)
	}
	err = server.Serve(l)
	client.CloseIdleConnections()
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// floor forwards every request as it came.
type floor struct {
	client  *upstream.Client
	service *url.URL
	buffers *sync.Pool // Of *[answerBytesMax]byte.
}

// ServeHTTP implements http.Handler.
func (f floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to := *r.URL
	to.Scheme, to.Host = f.service.Scheme, f.service.Host
	out := (&http.Request{Method: r.Method, URL: &to, Host: to.Host, Header: r.Header}).WithContext(r.Context())
	res, err := f.client.RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = res.Body.Close() }()
	maps.Copy(w.Header(), res.Header)
	w.WriteHeader(res.StatusCode)
	buf := f.buffers.Get().(*[answerBytesMax]byte) //nolint:forcetypeassert // The pool holds nothing else.
	defer f.buffers.Put(buf)
	// Without the writer's ReadFrom, which sends header and body apart.
	_, _ = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{res.Body}, buf[:])
}

// startFloor starts it in a process of its own, which is this program again.
func (b *bench) startFloor(ctx context.Context) error {
	p, first, err := start(b.dir, "floor", b.alone, b.o.Up, "bench", "gateway", "floor", "http://"+b.places["UPSTREAM"].String())
	if err != nil {
		return err
	}
	b.processes = append(b.processes, p)
	at, err := p.address(ctx, first)
	if err != nil {
		return err
	}
	b.targets = append(b.targets, &target{name: floorPlain, process: p, at: at, algorithm: rs256})
	return nil
}
