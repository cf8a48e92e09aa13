package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/proxy/proxytest"
)

// Opcodes of RFC 6455, section 5.2.
const (
	continuation = 0x0
	text         = 0x1
	binaryFrame  = 0x2
	closing      = 0x8
	ping         = 0x9
	pong         = 0xa
	fin          = 0x80
)

// masked is a client's frame: first is the first byte, with flags and opcode.
func masked(first byte, payload []byte) []byte {
	f := []byte{first}
	switch n := len(payload); {
	case n < 126:
		f = append(f, 0x80|byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, 0x80|126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, 0x80|127), uint64(n))
	}
	key := [4]byte{0x12, 0x34, 0x56, 0x78}
	f = append(f, key[:]...)
	for i, b := range payload {
		f = append(f, b^key[i%4])
	}
	return f
}

func closeWith(code uint16, reason string) []byte {
	return masked(fin|closing, append(binary.BigEndian.AppendUint16(nil, code), reason...))
}

// webSocketCases are what a client sends, by the sections of RFC 6455. What the
// endpoint makes of it is the endpoint's business.
func webSocketCases() map[string][][]byte {
	cases := make(map[string][][]byte)
	add := func(name string, frames ...[]byte) { cases[name] = frames }
	bye := closeWith(1000, "bye")
	for _, n := range []int{0, 1, 125, 126, 127, 128, 4096, 32_767, 32_768, 32_769, 65_535, 65_536, 300_000, 1 << 20} {
		add(fmt.Sprint("text of ", n), masked(fin|text, bytes.Repeat([]byte("*"), n)), bye)
		add(fmt.Sprint("binary of ", n), masked(fin|binaryFrame, bytes.Repeat([]byte{0xfe}, n)), bye)
	}
	for _, n := range []int{0, 5, 125} {
		add(fmt.Sprint("ping of ", n), masked(fin|ping, make([]byte, n)), bye)
		add(fmt.Sprint("unasked pong of ", n), masked(fin|pong, make([]byte, n)), masked(fin|text, []byte("after")), bye)
	}
	add("ten pings in a row", bytes.Repeat(masked(fin|ping, []byte("p")), 10), bye)
	for _, op := range []byte{closing, ping, pong} {
		add(fmt.Sprintf("control frame %#x of 126", op), masked(fin|op, make([]byte, 126)))
		add(fmt.Sprintf("control frame %#x in fragments", op), masked(op, []byte("a")))
	}
	for _, rsv := range []byte{0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70} {
		add(fmt.Sprintf("reserved bits %#x on text", rsv), masked(fin|rsv|text, []byte("x")))
		add(fmt.Sprintf("reserved bits %#x on a ping", rsv), masked(fin|rsv|ping, nil))
		add(fmt.Sprintf("reserved bits %#x on a close", rsv), masked(fin|rsv|closing, nil))
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		add(fmt.Sprintf("reserved opcode %#x", op), masked(fin|op, []byte("x")))
		add(fmt.Sprintf("reserved opcode %#x after a message", op), masked(fin|text, []byte("first")), masked(fin|op, nil))
	}
	add("two fragments", masked(text, []byte("one")), masked(fin|continuation, []byte("two")), bye)
	add("empty fragments", masked(text, nil), masked(continuation, nil), masked(fin|continuation, nil), bye)
	add("ping between fragments", masked(text, []byte("one")), masked(fin|ping, []byte("p")), masked(fin|continuation, []byte("two")), bye)
	add("close between fragments", masked(text, []byte("one")), bye)
	add("continuation of nothing", masked(fin|continuation, []byte("x")))
	add("unfinished continuation of nothing", masked(continuation, []byte("x")))
	add("message within a message", masked(text, []byte("one")), masked(fin|text, []byte("two")))
	var many []byte
	for range 1000 {
		many = append(many, masked(continuation, []byte("part"))...)
	}
	add("a thousand fragments", masked(binaryFrame, nil), many, masked(fin|continuation, nil), bye)
	for name, s := range map[string]string{
		"Greek": "κόσμε", "four bytes": "\U0001f600", "overlong": "\xc0\xaf", "surrogate": "\xed\xa0\x80", "too large": "\xf4\x90\x80\x80",
		"truncated": "\xe2\x82", "lone continuation": "\x80", "noncharacter": "\xef\xbf\xbe", "five bytes": "\xf8\x88\x80\x80\x80",
	} {
		add("UTF-8: "+name, masked(fin|text, []byte(s)), bye)
		add("UTF-8 in fragments: "+name, masked(text, []byte(s[:1])), masked(fin|continuation, []byte(s[1:])), bye)
		add("UTF-8 in a reason: "+name, closeWith(1000, s))
	}
	for _, code := range []uint16{0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 1016, 1100, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65_535} {
		add(fmt.Sprint("close code ", code), closeWith(code, ""))
	}
	add("close without code", masked(fin|closing, nil))
	add("close with half a code", masked(fin|closing, []byte{3}))
	add("close with a long reason", closeWith(1000, strings.Repeat("r", 123)))
	add("close with a reason that is too long", closeWith(1000, strings.Repeat("r", 124)))
	add("close after a message", masked(fin|text, []byte("x")), bye)
	add("frame without a mask", []byte{fin | text, 1, 'x'})
	add("ping without a mask", []byte{fin | ping, 0})
	add("close without a mask", []byte{fin | closing, 2, 3, 0xe8})
	add("mask of zeros", []byte{fin | text, 0x81, 0, 0, 0, 0, 'x'}, bye)
	add("length in more bytes than needed", []byte{fin | text, 0x80 | 126, 0, 1, 0, 0, 0, 0, 'x'}, bye)
	add("length in many more bytes", []byte{fin | text, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 'x'}, bye)
	add("length with its highest bit", []byte{fin | text, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0})
	var chopped [][]byte
	for _, b := range append(masked(fin|text, []byte("a message in single bytes")), bye...) {
		chopped = append(chopped, []byte{b})
	}
	add("one byte at a time", chopped...)
	add("all at once", bytes.Join([][]byte{masked(fin|text, []byte("a")), masked(fin|ping, nil), masked(fin|binaryFrame, []byte("b")), bye}, nil))
	return cases
}

