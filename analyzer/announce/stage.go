package announce

import (
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Stage is one of the two that judge. Each has targets of its own, so that a
// key of vigil.verdicts has one writer although both write to one partition.
type Stage struct {
	// Topic is the one whose records the stage judges.
	Topic string
	// Authority is under which its heartbeats go out.
	Authority string
}

// SubjectStage judges tokens, sessions, subjects, and the addresses of those who
// show none: what one requests partition sees whole.
func SubjectStage() Stage { return Stage{Topic: topic.Requests, Authority: verdict.AuthoritySubject} }

// FacetStage judges what many share.
func FacetStage() Stage { return Stage{Topic: topic.Facets, Authority: verdict.AuthorityFacet} }

// Owns reports whether verdicts about a kind of target are the stage's.
func (s Stage) Owns(kind string) bool {
	switch kind {
	case verdict.TargetToken, verdict.TargetSession, verdict.TargetSubject, verdict.TargetAddress:
		return s.Authority == verdict.AuthoritySubject
	}
	return s.Authority == verdict.AuthorityFacet
}
