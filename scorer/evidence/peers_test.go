package evidence_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

// shift is a tenant whose people work by day in one network, and a group of it that
// works at night in another.
func shift(members int) evidence.Peers {
	tenant := &entity.Tenant{}
	const day = int64(24 * time.Hour)
	learn := func(network string, hour int, group profile.Name, member uint64) {
		p := &entity.Pending{Since: 1}
		p.Note(entity.Networks, network)
		p.Hour(hour)
		p.EachHour(tenant.Week.Add)
		tenant.Subjects.Learn(p, day, 30*24*time.Hour, 1)
		if group != (profile.Name{}) {
			tenant.LearnGroup(group, p, member, day, 30*24*time.Hour, 1)
		}
	}
	for i := range 200 {
		learn("AS1", 9+i%8, profile.Name{}, 0)
	}
	name := profile.NameOf("night")
	for i := range 40 {
		learn("AS2", 2, name, evidence.Hash(fmt.Sprint(i%max(1, members))))
	}
	return evidence.Peers{Tenant: tenant, Group: tenant.Group(name)}
}

func TestAGroupStandsBetween(t *testing.T) {
	one, ten := shift(1), shift(10)
	alone := evidence.Peers{Tenant: ten.Tenant}
	share := func(p evidence.Peers, network string) float64 {
		s, _ := p.Share(entity.Networks, network, 2)
		return s
	}
	rising := map[string][3]float64{
		"what the group does is more usual the more of its members do it": {share(alone, "AS2"), share(one, "AS2"), share(ten, "AS2")},
		"and what only others do is less":                                 {share(ten, "AS1"), share(one, "AS1"), share(alone, "AS1")},
		"the hours of the group are its own":                              {alone.Hour(2), one.Hour(2), ten.Hour(2)},
		"and those of others are not":                                     {ten.Hour(12), one.Hour(12), alone.Hour(12)},
	}
	for name, p := range rising {
		t.Run(name, func(t *testing.T) {
			if !(p[0] > 0 && p[0] < p[1] && p[1] < p[2] && p[2] <= 1) {
				t.Errorf("%.4f, %.4f, %.4f; want them to rise", p[0], p[1], p[2])
			}
		})
	}
	if s := share(ten, "nobody's"); !(s > 0 && s < share(ten, "AS1")) {
		t.Errorf("what nobody does has probability %g", s)
	}
}

// TestAMemberComparesTwoLevels lets a member learn what he knows and what he does
// not: only the latter says something about his group.
func TestAMemberComparesTwoLevels(t *testing.T) {
	in := shift(10)
	out := evidence.Peers{Tenant: in.Tenant}
	own := &entity.Subject{}
	own.Kinds[entity.Networks].Add("AS1", 5, 10)
	tests := map[string]struct {
		peers   evidence.Peers
		network string
		want    [3]bool // Subject to tenant, member to group, group to tenant.
	}{
		"what is known says how far he is from his group":     {in, "AS1", [3]bool{1: true}},
		"what is new says how far that is from the tenant":    {in, "AS2", [3]bool{1: true, 2: true}},
		"who is in no group is compared with the tenant only": {out, "AS2", [3]bool{0: true}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var trials evidence.Trials
			tt.peers.Compare(own, entity.Networks, tt.network, 2, &trials)
			got := [3]bool{trials.Tenant != profile.Trial{}, trials.Member != profile.Trial{}, trials.Group != profile.Trial{}}
			if got != tt.want {
				t.Errorf("levels that have seen something: %v, want %v", got, tt.want)
			}
		})
	}
}
