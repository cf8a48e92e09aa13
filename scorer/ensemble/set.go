package ensemble

import (
	"slices"
	"strings"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/vigil-gateway/vigil/scorer/calibrate"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/quarantine"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// least is the weakest evidence that is worth a line, in nats.
const least = 0.05

// epoch is part of the seed; a partition's own calibrations have none.
const epoch = 0

// Finding is what one model found in one event.
type Finding struct {
	Model *Model
	// Nats is positive, before weight and clip.
	Nats float64
	Text string
}

// Params is the part of the risk model that calibrations need.
type Params struct {
	// Look is the price of looking often, in nats.
	Look       float64
	Quarantine time.Duration
}

// Set runs the models of one risk model for one engine.
type Set struct {
	params Params
	models []*Model
	states *entity.Table[state]

	findings []Finding
	offers   []offer // Of the current event.
	row      []float64
	parts    []float64
}

// offer is what the current event would teach a calibration.
type offer struct {
	state  *state
	sample quarantine.Sample
	draw   uint64
}

// state is the calibration of one model in one tenant.
type state struct {
	// normal are the margins of clean requests.
	normal  *calibrate.Conformal
	known   int
	waiting quarantine.Queue
}

// NewSet returns a set without models.
func NewSet() *Set { return &Set{states: entity.NewTable[state](StatesMax)} }

// Len is the number of calibrations.
func (s *Set) Len() int { return s.states.Len() }

// Use puts other models in force and keeps the calibrations.
func (s *Set) Use(models []*Model, p Params) {
	s.params, s.models, s.offers = p, models, nil
	widest := 0
	for _, m := range models {
		widest = max(widest, m.Columns())
	}
	s.row, s.parts = make([]float64, widest), make([]float64, widest)
}

// Find returns what the models say about an event of a kind of actor, in their
// order. The result is valid until the next call.
func (s *Set) Find(x *evidence.Context, kind string) []Finding {
	s.findings, s.offers = s.findings[:0], s.offers[:0]
	if !x.Complete() {
		return nil
	}
	for _, m := range s.models {
		if len(m.Kinds) > 0 && !slices.Contains(m.Kinds, kind) {
			continue
		}
		row := s.row[:m.Columns()]
		m.Row(x, row)
		nats := min(m.Max, s.nats(x, m, m.Margin(row)))
		if nats > least {
			text := m.Text + m.reasons(row, s.parts[:len(row)])
			s.findings = append(s.findings, Finding{Model: m, Nats: nats, Text: text})
		}
	}
	return s.findings
}

// nats is what a margin says.
func (s *Set) nats(x *evidence.Context, m *Model, margin float64) float64 {
	if len(m.Points) > 0 {
		return mapped(m.Points, margin)
	}
	key := entity.Key{Tenant: x.Event.GetTenant(), Kind: m.ID, ID: m.digest}
	st := s.states.Get(key)
	if st == nil {
		key.Tenant = strings.Clone(key.Tenant) // Nothing of the event is kept.
		st = newState(key)
		s.states.Put(key, st)
	}
	who := x.Event.GetSubject()
	if who == "" {
		who = x.Event.GetAddress()
	}
	s.offers = append(s.offers, offer{
		state: st, draw: xxh3.HashStringSeed(x.Session.Key.ID, x.Session.Requests),
		sample: quarantine.Sample{Actor: x.Session.Key, Subject: evidence.Hash(who), At: x.Now, Score: margin},
	})
	if st.known < normalLeast {
		return 0
	}
	return calibrate.Evidence(st.normal.P(margin), calibrate.Kappa) - s.params.Look
}

func newState(key entity.Key) *state {
	return &state{normal: calibrate.NewConformal(xxh3.HashStringSeed(key.Tenant+"\x00"+key.Kind+"\x00"+key.ID, epoch))}
}

// Learn takes what the last event would teach the calibrations, unless it is
// suspicious, and teaches what has proved clean.
func (s *Set) Learn(now int64, suspicious bool, clean func(entity.Key) bool) {
	for i := range s.offers {
		o := &s.offers[i]
		if !suspicious {
			o.state.waiting.Offer(&o.sample, o.draw)
		}
		q := o.state.waiting.Next(now, s.params.Quarantine, clean)
		if q != nil {
			o.state.normal.Offer(0, q.At, q.Score)
			o.state.normal.Release(q.At)
			o.state.known++
		}
	}
	s.offers = s.offers[:0]
}

// Code writes or reads the calibrations, in the order of last use.
func (s *Set) Code(k *snapshot.Codec) {
	s.offers = s.offers[:0]
	s.states.Code(k, func(st *state) {
		if k.Reading() {
			*st = *newState(entity.Key{})
		}
		st.normal.Code(k)
		k.Int(&st.known)
		st.waiting.Code(k, 0)
	}, nil)
}
