package emit

import (
	"context"

	"github.com/vigil-gateway/vigil/schemas/cloudevent"
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

// prepare makes the batch as it is sent, with its seal on the first record, which it
// shares with those of r, nil for alone. Every attempt sends the same. The error is that
// of ctx.
func (p *sender) prepare(ctx context.Context, r *round) (sealed *seal.Batch, err error) {
	b := &p.wire
	b.reset()
	for _, r := range p.batch {
		b.describe(r.attributes(p.e.source))
	}
	var first []cloudevent.Header
	if p.chain != nil {
		views := make([]seal.Record, len(p.batch))
		for i, r := range p.batch {
			views[i] = seal.Record{Key: r.key, Value: r.value, Header: func(name string) ([]byte, bool) { return b.header(i, name) }}
		}
		sealed = p.e.signer.Draft(p.chain, p.e.now(), views)
		if r == nil {
			p.e.signer.Sign([]*seal.Batch{sealed})
		} else {
			err = r.sign(ctx, sealed)
		}
		if err != nil {
			return nil, err
		}
		first = []cloudevent.Header{{Key: seal.Header, Value: sealed.Header}}
	}
	b.encode(p.batch, first)
	return sealed, nil
}
