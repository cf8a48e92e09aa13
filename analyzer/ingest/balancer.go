package ingest

import (
	"cmp"
	"slices"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/analyzer/assign"
)

// stickyProtocol names how partitions are divided. Another way of dividing them, or
// of saying what is held, takes another name: members of a group agree by it.
const (
	stickyProtocol          = "vigil-sticky-2"
	withoutStandbysProtocol = "vigil-sticky-1"
)

// sticky divides partitions so that those whose state a member holds stay with it.
type sticky struct{ ingest *Ingest }

// ProtocolName implements [kafka.GroupBalancer].
func (sticky) ProtocolName() string { return stickyProtocol }

// UserData implements [kafka.GroupBalancer]: it says what this process holds.
func (s sticky) UserData() ([]byte, error) {
	return assign.Encode(assign.Member{Standby: s.ingest.o.Standby, Since: s.ingest.o.Began.UnixMilli(), Claims: s.ingest.claims()}), nil
}

// AssignGroups implements [kafka.GroupBalancer].
func (s sticky) AssignGroups(members []kafka.GroupMember, partitions []kafka.Partition) kafka.GroupMemberAssignments {
	name := s.ingest.o.Stage.Topic
	var numbers []int
	for _, p := range partitions {
		if p.Topic == name {
			numbers = append(numbers, p.ID)
		}
	}
	list := make([]assign.Member, len(members))
	for i, m := range members {
		said, err := assign.Decode(m.UserData)
		if err != nil {
			s.ingest.o.Logger.Warn("a member says nothing about its state that can be read", "member", m.ID, "error", err)
		}
		said.ID = m.ID
		list[i] = said
	}
	out := make(kafka.GroupMemberAssignments, len(members))
	for id, assigned := range assign.Divide(list, numbers) {
		out[id] = map[string][]int{name: assigned}
	}
	return out
}

// withoutStandbys is how a group divides as long as one of its members is of a version
// that knows no standby: there is none then.
type withoutStandbys struct{ sticky }

// ProtocolName implements [kafka.GroupBalancer].
func (withoutStandbys) ProtocolName() string { return withoutStandbysProtocol }

// UserData implements [kafka.GroupBalancer].
func (s withoutStandbys) UserData() ([]byte, error) {
	return assign.EncodeClaims(s.ingest.claims()), nil
}

// claims are the partitions whose state is here: in memory, or on disk from an
// earlier life.
func (i *Ingest) claims() []assign.Claim {
	epochs := i.o.State.Epochs(i.o.Stage.Topic)
	var out []assign.Claim
	i.mu.Lock()
	for id, p := range i.parked {
		out = append(out, assign.Claim{Partition: id, Epoch: p.epoch, Live: true})
		delete(epochs, id)
	}
	i.mu.Unlock()
	for id, epoch := range epochs {
		out = append(out, assign.Claim{Partition: id, Epoch: epoch})
	}
	slices.SortFunc(out, func(a, b assign.Claim) int { return cmp.Compare(a.Partition, b.Partition) })
	return out
}
