package poison

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
)

const day = 24 * time.Hour

// move is one event of an adversary.
type move struct {
	at   time.Time
	ev   *event.RequestEvent
	goal bool
}

// scheme is what an adversary does, from begin on, which is a morning.
type scheme struct {
	begin  time.Time
	victim *mark
	// others are accounts of the victim's tenant, for those who own some.
	others []*mark
	moves  []move
	serial int
}

// mark is somebody of whom an adversary knows an ordinary request.
type mark struct {
	subject string
	sample  *event.RequestEvent
	days    int
	last    string // The latest day on which he was seen.
}

// plot is one kind of attack on learning.
type plot struct {
	name string
	// days is how long the adversary prepares.
	days int
	run  func(*scheme)
}

func plots() []plot {
	return []plot{
		{"quiet thief: waits out the quarantine, the same day", 1, quiet},
		{"patient thief: a session every other day for 12 days", 14, drift},
		{"boiling frog: 15 % more bytes each day for 30 days", 31, boil},
		{"chaff: 5 % of the accounts make a place and a tool usual", 10, chaff},
		{"sybil: 40 fresh accounts announce a release of the tool", 2, sybil},
		{"one compromised gateway reports floods for 9 days", 10, forge},
		{"camouflage: 150 friendly requests in front", 1, camouflage},
		{"silence: one request in front, and the same hour of silence", 1, silence},
		{"flood: one account makes the tool usual, 600 sessions a day", 3, flood},
		{"prefix: 40 accounts of one /24 make the tool usual", 3, prefix},
		{"network: 400 accounts of one network make the tool usual", 3, network},
	}
}

// lair is the adversary's own place: a provider of another city of the country.
type lair struct{ asn, hosts int }

// send adds one request of a subject's session. From nil it comes from where
// the sample came.
func (s *scheme) send(who *mark, session string, at time.Time, from *lair, goal bool) *event.RequestEvent {
	s.serial++
	ev, ok := proto.Clone(who.sample).(*event.RequestEvent)
	if !ok {
		panic("poison: a clone of an event is one")
	}
	ev.Id = fmt.Sprint("adversary-", s.serial)
	ev.Time, ev.RequestId = timestamppb.New(at), ev.GetId()
	ev.Gateway, ev.Seq = "gateway-2", 0 // Not numbered: losses are another matter.
	ev.Session, ev.TokenId, ev.Device, ev.Binding = session, "token of "+session, "", event.BindingNone
	if from != nil {
		host := s.serial % max(1, from.hosts)
		ev.Asn, ev.AsOrg, ev.Latitude, ev.Longitude = uint32(from.asn), "Lair", nil, nil
		ev.Address, ev.NetworkTags = fmt.Sprintf("203.%d.%d.7", from.asn%250, host%250), nil
		ev.UserAgent, ev.Ja4 = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "t13d1717h2_5b57614c22b0_3cbfd9057e0d"
	}
	s.moves = append(s.moves, move{at, ev, goal})
	return ev
}

// visit is a session of n requests, a pause apart.
func (s *scheme) visit(who *mark, session string, at time.Time, from *lair, n int, pause time.Duration, goal bool) {
	for i := range n {
		s.send(who, session, at.Add(time.Duration(i)*pause), from, goal)
	}
}

func quiet(s *scheme) {
	from := &lair{asn: 64601, hosts: 1}
	for i := range 4 {
		s.visit(s.victim, fmt.Sprint("quiet-", i), s.begin.Add(time.Duration(i)*100*time.Minute), from, 6, 4*time.Minute, false)
	}
	s.visit(s.victim, "quiet-goal", s.begin.Add(10*time.Hour), from, 30, 5*time.Second, true)
}

func drift(s *scheme) {
	from := &lair{asn: 64602, hosts: 1}
	for d := 0; d <= 12; d += 2 {
		s.visit(s.victim, fmt.Sprint("drift-", d), s.begin.Add(time.Duration(d)*day), from, 8, 4*time.Minute, false)
	}
	s.visit(s.victim, "drift-goal", s.begin.Add(13*day), from, 30, 5*time.Second, true)
}

// boil takes more by the day, from where the victim is himself.
func boil(s *scheme) {
	bytes := 300e3
	take := func(d int, goal bool) {
		for i := range 12 {
			ev := s.send(s.victim, fmt.Sprint("boil-", d), s.begin.Add(time.Duration(d)*day+time.Duration(i)*4*time.Second), nil, goal)
			ev.BytesOut = uint64(bytes)
		}
	}
	for d := range 30 {
		take(d, false)
		bytes *= 1.15
	}
	take(30, true)
}

