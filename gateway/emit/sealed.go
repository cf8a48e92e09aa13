package emit

import (
	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// chain is the chain of this life in a partition of a topic, nil where nothing is
// sealed. Only events are: a receipt says nothing that anybody is judged by.
func (e *Emitter) chain(s *stream, partition int) *seal.Chain {
	if e.signer == nil || s.topic != topic.Requests {
		return nil
	}
	if s.chains == nil {
		s.chains = make(map[int]*seal.Chain)
	}
	c := s.chains[partition]
	if c == nil {
		c = &seal.Chain{Epoch: e.life.epoch, Partition: int32(partition)}
		s.chains[partition] = c
	}
	return c
}

// prepare makes the headers of the batch's records, with its seal on the first one.
// Every attempt sends the same.
func (p *sender) prepare() (headers [][]kafka.Header, sealed seal.Batch) {
	headers = make([][]kafka.Header, len(p.batch))
	for i, r := range p.batch {
		headers[i] = r.headers(p.e.source)
	}
	if p.chain == nil {
		return headers, seal.Batch{}
	}
	views := make([]seal.Record, len(p.batch))
	for i, r := range p.batch {
		views[i] = seal.Record{Key: r.key, Value: r.value, Header: func(name string) ([]byte, bool) { return access.Header(headers[i], name) }}
	}
	sealed = p.e.signer.Seal(p.chain, p.e.now(), views)
	headers[0] = append(headers[0], kafka.Header{Key: seal.Header, Value: sealed.Header})
	return headers, sealed
}
