package scorer

import (
	"strings"

	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Tables whose entities are kept when they are pushed out; the first byte of a
// key in the cold store.
const (
	coldSubjects byte = 1 + iota
	coldSessions
	coldAddresses
	coldAccounts
)

// shelvedLeast is how many entities a table has room for at least where there is
// a cold store: one event brings back all sessions of its subject, and must not
// push out those that it has in hand, which are the last that were used.
const shelvedLeast = 4 * entity.OpenSessionsMax

// shelf is the engine's side of its cold store.
type shelf struct {
	cold     entity.Cold     // Nil where who is pushed out is forgotten.
	key      snapshot.Codec  // These write,
	value    snapshot.Codec  // and
	reader   *snapshot.Codec // this one reads.
	returned uint64          // How many came back.
}

// Shelve has the engine keep in a cold store whoever is pushed out at a limit, and
// take him from there when he comes again, as if he had never been away: within the
// bounds of the store, limits bound what is in memory and not what is known. It
// empties the engine.
func (e *Engine) Shelve(c entity.Cold) {
	e.shelf = shelf{cold: c, reader: snapshot.Reader(nil)}
	e.empty()
}

// clear forgets whoever is in the store.
func (s *shelf) clear() {
	if s.cold != nil {
		s.cold.Clear()
	}
}

// room is how many entities a table has room for.
func (s *shelf) room(limit int) int {
	if s.cold == nil {
		return limit
	}
	return max(limit, shelvedLeast)
}

func (s *shelf) name(table byte, k entity.Key) []byte {
	c, kind := s.key.Write(), uint64(table)
	c.U64(&kind)
	entity.CodeKey(c, &k)
	return c.Bytes()
}

// take is what the store has of an entity, nil for nothing.
func (s *shelf) take(table byte, k entity.Key) []byte {
	if s.cold == nil {
		return nil
	}
	return s.cold.Take(s.name(table, k))
}

// coded is an entity that a codec writes and reads.
type coded[V any] interface {
	*V
	Code(c *snapshot.Codec)
}

// put keeps an entity.
func put[V any, P coded[V]](s *shelf, table byte, k entity.Key, v P, lasts bool) {
	c := s.value.Write()
	v.Code(c)
	s.cold.Put(s.name(table, k), c.Bytes(), lasts)
}

// makeRoom keeps the entity that the next one pushes out.
func makeRoom[V any, P coded[V]](s *shelf, table byte, from *entity.Table[V], lasts func(*V) bool) {
	if s.cold == nil || !from.Full() {
		return
	}
	k, v := from.Eldest()
	if v != nil {
		put(s, table, k, P(v), lasts != nil && lasts(v))
	}
}

// read makes an entity what its bytes say, and reports false where they say nothing.
func read[V any, P coded[V]](s *shelf, v P, from []byte) bool {
	if from == nil {
		return false
	}
	var none V
	*v = none
	c := s.reader.Read(from)
	v.Code(c)
	if c.Err() != nil {
		*v = none
		return false
	}
	return true
}

// fill is read for an entity that is back in its table.
func fill[V any, P coded[V]](s *shelf, v P, from []byte) bool {
	ok := read(s, v, from)
	if ok {
		s.returned++
	}
	return ok
}

// taught reports whether a subject has habits that are worth more than those of
// somebody who came once.
func taught(s *entity.Subject) bool { return s.N > 0 || s.Sequence != nil }

// admitSubject adds a subject to its table.
func (e *Engine) admitSubject(key entity.Key) *entity.Subject {
	return e.seatSubject(key, e.shelf.take(coldSubjects, key))
}

// seatSubject adds a subject to its table, as its bytes say where there are any.
func (e *Engine) seatSubject(key entity.Key, back []byte) *entity.Subject {
	makeRoom(&e.shelf, coldSubjects, e.subjects, taught)
	s := e.subjects.Take(key)
	e.spares.Subject(s)
	fill(&e.shelf, s, back)
	return s
}

// admitAccount adds an account to its table.
func (e *Engine) admitAccount(key entity.Key) *entity.Account {
	back := e.shelf.take(coldAccounts, key)
	makeRoom(&e.shelf, coldAccounts, e.accounts, nil)
	a := e.accounts.Take(key)
	*a = entity.Account{}
	fill(&e.shelf, a, back)
	return a
}

// admit adds a session to its table, and reports whether it is one that was away.
func (e *Engine) admit(key entity.Key, now int64) (s *entity.Session, known bool) {
	_, kind := e.actors(key)
	return e.seat(key, now, e.shelf.take(kind, key))
}

// seat adds a session to its table, as its bytes say where there are any.
func (e *Engine) seat(key entity.Key, now int64, back []byte) (s *entity.Session, known bool) {
	table, kind := e.actors(key)
	makeRoom(&e.shelf, kind, table, nil)
	s = table.Take(key)
	e.spares.Bound(e.sessions.Len() + e.addresses.Len())
	e.spares.Session(s, key, now)
	if !fill(&e.shelf, s, back) {
		if back != nil {
			*s = entity.Session{}
			e.spares.Session(s, key, now)
		}
		return s, false
	}
	s.Key = key // One copy of its texts.
	if key.Kind == verdict.TargetAddress {
		s.Address = &s.Key.ID
	}
	own := e.subjects.ID(entity.Key{Tenant: key.Tenant, Kind: verdict.TargetSubject, ID: s.Subject})
	if own != "" {
		s.Subject = own
	}
	return s, true
}

// actors is the table of a session or an address, and its place in the cold store.
func (e *Engine) actors(key entity.Key) (*entity.Table[entity.Session], byte) {
	if key.Kind == verdict.TargetAddress {
		return e.addresses, coldAddresses
	}
	return e.sessions, coldSessions
}

// peek is a session or an address that is known, nil for none, without marking it
// as used. One that was pushed out comes back, perhaps into the place of one that was
// peeked at before: whoever keeps several in hand holds them.
func (e *Engine) peek(key entity.Key) *entity.Session {
	table, kind := e.actors(key)
	s := table.Peek(key)
	if s != nil || e.shelf.cold == nil {
		return s
	}
	back := e.shelf.take(kind, key)
	if back == nil {
		return nil
	}
	s, _ = e.seat(mine(key), e.clock.Now(), back)
	return s
}

// hold is peek for one that stays in hand while others come back: it counts as used,
// and so as many as shelvedLeast stay where they are.
func (e *Engine) hold(key entity.Key) *entity.Session {
	if e.shelf.cold != nil {
		table, _ := e.actors(key)
		s := table.Get(key)
		if s != nil {
			return s
		}
	}
	return e.peek(key)
}

// peekSubject is peek for subjects.
func (e *Engine) peekSubject(key entity.Key) *entity.Subject {
	s := e.subjects.Peek(key)
	if s != nil {
		return s
	}
	back := e.shelf.take(coldSubjects, key)
	if back == nil {
		return nil
	}
	return e.seatSubject(mine(key), back)
}

// mine is a key that keeps nothing of the caller's texts, which may be an event's.
func mine(k entity.Key) entity.Key {
	return entity.Key{Tenant: strings.Clone(k.Tenant), Kind: strings.Clone(k.Kind), ID: strings.Clone(k.ID)}
}

// visit shows an actor that is known to look, which may change it. One that was
// pushed out stays where it is: those that wait for a word about him are many, and
// must push nobody out.
func (e *Engine) visit(key entity.Key, look func(*entity.Session)) {
	table, kind := e.actors(key)
	s := table.Peek(key)
	if s != nil {
		look(s)
		return
	}
	back := e.shelf.take(kind, key)
	if back == nil {
		return
	}
	var away entity.Session
	if !read(&e.shelf, &away, back) {
		return
	}
	look(&away)
	put(&e.shelf, kind, key, &away, false)
}
