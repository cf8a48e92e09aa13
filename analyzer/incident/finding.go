package incident

import (
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Kinds of thing beside the kinds of target that a finding may show.
const (
	// KindNetwork is an autonomous system, such as AS64496.
	KindNetwork = "network"
	// KindProgram is a JA4 within one network, as [verdict.JA4In] names it.
	KindProgram = "program"
)

// Thing is what a finding is about, or what its event shows.
type Thing struct {
	Kind string
	ID   string
}

// TargetOf is the thing that a verdict names.
func TargetOf(kind, id string) Thing {
	if kind == verdict.TargetJA4 && strings.Contains(id, "@") {
		kind = KindProgram
	}
	return Thing{kind, id}
}

// Shown is a thing that a finding's event shows, its target among them.
type Shown struct {
	Thing
	// Share is which part of the tenant's people show it, too, in (0, 1]. See [Share].
	Share float64
}

// Share is the part of a tenant's people who show a thing, of all that were seen
// lately, by the rule of succession (Laplace 1774): where few were seen, little is
// rare.
func Share(showing, people uint64) float64 {
	return float64(min(showing, people)+1) / float64(people+2)
}

// Finding is a verdict of the analyzer, or a judgement that waits or came to
// nothing, with what its event shows.
type Finding struct {
	Tenant    string
	VerdictID string
	// Time is that of the event that tipped the judge.
	Time   time.Time
	Target Thing
	// Action is the rung of the ladder that was asked for.
	Action string
	Score  float64
	// Announced is false where no verdict went out when the finding was taken.
	Announced bool
	// Hard says that a cryptographic fact is among the evidence.
	Hard bool
	// Signals are those against the target, strongest first.
	Signals []string
	// Usual is how many findings an hour the tenant has with the first of them, where
	// no incident is under way; above 0.
	Usual float64
	Shown []Shown
	// Behind are the things behind a target that many share, at most [MembersMax]:
	// members of the incident, of no weight for what belongs to it.
	Behind []Thing
}

// first is the strongest signal, "" for none.
func (f *Finding) first() string {
	if len(f.Signals) == 0 {
		return ""
	}
	return f.Signals[0]
}

// identities are the things of a finding that are one matter whoever else shows
// them: its target, and whose session it is.
func (f *Finding) identities() []Thing {
	list := []Thing{f.Target}
	for _, s := range f.Shown {
		if identity(s.Kind) && !slices.Contains(list, s.Thing) {
			list = append(list, s.Thing)
		}
	}
	return list
}

func identity(kind string) bool {
	switch kind {
	case verdict.TargetToken, verdict.TargetSession, verdict.TargetSubject:
		return true
	}
	return false
}

// Groups of kinds that say the same: an address is in a prefix, that in a network.
// Of each the strongest counts alone. They are what an attacker brings along; what he
// finds says nothing of him: the account of the chief and the route of signing in are
// tried by all.
//
//nolint:gochecknoglobals // A constant: Go has no constant tables.
var groups = [...][]string{
	{verdict.TargetAddress, verdict.TargetPrefix, KindNetwork},
	{KindProgram, verdict.TargetJA4},
	{verdict.TargetDevice},
	{verdict.TargetClient},
}

// telling reports whether it says something that a verdict names a thing of a kind
// which another finding shows. Of a route it does not: everybody is there.
func telling(kind string) bool {
	return kind == verdict.TargetAccount || slices.ContainsFunc(groups[:], func(g []string) bool { return slices.Contains(g, kind) })
}
