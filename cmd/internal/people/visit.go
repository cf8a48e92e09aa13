package people

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// Visit is one signed-in stay of a person: a sign-in, then pages.
type Visit struct {
	Person *Person
	Start  time.Time
	Spot   Spot
	Client string
	Agent  string
	// SessionID is the provider's sid.
	SessionID string
	Steps     []Step
}

// Step is one request of a visit.
type Step struct {
	// Wait is the pause before it, from the start of the step before.
	Wait time.Duration
	// Method, Path and Query, Form (for a POST) are what is asked.
	Method, Path string
	Query, Form  url.Values
	// Anonymous steps carry no token.
	Anonymous bool
	// Stream is one of event.Stream*.
	Stream string
	// Lasts is how long a stream is held; 0 for a plain request. The steps
	// after it go on meanwhile.
	Lasts time.Duration
	// Status is what the upstream answers, BytesOut the size of its answer.
	Status   int
	BytesOut uint64
}

// Visit makes what a person does from start on. It is the only source of
// ordinary behaviour, for the history and for live visits alike.
func (p *Population) Visit(r *rand.Rand, u *Person, start time.Time) Visit {
	since := start.Sub(p.start())
	at, d := u.whereAndWith(r, since)
	v := Visit{
		Person: u, Start: start, Spot: at, Client: d.client, Agent: d.userAgent(since),
		SessionID: fmt.Sprintf("sid-%08x%08x", r.Uint32(), r.Uint32()),
	}
	if r.Float64() < 0.04 { // A typing error now and then.
		v.add(Step{Method: "POST", Path: "/login", Form: SignIn(u.Name, "mistyped"), Anonymous: true, Status: 401, BytesOut: 34})
		v.add(Step{Wait: Pause(r, 3*time.Second), Method: "POST", Path: "/login", Form: SignIn(u.Name, u.Password), Anonymous: true, Status: 200, BytesOut: 18})
	} else {
		v.add(Step{Method: "POST", Path: "/login", Form: SignIn(u.Name, u.Password), Anonymous: true, Status: 200, BytesOut: 18})
	}
	v.home(300 * time.Millisecond)
	busy := v.open(r, u)
	pages := 3 + int(math.Exp(1.6+0.6*r.NormFloat64()))
	for n := 0; n < min(pages, pagesMax) || n < pagesMax && v.elapsed() < busy; n++ {
		v.page(r, u)
	}
	return v
}

// Play has do take each step of v in order, at its time. What is held open, a
// live view or a feed, goes on beside the next steps. It ends when ctx is done,
// or the visit is over for do, which then reports false; and not before every
// do has returned.
func (v *Visit) Play(ctx context.Context, do func(context.Context, *Step) bool) {
	var held sync.WaitGroup
	defer held.Wait()
	var over atomic.Bool
	for i := range v.Steps {
		step := &v.Steps[i]
		if !Sleep(ctx, step.Wait) || over.Load() {
			return
		}
		if step.Stream == event.StreamWebSocket || step.Stream == event.StreamSSE {
			held.Go(func() {
				if !do(ctx, step) {
					over.Store(true)
				}
			})
			continue
		}
		if !do(ctx, step) {
			return
		}
	}
}

// whereAndWith picks the address and the device of a visit.
func (u *Person) whereAndWith(r *rand.Rand, since time.Duration) (Spot, device) {
	d, onPhone := u.desktop, false
	if u.phone != nil && r.Float64() < 0.3 {
		d, onPhone = *u.phone, true
	}
	if u.trip != nil && since >= u.trip.from && since < u.trip.to {
		return u.trip.place, d
	}
	switch {
	case onPhone && r.Float64() < 0.5:
		return Spot{u.carrier, u.carrier.Address(r)}, d
	case !onPhone && u.office != nil && r.Float64() < 0.75:
		return *u.office, d
	}
	return u.home, d
}

// home is the first page: it asks for its parts at once.
func (v *Visit) home(wait time.Duration) {
	v.add(Step{Wait: wait, Method: "GET", Path: "/", Status: 200, BytesOut: 32})
	for _, part := range []struct {
		file string
		size uint64
	}{{"app.css", 31}, {"app.js", 24}, {"logo.svg", 97}} {
		v.add(Step{Wait: 15 * time.Millisecond, Method: "GET", Path: "/static/" + part.file, Anonymous: true, Status: 200, BytesOut: part.size})
	}
	v.add(Step{Wait: 15 * time.Millisecond, Method: "GET", Path: "/me", Status: 200, BytesOut: 40})
}

