package login

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// errOver means that a session was signed out here while it was renewed.
var errOver = errors.New("session was signed out meanwhile")

// keep looks after the sessions of open streams until ctx ends: nobody else would,
// since a stream makes no requests.
func (l *Login) keep(ctx context.Context) {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		l.lookAll(ctx, l.now())
	}
}

// lookAll looks at each session of an open stream once, and ends or renews it where
// that is due; and gives back the tokens of some that nobody uses any more.
func (l *Login) lookAll(ctx context.Context, now time.Time) {
	for left := l.live.holds(); left > 0; left -= lookMax {
		due, over := l.live.look(now, l.config.AbsoluteTimeout)
		for _, id := range due {
			l.renewIfDue(ctx, id, now)
		}
		for _, s := range over {
			l.endSession(ctx, s, "timeout", "Your session has ended. Please sign in again.")
			l.drop(ctx, s)
		}
	}
	for _, s := range l.live.lapsed(now, l.lapseAfter(), l.takesBack) {
		l.drop(ctx, s)
	}
}

// takesBack reports whether a provider has taken all that it was given back. Sessions
// that lapse together, as a whole house does in the evening, so come to it one look
// after the other, instead of filling a queue whose calls are given up while they wait;
// and a provider that is away loses those of one look in thirty seconds.
func (l *Login) takesBack(provider string) bool {
	q := l.returns[provider]
	return q == nil || q.size() == 0
}

// lapseAfter is how long after its last use here a session is over for certain: other
// gateways may be using it.
func (l *Login) lapseAfter() time.Duration {
	if len(l.peers.queues) > 0 {
		return l.config.AbsoluteTimeout
	}
	return l.config.IdleTimeout
}

// renewIfDue renews a session in the background where it is due and nobody does so
// yet. Where too many are under way, a later request or look will.
func (l *Login) renewIfDue(ctx context.Context, id string, now time.Time) {
	select {
	case l.renewals <- struct{}{}:
	default:
		return
	}
	s, v, ok := l.live.claim(id, now)
	if !ok {
		<-l.renewals
		return
	}
	began := l.background.Go(func() {
		defer func() { <-l.renewals }()
		l.renew(context.WithoutCancel(ctx), s, v)
	})
	if !began {
		<-l.renewals
	}
}

// renew asks for a session's next tokens: its owner among the peers where there is
// one, else its provider.
func (l *Login) renew(ctx context.Context, s record, v Visitor) {
	newer, theirs, err := l.peers.renew(ctx, s)
	var next record
	var alive bool
	switch {
	case !theirs:
		next, err = l.renewHere(ctx, s)
		alive = err == nil
	case err != nil:
		l.live.settle(s.ID, l.now(), nil)
	default:
		next, alive = l.live.settle(s.ID, l.now(), func(was record) record {
			if newer.Generation < was.Generation || newer.Generation == was.Generation && newer.Renewal <= was.Renewal {
				return was
			}
			return newer
		})
	}
	switch {
	case errors.Is(err, errEnded):
		l.endSession(ctx, s, "provider", "Your session has ended at the sign-in provider. Please sign in again.")
		l.tell(event.ReasonLogout, s, v)
	case alive:
		l.tell(event.ReasonRefresh, next, v)
	}
}

// renewHere asks the provider, and notes how it went. The error wraps errEnded,
// errAway or errOver.
func (l *Login) renewHere(ctx context.Context, s record) (record, error) {
	p := l.byID[s.Provider]
	got, err := p.renew(ctx, s)
	if err == nil && s.Person != "" && got.emailSaid && l.linking.person(p.spec, got.email) != s.Person {
		err = fmt.Errorf("%w: its account has another address, or one that is not verified", errEnded)
		l.giveBack(ctx, s.Provider, got.refreshToken)
	}
	now := l.now()
	if err != nil {
		outcome := "away"
		if errors.Is(err, errEnded) {
			outcome = "ended"
			l.live.end(s.ID)
		}
		l.metrics.count(ctx, l.metrics.renewals, outcome)
		l.log.WarnContext(ctx, "renew a session", "provider", s.Provider, "outcome", outcome, "error", err)
		l.live.settle(s.ID, now, nil)
		return record{}, err
	}
	l.metrics.count(ctx, l.metrics.renewals, "ok")
	next, alive := l.live.settle(s.ID, now, func(was record) record { return was.renewed(got, now) })
	if !alive {
		if next.ID != "" { // It was signed out meanwhile, and the token from before given back.
			l.giveBack(ctx, s.Provider, next.RefreshToken)
		}
		return record{}, errOver
	}
	return next, nil
}

