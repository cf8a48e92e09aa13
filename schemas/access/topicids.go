package access

import (
	"context"
	"fmt"
	"sync"
)

// TopicIDs asks for topics' ids where many want to know at once: the partitions of a
// topic share one question, and with it its connection. Whoever asks gets an answer to a
// question that began after he had asked, for he may ask because something has changed.
// Safe for concurrent use.
type TopicIDs struct {
	access   *Access
	clientID string
	brokers  []string

	mu     sync.Mutex // Never held while anybody is waited for.
	topics map[string]*asked
}

// asked is what is known of one topic.
type asked struct {
	turn chan struct{} // Holds one while somebody asks. It guards what follows but clock.
	// began is when, by clock, the question began that id and err answer.
	began uint64
	id    string
	err   error

	clock uint64 // Counts who came and questions that began. Guarded by mu of TopicIDs.
}

// NewTopicIDs asks brokers ("host:port") as [Access.TopicID] does.
func NewTopicIDs(via *Access, clientID string, brokers []string) *TopicIDs {
	return &TopicIDs{access: via, clientID: clientID, brokers: brokers, topics: make(map[string]*asked)}
}

// Of is the id of a topic as [Access.TopicID] gives it. ctx bounds the wait for others
// as well.
func (t *TopicIDs) Of(ctx context.Context, topic string) (string, error) {
	a, came := t.tick(topic)
	select {
	case a.turn <- struct{}{}:
	case <-ctx.Done():
		return "", fmt.Errorf("id of topic %s: %w", topic, context.Cause(ctx))
	}
	defer func() { <-a.turn }()
	if a.began > came {
		return a.id, a.err
	}
	_, began := t.tick(topic)
	id, err := t.access.TopicID(ctx, t.clientID, t.brokers, topic)
	if err == nil || ctx.Err() == nil { // Who gave up himself answers for nobody else.
		a.began, a.id, a.err = began, id, err
	}
	return id, err
}

// tick returns what is known of a topic, and the time by its clock.
func (t *TopicIDs) tick(topic string) (*asked, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.topics[topic]
	if a == nil {
		a = &asked{turn: make(chan struct{}, 1)}
		t.topics[topic] = a
	}
	a.clock++
	return a, a.clock
}
