//go:build linux

package benchgateway

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// load is one measurement's work: requests over connections that stay open.
type load struct {
	to       netip.AddrPort
	requests [][]byte // Taken in turn.
	conns    int
	// last is for how long requests are sent; 0 where count says it.
	last time.Duration
	// count is how many requests are sent at most; 0 for no bound.
	count int
	// rate is how many arrive per second, as a Poisson process; 0 sends the next
	// as soon as an answer has come.
	rate float64
	// seed is that of the arrivals.
	seed uint64
}

// yield is what came of a load.
type yield struct {
	sent, good, other int
	// late are the times from when a request was due to the end of its answer,
	// sorted; only with a rate.
	late []time.Duration
}

// at is a quantile of the latencies.
func (y *yield) at(q float64) time.Duration {
	if len(y.late) == 0 {
		return 0
	}
	return y.late[int(q*float64(len(y.late)-1))]
}

// generator sends a load from one thread.
type generator struct {
	load

	began time.Time
	poll  int // The epoll.
	alarm int // A timerfd: a sleep of a Go timer is too coarse for arrivals.
	lines []*line
	idle  []*line
	queue []time.Duration // When those requests were due that wait for a connection.
	next  int             // Of requests.
	out   yield
}

// line is one connection, with at most one request under way.
type line struct {
	fd      int
	busy    bool
	due     time.Duration
	buf     []byte
	have    int
	need    int // Bytes of the whole answer; 0 before its header has come.
	good    bool
	address *unix.SockaddrInet4
}

// run sends the load and waits for every answer.
func (l load) run() (yield, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	g := &generator{load: l, began: time.Now()}
	defer g.close()
	err := g.open()
	if err != nil {
		return yield{}, fmt.Errorf("send load: %w", err)
	}
	if l.rate > 0 {
		err = g.inTime()
	} else {
		err = g.atOnce()
	}
	if err != nil {
		return yield{}, fmt.Errorf("send load: %w", err)
	}
	slices.Sort(g.out.late)
	return g.out, nil
}

func (g *generator) open() error {
	var err error
	g.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("open epoll: %w", err)
	}
	g.alarm, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("open timer: %w", err)
	}
	err = unix.EpollCtl(g.poll, unix.EPOLL_CTL_ADD, g.alarm, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: -1})
	if err != nil {
		return fmt.Errorf("watch timer: %w", err)
	}
	if g.last > 0 && g.rate > 0 {
		g.out.late = make([]time.Duration, 0, int(2*g.rate*g.last.Seconds())+1000)
	}
	for i := range g.conns {
		l := &line{fd: -1, buf: make([]byte, answerBytesMax), address: &unix.SockaddrInet4{Port: int(g.to.Port()), Addr: g.to.Addr().As4()}}
		g.lines = append(g.lines, l)
		err = g.dial(l, i)
		if err != nil {
			return err
		}
		g.idle = append(g.idle, l)
	}
	return nil
}

func (g *generator) dial(l *line, i int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	l.fd = fd
	err = errors.Join(unix.Connect(fd, l.address), unix.SetNonblock(fd, true), unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.EpollCtl(g.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}))
	if err != nil {
		return fmt.Errorf("connect to %s: %w", g.to, err)
	}
	return nil
}

func (g *generator) close() {
	for _, l := range g.lines {
		if l.fd >= 0 {
			_ = unix.Close(l.fd)
		}
	}
	_ = unix.Close(g.alarm)
	_ = unix.Close(g.poll)
}

func (g *generator) since() time.Duration { return time.Since(g.began) }

// more reports whether another request may be sent.
func (g *generator) more(now time.Duration) bool {
	return (g.last == 0 || now < g.last) && (g.count == 0 || g.out.sent+len(g.queue) < g.count)
}

// atOnce keeps every connection busy.
func (g *generator) atOnce() error {
	for len(g.idle) > 0 && g.more(g.since()) {
		err := g.send(0)
		if err != nil {
			return err
		}
	}
	return g.answers(func() error {
		for len(g.idle) > 0 && g.more(g.since()) {
			err := g.send(0)
			if err != nil {
				return err
			}
		}
		return nil
	}, func() bool { return len(g.idle) == len(g.lines) })
}

