package announce

import (
	"context"
	"fmt"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// resign writes again what is in force under a key that signs no longer, so that it
// outlives that key: the same verdict at the same place in the order, under the key
// that signs now. It writes at most resignedMax records, so that no verdict waits for
// it, and goes on with the next heartbeat.
func (p *Partition) resign(ctx context.Context) error {
	kid := p.announcer.signer.Kid()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resigned == kid {
		return nil
	}
	now := p.announcer.now()
	var again []*verdict.Verdict
	for _, e := range p.entries {
		if e.stands != nil && e.stands.Kid != kid && e.stands.Live(now) && len(again) < resignedMax {
			again = append(again, cloned(e.stands))
		}
	}
	if len(again) > 0 {
		err := p.write(ctx, again)
		if err != nil {
			return fmt.Errorf("sign verdicts anew: %w", err)
		}
		for _, v := range again {
			e := p.entries[targetOf(v)]
			e.stands = v
			p.entries[targetOf(v)] = e
		}
		p.announcer.metrics.resigned.Add(ctx, int64(len(again)))
		return nil
	}
	for i := range p.held { // Nobody but analyzers reads them: they go last.
		if f := &p.held[i]; f.kid != kid {
			f.kid = kid
			p.holding = append(p.holding, *f)
		}
	}
	err := p.keep(ctx)
	if err != nil {
		return fmt.Errorf("sign what waits anew: %w", err)
	}
	p.resigned = kid
	p.announcer.logger.InfoContext(ctx, "what is in force is signed by the key that signs now",
		"stage", p.stage.Authority, "partition", p.number, "kid", kid)
	return nil
}
