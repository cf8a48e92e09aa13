package gateway

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

const (
	gateways       = 3
	schedules      = 200 // Where VIGIL_SCHEDULES does not say.
	schedulesShort = 60
	// schedulesOfALife is how many the same gateways play. They keep what operators
	// have said for 90 days, and read all of it whenever they start anew.
	schedulesOfALife = 250
	sessionsMax      = 4
	streamsMax       = 8
	ticks            = 12
)

// word is a verdict of a schedule, as the specification sees it.
type word struct {
	target    int // 0 is the subject, others are sessions.
	operator  bool
	ends      bool // Its action is revoke, else observe.
	seq       int
	notBefore int // Ticks; 0 for no cut-off.
	clears    int // What the subject stage said up to here is void.
}

func (w word) authority() int {
	if w.operator {
		return 1
	}
	return 0
}

// paper is a token that the provider has issued, or a cookie of ours after a sign-in
// at it.
type paper struct {
	session  int
	service  bool
	cookie   bool
	authTime int // Ticks; 0 where it does not say.
	issuedAt int
	root     int // The paper of which this is a refresh, in the end; else itself.
}

// signOut is the word of a person, or of his provider, which one gateway hears.
type signOut struct {
	gateway int
	cookie  int // Root of the papers of the session that the person has ended; -1 where the provider speaks.
	session int // What the provider has ended.
	// parts are the words, never said alone, by which the sessions of the provider's word
	// end before the tokens do: each at a moment of its own.
	parts []int
	part  bool
}

// ends reports whether the word is about a paper.
func (o signOut) ends(p paper) bool {
	if o.cookie >= 0 {
		return p.cookie && p.root == o.cookie
	}
	return p.session == o.session
}

// schedule is what happens to one subject: verdicts and tokens in the order in
// which the analyzer, an operator and the provider made them.
type schedule struct {
	words    []word
	papers   []paper
	signOuts []signOut
	restart  int // The gateway that starts anew at some moment; -1 for none.
}

// newSchedule draws logins, refreshes, revocations, restores, sign-outs and restarts.
func newSchedule(r *rand.Rand) schedule {
	s := schedule{restart: -1}
	if r.IntN(16) == 0 { // It takes as long as twenty schedules.
		s.restart = r.IntN(gateways)
	}
	service, dated := r.IntN(4) == 0, r.IntN(4) > 0
	seqs := make(map[int]int) // Of the subject stage, by target.
	operatorSeq := 0
	for tick := 1; tick < ticks; tick++ {
		login := len(s.papers) == 0
		switch target, draw := r.IntN(sessionsMax+1), r.IntN(8); {
		case login || draw == 0:
			p := paper{session: 1 + r.IntN(sessionsMax), service: service, cookie: !service && r.IntN(3) == 0, issuedAt: tick, root: len(s.papers)}
			if p.cookie || dated && !service {
				p.authTime = tick
			}
			s.papers = append(s.papers, p)
		case draw == 1: // Refresh: a newer token for the same proof.
			p := s.papers[r.IntN(len(s.papers))]
			p.issuedAt = tick
			s.papers = append(s.papers, p)
		case draw <= 3:
			seqs[target]++
			w := word{target: target, ends: r.IntN(5) > 0, seq: seqs[target]}
			if r.IntN(2) == 0 {
				w.notBefore = tick
			}
			s.words = append(s.words, w)
		case draw == 4:
			o := signOut{gateway: s.restart, cookie: -1, session: 1 + r.IntN(sessionsMax)} // Nobody else can forget it.
			if s.restart < 0 {
				o.gateway = r.IntN(gateways)
			}
			if p := s.papers[r.IntN(len(s.papers))]; p.cookie {
				o.cookie, o.session = p.root, 0
			}
			s.signOuts = append(s.signOuts, o)
		default:
			operatorSeq++
			s.words = append(s.words, word{target: target, operator: true, ends: r.IntN(4) == 0, seq: operatorSeq, clears: seqs[target]})
		}
	}
	for n, o := range s.signOuts { // Also of what is signed in later: all sign-ins are made before the first word is heard.
		for i, p := range s.papers {
			if o.cookie < 0 && p.cookie && p.root == i && p.session == o.session {
				s.signOuts[n].parts = append(s.signOuts[n].parts, len(s.signOuts))
				s.signOuts = append(s.signOuts, signOut{gateway: o.gateway, cookie: i, part: true})
			}
		}
	}
	return s
}

// state is a gateway, as the specification sees it.
type state struct {
	said    [sessionsMax + 1][2]uint8 // 1 + index of the latest word, by target and authority.
	out     uint64                    // Bits of the sign-outs that it has heard.
	streams [streamsMax]uint8
}

const (
	streamOpen   uint8 = 1 + iota
	streamEnding       // The verdict that ends it is in force and still being delivered.
	streamCut
)

// what is a kind of operation.
type what uint8

const (
	deliver what = iota // Of word n.
	leave               // Sign-out n.
	restart
	show // Of paper n, which becomes a stream.
	look // At a stream.
)

