package assign

import (
	"cmp"
	"slices"
)

// Member is one member of a group and what it says about itself.
type Member struct {
	ID string
	// Standby says that it works only while fewer than so many others do; 0 that it
	// always works.
	Standby int
	// Since is when its process began, in milliseconds since 1970. Of standbys those
	// work first that began first.
	Since int64
	// Claims are what it holds.
	Claims []Claim
}

// Divide gives each partition to a member that works, by its ID. Every member is in
// the result, also one that gets nothing; without members it is empty. Members of
// the same ID and repeated partitions count once, and claims of partitions that are
// none have no effect.
func Divide(members []Member, partitions []int) map[string][]int {
	members = slices.Clone(members)
	slices.SortStableFunc(members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	members = slices.CompactFunc(members, func(a, b Member) bool { return a.ID == b.ID })
	out := make(map[string][]int, len(members))
	for _, m := range members {
		out[m.ID] = nil
	}
	if len(members) == 0 {
		return out
	}
	partitions = slices.Clone(partitions)
	slices.Sort(partitions)
	partitions = slices.Compact(partitions)
	members = working(members)
	d := &division{
		partitions: partitions, claims: claimsOf(members),
		loads: make([]int, len(members)), owners: make(map[int]int),
	}
	d.least, d.extras = len(d.partitions)/len(members), len(d.partitions)%len(members)
	d.keep()
	d.recall()
	d.fill()
	for _, p := range d.partitions {
		id := members[d.owners[p]].ID
		out[id] = append(out[id], p)
	}
	return out
}

// working are the members that get partitions, in the order of their IDs: all that
// are no standbys, and of these as many as are lacking, the oldest first. At least one
// works, for a standby of one or more does where nobody else does.
func working(members []Member) []Member {
	var out, standbys []Member
	for _, m := range members {
		if m.Standby > 0 {
			standbys = append(standbys, m)
		} else {
			out = append(out, m)
		}
	}
	slices.SortStableFunc(standbys, func(a, b Member) int { return cmp.Compare(a.Since, b.Since) })
	for _, m := range standbys {
		if len(out) < m.Standby {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// division is one under way. Members are numbered by the order of their IDs.
type division struct {
	partitions []int             // In order.
	claims     map[int][]claimed // By partition, the best first.
	least      int               // What every member gets.
	extras     int               // How many may still get one more.
	loads      []int             // By member.
	owners     map[int]int       // By partition.
}

// claimed is a claim and whose it is.
type claimed struct {
	Claim
	member int
}

func claimsOf(members []Member) map[int][]claimed {
	out := make(map[int][]claimed)
	for i, m := range members {
		for _, c := range m.Claims {
			out[c.Partition] = append(out[c.Partition], claimed{c, i})
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b claimed) int {
			switch {
			case a.Live != b.Live && a.Live:
				return -1
			case a.Live != b.Live:
				return 1
			}
			return cmp.Or(cmp.Compare(b.Epoch, a.Epoch), cmp.Compare(a.member, b.member))
		})
	}
	return out
}

// keep leaves partitions with those who have them in memory, as far as loads allow.
// To be minimal it is enough that the members with one more than the rest are
// chosen among those who hold more: each of them keeps one partition more for it.
func (d *division) keep() {
	held := make([][]int, len(d.loads))
	for _, p := range d.partitions {
		list := d.claims[p]
		if len(list) > 0 && list[0].Live {
			held[list[0].member] = append(held[list[0].member], p)
		}
	}
	for member, list := range held {
		for _, p := range list {
			if !d.room(member) {
				break
			}
			d.give(p, member)
		}
	}
}

// recall gives partitions without an owner to who has state of them.
func (d *division) recall() {
	for _, p := range d.partitions {
		_, owned := d.owners[p]
		if owned {
			continue
		}
		for _, c := range d.claims[p] {
			if d.room(c.member) {
				d.give(p, c.member)
				break
			}
		}
	}
}

// fill gives what is left to who has least.
func (d *division) fill() {
	for _, p := range d.partitions {
		_, owned := d.owners[p]
		if owned {
			continue
		}
		least := 0
		for member, load := range d.loads {
			if load < d.loads[least] {
				least = member
			}
		}
		d.give(p, least)
	}
}

// room reports whether a member may get one more.
func (d *division) room(member int) bool {
	return d.loads[member] < d.least || d.loads[member] == d.least && d.extras > 0
}

func (d *division) give(partition, member int) {
	if d.loads[member] == d.least {
		d.extras--
	}
	d.loads[member]++
	d.owners[partition] = member
}
