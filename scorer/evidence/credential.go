package evidence

import (
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/exact"
)

const (
	loginHalfLife = 30 * time.Minute
	postsHalfLife = 2 * time.Minute
	// Steps of the sequential test over distinct accounts: ln(0.97/0.2) for a
	// failure and ln(0.03/0.8) for a success. An honest address fails one
	// sign-in in five, an attacker all but three in a hundred.
	failedNats, passedNats = 1.58, -3.28
	// namelessNats is a failure whose account is not known: it may be one person.
	namelessNats = 0.8
	testMax      = 24
	// repeatsFree is how often people get one password wrong; repeatNats is what
	// each further failure on a known account adds.
	repeatsFree, repeatNats, repeatsMax = 8, 0.5, 16
	// againNats is ln(0.97/0.44): who mistypes his password mistypes it again nearly
	// every other time. paceNats is for a failure of the same client within pace of
	// the last one, ln(0.85/0.38): people take six seconds, and few of them less
	// than five. On another account it is within rowPace, for there are a name and a
	// password to type. burstNats is for one within burst, ln(0.7/0.22), unless it is
	// on the same account: nobody types so fast, but programs of their own send an
	// old password again, so that together they slow an address down and never
	// block it.
	againNats, paceNats, burstNats, againMax = 0.8, 0.8, 1.15, 10
	burst, pace, rowPace                     = int64(2 * time.Second), int64(5 * time.Second), int64(10 * time.Second)
	againHalfLife                            = 10 * time.Minute
	// Sign-in posts by status, where the outcome is not known.
	postRefused, postUnclear, postOther = 1.6, 0.5, 0.1
	postsFree, postsMax                 = 3, 24
)

// credential follows the sign-ins of one address, or of one session.
func (k *Collector) credential(x *Context) {
	if p := x.Event.GetPhase(); p == event.PhaseTick || p == event.PhaseOpen {
		return
	}
	switch x.Event.GetAuthOutcome() {
	case event.AuthFailure, event.AuthMFAFailure, event.AuthSuccess:
		if x.Subject == nil || x.Event.GetAuthOutcome() != event.AuthMFAFailure {
			k.outcome(x) // Whose second factor fails has the password; see fatigue.
		}
		k.fatigue(x)
	default:
		k.posts(x)
	}
}

// outcome is Wald's sequential test with one step per distinct account, so
// that an office whose people mistype passwords stays below what one list of
// stolen passwords reaches in ten tries.
func (k *Collector) outcome(x *Context) {
	l := login(x)
	account := x.Event.GetAccount()
	h := hash(account)
	if x.Event.GetAuthOutcome() == event.AuthSuccess {
		// A success takes back once per account, so that one's own account buys
		// little; but what follows is no row of failures any more.
		l.FailedAt = 0
		if account != "" && x.Spares.Add(&l.Passed, h, entity.AccountsMax) {
			l.Test = max(0, l.Test+passedNats)
			l.Again = max(0, l.Again+passedNats)
		}
		return
	}
	l.Failures++
	switch {
	case account == "" && l.Failures == 1:
		l.Test += failedNats // Whoever it is.
	case account == "":
		l.Test += namelessNats
		l.Again += hurry(x, l, pace, burstNats)
	case l.Passed.Has(h):
		l.Repeats++ // Who has signed in from here before mistypes now and then.
	case x.Spares.Add(&l.Failed, h, entity.AccountsMax):
		l.Accounts++
		l.Test += failedNats
		l.Again += hurry(x, l, rowPace, burstNats)
	default:
		l.Repeats++
		l.Again += againNats + hurry(x, l, pace, paceNats)
	}
	l.FailedAt, l.LastClient = x.At, hash(x.Event.GetUserAgent())
	l.Test, l.Again = min(l.Test, testMax), min(l.Again, againMax)
	repeats := min(repeatsMax, float64(repeatNats*(l.Repeats-repeatsFree)))
	n := k.cut(FailuresByAddress, l.Test+max(l.Again, repeats))
	if n > 0 {
		k.add(FailuresByAddress, n, true, k.sayf("%d failed sign-ins on %d different accounts, %d accounts succeeded",
			l.Failures, l.Accounts, l.Passed.Len()))
	}
}

// hurry is what it says that a failed sign-in follows another one of the same
// client within so long, and inBurst where it follows at once.
func hurry(x *Context, l *entity.Login, within int64, inBurst float64) float64 {
	gap := x.At - l.FailedAt
	switch {
	case l.FailedAt == 0 || gap > within || hash(x.Event.GetUserAgent()) != l.LastClient:
		return 0
	case gap <= burst:
		return inBurst
	}
	return paceNats
}

// posts counts sign-in posts where only the status is known.
func (k *Collector) posts(x *Context) {
	ev := x.Event
	if ev.GetMethod() != "POST" || ev.GetStatus() == 0 || x.Subject != nil {
		return
	}
	path := k.lowered(ev.GetPath())
	if !signIn(path) {
		return
	}
	l := login(x)
	client := hash(ev.GetUserAgent())
	status := ev.GetStatus()
	form := signInForm(path)
	soon := 0.0
	if form {
		soon = hurry(x, l, pace, burstNats)
	}
	failed := true
	switch {
	case status == 400 || status == 401 || status == 403 || status == 404 || status == 422 || status == 429:
		// 404 is what some say to a name that they do not know.
		l.Posts += postRefused + soon
	case status == 200 && l.LastClient == client && soon > 0:
		// Nobody who was let in signs in again at once.
		l.Posts += postRefused + soon
	case status == 200 && l.LastClient == client && !strings.HasSuffix(ev.GetPath(), "/token"):
		l.Posts += postUnclear // Many forms answer a wrong password with 200, token endpoints do not (RFC 6749).
	default:
		l.Posts += postOther
		failed = false
	}
	l.FailedAt = 0
	if failed {
		l.FailedAt = x.At
	}
	l.Posts = min(l.Posts, postsMax)
	l.PostCount++
	l.LastClient = client
	n := k.cut(LoginRate, l.Posts-postsFree)
	if n > 0 {
		k.add(LoginRate, n, true, k.sayf("%d sign-in attempts at %s, most of them refused or unclear", l.PostCount, short(ev.GetPath())))
	}
}

func login(x *Context) *entity.Login {
	s := x.Session
	if s.Login == nil {
		s.Login = x.Spares.Login()
	}
	l := s.Login
	if l.Last != 0 {
		f := exact.Decay(float64(x.At-l.Last), float64(loginHalfLife))
		l.Test *= f
		l.Repeats *= f
		l.Again *= exact.Decay(float64(x.At-l.Last), float64(againHalfLife))
		l.Posts *= exact.Decay(float64(x.At-l.Last), float64(postsHalfLife))
	}
	l.Last = max(l.Last, x.At)
	return l
}

// signIn reports whether a path in lower case looks like that of a sign-in.
func signIn(path string) bool {
	return signInForm(path) || containsAny(path, "/auth", "authenticate", "/session", "/token", "xmlrpc.php")
}

// signInForm reports whether a path in lower case looks like that of a form in
// which people sign in; programs come to other endpoints by themselves.
func signInForm(path string) bool {
	return containsAny(path, "login", "signin", "sign-in", "sign_in", "logon")
}

func containsAny(text string, pieces ...string) bool {
	for _, piece := range pieces {
		if strings.Contains(text, piece) {
			return true
		}
	}
	return false
}