// step is one operation on a gateway.
type step struct {
	gateway int
	what    what
	n       int
	cut     bool // The second half of a delivery or a sign-out: what is open ends.
	stream  int
}

// deniedBy is the specification of a standing: what is said about one target
// denies a token.
func (s schedule) deniedBy(st state, target int, p paper) bool {
	for authority := range 2 {
		i := st.said[target][authority]
		if i == 0 || !s.words[i-1].ends {
			continue
		}
		w := s.words[i-1]
		if op := st.said[target][1]; authority == 0 && op != 0 && s.words[op-1].clears >= w.seq {
			continue
		}
		proved := p.authTime
		if p.service {
			proved = p.issuedAt
		}
		if w.notBefore == 0 || proved == 0 || proved < w.notBefore {
			return true
		}
	}
	return false
}

func (s schedule) denied(st state, p paper) bool {
	for i, o := range s.signOuts {
		if st.out&(1<<i) != 0 && o.ends(p) {
			return true
		}
	}
	return s.deniedBy(st, 0, p) || s.deniedBy(st, p.session, p)
}

// model is a gateway on which everything happens at one moment, but a verdict at
// two: first it is in force, at last everything that it ends has ended. In between
// each stream ends at a moment of its own.
func (s schedule) model(shown *[gateways][streamsMax]int) porcupine.Model {
	return porcupine.Model{
		Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
			out := make([][]porcupine.Operation, gateways)
			for _, o := range all {
				g := o.Input.(step).gateway
				out[g] = append(out[g], o)
			}
			return out
		},
		Init: func() any { return state{} },
		Step: func(before, input, output any) (bool, any) {
			st, in := before.(state), input.(step)
			from, to := streamOpen, streamEnding
			if in.cut {
				from, to = streamEnding, streamCut
			}
			end := func(ends func(paper) bool) {
				for i, is := range st.streams {
					if is == from && ends(s.papers[shown[in.gateway][i]]) {
						st.streams[i] = to
					}
				}
			}
			switch in.what {
			case deliver:
				w := s.words[in.n]
				old := st.said[w.target][w.authority()]
				known := old != 0 && s.words[old-1].seq >= w.seq
				if known && !in.cut {
					return true, st
				}
				if !in.cut {
					st.said[w.target][w.authority()] = uint8(in.n + 1)
				}
				end(func(p paper) bool { return (w.target == 0 || w.target == p.session) && s.deniedBy(st, w.target, p) })
				return known || !in.cut, st // The second half not before the first.
			case leave:
				heard := st.out&(1<<in.n) != 0
				st.out |= 1 << in.n
				end(s.signOuts[in.n].ends)
				return heard == in.cut, st
			case restart: // Nothing open outlives a gateway, and it forgets nothing.
				st.streams = [streamsMax]uint8{}
				return true, st
			case show:
				admitted := !s.denied(st, s.papers[in.n])
				if admitted {
					st.streams[in.stream] = streamOpen
				}
				return output.(bool) == admitted, st
			case look:
			}
			open := output.(bool)
			if st.streams[in.stream] == streamEnding {
				if !open {
					st.streams[in.stream] = streamCut
				}
				return true, st
			}
			return open == (st.streams[in.stream] == streamOpen), st
		},
	}
}

// gatewayUnderTest is a gateway with the streams that it has admitted.
type gatewayUnderTest struct {
	*Gateway

	life    sync.RWMutex // Written while it starts anew.
	streams [streamsMax]*call
}

// show is a request with a paper, as far as the gateway's line goes before it is
// forwarded: what is admitted stays open.
func (g *gatewayUnderTest) show(w world, paper, stream int) bool {
	c := g.enter(w.request(paper))
	if c.admitted == nil || c.admitted.Err() != nil { // Cut while it was being registered: the proxy answers with that.
		c.leave()
		return false
	}
	g.streams[stream] = c
	return true
}

