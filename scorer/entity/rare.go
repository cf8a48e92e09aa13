package entity

import (
	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Rare is what most sessions never have, and take no memory for. The zero value
// is a session without.
type Rare struct {
	Switches
	Streams []Stream
	Tokens  []TokenKey
	// Promised is the most that the bytes of the hour came to together with what
	// open streams had still to send.
	Promised float64
	// ReassuredAt is when a proof last took suspicion back.
	ReassuredAt int64
	// SignedOut is the event time at which the session was reported to have
	// ended, 0 for a session that goes on.
	SignedOut int64
	// SuspendedOn is the hash of the device that showed the session when it was last
	// suspended, 0 for none.
	SuspendedOn uint64
	// Parked are the walks that gave way to others, those that were left longest ago
	// first, and Best and Longest what they came to since the session last taught.
	Parked  []Parked
	Best    float64
	Longest int32
	// Beside counts how often another session of the subject was used in between, far
	// away.
	Beside Switches
	// Group is the peer group whose the session's delta is, empty for none.
	Group profile.Name
}

// Switches counts how often a session went back and forth between far places.
type Switches struct {
	Count  float64
	LastAt int64
}

// Stream is an open stream, how many of its bytes have been counted, and how many
// it said that it has, 0 for one that did not say.
type Stream struct {
	ID               uint64
	Bytes, Announced uint64
	Last             int64
}

// TokenKey is the key that a token was proven with.
type TokenKey struct{ Token, Device uint64 }

// Parked is of a walk what it takes to go on with it.
type Parked struct {
	Template   uint64
	LastID     int64
	Last       int64
	Refused    float32
	Run, Climb int32
	Stride     int32
}

// Rare is what the session has of it, to be read.
func (s *Session) Rare() Rare {
	if s.rare == nil {
		return Rare{}
	}
	return *s.rare
}

// OwnRare is Rare to be changed.
func (s *Session) OwnRare() *Rare {
	if s.rare == nil {
		s.rare = new(Rare)
	}
	return s.rare
}

// SuspendOn notes which device, by its hash and 0 for none, showed the session when
// it was suspended.
func (s *Session) SuspendOn(device uint64) {
	if device != 0 || s.rare != nil {
		s.OwnRare().SuspendedOn = device
	}
}

// Join notes the peer group of the session's delta, empty for none.
func (s *Session) Join(group profile.Name) {
	if group != s.Rare().Group {
		s.OwnRare().Group = group
	}
}

// Promise notes what the hour comes to if all streams that are open send what
// they announced.
func (s *Session) Promise() {
	if s.rare == nil {
		return
	}
	sum := s.Hour.Bytes
	for i := range s.rare.Streams {
		st := &s.rare.Streams[i]
		if st.Announced > st.Bytes {
			sum += float64(st.Announced - st.Bytes)
		}
	}
	if sum > s.Hour.Bytes {
		s.rare.Promised = max(s.rare.Promised, sum)
	}
}

// HourMost is the most that the hour has come to, by what was sent or announced.
func (s *Session) HourMost() float64 {
	if s.rare == nil {
		return s.Hour.Bytes
	}
	return max(s.Hour.Bytes, s.rare.Promised)
}

func (s *Session) codeRare(k *snapshot.Codec) {
	has := s.rare != nil
	k.Bool(&has)
	if !has {
		return
	}
	r := s.OwnRare()
	k.F64(&r.Count)
	k.I64(&r.LastAt)
	snapshot.List(k, &r.Streams, func(st *Stream) {
		k.U64(&st.ID)
		k.U64(&st.Bytes)
		k.U64(&st.Announced)
		k.I64(&st.Last)
	})
	k.F64(&r.Promised)
	snapshot.List(k, &r.Tokens, func(t *TokenKey) {
		k.U64(&t.Token)
		k.U64(&t.Device)
	})
	k.I64(&r.ReassuredAt)
	k.I64(&r.SignedOut)
	k.U64(&r.SuspendedOn)
	k.F64(&r.Beside.Count)
	k.I64(&r.Beside.LastAt)
	r.Group.Code(k)
	snapshot.List(k, &r.Parked, func(w *Parked) { w.code(k) })
	k.F64(&r.Best)
	longest := int64(r.Longest)
	k.I64(&longest)
	r.Longest = int32(longest)
}

func (w *Parked) code(k *snapshot.Codec) {
	run, climb, stride := int64(w.Run), int64(w.Climb), int64(w.Stride)
	k.U64(&w.Template)
	k.I64(&w.LastID)
	k.I64(&w.Last)
	k.F32(&w.Refused)
	k.I64(&run)
	k.I64(&climb)
	k.I64(&stride)
	w.Run, w.Climb, w.Stride = int32(run), int32(climb), int32(stride)
}
