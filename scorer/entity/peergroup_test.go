package entity_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

// TestAGroupIsBounded teaches a group more values than it keeps.
func TestAGroupIsBounded(t *testing.T) {
	var tenant entity.Tenant
	name := profile.NameOf("g")
	for i := range 2000 {
		p := &entity.Pending{}
		for kind := range entity.KindCount {
			p.Note(entity.Kind(kind), fmt.Sprint(i))
		}
		tenant.LearnGroup(name, p, uint64(i), int64(time.Hour), 24*time.Hour, 1)
	}
	want := map[entity.Kind]int{entity.Devices: 0, entity.Prefixes: 0, entity.Routes: 512, entity.Networks: 128}
	for kind, most := range want {
		n := 0
		for range tenant.Group(name).Kinds[kind].Names {
			n++
		}
		if n != most {
			t.Errorf("%d values of kind %d are kept, want %d", n, kind, most)
		}
	}
	if tenant.Groups() != 1 {
		t.Errorf("%d groups, want the one", tenant.Groups())
	}
}

// TestAGroupFades teaches a group a value and, a half-life later, another one.
func TestAGroupFades(t *testing.T) {
	var tenant entity.Tenant
	name, day := profile.NameOf("g"), int64(24*time.Hour)
	for i, network := range []string{"old", "new"} {
		p := &entity.Pending{}
		p.Note(entity.Networks, network)
		tenant.LearnGroup(name, p, 1, day*int64(1+30*i), 30*24*time.Hour, 1)
	}
	networks := &tenant.Group(name).Kinds[entity.Networks]
	if was, is := networks.N("old"), networks.N("new"); !(was > 0.49 && was < 0.51 && is == 1) {
		t.Errorf("%.3f of what was taught a half-life ago, %.3f of what is new", was, is)
	}
}

// TestOneMemberDoesNotMakeTheHoursOfAGroup lets nine colleagues come by day and one
// who comes sixty times a night, each time for less.
func TestOneMemberDoesNotMakeTheHoursOfAGroup(t *testing.T) {
	const morning, night = 9, 3
	var tenant entity.Tenant
	name := profile.NameOf("g")
	for day := range 5 {
		for member := range 70 {
			p, weight, hour := &entity.Pending{}, 1.0, morning
			if member >= 9 {
				weight, hour = 1/float64(member-8), night
			}
			p.Hour(24*day + hour)
			tenant.LearnGroup(name, p, uint64(min(member, 9)), int64(day)*int64(24*time.Hour), 30*24*time.Hour, weight)
		}
	}
	week := &tenant.Group(name).Week
	if day, atNight := week.P(morning, 1.0/profile.WeekHours), week.P(night, 1.0/profile.WeekHours); atNight > day/3 {
		t.Errorf("an hour at night is %.4f of the group's, one by day %.4f", atNight, day)
	}
}
