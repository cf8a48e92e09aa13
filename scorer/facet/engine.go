package facet

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/assessment"
	schema "github.com/vigil-gateway/vigil/schemas/facet"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/budget"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Record is one cut and where it stands: in vigil.facets, or offline in the
// requests that it was made of.
type Record struct {
	Cut       *schema.FacetCut
	Topic     string
	Partition int32
	Offset    int64
}

// Result is what the engine made of a cut.
type Result struct {
	// Assessments are of facets with evidence against them: they have a target and
	// neither session nor subject.
	Assessments []*assessment.Assessment
	Proposals   []judge.Proposal
	// Duplicate says that the cut was taken before and changed nothing.
	Duplicate bool
}

// Engine judges the facets of the tenants in one partition. Not safe for
// concurrent use.
type Engine struct {
	model *model.Model
	now   int64
	// Accounts have a table of their own: anyone can invent them, and a flood of
	// them pushes out nothing else.
	facets   *entity.Table[entity.Facet]
	accounts *entity.Table[entity.Facet]
	tenants  *entity.Table[entity.Commons]
	gather   *budget.Collector
	shares   []judge.Share
	supports []float64
	found    []evidence.Finding
	// away says of the accounts of the current cut whether they failed where they
	// are not at home.
	away map[uint64]bool
}

// New returns an engine without history.
func New(m *model.Model) (*Engine, error) { return NewGathering(m, nil) }

// NewGathering is New for an engine that takes note of the suspicion of every facet
// on each of its days, to calibrate thresholds with; nil gathers nothing.
func NewGathering(m *model.Model, gather *budget.Collector) (*Engine, error) {
	if m == nil {
		return nil, errors.New("facet: a model is required")
	}
	e := &Engine{model: m, gather: gather, away: make(map[uint64]bool)}
	e.empty()
	return e, nil
}

func (e *Engine) empty() {
	e.now = 0
	e.facets = entity.NewTable[entity.Facet](e.model.Limits.AddressesMax)
	e.accounts = entity.NewTable[entity.Facet](e.model.Limits.AddressesMax)
	e.tenants = entity.NewTable[entity.Commons](e.model.Limits.TenantsMax)
}

// SwapModel puts another model in force and keeps all state.
func (e *Engine) SwapModel(m *model.Model) { e.model = m }

// Len is how many facets are known.
func (e *Engine) Len() int { return e.facets.Len() + e.accounts.Len() }

// suspect is one facet of a cut.
type suspect struct {
	delta *schema.FacetDelta
	facet *entity.Facet
	rules *rule
	// shared says that honest people are behind the facet, as behind a route they
	// always are.
	shared bool
}

// Take adds a cut to what is known and judges the facets that it names.
func (e *Engine) Take(r Record) Result {
	c := r.Cut
	at := c.GetTime().AsTime().UnixNano()
	e.now = max(e.now, at)
	commons := e.commons(c.GetTenant())
	fresh, back := advance(commons, c, at)
	if !fresh {
		return Result{Duplicate: true}
	}
	if back {
		e.setBack(at)
	}
	suspects := e.suspects(c, commons)
	e.estrange(suspects)
	var res Result
	explained := 0.0
	for from := 0; from < len(suspects); {
		// Facets of one kind do not overlap; those of two kinds do.
		to, sum := from, 0.0
		for ; to < len(suspects) && suspects[to].rules == suspects[from].rules && suspects[to].shared == suspects[from].shared; to++ {
			s := &suspects[to]
			e.judge(&res, r, commons, s, explained)
			if e.holds(s) {
				sum += distinct(s.delta.GetFailed())
			}
		}
		explained, from = max(explained, sum), to
	}
	for i := range suspects {
		e.settle(&suspects[i])
	}
	for _, d := range c.GetDeltas() {
		if d.GetKind() == schema.KindTenant {
			for _, a := range d.GetPassed() {
				commons.Known.Add(a, entity.CrowdLarge, e.now)
			}
		}
	}
	return res
}