// renewed is a session after its provider has confirmed it. What the person has
// proved, and when, stays: a refresh proves nothing about a person.
func (s record) renewed(p proof, now time.Time) record {
	s.Renewal++
	s.RenewAt = 0
	if p.refreshToken != "" {
		s.RefreshToken = p.refreshToken
	}
	if p.renewIn > 0 && s.RefreshToken != "" {
		s.RenewAt = now.Add(p.renewIn).Unix()
	}
	if p.idToken != "" {
		s.IDToken = p.idToken
	}
	if p.sid != "" {
		s.SID = p.sid
	}
	return s
}

// tell reports what has become of a session.
func (l *Login) tell(reason string, s record, v Visitor) {
	p := l.byID[s.Provider]
	if p == nil {
		return
	}
	l.report(Happening{Reason: reason, Identity: s.identity(l.names, p.spec), Visitor: v, Time: l.now()})
}

// endSession makes a session's cookies void and cuts what is open.
func (l *Login) endSession(ctx context.Context, s record, by, text string) {
	l.live.end(s.ID)
	l.metrics.count(ctx, l.metrics.endings, by)
	tenant := ""
	if p := l.byID[s.Provider]; p != nil {
		tenant = p.spec.Tenant
	}
	l.cut(ctx, tenant, &verdict.Target{Kind: verdict.TargetSession, Id: s.name(l.names)}, time.Time{}, text, l.person(s.Issuer, s.Subject))
}

// person is the pseudonym of a subject; empty for none.
func (l *Login) person(issuer, subject string) string {
	if subject == "" {
		return ""
	}
	return l.names.Subject(issuer, subject)
}

// cut judges by the word of a person or a provider, on this gateway alone. before,
// where it is not zero, spares what was authenticated later; by is by whom it is brought
// about, as ending.By.
func (l *Login) cut(ctx context.Context, tenant string, target *verdict.Target, before time.Time, text, by string) {
	now := l.now()
	e := ending{
		Tenant: tenant, Kind: target.GetKind(), ID: target.GetId(), At: now.Unix(), Until: now.Add(l.config.AbsoluteTimeout + leeway).Unix(), Text: text, By: by,
	}
	if !before.IsZero() {
		e.Before = before.Unix()
	}
	l.enforce(e, now)
	err := l.endings.add(e)
	if err != nil {
		l.log.ErrorContext(ctx, "an ending is in force, but not kept", "error", err)
	}
}

// enforce puts an ending in force.
func (l *Login) enforce(e ending, now time.Time) {
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.UUID{} // The system's random source is broken; the cut still counts.
	}
	at := timestamppb.New(time.Unix(e.At, 0))
	v := &verdict.Verdict{
		Id: id.String(), Time: at, Epoch: 1, Seq: l.nextSeq(now), Authority: session.AuthorityLogin,
		Tenant: e.Tenant, Target: e.target(), Action: verdict.ActionRevoke, Until: timestamppb.New(time.Unix(e.Until, 0)),
		Origin: "login", PublicText: e.Text, SupportCode: event.SupportCode(id.String()), Cause: &verdict.Cause{EventTime: timestamppb.New(now)},
	}
	if e.Before != 0 {
		v.NotBefore = timestamppb.New(time.Unix(e.Before, 0))
	}
	l.judge.Apply(v, now)
}

// nextSeq numbers what we say about sessions: by the time, so that a restart goes on
// where the last run has ended, and never back, as a clock may go.
func (l *Login) nextSeq(now time.Time) uint64 {
	for {
		last := l.seq.Load()
		next := max(last+1, uint64(now.UnixNano()))
		if l.seq.CompareAndSwap(last, next) {
			return next
		}
	}
}

// drop gives the refresh token of a session back that is over, once: with it a thief
// could go on at the provider.
func (l *Login) drop(ctx context.Context, s record) {
	l.giveBack(ctx, s.Provider, l.live.newestToken(s))
}

// giveBack gives a refresh token back, once.
func (l *Login) giveBack(ctx context.Context, provider, token string) {
	p := l.byID[provider]
	if p == nil || token == "" {
		return
	}
	name := sha256.Sum256([]byte(provider + "\x00" + token))
	if !l.over.first(string(name[:]), l.config.AbsoluteTimeout) {
		return
	}
	l.returns[provider].run(ctx, func(ctx context.Context) (again bool, err error) {
		err = p.forget(ctx, token)
		return errors.Is(err, errAway), err
	})
}

// waiting is how many calls wait for a worker.
func (l *Login) waiting() int {
	n := 0
	for _, e := range l.returns {
		n += e.size()
	}
	for _, e := range l.peers.queues {
		n += e.size()
	}
	return n
}
