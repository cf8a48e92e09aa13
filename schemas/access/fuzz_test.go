package access_test

import (
	"bytes"
	"errors"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vigil-gateway/vigil/schemas/access"
)

// said is a connection on which a broker has said something; what is sent goes
// nowhere.
type said struct {
	net.Conn

	answer *bytes.Reader
}

func (s said) Read(b []byte) (int, error)  { return s.answer.Read(b) }
func (s said) Write(b []byte) (int, error) { return len(b), nil }

func ask(answer []byte) (kmsg.Response, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 10
	return access.Ask(said{answer: bytes.NewReader(answer)}, "test", req)
}

// Whatever a broker says, it is an answer or an error, and never more memory than
// the bytes that came.
func FuzzAsk(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x05\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x7f\xff\xff\xff\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x00\x00\x00\x10\x00\x00\x00\x00\x01\x00\x09rest of it"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		resp, err := ask(answer)
		if (resp == nil) == (err == nil) {
			t.Errorf("%v, %v", resp, err)
		}
	})
}

func TestAnAnswerIsBounded(t *testing.T) {
	for name, answer := range map[string]string{
		"too long for any answer":          "\x00\x40\x00\x01\x00\x00\x00\x00",
		"too short for a request's number": "\x00\x00\x00\x03\x00\x00\x00",
		"cut off":                          "\x00\x00\x00\x05\x00\x00\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ask([]byte(answer))
			if !errors.Is(err, access.ErrAnswer) {
				t.Errorf("Ask() = %v, want ErrAnswer", err)
			}
		})
	}
}
