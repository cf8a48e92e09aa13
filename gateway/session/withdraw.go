package session

import "github.com/vigil-gateway/vigil/schemas/verdict"

// Withdraw takes back what Apply was given, where its authority has said nothing
// about the target since: for verdicts that nobody should have believed. What has
// been ended stays ended.
func (t *Table) Withdraw(v *verdict.Verdict) {
	tenant := v.GetTenant()
	if tenant == "" {
		tenant = t.tenant
	}
	k, ok := keyOf(tenant, v.GetTarget())
	authority := authorityOf(v.GetAuthority())
	if !ok || authority < 0 {
		return
	}
	t.storing.Add(1)
	t.forget(&k, int8(authority), v.GetEpoch(), v.GetSeq())
	t.generation.Add(1) // So that nobody goes by what he knew.
	t.storing.Add(-1)
}

func (t *Table) forget(k *key, authority int8, epoch, seq uint64) {
	n := k.name()
	s := t.shard(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.said[n]
	h := f.by(authority)
	if h == nil || h.epoch != epoch || h.seq != seq {
		return
	}
	s.say(n, f.without(authority))
	t.verdicts.Add(-1)
}

// Sessions is how many sessions a target has of those that were here lately, open
// or not; a nil target is all of the tenant.
func (t *Table) Sessions(tenant string, target *verdict.Target) int {
	if tenant == "" {
		tenant = t.tenant
	}
	seen := make(map[string]struct{})
	note := func(p *party) {
		if w := &p.entry.Who; w.Tenant == tenant && w.Session != "" {
			seen[w.Session] = struct{}{}
		}
	}
	if target == nil {
		for i := range t.groups {
			g := &t.groups[i]
			g.mu.Lock()
			for _, p := range g.parties {
				note(p)
			}
			g.mu.Unlock()
		}
		return len(seen)
	}
	k, ok := keyOf(tenant, target)
	if !ok {
		return 0
	}
	for _, p := range t.under(&k) {
		note(p)
	}
	return len(seen)
}