// advance moves the watermark of a cut's source, unless it was taken before. A
// topic that was made anew has another id: its offsets begin anew, and what a
// straggler still brings of the one before it counts no more.
func advance(m *entity.Commons, c *schema.FacetCut, at int64) (fresh, back bool) {
	id, last := c.GetTopicId(), c.GetLastOffset()
	for i := range m.Marks {
		w := &m.Marks[i]
		if w.Topic != c.GetTopic() || w.Partition != int(c.GetPartition()) {
			continue
		}
		if id == "" {
			id = w.ID // Of an analyzer or a broker that knows no ids.
		}
		switch {
		case id == w.ID && last <= w.Last, id != w.ID && id == w.Before:
			return false, false
		case id != w.ID:
			w.ID, w.Before = id, w.ID
		}
		back = at < w.At-int64(entity.SkewMax)
		w.Last, w.At = last, at
		return true, back
	}
	if len(m.Marks) < sourcesMax {
		m.Marks = append(m.Marks, entity.Watermark{Topic: c.GetTopic(), ID: id, Partition: int(c.GetPartition()), Last: last, At: at})
	}
	return true, false
}

// setBack begins at another time, because a partition's clock, which never runs
// backwards otherwise, has been set back: what was seen until now would be in the
// future for ever.
func (e *Engine) setBack(now int64) {
	e.now = now
	e.facets = entity.NewTable[entity.Facet](e.model.Limits.AddressesMax)
	e.accounts = entity.NewTable[entity.Facet](e.model.Limits.AddressesMax)
	for _, m := range e.tenants.All {
		*m = entity.Commons{Key: m.Key, Since: now, Marks: m.Marks}
	}
}

// suspects finds the facets of a cut, narrowest first and those with honest
// people behind them last, and takes the tenant's own figures.
func (e *Engine) suspects(c *schema.FacetCut, m *entity.Commons) []suspect {
	list := make([]suspect, 0, len(c.GetDeltas()))
	for _, d := range c.GetDeltas() {
		if d.GetKind() == schema.KindTenant {
			m.Failed.Add(distinct(d.GetFailed()), e.now, signInHalfLife)
			m.Passed.Add(distinct(d.GetPassed()), e.now, signInHalfLife)
			continue
		}
		rules := ruleOf(d.GetKind(), d.GetId())
		if rules == nil {
			continue // From a build that knew more kinds.
		}
		f := e.facet(c.GetTenant(), d.GetKind(), d.GetId())
		list = append(list, suspect{delta: d, facet: f, rules: rules, shared: rules.rank == routeRank || shared(f)})
	}
	slices.SortStableFunc(list, func(a, b suspect) int {
		switch {
		case a.shared == b.shared:
			return cmp.Compare(a.rules.rank, b.rules.rank)
		case a.shared:
			return 1
		}
		return -1
	})
	return list
}

func (e *Engine) commons(tenant string) *entity.Commons {
	key := entity.Key{Tenant: tenant}
	m := e.tenants.Get(key)
	if m == nil {
		m = &entity.Commons{Key: key, Since: e.now}
		e.tenants.Put(key, m)
	}
	return m
}

func (e *Engine) facet(tenant, kind, id string) *entity.Facet {
	key := entity.Key{Tenant: tenant, Kind: kind, ID: id}
	table := e.table(kind)
	f := table.Get(key)
	if f == nil {
		f = &entity.Facet{}
		table.Put(key, f)
	}
	return f
}

func (e *Engine) table(kind string) *entity.Table[entity.Facet] {
	if kind == verdict.TargetAccount {
		return e.accounts
	}
	return e.facets
}

// holds reports whether a verdict about a facet is in force: it answers for what
// the facet did.
func (e *Engine) holds(s *suspect) bool {
	return s.facet.Suspicion.Level > 0 && e.now < s.facet.Suspicion.LevelUntil
}

