package gateway

import (
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/vigil-gateway/vigil/gateway/revoke"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

const (
	gateways       = 3
	schedules      = 200 // Where VIGIL_SCHEDULES does not say.
	schedulesShort = 60
	sessionsMax    = 4
	streamsMax     = 8
	ticks          = 12
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
	of       int // The paper of which this is a refresh, else -1.
}

// schedule is what happens to one subject: verdicts and tokens in the order in
// which the analyzer, an operator and the provider made them.
type schedule struct {
	words  []word
	papers []paper
}

// newSchedule draws logins, refreshes, revocations and restores.
func newSchedule(r *rand.Rand) schedule {
	var s schedule
	service, dated := r.IntN(4) == 0, r.IntN(4) > 0
	seqs := make(map[int]int) // Of the subject stage, by target.
	operatorSeq := 0
	for tick := 1; tick < ticks; tick++ {
		login := len(s.papers) == 0
		switch target, draw := r.IntN(sessionsMax+1), r.IntN(6); {
		case login || draw == 0:
			p := paper{session: 1 + r.IntN(sessionsMax), service: service, cookie: !service && r.IntN(3) == 0, issuedAt: tick, of: -1}
			if p.cookie || dated && !service {
				p.authTime = tick
			}
			s.papers = append(s.papers, p)
		case draw == 1: // Refresh: a newer token for the same proof.
			of := r.IntN(len(s.papers))
			p := s.papers[of]
			p.issuedAt, p.of = tick, of
			s.papers = append(s.papers, p)
		case draw <= 3:
			seqs[target]++
			w := word{target: target, ends: r.IntN(5) > 0, seq: seqs[target]}
			if r.IntN(2) == 0 {
				w.notBefore = tick
			}
			s.words = append(s.words, w)
		default:
			operatorSeq++
			s.words = append(s.words, word{target: target, operator: true, ends: r.IntN(4) == 0, seq: operatorSeq, clears: seqs[target]})
		}
	}
	return s
}

// state is a gateway, as the specification sees it.
type state struct {
	said    [sessionsMax + 1][2]uint8 // 1 + index of the latest word, by target and authority.
	streams [streamsMax]uint8
}

const (
	streamOpen   uint8 = 1 + iota
	streamEnding       // The verdict that ends it is in force and still being delivered.
	streamCut
)

// step is one operation on a gateway.
type step struct {
	gateway int
	deliver int  // Index of a word; -1 where the step is none.
	cut     bool // The second half of its delivery: what is open ends.
	show    int  // Index of a paper, with stream; -1 where the step is none.
	stream  int  // Else: look at this stream.
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
			switch {
			case in.deliver >= 0:
				w := s.words[in.deliver]
				old := st.said[w.target][w.authority()]
				known := old != 0 && s.words[old-1].seq >= w.seq
				from, to := streamOpen, streamEnding
				switch {
				case in.cut:
					from, to = streamEnding, streamCut
				case known:
					return true, st
				default:
					st.said[w.target][w.authority()] = uint8(in.deliver + 1)
				}
				for i, is := range st.streams {
					p := s.papers[shown[in.gateway][i]]
					if is == from && (w.target == 0 || w.target == p.session) && s.deniedBy(st, w.target, p) {
						st.streams[i] = to
					}
				}
				return known || !in.cut, st // The second half not before the first.
			case in.show >= 0:
				admitted := !s.denied(st, s.papers[in.show])
				if admitted {
					st.streams[in.stream] = streamOpen
				}
				return output.(bool) == admitted, st
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

// Whatever the order in which revocations, restores, logins and refreshes reach
// three gateways, each gateway behaves as if every verdict came at one moment: no
// token or session cookie is admitted that the verdicts before it end, no stream is
// open once their delivery has returned, no refresh gets round a cut-off, and only an
// operator lifts what was said. Once all have heard everything, all agree.
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
	c := newSchedulesRig(t)
	for i := range n {
		r := rand.New(rand.NewPCG(seed, i))
		s := newSchedule(r)
		w := c.prepare(s, i, r)
		history, shown := s.run(t, c, w, r)
		if t.Failed() || !porcupine.CheckOperations(s.model(shown), history) {
			t.Fatalf("schedule %d of seed %d is not linearizable: words %+v, papers %+v, history %+v", i, seed, s.words, s.papers, history)
		}
		s.agree(t, c, w, i)
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
			history = append(history, o)
			if in.deliver >= 0 {
				in.cut = true
				o.Input = in
				history = append(history, o)
			}
		}
		order := r.Perm(len(s.words))
		order = append(order, r.Perm(len(s.words))[:len(s.words)/2]...) // Half of them again.
		wg.Go(func() {
			for _, i := range order {
				record(0, step{gateway: g, deliver: i, show: -1}, func() any {
					err := under.follower.Accept(w.verdicts[i])
					if err != nil && !errors.Is(err, revoke.ErrStale) {
						t.Errorf("verdict %d: %v", i, err)
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
					record(client, step{gateway: g, deliver: -1, show: i, stream: stream}, func() any {
						ok := under.show(w, i, stream)
						if ok {
							mine = append(mine, stream)
						}
						return ok
					})
					if len(mine) > 0 {
						look := mine[rr.IntN(len(mine))]
						record(client, step{gateway: g, deliver: -1, show: -1, stream: look}, func() any {
							return under.streams[look].admitted.Err() == nil
						})
					}
				}
			})
		}
	}
	wg.Wait()
	return history, shown
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