// inTime sends each request when it is due, or as soon as a connection is free
// after that; its latency counts from when it was due.
func (g *generator) inTime() error {
	random := rand.New(rand.NewPCG(g.seed, 0)) //nolint:gosec // Arrivals are no secret.
	gap := func() time.Duration { return time.Duration(random.ExpFloat64() / g.rate * 1e9) }
	due := gap()
	over := false
	turn := func() error {
		for now := g.since(); due <= now && !over; due += gap() {
			over = !g.more(due)
			if !over {
				g.queue = append(g.queue, due)
			}
		}
		for len(g.queue) > 0 && len(g.idle) > 0 {
			first := g.queue[0]
			g.queue = g.queue[1:]
			err := g.send(first)
			if err != nil {
				return err
			}
		}
		if over {
			return nil
		}
		at := unix.NsecToTimespec(max(int64(due-g.since()), 1))
		err := unix.TimerfdSettime(g.alarm, 0, &unix.ItimerSpec{Value: at}, nil)
		if err != nil {
			return fmt.Errorf("set timer: %w", err)
		}
		return nil
	}
	err := turn()
	if err != nil {
		return err
	}
	return g.answers(turn, func() bool { return over && len(g.queue) == 0 && len(g.idle) == len(g.lines) })
}

// send puts the next request on an idle connection.
func (g *generator) send(due time.Duration) error {
	l := g.idle[len(g.idle)-1]
	g.idle = g.idle[:len(g.idle)-1]
	l.busy, l.due, l.have, l.need = true, due, 0, 0
	q := g.requests[g.next%len(g.requests)]
	g.next++
	g.out.sent++
	n, err := unix.Write(l.fd, q)
	if err != nil || n != len(q) {
		return fmt.Errorf("send request: %d of %d bytes: %w", n, len(q), err)
	}
	return nil
}

// answers reads until done, and calls turn after each round.
func (g *generator) answers(turn func() error, done func() bool) error {
	events := make([]unix.EpollEvent, 128)
	var tick [8]byte
	quiet := g.since()
	for !done() {
		n, err := unix.EpollWait(g.poll, events, int(answerMax.Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait for answers: %w", err)
		}
		if n > 0 {
			quiet = g.since()
		} else if g.since()-quiet >= answerMax {
			return fmt.Errorf("%d requests have no answer after %s", len(g.lines)-len(g.idle), answerMax)
		}
		for _, e := range events[:n] {
			if e.Fd < 0 {
				_, _ = unix.Read(g.alarm, tick[:]) // Only to arm it anew.
				continue
			}
			err = g.read(g.lines[e.Fd], int(e.Fd))
			if err != nil {
				return err
			}
		}
		err = turn()
		if err != nil {
			return err
		}
	}
	return nil
}

// read takes what has come on a connection.
func (g *generator) read(l *line, i int) error {
	n, err := unix.Read(l.fd, l.buf[l.have:])
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return nil
	}
	if err != nil || n == 0 {
		if l.busy {
			return fmt.Errorf("the connection ended before the answer: %w", errors.Join(err, errors.New("end of file")))
		}
		_ = unix.Close(l.fd) // The server has had enough of it.
		return g.dial(l, i)
	}
	if !l.busy {
		return errors.New("an answer came that nobody has asked for")
	}
	l.have += n
	if l.need == 0 {
		l.need, l.good, err = header(l.buf[:l.have])
		if err != nil {
			return err
		}
	}
	if l.need == 0 || l.have < l.need {
		return nil
	}
	if g.rate > 0 {
		g.out.late = append(g.out.late, g.since()-l.due)
	}
	if l.good {
		g.out.good++
	} else {
		g.out.other++
	}
	l.busy = false
	g.idle = append(g.idle, l)
	return nil
}

// header returns how long an answer is in all, 0 while its header is not
// complete, and whether its status is 200.
func header(b []byte) (need int, good bool, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) == answerBytesMax {
			return 0, false, errors.New("the answer is too large")
		}
		return 0, false, nil
	}
	good = len(b) > 12 && string(b[9:12]) == "200"
	const name = "content-length:"
	for line := range bytes.Lines(b[:end+2]) {
		if len(line) < len(name) || !bytes.EqualFold(line[:len(name)], []byte(name)) {
			continue
		}
		length, err := strconv.Atoi(string(bytes.TrimSpace(line[len(name):])))
		need = end + 4 + length
		if err != nil || need > answerBytesMax {
			return 0, false, fmt.Errorf("the answer's length is %q", line)
		}
		return need, good, nil
	}
	return 0, false, fmt.Errorf("the answer has no length: %q", b[:end])
}
