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
	got, err := assign.Decode(assign.Encode(claims))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(claims, got); diff != "" {
		t.Error(diff)
	}
	many := make([]assign.Claim, assign.ClaimsMax+1)
	got, err = assign.Decode(assign.Encode(many))
	if err != nil || len(got) != assign.ClaimsMax {
		t.Errorf("%d of %d claims were announced (%v), want %d", len(got), len(many), err, assign.ClaimsMax)
	}
	one := assign.Encode(live(1, 1))
	tooMany := slices.Concat(assign.Encode(many), one[1:])
	for name, b := range map[string][]byte{"nothing": nil, "another version": {9}, "cut": one[:len(one)-1], "too many": tooMany, "neither live nor not": {1, 1, 1, 2}} {
		_, err = assign.Decode(b)
		if err == nil {
			t.Errorf("%s was read as claims", name)
		}
	}
}
