package labels

import (
	"cmp"
	"math"
	"slices"

	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/model"
)

const (
	// Prior is how many confirmed verdicts and how many false alarms each group is
	// taken to have had before: four times as much as with Jeffreys' prior.
	Prior = 2.0
	// LabelsLeast is how many verdicts, by their shares, must rest on a group
	// before its weight moves.
	LabelsLeast = 10.0
	// Doubt is how many standard errors of the log-odds must be clear of even.
	Doubt = 1.645
	// StepMost is the most that one version moves a weight, of itself.
	StepMost = 0.05
)

// Proposal is what labels come to. It changes nothing.
type Proposal struct {
	// Model is the digest of the model whose verdicts counted, Next that of the
	// model with the proposed weights; the same where nothing moves.
	Model, Next string
	// Labels is how many counted, by People people about Subjects subjects.
	Labels, People, Subjects int
	// Earlier is how many gave way to a later one of the same verdict; Other were
	// about verdicts of another model, Hard about such as rest on a hard fact.
	Earlier, Other, Hard int
	// Groups has one entry per group, in the catalogue's order.
	Groups []Group
}

// Group is what labels say about one group of evidence.
type Group struct {
	Group evidence.Group
	// Confirmed and FalseAlarms are numbers of verdicts, by the group's shares of them.
	Confirmed, FalseAlarms float64
	// LogOdds that a verdict which rests on the group is right, and its standard
	// error, both in nats.
	LogOdds, Error float64
	// Usual is the mean of the group's nats in these verdicts.
	Usual float64
	// Shift is by how much they should say more, or below 0 less, in nats.
	Shift float64
	// Weight is the model's, Proposed the next version's.
	Weight, Proposed float64
	// Why says it in words.
	Why string
}

// Moves reports whether another weight is proposed.
func (g *Group) Moves() bool { return g.Proposed != g.Weight }

// Propose returns what the labels of verdicts that m has made, observing or
// enforcing, come to.
func Propose(m *model.Model, all []Label) Proposal {
	p := Proposal{Model: m.Digest()}
	counted := p.choose(m, all)
	abouts := make(map[string]int)
	people := make(map[string]bool)
	for _, l := range counted {
		abouts[l.about()]++
		people[l.By] = true
	}
	p.Labels, p.People, p.Subjects = len(counted), len(people), len(abouts)
	groups := make([]Group, evidence.GroupCount)
	for _, l := range counted {
		count(groups, l, 1/float64(abouts[l.about()]))
	}
	next := m.GroupWeights
	for i := range groups {
		g := &groups[i]
		g.Group, g.Weight, g.Proposed = evidence.Group(i), m.GroupWeights[i], m.GroupWeights[i]
		g.decide()
		next[i] = g.Proposed
	}
	p.Groups = groups
	p.Next = m.WithGroupWeights(next).Digest()
	return p
}

// choose leaves the latest label of each verdict that counts, by the verdicts' ids.
func (p *Proposal) choose(m *model.Model, all []Label) []*Label {
	sorted := make([]*Label, len(all))
	for i := range all {
		sorted[i] = &all[i]
	}
	slices.SortFunc(sorted, func(a, b *Label) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), a.At.Compare(b.At), cmp.Compare(a.Says, b.Says), cmp.Compare(a.By, b.By), compareRest(a, b))
	})
	digests := []string{m.WithMode(model.ModeObserve).Digest(), m.WithMode(model.ModeEnforce).Digest()}
	var counted []*Label
	for i, l := range sorted {
		switch {
		case i+1 < len(sorted) && sorted[i+1].ID == l.ID:
			p.Earlier++
		case !slices.Contains(digests, l.Model):
			p.Other++
		case slices.ContainsFunc(l.Evidence, func(e Evidence) bool { return e.Hard }):
			p.Hard++
		default:
			counted = append(counted, l)
		}
	}
	return counted
}

// compareRest decides between labels that differ in nothing but what they claim
// of the verdict, so that their order in the file never does.
func compareRest(a, b *Label) int {
	return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.about(), b.about()), slices.CompareFunc(a.Evidence, b.Evidence, func(x, y Evidence) int {
		hard := 0
		switch {
		case x.Hard && !y.Hard:
			hard = 1
		case y.Hard && !x.Hard:
			hard = -1
		}
		return cmp.Or(hard, cmp.Compare(x.Group, y.Group), cmp.Compare(x.Nats, y.Nats))
	}))
}

// about is who was meant.
func (l *Label) about() string { return cmp.Or(l.Subject, l.TargetID) }

// count adds a label to the groups that its verdict rested on. Usual holds the
// sum of nats until decide divides it.
func count(groups []Group, l *Label, weight float64) {
	var nats [evidence.GroupCount]float64
	sum := 0.0
	for _, e := range l.Evidence {
		if e.Nats > 0 {
			i, _ := groupOf(e.Group)
			nats[i] += e.Nats
			sum += e.Nats
		}
	}
	if sum == 0 {
		return // Reassurance alone: nothing was held against anybody.
	}
	for i, n := range nats {
		share := float64(weight * (n / sum))
		if l.Says == Confirmed {
			groups[i].Confirmed += share
		} else {
			groups[i].FalseAlarms += share
		}
		groups[i].Usual += float64(share * n)
	}
}

// decide proposes the group's weight and says why.
func (g *Group) decide() {
	labels := g.Confirmed + g.FalseAlarms
	if labels > 0 {
		g.Usual /= labels
	}
	c, f := g.Confirmed+Prior, g.FalseAlarms+Prior
	g.LogOdds, g.Error = exact.Ln(c/f), math.Sqrt(1/c+1/f)
	certain := math.Abs(g.LogOdds) - float64(Doubt*g.Error)
	if labels < LabelsLeast || !(certain > 0) || !(g.Usual > 0) {
		g.Why = g.explain()
		return
	}
	g.Shift = math.Copysign(certain, g.LogOdds)
	part := min(StepMost, max(-StepMost, g.Shift/g.Usual))
	wanted := min(model.GroupWeightMost, max(model.GroupWeightLeast, g.Weight+float64(g.Weight*part)))
	g.Proposed = towards(g.Weight, wanted)
	g.Why = g.explain()
}

// towards goes from one weight to another in whole thousandths, and not beyond.
func towards(from, to float64) float64 {
	const unit, whole = 1000, 1e6
	steps := math.Floor(float64(math.Abs(to-from)*unit) + 1e-6)
	return math.Round((from+math.Copysign(steps/unit, to-from))*whole) / whole
}

func groupOf(name string) (int, bool) {
	for _, g := range evidence.Groups() {
		if g.String() == name {
			return int(g), true
		}
	}
	return 0, false
}