// open starts what a person of this role keeps open during the visit, and says
// for how long: so long he works.
func (v *Visit) open(r *rand.Rand, u *Person) time.Duration {
	lasts := time.Duration(40+r.IntN(80)) * time.Second
	switch u.Role {
	case RoleDesk:
		v.add(Step{Wait: 200 * time.Millisecond, Method: "GET", Path: "/ws", Stream: event.StreamWebSocket, Lasts: lasts, Status: 101, BytesOut: 9 * uint64(lasts/time.Second)})
	case RoleSupport:
		v.add(Step{Wait: 200 * time.Millisecond, Method: "GET", Path: "/events", Stream: event.StreamSSE, Lasts: lasts, Status: 200, BytesOut: 36 * uint64(lasts/time.Second)})
	case RoleAnalyst, RoleClerk:
		return 0
	}
	return lasts
}

// page is one page view with what belongs to it.
func (v *Visit) page(r *rand.Rand, u *Person) {
	wait := Pause(r, u.think)
	switch x := r.Float64(); {
	case x < 0.12:
		v.home(wait)
	case x < 0.30:
		v.add(Step{Wait: wait, Method: "GET", Path: "/accounts", Status: 200, BytesOut: 153})
	case x < 0.33: // An old bookmark.
		v.add(Step{Wait: wait, Method: "GET", Path: "/accounts/17", Status: 404, BytesOut: 28})
	case x < 0.36:
		v.add(Step{Wait: wait, Method: "POST", Path: "/upload", Form: url.Values{"note": {"call back"}}, Status: 200, BytesOut: 12})
	case x < 0.40 || u.Role == RoleAnalyst && x < 0.60:
		v.add(u.report(r, wait))
	case x < 0.46: // Several tabs at once.
		for range 2 + r.IntN(4) {
			v.account(r, u, wait)
			wait = time.Duration(40+r.IntN(150)) * time.Millisecond
		}
	default:
		v.account(r, u, wait)
	}
}

// account looks at one of a person's own accounts, the first ones most often.
func (v *Visit) account(r *rand.Rand, u *Person, wait time.Duration) {
	i := int(float64(len(u.Accounts)) * r.Float64() * r.Float64())
	v.add(Step{Wait: wait, Method: "GET", Path: "/accounts/" + u.Accounts[i], Status: 200, BytesOut: 56})
}

// report is a download over a slow line: small for most, longer for an analyst.
func (u *Person) report(r *rand.Rand, wait time.Duration) Step {
	size := math.Exp(11 + 0.7*r.NormFloat64()) // Median 60 kB.
	if u.Role == RoleAnalyst {
		size = math.Exp(13.6 + 0.7*r.NormFloat64()) // Median 800 kB.
	}
	size = min(size, 4e6)
	rate := 150e3 * math.Exp(0.3*r.NormFloat64())
	n := uint64(size)
	return Step{
		Wait: wait, Method: "GET", Path: "/download", Query: url.Values{"bytes": {fmt.Sprint(n)}, "rate": {fmt.Sprint(int(rate))}}, Stream: event.StreamDownload,
		Lasts: time.Duration(size / rate * float64(time.Second)), Status: 200, BytesOut: n,
	}
}

func (v *Visit) add(s Step) { v.Steps = append(v.Steps, s) }

// Pause is log-normal around its median, as reading times are.
func Pause(r *rand.Rand, median time.Duration) time.Duration {
	d := time.Duration(float64(median) * math.Exp(0.7*r.NormFloat64()))
	return min(max(d, 150*time.Millisecond), 40*time.Second)
}

// SignIn is the form of POST /login.
func SignIn(name, password string) url.Values {
	return url.Values{"username": {name}, "password": {password}}
}

// start is when the history begins.
func (p *Population) start() time.Time { return p.now.Add(-HistoryDays * 24 * time.Hour) }

// elapsed is when the last step begins, counted from the start.
func (v *Visit) elapsed() time.Duration {
	var at time.Duration
	for _, s := range v.Steps {
		at += s.Wait
	}
	return at
}

// length is how long a visit takes, streams included.
func (v *Visit) length() time.Duration {
	var at, end time.Duration
	for _, s := range v.Steps {
		at += s.Wait
		end = max(end, at+s.Lasts)
	}
	return end
}

const (
	// pagesMax bounds a visit.
	pagesMax = 40
	// DownloadRate is the most that the sample upstream gives to one download, in
	// bytes per second.
	DownloadRate = 32 << 20
)