// Whatever the order in which revocations, restores, logins, refreshes and sign-outs reach
// three gateways, some of which start anew in between, each gateway behaves as if every verdict came at one moment: no
// token or session cookie is admitted that the verdicts before it end, no stream is
// open once their delivery has returned, no refresh gets round a cut-off or a sign-out,
// and only an operator lifts what was said. Once all have heard everything, all agree.
//
// It is the gateway itself that decides, from the request to the admitted visit; the
// verdicts are signed and come through the admin port's way in, and cookies are from
// sign-ins at a provider.
func TestSchedulesAreLinearizable(t *testing.T) {
	number := func(name string, otherwise uint64) uint64 {
		text := os.Getenv(name)
		if text == "" {
			return otherwise
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	n := number("VIGIL_SCHEDULES", schedules)
	if testing.Short() {
		n = schedulesShort
	}
	seed := number("VIGIL_SEED", 5) // One and the same wherever nobody asks for another.
	t.Logf("VIGIL_SEED=%d VIGIL_SCHEDULES=%d", seed, n)
	for from := uint64(0); from < n && !t.Failed(); from += schedulesOfALife {
		t.Run(fmt.Sprint("from ", from), func(t *testing.T) {
			c := newSchedulesRig(t)
			for i := from; i < min(from+schedulesOfALife, n); i++ {
				r := rand.New(rand.NewPCG(seed, i))
				s := newSchedule(r)
				w := c.prepare(s, i, r)
				history, shown := s.run(t, c, w, r)
				if t.Failed() || !porcupine.CheckOperations(s.model(shown), history) {
					t.Fatalf("schedule %d of seed %d is not linearizable: words %+v, papers %+v, history %+v", i, seed, s.words, s.papers, history)
				}
				s.agree(t, c, w, i)
			}
		})
	}
}

// run plays the schedule on three gateways. Verdicts reach each in an order of
// its own, some of them twice; two workers show papers and look at streams.
func (s schedule) run(t *testing.T, c *schedulesRig, w world, r *rand.Rand) ([]porcupine.Operation, *[gateways][streamsMax]int) {
	t.Helper()
	var mu sync.Mutex
	var history []porcupine.Operation
	var clock atomic.Int64
	shown := new([gateways][streamsMax]int)
	var wg sync.WaitGroup
	for g, under := range c.gateways {
		record := func(client int, in step, do func() any) {
			call := clock.Add(1)
			out := do()
			o := porcupine.Operation{ClientId: g*3 + client, Input: in, Call: call, Output: out, Return: clock.Add(1)}
			mu.Lock()
			defer mu.Unlock()
			all := []int{in.n}
			if in.what == leave {
				all = append(all, s.signOuts[in.n].parts...)
			}
			for _, in.n = range all {
				in.cut = false
				o.Input = in
				history = append(history, o)
				if in.what <= leave {
					in.cut = true
					o.Input = in
					history = append(history, o)
				}
			}
		}
		order := s.tasks(g, r)
		wg.Go(func() {
			for _, in := range order {
				record(0, in, func() any {
					err := c.perform(w, in)
					if err != nil {
						t.Errorf("%+v: %v", in, err)
					}
					return true
				})
			}
		})
		for client := 1; client <= 2; client++ {
			rr := rand.New(rand.NewPCG(r.Uint64(), 0))
			first := (client - 1) * streamsMax / 2
			wg.Go(func() {
				var mine []int
				for stream := first; stream < first+streamsMax/2; stream++ {
					i := rr.IntN(len(s.papers))
					shown[g][stream] = i
					record(client, step{gateway: g, what: show, n: i, stream: stream}, func() any {
						under.life.RLock()
						defer under.life.RUnlock()
						ok := under.show(w, i, stream)
						if ok {
							mine = append(mine, stream)
						}
						return ok
					})
					if len(mine) > 0 {
						at := mine[rr.IntN(len(mine))]
						record(client, step{gateway: g, what: look, stream: at}, func() any {
							under.life.RLock()
							defer under.life.RUnlock()
							return under.streams[at] != nil && under.streams[at].admitted.Err() == nil
						})
					}
				}
			})
		}
	}
	wg.Wait()
	return history, shown
}

// tasks are what a gateway hears, in an order of its own, and where it starts anew.
func (s schedule) tasks(g int, r *rand.Rand) []step {
	var all []step
	words := r.Perm(len(s.words))
	for _, i := range append(words, r.Perm(len(s.words))[:len(s.words)/2]...) { // Half of them again.
		all = append(all, step{gateway: g, what: deliver, n: i})
	}
	put := func(one step) { all = slices.Insert(all, r.IntN(len(all)+1), one) }
	for i, o := range s.signOuts {
		if o.gateway == g && !o.part {
			put(step{gateway: g, what: leave, n: i})
		}
	}
	if s.restart == g { // Behind much that it must not forget, and does not hear again.
		all = slices.Insert(all, len(all)-r.IntN(len(all)/2+1), step{gateway: g, what: restart})
	}
	return all
}

// agree checks that gateways which have heard all verdicts say the same of every
// paper, and that it is what the specification says.
func (s schedule) agree(t *testing.T, c *schedulesRig, w world, schedule uint64) {
	t.Helper()
	var final state
	for i, word := range s.words {
		if old := final.said[word.target][word.authority()]; old == 0 || s.words[old-1].seq < word.seq {
			final.said[word.target][word.authority()] = uint8(i + 1)
		}
	}
	for g, under := range c.gateways {
		final.out = 0
		for i, o := range s.signOuts {
			if o.gateway == g {
				final.out |= 1 << i
			}
		}
		for i, open := range under.streams {
			if open == nil {
				continue
			}
			if denied := open.visit.Standing().Action == verdict.ActionRevoke; denied && open.admitted.Err() == nil {
				t.Errorf("schedule %d: gateway %d keeps a stream open that it would not admit", schedule, g)
			}
			open.leave()
			under.streams[i] = nil
		}
		for i, p := range s.papers {
			ok := under.show(w, i, 0)
			if ok {
				under.streams[0].leave()
				under.streams[0] = nil
			}
			if ok == s.denied(final, p) {
				t.Errorf("schedule %d: gateway %d admits %+v: %t", schedule, g, p, ok)
			}
		}
		if n := under.table.Visits(); n != 0 {
			t.Errorf("schedule %d: %d visits stay listed", schedule, n)
		}
	}
}
