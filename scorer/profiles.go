package scorer

import (
	"fmt"
	"io"
	"time"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Profile is what an engine knows about a subject, in a form that people read. It
// says what is usual, not what is suspected.
type Profile struct {
	Tenant, Subject string
	// Requests is how many were seen in all, whether or not they taught.
	Requests uint64
	// Learned is the decayed number of clean stretches of work that have taught.
	Learned float64
	// What the subject is known to use, the most frequent first, with decayed counts.
	Countries, Networks, Clients, Systems, Devices, Routes []profile.Value
	// Hours counts active hours by hour of the week, from Monday 00:00 UTC. Old weeks
	// fade.
	Hours profile.Week
	// LastSeen is the time of the latest event, zero for none, and the rest where it
	// came from.
	LastSeen                             time.Time
	LastCountry, LastNetwork, LastClient string
}

// ReadProfiles calls yield for each subject of a snapshot that an engine wrote,
// least recently used first, until it returns false. One subject is in memory at a
// time, and a profile is valid until yield returns. An error is that of
// [snapshot.Open], or wraps [snapshot.ErrFormat].
func ReadProfiles(m *model.Model, r io.Reader, yield func(*Profile) bool) error {
	payload, err := snapshot.Open(r)
	if err != nil {
		return fmt.Errorf("read profiles: %w", err)
	}
	e, err := New(Options{Model: m})
	if err != nil {
		return err
	}
	c := snapshot.Reader(payload)
	e.codeShared(c, nil)
	subject := new(entity.Subject)
	for range c.Len(0) {
		var k entity.Key
		*subject = entity.Subject{}
		entity.CodeKey(c, &k)
		subject.Code(c)
		if c.Failed() || !yield(profileOf(k, subject)) {
			break
		}
	}
	if c.Failed() {
		return fmt.Errorf("read profiles: %w", c.Err())
	}
	return nil
}

func profileOf(k entity.Key, s *entity.Subject) *Profile {
	p := &Profile{
		Tenant: k.Tenant, Subject: k.ID, Requests: uint64(s.Total), Learned: s.N, Hours: s.Week,
		Countries: s.Kinds[entity.Countries].Values(), Networks: s.Kinds[entity.Networks].Values(),
		Clients: s.Kinds[entity.Families].Values(), Systems: s.Kinds[entity.Systems].Values(),
		Devices: s.Kinds[entity.Devices].Values(), Routes: s.Kinds[entity.Routes].Values(),
		LastCountry: s.LastPlace.Country.String(), LastNetwork: s.LastPlace.Network.String(), LastClient: s.LastPlace.Family.String(),
	}
	if s.LastPlace.Last > 0 {
		p.LastSeen = time.Unix(0, s.LastPlace.Last).UTC()
	}
	return p
}