// A WebSocket through the gateway, over HTTP/1.1 and over HTTP/2, is byte for byte
// what it is without.
func TestWebSocketThroughTheGatewayIsAsWithout(t *testing.T) {
	l := newLine(t)
	c := proxytest.NewClients(t, l.addr)
	answered := 0
	for name, frames := range webSocketCases() {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			want, err := l.speak(ctx, l.plain.Host, frames)
			if err != nil {
				t.Fatal(err)
			}
			if len(want) > 0 {
				answered++
			}
			got, err := l.speak(ctx, l.addr, frames)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("over HTTP/1.1: %s, want %s (%v)", brief(got), brief(want), err)
			}
			got, err = l.speakHTTP2(ctx, c, frames)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("over HTTP/2: %s, want %s (%v)", brief(got), brief(want), err)
			}
		})
	}
	if answered < 150 { // An endpoint that says nothing proves nothing.
		t.Errorf("%d cases were answered", answered)
	}
}

func brief(b []byte) string { return fmt.Sprintf("%d B ending in %q", len(b), b[max(0, len(b)-40):]) }

// speak opens a WebSocket at addr by hand, sends the frames and returns all that
// comes back after the handshake.
func (l *line) speak(ctx context.Context, addr string, frames [][]byte) ([]byte, error) {
	v := l.newCase()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = fmt.Fprintf(conn, "GET /socket HTTP/1.1\r\nHost: a\r\n%s: %d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", proxytest.HeaderCase, v.ID)
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil) //nolint:bodyclose // It ends with the connection.
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Sec-Websocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		return nil, fmt.Errorf("answered with %d %v", res.StatusCode, res.Header)
	}
	go func() {
		for _, f := range frames {
			_, _ = conn.Write(f)
		}
	}()
	b, _ := io.ReadAll(in) // However it ends: the endpoint may close while it is written to.
	return b, nil
}

func (l *line) speakHTTP2(ctx context.Context, c *proxytest.Clients, frames [][]byte) ([]byte, error) {
	out, in := io.Pipe()
	defer func() { _ = in.Close() }()
	r := c.Request(ctx, http.MethodConnect, "/socket", l.newCase().Case, out)
	r.Header[":protocol"] = []string{"websocket"}
	r.Header.Set("Sec-Websocket-Version", strconv.Itoa(13))
	res, err := c.HTTP2.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered with %d", res.StatusCode)
	}
	go func() {
		for _, f := range frames {
			_, _ = in.Write(f)
		}
	}()
	b, err := io.ReadAll(res.Body)
	return b, err
}