// chaff shows the place and the tool in sessions of the adversary's accounts.
func chaff(s *scheme) {
	from := &lair{asn: 64603, hosts: 3}
	for d := range 9 {
		for i, who := range s.others {
			for k := range 12 {
				at := s.begin.Add(time.Duration(d)*day + time.Duration(k)*50*time.Minute + time.Duration(i)*time.Minute)
				s.visit(who, fmt.Sprintf("chaff-%d-%d-%d", d, i, k), at, from, 5, 20*time.Second, false)
			}
		}
	}
	s.visit(s.victim, "chaff-goal", s.begin.Add(9*day+time.Hour), from, 30, 5*time.Second, true)
}

// sybil shows the tool from forty accounts that nobody has seen before, each
// from a network of its own.
func sybil(s *scheme) {
	for i := range 40 {
		from := &lair{asn: 65000 + i, hosts: 1}
		who := &mark{subject: fmt.Sprint("sybil-", i), sample: s.victim.sample}
		for k := range 4 {
			for n := range 5 {
				ev := s.send(who, fmt.Sprintf("sybil-%d-%d", i, k), s.begin.Add(time.Duration(k)*3*time.Hour+time.Duration(5*i+n)*time.Second), from, false)
				ev.Subject, ev.Account = who.subject, ""
				ev.UserAgent, ev.Ja4 = tool, toolJA4
			}
		}
	}
	for n := range 30 {
		ev := s.send(s.victim, "sybil-goal", s.begin.Add(day+time.Duration(n)*5*time.Second), nil, true)
		ev.UserAgent, ev.Ja4 = tool, toolJA4
	}
}

const (
	tool    = "python-requests/2.32.3"
	toolJA4 = "t13d1812h1_85036bcba153_375ca2c5e164"
)

// forge lets one gateway claim that everybody works from the lair.
func forge(s *scheme) {
	from := &lair{asn: 64605, hosts: 40}
	for d := range 9 {
		for i, who := range append([]*mark{s.victim}, s.others...) {
			for k := range 40 {
				at := s.begin.Add(time.Duration(d)*day + time.Duration(k)*14*time.Minute + time.Duration(i)*time.Second)
				for n := range 3 {
					s.send(who, fmt.Sprintf("forged-%d-%d-%d", d, i, k), at.Add(time.Duration(n)*20*time.Second), from, false).Gateway = "gateway-forger"
				}
			}
		}
	}
	s.visit(s.victim, "forged-goal", s.begin.Add(9*day+time.Hour), from, 30, 5*time.Second, true)
}

// camouflage is friendly for an hour, in the session that then turns.
func camouflage(s *scheme) {
	from := &lair{asn: 64606, hosts: 1}
	s.visit(s.victim, "camouflage", s.begin, from, 150, 24*time.Second, false)
	s.visit(s.victim, "camouflage", s.begin.Add(time.Hour), from, 30, 5*time.Second, true)
}

// silence is camouflage without the friendly requests: what it leaves of the
// suspicion is what time leaves of it.
func silence(s *scheme) {
	from := &lair{asn: 64606, hosts: 1}
	s.send(s.victim, "silence", s.begin, from, false)
	s.visit(s.victim, "silence", s.begin.Add(time.Hour), from, 30, 5*time.Second, true)
}

// flood shows the tool in as many sessions of one account as there are.
func flood(s *scheme) { s.teach("flood", 1, 600, func(int) int { return 0 }) }

// prefix shows the tool in sessions of many accounts behind one address.
func prefix(s *scheme) { s.teach("prefix", 40, 20, func(int) int { return 0 }) }

// network shows the tool in sessions of many accounts of one network, each at
// an address of its own.
func network(s *scheme) { s.teach("network", 400, 8, func(account int) int { return account }) }

// teach shows the tool, from the lair, for two days in so many sessions a day of
// so many accounts that are new to the victim's tenant, and then in his name.
func (s *scheme) teach(name string, accounts, sessions int, host func(account int) int) {
	from := &lair{asn: 64607, hosts: 250}
	pause := day / time.Duration(sessions*accounts)
	for i := range 2 * sessions * accounts {
		account := i % accounts
		ev := s.send(s.victim, fmt.Sprint(name, "-", i), s.begin.Add(time.Duration(i)*pause), from, false)
		ev.Subject, ev.Account = fmt.Sprint(name, "-", account), ""
		ev.Address = fmt.Sprintf("203.%d.%d.7", 100+host(account)/250, host(account)%250)
		ev.UserAgent, ev.Ja4 = tool, toolJA4
	}
	for n := range 30 {
		ev := s.send(s.victim, name+"-goal", s.begin.Add(2*day+time.Hour+time.Duration(n)*5*time.Second), nil, true)
		ev.UserAgent, ev.Ja4 = tool, toolJA4
	}
}

// sorted puts the moves into the order of time.
func (s *scheme) sorted() []move {
	slices.SortStableFunc(s.moves, func(a, b move) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	return s.moves
}
