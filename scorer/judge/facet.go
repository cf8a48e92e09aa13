package judge

import (
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// FacetCase is what a proposal about a facet is made of.
type FacetCase struct {
	Model  *model.Model
	Tenant string
	Target *verdict.Target
	// EventID and EventTime are the latest event that speaks against the facet.
	EventID   string
	EventTime time.Time
	// Topic, Partition and Offset are the place of the cut that tipped the judge.
	Topic     string
	Partition int32
	Offset    int64
	Now       int64
	Suspicion *entity.Suspicion
	Ruling    Ruling
}

// ProposeFacet writes the proposal for a ruling about a facet and notes in the
// suspicion that it is in force.
func ProposeFacet(c *FacetCase) Proposal {
	at := time.Unix(0, max(c.Now, min(c.EventTime.UnixNano(), c.Now+int64(aheadMax)))).UTC()
	s := c.Suspicion
	s.Level = verdict.Strength(c.Ruling.Action)
	s.LevelUntil = c.Now + int64(c.Ruling.Rung.For)
	s.VerdictAt = c.EventTime.UnixNano()
	p := Proposal{
		ID: proposalID(&Case{Topic: c.Topic, Partition: c.Partition, Offset: c.Offset}, c.Target), Target: c.Target,
		Authority: verdict.AuthorityFacet, Action: c.Ruling.Action, Until: at.Add(c.Ruling.Rung.For), Score: c.Ruling.Score,
		Evidence: reasons(c.Model, s), PublicText: PublicText(c.Ruling.Action), Tenant: c.Tenant, Hard: c.Ruling.Hard,
		Shadow: c.Model.Mode != model.ModeEnforce, EventID: c.EventID, EventTime: c.EventTime, Offset: c.Offset, Model: c.Model.Digest(),
	}
	p.OperatorText = operatorText(&p)
	return p
}

// Evidence is the share as it stands in an assessment.
func (s *Share) Evidence() *verdict.Evidence {
	d, text := s.Describe(), s.Text
	if s.Exception != nil {
		text += " (does not count: exception " + s.Exception.ID + ")"
	}
	return &verdict.Evidence{
		Signal: d.ID, Group: d.Group.String(), Nats: s.Nats, RawNats: s.Finding.Nats, Text: text, Hard: d.Hard, Technique: d.Technique,
	}
}
