package upstream_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A service that sends the body of an answer to HEAD, against all rules and late,
// would have it read as the answer to the next request, of somebody else. What the
// service says in such a body may be anybody's words.
func TestALateBodyWhereThereIsNoneIsNotTheNextAnswer(t *testing.T) {
	for name, tt := range map[string]struct{ method, answer string }{
		"to HEAD":           {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n"},
		"to HEAD, chunked":  {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		"to what is not":    {"POST", "HTTP/1.1 204 No Content\r\nContent-Length: 45\r\n\r\n"},
		"to what was there": {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 45\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			go func() {
				for first := true; ; first = false {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer func() { _ = c.Close() }()
						in := bufio.NewReader(c)
						if first {
							_, _ = http.ReadRequest(in)
							_, _ = io.WriteString(c, tt.answer)
						}
						_, err := http.ReadRequest(in) // The late body comes when the next request is there.
						if err == nil && first {
							_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
						} else if err == nil {
							_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine")
						}
					}()
				}
			}()
			c := client(t, options())
			_, err = call(c, get(t.Context(), t, tt.method, "http://"+l.Addr().String()+"/"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := call(c, get(t.Context(), t, "GET", "http://"+l.Addr().String()+"/"))
			if err != nil || got.Body != "mine" {
				t.Errorf("the next client got %q, %v", got.Body, err)
			}
		})
	}
}

// late is a connection whose first deadline comes just after its request was cut,
// and takes the place of the one by which the cut would have ended it.
type late struct {
	net.Conn

	once sync.Once
	cut  func()
	over chan struct{} // The cut has set its deadline.
}

func (l *late) SetDeadline(at time.Time) error {
	if at.After(time.Now()) {
		l.once.Do(func() {
			l.cut()
			<-l.over
		})
		return l.Conn.SetDeadline(at)
	}
	err := l.Conn.SetDeadline(at)
	if !at.IsZero() {
		close(l.over)
	}
	return err
}

// A verdict that comes while a request is on its way to be written must not wait
// for a service that never answers.
func TestACutJustBeforeTheRequestIsWritten(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0") // Nobody answers.
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	o := options()
	o.HeaderTimeout = time.Hour
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return &late{Conn: c, cut: cancel, over: make(chan struct{})}, err
	}
	ended := make(chan error, 1)
	go func() {
		_, err := call(client(t, o), get(ctx, t, "GET", "http://"+l.Addr().String()+"/"))
		ended <- err
	}()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(10 * time.Second):
		t.Error("the cut waits for the service")
	}
}
