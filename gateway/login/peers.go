package login

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/gateway/identity"
)

// notice is what gateways that share a key ring tell each other, sealed under it.
// Exactly one of Session, SID, Token and Renew is set.
type notice struct {
	Made     int64  `json:"t"`           // Unix seconds.
	Session  string `json:"i,omitempty"` // Has been signed out.
	Provider string `json:"p,omitempty"` // Of Session or SID.
	// Issuer and Subject are whose Session it was; a gateway of an earlier version leaves
	// them out.
	Issuer  string `json:"n,omitempty"`
	Subject string `json:"u,omitempty"`
	// SID is a provider's session that has ended there, by the word of a frame.
	SID string `json:"d,omitempty"`
	// Token is a provider's logout token, which each gateway checks itself.
	Token string `json:"l,omitempty"`
	// Renew is a session that its owner is asked to renew.
	Renew *record `json:"r,omitempty"`
}

// peers are the other gateways. Without any, everything here does nothing.
type peers struct {
	login  *Login
	client *http.Client // Keeps its connections: the next notice follows soon.
	self   string
	all    []Peer
	queues map[string]*errands // By the ids of the others; immutable.
}

func newPeers(l *Login) (*peers, error) {
	p := &peers{login: l, self: l.gateway, all: l.config.Peers, queues: make(map[string]*errands)}
	for _, one := range p.all {
		if one.ID != p.self {
			p.queues[one.ID] = l.newErrands("peer", one.ID)
		}
	}
	roots, err := loadRoots(l.config.PeersCAFile)
	if err != nil {
		return nil, err
	}
	p.client = identity.NewClient(true) // Gateways stand in one house.
	tr, plain := p.client.Transport.(*http.Transport)
	if plain {
		tr.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		tr.DisableKeepAlives, tr.MaxIdleConnsPerHost = false, errandWorkersMax // Over HTTP/2 it is one.
	}
	p.client.Transport, p.client.Timeout = capped{p.client.Transport}, peerTimeout
	return p, nil
}

// loadRoots reads certificates; nil, which is the system's, without a file.
func loadRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // Nil is what crypto/tls takes for the system's.
	}
	b, err := os.ReadFile(file) //nolint:gosec // The operator names the file.
	if err != nil {
		return nil, fmt.Errorf("peers_ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, errors.New("peers_ca_file: holds no certificate")
	}
	return pool, nil
}

// owner is the peer that renews a session: the one with the highest hash of both
// (rendezvous hashing, Thaler and Ravishankar 1998), so that all gateways name the
// same one without asking, and the loss of one moves only its own sessions. A
// refresh token that is used once must not be used by two.
func (p *peers) owner(session string) Peer {
	var best Peer
	var most uint64
	for _, one := range p.all {
		h := fnv.New64a()
		_, _ = io.WriteString(h, one.ID+"\x00"+session) // A hash never fails.
		w := mix(h.Sum64())
		if best.ID == "" || w > most || w == most && one.ID < best.ID {
			best, most = one, w
		}
	}
	return best
}

// mix spreads a hash over all of its bits (the finaliser of MurmurHash3): FNV alone
// leaves the high bits of short names alike.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// renew asks a session's owner for its newest state. theirs is false where this
// gateway has to renew it: it is the owner, or the owner cannot be reached. The
// error is errEnded or errAway.
func (p *peers) renew(ctx context.Context, s record) (newer record, theirs bool, err error) {
	owner := p.owner(s.ID)
	if owner.ID == "" || owner.ID == p.self {
		return record{}, false, nil
	}
	s.Seen = p.login.now().Unix() // It is in use here; its cookie may be from before a long stream.
	status, answer, err := p.send(ctx, owner, notice{Renew: &s})
	if err != nil {
		p.login.log.WarnContext(ctx, "the owner of a session cannot be reached", "peer", owner.ID, "error", err)
		return record{}, false, nil
	}
	switch status {
	case http.StatusOK:
	case http.StatusConflict:
		return record{}, true, errEnded
	default:
		return record{}, true, errAway // It holds the refresh token: a second try from here would spoil it.
	}
	b, err := p.login.ring.open(purposeRenewed, answer)
	if err == nil {
		err = json.Unmarshal(b, &newer)
	}
	if err != nil || newer.ID != s.ID {
		return record{}, true, errAway
	}
	return newer, true, nil
}

// tell sends a notice to every other gateway, in the background and with a few tries:
// a gateway that is away for longer hears of it from the analyzer, which sees the
// session event.
func (p *peers) tell(ctx context.Context, n notice) {
	for _, one := range p.all {
		q := p.queues[one.ID]
		if q == nil {
			continue // This gateway.
		}
		q.run(ctx, func(ctx context.Context) (again bool, err error) {
			status, _, err := p.send(ctx, one, n)
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("status %d", status)
			}
			return status != http.StatusForbidden, err // Another key ring, or clock, stays so.
		})
	}
}

