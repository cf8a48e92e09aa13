package access

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// topicIDVersion is the first version of the metadata request whose answer names
// the topics' ids: that of Kafka 2.8.
const topicIDVersion = 10

// TopicID is what tells a topic from others that had its name before, in
// hexadecimal; "" where the broker is too old to say. The first of the brokers that
// answers is believed; ctx bounds all of it.
//
// kafka-go asks for none, so this goes through a connection of its own.
func (a *Access) TopicID(ctx context.Context, clientID string, brokers []string, topic string) (string, error) {
	var errs []error
	for _, broker := range brokers {
		id, err := a.topicIDAt(ctx, clientID, broker, topic)
		if err == nil {
			return id, nil
		}
		errs = append(errs, fmt.Errorf("ask %s: %w", broker, err))
	}
	return "", fmt.Errorf("id of topic %s: %w", topic, errors.Join(errs...))
}

func (a *Access) topicIDAt(ctx context.Context, clientID, broker, topic string) (string, error) {
	conn, done, err := a.connectFor(ctx, clientID, broker)
	if err != nil {
		return "", err
	}
	defer done()
	versions := kmsg.NewPtrApiVersionsRequest() // Version 0: every broker answers that.
	known, err := Ask(conn, clientID, versions)
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
	answer, err := Ask(conn, clientID, req)
	if err != nil {
		return "", err
	}
	resp, ok := answer.(*kmsg.MetadataResponse)
	if !ok || len(resp.Topics) != 1 {
		return "", ErrAnswer
	}
	err = codeOf(resp.Topics[0].ErrorCode)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(resp.Topics[0].TopicID[:]), nil
}

// connectFor is Connect for questions that ctx bounds: done ends the connection.
func (a *Access) connectFor(ctx context.Context, clientID, broker string) (conn net.Conn, done func(), err error) {
	conn, err = a.Connect(ctx, clientID, broker)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // Ends a read that waits.
	return conn, func() {
		if stop() {
			_ = conn.Close() // Every answer was read: there is nothing to lose.
		}
	}, nil
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
