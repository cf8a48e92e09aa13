package session

import (
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Open is one visit as an operator sees it: pseudonyms only.
type Open struct {
	Tenant    string    `json:"tenant"`
	Subject   string    `json:"subject,omitempty"`
	Session   string    `json:"session,omitempty"`
	Aliases   []string  `json:"aliases,omitempty"`
	Device    string    `json:"device,omitempty"`
	ClientID  string    `json:"client_id,omitempty"`
	Address   string    `json:"address,omitempty"`
	Stream    string    `json:"stream"`
	Route     string    `json:"route,omitempty"`
	RequestID string    `json:"request_id"`
	Since     time.Time `json:"since"`
}

// Live returns every open visit, in no order. It takes one shard's mutex at a
// time, so that visits may come and go meanwhile.
func (t *Table) Live() []Open { return opens(t.all()) }

// all copies every open visit.
func (t *Table) all() []*Visit {
	var parties []*party
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for _, c := range s.cells {
			for _, m := range c.parties {
				if m.slot == 0 { // Each party once, under its first name.
					parties = append(parties, m.party)
				}
			}
		}
		s.mu.Unlock()
	}
	return t.visitsOfAll(parties)
}

func (t *Table) visitsOfAll(parties []*party) []*Visit {
	var all []*Visit
	for _, p := range parties {
		all = append(all, t.visitsOf(p)...)
	}
	return all
}

// Touched returns the open visits that a verdict about a target would concern
// now: what a dry run shows. Nothing for an unknown target.
func (t *Table) Touched(tenant string, target *verdict.Target) []Open {
	if tenant == "" {
		tenant = t.tenant
	}
	k, ok := keyOf(tenant, target)
	if !ok {
		return nil
	}
	visits := t.visitsOfAll(t.under(&k))
	kept := visits[:0]
	for _, v := range visits {
		if !v.party.entry.Public || !k.kind.personal() {
			kept = append(kept, v)
		}
	}
	return opens(kept)
}

// Visits is how many requests and streams are open.
func (t *Table) Visits() int { return int(t.visits.Load()) }

// Verdicts is how many verdicts are held, lapsed ones included until swept.
func (t *Table) Verdicts() int { return int(t.verdicts.Load()) }

func opens(visits []*Visit) []Open {
	out := make([]Open, len(visits))
	for i, v := range visits {
		w := &v.party.entry.Who
		out[i] = Open{
			Tenant: w.Tenant, Subject: w.Subject, Session: w.Session, Aliases: w.Aliases, Device: w.Device,
			ClientID: w.ClientID, Stream: v.Stream(), Route: v.party.entry.Route, RequestID: v.requestID, Since: v.began,
		}
		if w.Address.IsValid() {
			out[i].Address = w.Address.String()
		}
	}
	return out
}
