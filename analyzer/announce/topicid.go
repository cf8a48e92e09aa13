package announce

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// topicIDVersion is the first version of the metadata request whose answer names
// the topics' ids: that of Kafka 2.8.
const topicIDVersion = 10

// errAnswer means that a broker's answer is not one to what was asked.
var errAnswer = errors.New("answer is malformed")

// TopicID is what tells a topic from others that had its name before, in
// hexadecimal; "" where the broker is too old to say.
//
// kafka-go asks for none, so this goes through a connection of its own.
func (w *Writer) TopicID(ctx context.Context, topic string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	var errs []error
	for _, broker := range w.brokers {
		id, err := w.topicIDAt(ctx, broker, topic)
		if err == nil {
			return id, nil
		}
		errs = append(errs, fmt.Errorf("ask %s: %w", broker, err))
	}
	return "", fmt.Errorf("id of topic %s: %w", topic, errors.Join(errs...))
}

func (w *Writer) topicIDAt(ctx context.Context, broker, topic string) (string, error) {
	conn, err := w.access.Connect(ctx, w.transport.ClientID, broker)
	if err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // Ends a read that waits.
	defer func() {
		if stop() {
			_ = conn.Close() // Nothing was written: there is nothing to lose.
		}
	}()
	versions := kmsg.NewPtrApiVersionsRequest() // Version 0: every broker answers that.
	known, err := w.ask(conn, versions)
	if err != nil {
		return "", err
	}
	if !understands(known, kmsg.Metadata, topicIDVersion) {
		return "", nil
	}
	req := kmsg.NewPtrMetadataRequest()
	req.Version = topicIDVersion
	of := kmsg.NewMetadataRequestTopic()
	of.Topic = &topic
	req.Topics = append(req.Topics, of)
	answer, err := w.ask(conn, req)
	if err != nil {
		return "", err
	}
	resp, ok := answer.(*kmsg.MetadataResponse)
	if !ok || len(resp.Topics) != 1 {
		return "", errAnswer
	}
	if code := resp.Topics[0].ErrorCode; code != 0 {
		return "", kafka.Error(code)
	}
	return hex.EncodeToString(resp.Topics[0].TopicID[:]), nil
}

// understands reports whether a broker takes a version of a request.
func understands(answer kmsg.Response, key kmsg.Key, version int16) bool {
	resp, ok := answer.(*kmsg.ApiVersionsResponse)
	if !ok {
		return false
	}
	for _, k := range resp.ApiKeys {
		if k.ApiKey == key.Int16() {
			return k.MinVersion <= version && version <= k.MaxVersion
		}
	}
	return false
}

// ask sends one request and reads its answer.
func (w *Writer) ask(conn net.Conn, req kmsg.Request) (kmsg.Response, error) {
	_, err := conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID(w.transport.ClientID)).AppendRequest(nil, req, 0))
	if err != nil {
		return nil, err
	}
	var head [4]byte
	_, err = io.ReadFull(conn, head[:])
	if err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < 4 || size > readBytesMax {
		return nil, fmt.Errorf("%d B: %w", size, errAnswer)
	}
	body := make([]byte, size)
	_, err = io.ReadFull(conn, body)
	if err != nil {
		return nil, err
	}
	body = body[4:] // The number of the request.
	if req.IsFlexible() {
		body, err = withoutTags(body)
		if err != nil {
			return nil, err
		}
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	err = resp.ReadFrom(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAnswer, err)
	}
	return resp, nil
}

// withoutTags passes over the tagged fields that begin a newer answer: their
// number, then number, length and bytes of each.
func withoutTags(b []byte) ([]byte, error) {
	next := func() (v uint64) {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			b = nil
			return 0
		}
		b = b[n:]
		return v
	}
	for range min(next(), tagsMax) {
		next()
		n := next()
		if n > uint64(len(b)) {
			return nil, errAnswer
		}
		b = b[n:]
	}
	return b, nil
}
