package assign_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/analyzer/assign"
)

func live(epoch uint64, partitions ...int) []assign.Claim {
	var out []assign.Claim
	for _, p := range partitions {
		out = append(out, assign.Claim{Partition: p, Epoch: epoch, Live: true})
	}
	return out
}

func onDisk(epoch uint64, partitions ...int) []assign.Claim {
	out := live(epoch, partitions...)
	for i := range out {
		out[i].Live = false
	}
	return out
}

// The cases that a person would think of.
func TestDivide(t *testing.T) {
	four := []int{0, 1, 2, 3}
	for _, tt := range []struct {
		name       string
		members    []assign.Member
		partitions []int
		want       map[string][]int
	}{
		{"nobody gets nothing", nil, four, map[string][]int{}},
		{"one gets all", []assign.Member{{ID: "a"}}, four, map[string][]int{"a": four}},
		{"without claims loads are even", []assign.Member{{ID: "b"}, {ID: "a"}}, four, map[string][]int{"a": {0, 2}, "b": {1, 3}}},
		{"what is held stays", []assign.Member{{ID: "a", Claims: live(1, 1, 2)}, {ID: "b", Claims: live(1, 0, 3)}}, four, map[string][]int{"a": {1, 2}, "b": {0, 3}}},
		{"a newcomer gets half", []assign.Member{{ID: "a", Claims: live(1, 0, 1, 2, 3)}, {ID: "b"}}, four, map[string][]int{"a": {0, 1}, "b": {2, 3}}},
		{"the odd one stays with who has it", []assign.Member{{ID: "a", Claims: live(1, 0)}, {ID: "b", Claims: live(1, 1, 2)}}, []int{0, 1, 2}, map[string][]int{"a": {0}, "b": {1, 2}}},
		{"a reserve gets nothing", []assign.Member{{ID: "a", Claims: live(1, 0)}, {ID: "b"}}, []int{0}, map[string][]int{"a": {0}, "b": nil}},
		{"the later epoch counts", []assign.Member{{ID: "a", Claims: live(4, 0)}, {ID: "b", Claims: live(5, 0)}}, []int{0}, map[string][]int{"a": nil, "b": {0}}},
		{"memory counts more than disk", []assign.Member{{ID: "a", Claims: live(4, 0)}, {ID: "b", Claims: onDisk(5, 0)}}, []int{0}, map[string][]int{"a": {0}, "b": nil}},
		{"disk counts more than nothing", []assign.Member{{ID: "a"}, {ID: "b", Claims: onDisk(1, 0, 1)}}, four, map[string][]int{"a": {2, 3}, "b": {0, 1}}},
		{"a claim of what is no partition has no effect", []assign.Member{{ID: "a", Claims: live(9, 7, 8, 9)}, {ID: "b"}}, []int{0, 1}, map[string][]int{"a": {0}, "b": {1}}},
		{"a member counts once", []assign.Member{{ID: "a"}, {ID: "a"}, {ID: "b"}}, []int{0, 0, 1}, map[string][]int{"a": {0}, "b": {1}}},
		{"a standby waits while another works", []assign.Member{{ID: "a", Standby: 1, Claims: onDisk(7, 0, 1, 2, 3)}, {ID: "b"}}, four, map[string][]int{"a": nil, "b": four}},
		{"a standby alone works", []assign.Member{{ID: "a", Standby: 1}}, four, map[string][]int{"a": four}},
		{"a standby for two works beside the one that is left, and takes what lost its owner", []assign.Member{{ID: "a", Standby: 2, Claims: onDisk(7, 0, 1, 2, 3)}, {ID: "b", Claims: live(7, 1, 2)}}, four, map[string][]int{"a": {0, 3}, "b": {1, 2}}},
		{"a standby for two waits while two work", []assign.Member{{ID: "a", Standby: 2, Claims: onDisk(7, 0, 1, 2, 3)}, {ID: "b"}, {ID: "c"}}, four, map[string][]int{"a": nil, "b": {0, 2}, "c": {1, 3}}},
		{"who is no standby takes back what a standby has done", []assign.Member{{ID: "a", Standby: 1, Claims: live(8, 0, 1, 2, 3)}, {ID: "b", Claims: onDisk(7, 0, 1, 2, 3)}}, four, map[string][]int{"a": nil, "b": four}},
		{"of equal standbys the older works, whatever the other holds", []assign.Member{{ID: "a", Standby: 1, Since: 9, Claims: live(8, 0, 1, 2, 3)}, {ID: "b", Standby: 1, Since: 5}}, four, map[string][]int{"a": nil, "b": four}},
		{"of standbys that are as old the first by name works", []assign.Member{{ID: "b", Standby: 1}, {ID: "a", Standby: 1}}, four, map[string][]int{"a": four, "b": nil}},
		{"of two equal workers and a spare the spare takes the place of who is gone", []assign.Member{{ID: "a", Standby: 2, Claims: live(7, 0, 3)}, {ID: "c", Standby: 2, Since: 3, Claims: onDisk(7, 1, 2)}}, four, map[string][]int{"a": {0, 3}, "c": {1, 2}}},
		{"who comes back as a standby waits", []assign.Member{{ID: "a", Standby: 2, Claims: live(7, 0, 3)}, {ID: "b", Standby: 2, Since: 8, Claims: onDisk(6, 0, 1, 2, 3)}, {ID: "c", Standby: 2, Since: 3, Claims: live(7, 1, 2)}}, four, map[string][]int{"a": {0, 3}, "b": nil, "c": {1, 2}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, assign.Divide(tt.members, tt.partitions)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A group that members join and leave at random: every partition has one owner,
// loads differ by at most one, the order of members does not matter, and no
// division that is as even moves fewer partitions.
func TestRebalancesMoveOnlyWhatMust(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for range 200 {
		partitions := 1 + random.IntN(40)
		owned, epoch, names := map[string][]int{}, uint64(0), 0
		for range 20 {
			for range 1 + random.IntN(2) {
				if len(owned) > 1 && random.IntN(2) == 0 {
					delete(owned, slices.Sorted(keys(owned))[random.IntN(len(owned))])
				} else {
					owned[fmt.Sprint("member-", names)], names = nil, names+1
				}
			}
			epoch++
			owned = rebalance(t, random, owned, partitions, epoch)
		}
	}
}

func keys(m map[string][]int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// rebalance divides once and checks what must hold.
func rebalance(t *testing.T, random *rand.Rand, owned map[string][]int, partitions int, epoch uint64) map[string][]int {
	t.Helper()
	var members []assign.Member
	var all []int
	for p := range partitions {
		all = append(all, p)
	}
	for _, id := range slices.Sorted(keys(owned)) {
		m := assign.Member{ID: id, Claims: live(epoch, owned[id]...)}
		m.Claims = append(m.Claims, onDisk(random.Uint64N(epoch), random.IntN(partitions))...)
		members = append(members, m)
	}
	got := assign.Divide(members, all)
	random.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if diff := cmp.Diff(got, assign.Divide(members, all)); diff != "" {
		t.Fatalf("another order divides otherwise: %s", diff)
	}
	var given []int
	least, most, kept := partitions, 0, 0
	for id, list := range got {
		least, most = min(least, len(list)), max(most, len(list))
		for _, p := range list {
			if slices.Contains(owned[id], p) {
				kept++
			}
		}
		given = append(given, list...)
	}
	slices.Sort(given)
	slices.Sort(all)
	if diff := cmp.Diff(all, given); diff != "" || most-least > 1 {
		t.Fatalf("loads of %d to %d, partitions: %s", least, most, diff)
	}
	if want := keptAtMost(owned, partitions); kept != want {
		t.Fatalf("%d partitions stay, %d could: %v became %v", kept, want, owned, got)
	}
	return got
}

// Members of any kind: whatever they say, every partition has one owner, no standby
// works beside as many others as it names, and nobody that is none waits.
func TestStandbysWorkOnlyWhereOthersLack(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 3))
	for range 2000 {
		var members []assign.Member
		for i := range 1 + random.IntN(6) {
			m := assign.Member{ID: fmt.Sprint("member-", i), Standby: random.IntN(4), Since: random.Int64N(3)}
			for range random.IntN(5) {
				m.Claims = append(m.Claims, assign.Claim{Partition: random.IntN(24), Epoch: random.Uint64N(3), Live: random.IntN(2) == 0})
			}
			members = append(members, m)
		}
		all := make([]int, 20) // More than members: whoever works has one.
		for p := range all {
			all[p] = p
		}
		got := assign.Divide(members, all)
		works, given := 0, 0
		for _, list := range got {
			given += len(list)
			if len(list) > 0 {
				works++
			}
		}
		if given != len(all) || len(got) != len(members) {
			t.Fatalf("%d of %d partitions to %d of %d members", given, len(all), len(got), len(members))
		}
		for _, m := range members {
			switch {
			case m.Standby == 0 && len(got[m.ID]) == 0:
				t.Fatalf("%s waits and is no standby: %+v became %v", m.ID, members, got)
			case m.Standby > 0 && len(got[m.ID]) > 0 && works > m.Standby && !slices.ContainsFunc(members, func(o assign.Member) bool { return o.Standby > m.Standby && len(got[o.ID]) > 0 }):
				t.Fatalf("%s works as one of %d: %+v became %v", m.ID, works, members, got)
			case m.Standby > works && len(got[m.ID]) == 0:
				t.Fatalf("%s waits beside %d: %+v became %v", m.ID, works, members, got)
			}
		}
	}
}

// keptAtMost is how many partitions can stay at most, by trying every number of
// members that get one more, the largest holders first.
func keptAtMost(owned map[string][]int, partitions int) int {
	var held []int
	for _, list := range owned {
		held = append(held, len(list))
	}
	slices.Sort(held)
	slices.Reverse(held)
	kept := 0
	for i, h := range held {
		quota := partitions / len(held)
		if i < partitions%len(held) {
			quota++
		}
		kept += min(h, quota)
	}
	return kept
}

// What is announced is read as it was meant, and no more than is allowed.
func TestClaimsSurviveTheWire(t *testing.T) {
	claims := append(live(1<<63, 0, 5, 4000), onDisk(0, 7)...)
	many := make([]assign.Claim, assign.ClaimsMax+1)
	for name, tt := range map[string]struct {
		said []byte
		want assign.Member
	}{
		"a member":                      {assign.Encode(assign.Member{ID: "a", Claims: claims}), assign.Member{Claims: claims}},
		"a standby":                     {assign.Encode(assign.Member{Standby: 300, Since: 1 << 50, Claims: claims}), assign.Member{Standby: 300, Since: 1 << 50, Claims: claims}},
		"a standby for less than none":  {assign.Encode(assign.Member{Standby: -1, Since: -1}), assign.Member{}},
		"claims alone, as once":         {assign.EncodeClaims(claims), assign.Member{Claims: claims}},
		"no more claims than one makes": {assign.Encode(assign.Member{Claims: many}), assign.Member{Claims: many[1:]}},
	} {
		got, err := assign.Decode(tt.said)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	one := assign.EncodeClaims(live(1, 1))
	tooMany := slices.Concat(assign.EncodeClaims(many), one[1:])
	for name, b := range map[string][]byte{
		"nothing": nil, "another version": {9}, "cut": one[:len(one)-1], "too many": tooMany, "neither live nor not": {1, 1, 1, 2},
		"no word about standby": {2}, "no word about age": {2, 1}, "an age without end": {2, 1, 255, 255}, "a standby for too many": {2, 255, 255, 255, 255, 255, 255, 1},
	} {
		_, err := assign.Decode(b)
		if err == nil {
			t.Errorf("%s was read as claims", name)
		}
	}
}