// send posts a notice and returns the answer.
func (p *peers) send(ctx context.Context, to Peer, n notice) (status int, answer string, err error) {
	n.Made = p.login.now().Unix()
	b, err := json.Marshal(n)
	if err != nil {
		return 0, "", fmt.Errorf("encode notice: %w", err)
	}
	address := strings.TrimSuffix(to.URL, "/") + p.login.config.Prefix + pagePeer
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(p.login.ring.seal(purposePeer, b)))
	if err != nil {
		return 0, "", fmt.Errorf("call peer: %w", err)
	}
	r.Header.Set("Content-Type", "text/plain")
	// Each notice may come twice. So net/http sends one again whose kept connection the
	// peer has closed meanwhile; the header itself is not sent.
	r.Header["Idempotency-Key"] = nil
	res, err := p.client.Do(r)
	if err != nil {
		return 0, "", fmt.Errorf("call peer: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // Read only: nothing is lost.
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, "", fmt.Errorf("call peer: %w", err)
	}
	return res.StatusCode, string(text), nil
}

// servePeer does what another gateway asks for. Only who holds the key ring can
// seal a notice; one that is replayed within its minute has no further effect.
func (l *Login) servePeer(w http.ResponseWriter, r *http.Request) Answer {
	if r.Method != http.MethodPost {
		return l.plain(w, http.StatusMethodNotAllowed, CodeMethod)
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, formBytesMax))
	var n notice
	if err == nil {
		b, err = l.ring.open(purposePeer, string(bytes.TrimSpace(b)))
	}
	if err == nil {
		err = json.Unmarshal(b, &n)
	}
	age := l.now().Sub(time.Unix(n.Made, 0))
	if err != nil || age > leeway || age < -leeway {
		return l.plain(w, http.StatusForbidden, CodeCookie)
	}
	ctx := r.Context()
	switch {
	case n.Renew != nil:
		return l.renewFor(ctx, w, *n.Renew)
	case n.Token != "":
		return l.takeRelayed(ctx, w, n.Token)
	case n.SID != "":
		p := l.byID[n.Provider]
		if p != nil {
			l.signOutNamed(ctx, p, n.SID, Visitor{})
		}
	case n.Session != "":
		s := record{ID: n.Session, Provider: n.Provider, Issuer: n.Issuer, Subject: n.Subject}
		l.endSession(ctx, s, "peer", signedOutText)
		if l.peers.owner(s.ID).ID == l.peers.self {
			l.drop(ctx, s) // Its owner may know a newer one than who ended it.
		}
	}
	return l.plain(w, http.StatusOK, "")
}

// takeRelayed does what a logout token says that another gateway has passed on. The
// key ring proves who passes it on and nothing more: the provider's signature, the
// token's age and its jti are checked here again. Who could not be asked for his keys
// may be there for the next try; one that is refused stays so.
func (l *Login) takeRelayed(ctx context.Context, w http.ResponseWriter, token string) Answer {
	err := l.believe(ctx, token, Visitor{})
	if err == nil || errors.Is(err, errLogoutKnown) { // Another may have passed it on, too.
		return l.plain(w, http.StatusOK, "")
	}
	l.log.WarnContext(ctx, "logout token of a peer refused", "error", err)
	if _, theirs := errors.AsType[*fault](err); theirs {
		return l.plain(w, http.StatusForbidden, CodeLogoutToken)
	}
	return l.plain(w, http.StatusServiceUnavailable, CodeAway)
}

// renewFor renews a session for another gateway, and answers with its newest state.
func (l *Login) renewFor(ctx context.Context, w http.ResponseWriter, s record) Answer {
	now := l.now()
	newest, _, err := l.live.meet(s, Visitor{}, now)
	// Whoever has not heard of a step-up yet holds a cookie that was replaced: a copy of
	// one, or a stream from before. The session goes on, under its newest state.
	if code, _ := codeOf(err); err != nil && code == CodeSuperseded {
		newest, err = l.live.newest(s)
	}
	if err != nil {
		return l.plain(w, http.StatusConflict, CodeEnded)
	}
	if newest.Generation == s.Generation && newest.Renewal == s.Renewal {
		claimed, _, ok := l.live.claim(s.ID, now)
		if ok {
			_, _ = l.renewHere(context.WithoutCancel(ctx), claimed) // Its outcome is what is known afterwards.
		}
		newest, _, err = l.live.meet(s, Visitor{}, l.now())
	}
	var b []byte
	if err == nil {
		b, err = json.Marshal(newest) //nolint:gosec // It is sealed at once.
	}
	if err != nil || newest.Generation == s.Generation && newest.Renewal == s.Renewal {
		return l.plain(w, http.StatusServiceUnavailable, CodeAway)
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusOK)
	// Sealed for a purpose of its own: who listens between gateways has no cookie by it.
	_, _ = io.WriteString(w, l.ring.seal(purposeRenewed, b)) // Who is gone reads no answer either.
	return Answer{Status: http.StatusOK}
}
