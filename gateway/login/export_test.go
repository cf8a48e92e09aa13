package login

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"
)

// Renewing is how many renewals are under way.
func (l *Login) Renewing() int { return len(l.renewals) }

// ReloadRing reads the key ring's file as its follower does.
func (l *Login) ReloadRing() error {
	_, err := l.ring.reload()
	return err
}

// RingFile is where the key ring is.
func (l *Login) RingFile() string { return l.ring.file }

// ReturnTo is where a return_to leads.
func ReturnTo(raw, prefix string) string { return returnTo(raw, prefix) }

// Mailbox is an email address as two are compared.
func Mailbox(raw string) (string, error) { return mailbox(raw) }

// ParseRing reports whether text is a key ring.
func ParseRing(text []byte) (int, error) {
	keys, err := parseRing(text)
	return len(keys), err
}

// OwnerOf is the id of the peer that owns a session.
func OwnerOf(all []Peer, session string) string { return (&peers{all: all}).owner(session).ID }

// Opens reports whether a ring opens a value for any purpose.
func Opens(file, sealed string) (bool, error) {
	r, err := openRing(file)
	if err != nil {
		return false, err
	}
	for _, p := range []string{purposeSession, purposeFlow, purposeDevice, purposeForm, purposePeer} {
		_, err := r.open(p, sealed)
		if err == nil {
			return true, nil
		}
	}
	return false, nil
}

// Known is how many sessions are remembered.
func (l *Login) Known() int { return l.live.size() }

// FillPages takes all places of pages that call a provider, until free is called.
func (l *Login) FillPages() (free func()) { return fill(l.pages) }

// FillRenewals takes all places of renewals.
func (l *Login) FillRenewals() (free func()) { return fill(l.renewals) }

func fill(c chan struct{}) func() {
	n := cap(c)
	for range n {
		c <- struct{}{}
	}
	return func() {
		for range n {
			<-c
		}
	}
}

// FloodCallbacks has as many sign-ins come back as are remembered.
func (l *Login) FloodCallbacks() {
	for i := range onceMax {
		l.callbacks.first(strconv.Itoa(i), flowFor)
	}
}

// NewOnce is what remembers names that count once.
func NewOnce(size int, now func() time.Time) (first func(string, time.Duration) bool, known func() int) {
	o := newOnce(size, now)
	return o.first, func() int { return len(o.until) }
}

// OpenedAfter is how many of n cookies a cache of a size remembers.
func OpenedAfter(size, n int) int {
	c := newOpenedCache(size)
	for i := range n {
		c.put(&opened{sealed: strconv.Itoa(i)})
	}
	return len(c.young) + len(c.old)
}

// FillEndings adds one more ending than a file keeps, so long after the others began.
func FillEndings(file string, now time.Time, later time.Duration) error {
	e, _, err := openEndings(file, now)
	if err != nil {
		return err
	}
	e.lines = endingsMax - 1
	err = e.add(ending{ID: "a", At: now.Unix(), Until: now.Add(time.Hour).Unix()})
	at := now.Add(later)
	return errors.Join(err, e.add(ending{ID: "b", At: at.Unix(), Until: at.Add(time.Hour).Unix()}), e.close())
}

// CodeAt is the code of a step.
func CodeAt(secret []byte, step uint64) string { return codeAt(secret, step) }

// Limits of calls that nobody waits for, and of one look at open streams.
const (
	ErrandsMax       = errandsMax
	ErrandWorkersMax = errandWorkersMax
	LookMax          = lookMax
	LapsedMax        = lapsedMax
)

// SetPauses sets the time between two tries of such a call.
func (l *Login) SetPauses(d time.Duration) {
	for _, e := range l.returns {
		e.pauses = []time.Duration{d, d}
	}
	for _, e := range l.peers.queues {
		e.pauses = []time.Duration{d, d}
	}
}

// Ends lets such calls be the last ones, as Close does.
func (l *Login) Ends() { l.close() }

// Idle waits for what is done in the background.
func (l *Login) Idle() { l.background.group.Wait() }

// Waiting is how many calls wait for a worker.
func (l *Login) Waiting() int { return l.waiting() }

// TellPeers tells them of a session that was signed out.
func (l *Login) TellPeers(ctx context.Context, session, provider string) {
	l.peers.tell(ctx, notice{Session: session, Provider: provider})
}

// SealedToken is a logout token as a gateway with this one's key ring passes it on.
func (l *Login) SealedToken(token string) string {
	b, _ := json.Marshal(notice{Made: l.now().Unix(), Token: token}) // Texts and numbers only.
	return l.ring.seal(purposePeer, b)
}

// Look looks at the sessions of open streams as Run does each second.
func (l *Login) Look(ctx context.Context) { l.lookAll(ctx, l.now()) }