// judge runs the signals of one facet and the ladder of its kind.
func (e *Engine) judge(res *Result, r Record, m *entity.Commons, s *suspect, explained float64) {
	e.found = e.found[:0]
	e.signals(s, m, explained)
	if len(e.found) == 0 {
		e.note(r.Cut.GetTenant(), s, nil) // A day on which nothing was found is a day, too.
		return
	}
	d, now := s.delta, e.now
	target := &verdict.Target{Kind: d.GetKind(), Id: d.GetId()}
	terms := judge.Terms{Exceptions: e.model.Excepted(shownBy(r.Cut.GetTenant(), target), now, nil)}
	var score float64
	e.shares, score = judge.Weigh(e.model, terms, e.found, nil, e.shares[:0])
	ruling := judge.Step(e.model, e.model.FacetPace(), e.model.Ladder(d.GetKind()), &s.facet.Suspicion, e.shares, now)
	e.note(r.Cut.GetTenant(), s, &ruling)
	a := &assessment.Assessment{
		EventId: strings.Clone(d.GetCause()), EventTime: proto.CloneOf(d.GetCauseTime()), StreamTime: timestamppb.New(time.Unix(0, now)), Offset: r.Offset,
		Tenant: r.Cut.GetTenant(), Score: score, SessionScore: ruling.Total, Action: ruling.Action,
		Shadow: e.model.Mode != model.ModeEnforce, Model: e.model.Digest(), Target: target,
	}
	for i := range e.shares {
		a.Evidence = append(a.Evidence, e.shares[i].Evidence())
	}
	res.Assessments = append(res.Assessments, a)
	if !ruling.Announce {
		return
	}
	p := judge.ProposeFacet(&judge.FacetCase{
		Model: e.model, Tenant: r.Cut.GetTenant(), Target: target, EventID: a.GetEventId(), EventTime: d.GetCauseTime().AsTime(),
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Now: now, Suspicion: &s.facet.Suspicion, Ruling: ruling,
	})
	a.VerdictId = p.ID
	res.Proposals = append(res.Proposals, p)
}

// note gathers what supports each rung of a facet's ladder; ruling is nil where
// nothing was found.
func (e *Engine) note(tenant string, s *suspect, ruling *judge.Ruling) {
	if e.gather == nil {
		return
	}
	kind, reached := s.delta.GetKind(), -1
	e.supports = e.supports[:0]
	if ruling != nil {
		rungs := e.model.Ladder(kind)
		for i := range rungs {
			if ruling.Rung == &rungs[i] {
				reached = i
			}
		}
		e.supports = judge.Supports(rungs, &s.facet.Suspicion, e.supports)
	}
	e.gather.Observe(kind, tenant+"\x00"+kind+"\x00"+s.delta.GetId(), e.supports, reached, false, e.now)
}

// Clear takes an operator's word: what was lifted starts again from nothing, or
// the next event would bring the verdict back.
func (e *Engine) Clear(tenant string, t *verdict.Target) {
	f := e.table(t.GetKind()).Peek(entity.Key{Tenant: tenant, Kind: t.GetKind(), ID: t.GetId()})
	if f == nil {
		return
	}
	f.Suspicion = entity.Suspicion{}
	f.SignIns, f.Pages = entity.Trial{}, entity.Trial{}
	f.Moved, f.Fresh, f.Suspended = entity.Recently{}, entity.Recently{}, entity.Recently{}
}

// Snapshot writes the whole state; the same state gives the same bytes.
func (e *Engine) Snapshot(w io.Writer) error {
	c := snapshot.Writer()
	e.code(c, nil)
	return snapshot.Seal(w, c.Bytes())
}

// Restore replaces the state by what Snapshot wrote. keep, where given, decides
// by the key of vigil.facets (topic.FacetKey) which tenants are kept. An error is
// that of [snapshot.Restore].
func (e *Engine) Restore(r io.Reader, keep func(key []byte) bool) error {
	err := snapshot.Restore(r, e.empty, func(c *snapshot.Codec) error {
		e.code(c, keep)
		return nil
	})
	if err != nil {
		return fmt.Errorf("restore facets: %w", err)
	}
	return nil
}

func (e *Engine) code(c *snapshot.Codec, keep func(key []byte) bool) {
	c.I64(&e.now)
	var keepTenant func(entity.Key, *entity.Commons) bool
	var keepFacet func(entity.Key, *entity.Facet) bool
	if keep != nil {
		keepTenant = func(k entity.Key, _ *entity.Commons) bool { return keep(topic.FacetKey(k.Tenant)) }
		keepFacet = func(k entity.Key, _ *entity.Facet) bool { return keep(topic.FacetKey(k.Tenant)) }
	}
	e.tenants.Code(c, func(m *entity.Commons) { m.Code(c) }, keepTenant)
	e.facets.Code(c, func(f *entity.Facet) { f.Code(c) }, keepFacet)
	e.accounts.Code(c, func(f *entity.Facet) { f.Code(c) }, keepFacet)
}
