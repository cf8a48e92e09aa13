package announce

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vigil-gateway/vigil/schemas/access"
)

// topicIDVersion is the first version of the metadata request whose answer names
// the topics' ids: that of Kafka 2.8.
const topicIDVersion = 10

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
	known, err := access.Ask(conn, w.transport.ClientID, versions)
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
	answer, err := access.Ask(conn, w.transport.ClientID, req)
	if err != nil {
		return "", err
	}
	resp, ok := answer.(*kmsg.MetadataResponse)
	if !ok || len(resp.Topics) != 1 {
		return "", access.ErrAnswer
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
