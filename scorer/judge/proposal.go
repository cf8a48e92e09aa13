package judge

import (
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Proposal is what the judge asks the announcer for. It becomes a verdict
// unless the model observes, the fuse has blown or it comes too late.
type Proposal struct {
	// ID is deterministic from topic, partition, offset and target.
	ID     string
	Target *verdict.Target
	// Authority is subject for tokens, sessions and subjects, else facet.
	Authority string
	Action    string
	// Until is when the verdict ends; NotBefore revokes what was authenticated
	// before it, and is zero where that does not apply.
	Until, NotBefore time.Time
	// Score is the suspicion that reached the threshold, in nats.
	Score float64
	// Evidence is what tipped the judge, strongest first.
	Evidence []*verdict.Evidence
	// PublicText is safe to show to the client; OperatorText is not.
	PublicText, OperatorText string
	Subject, Tenant          string
	// Hard says that a cryptographic fact is among the evidence.
	Hard bool
	// Shadow says that the model only observes, or that the subject's day is held
	// out: record it, announce nothing.
	Shadow bool
	// The event that tipped the judge.
	EventID   string
	EventTime time.Time
	Offset    int64
	// Model is the digest of the model that judged.
	Model string
}
