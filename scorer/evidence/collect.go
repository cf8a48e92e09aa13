package evidence

import (
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
)

// hashSeed keeps hashes of this package apart from those of other uses. Their
// values end up in snapshots, so it is fixed.
const hashSeed = 0x56_49_47_49_4c

// plainMax bounds what an event leaves behind of memory for texts.
const plainMax = 64 << 10

// least is the weakest evidence that is worth a line, in nats.
const least = 0.05

// Params is the part of the model that signals need.
type Params struct {
	On  [Count]bool
	Max [Count]float64
	// Confidence is n0 in n/(n+n0), Concentration the weight of the peers.
	Confidence, Concentration float64
	// Kappa, Tail and Look are those of the model's volume section.
	Kappa, Tail, Look float64
	// Releases is that of the model's learning section.
	Releases bool
}

// Context is one event and everything that is known about its actor.
type Context struct {
	Event *event.RequestEvent
	// Now is the stream time and At the event's own, clamped to it.
	Now, At int64
	// Before is the time of the session's latest event until now, 0 for none.
	Before  int64
	Session *entity.Session
	// Subject is nil where there is none.
	Subject *entity.Subject
	Tenant  *entity.Tenant
	// Group is the subject's peer group, nil where there is none or nobody has
	// taught it.
	Group *entity.PeerGroup
	// Agent is the client as its user agent names it.
	Agent Agent
	// Network is the ASN, else the /24 or /48, "" where unknown.
	Network string
	// Account is what is known about the event's account, nil where the event is
	// no sign-in.
	Account *entity.Account
	// Gateway is the gateway that reports, nil where the event names none.
	Gateway *entity.Gateway
	// ASNs are the autonomous systems of all tenants, nil for none.
	ASNs *entity.Table[entity.ASN]
	// Spares are what new parts of the session are made of, nil for none.
	Spares *entity.Spares
}

// peers are those with whom the subject is compared.
func (x *Context) peers() Peers { return Peers{Tenant: x.Tenant, Group: x.Group} }

// request reports whether the event begins a request, as a tick or close does not.
func (x *Context) request() bool {
	p := x.Event.GetPhase()
	return (x.Event.GetKind() == event.KindRequest || x.Event.GetKind() == "") && p != event.PhaseTick && p != event.PhaseClose
}

// Complete reports whether the event is a whole request, so that a model can
// judge its answer, too.
func (x *Context) Complete() bool {
	k, p := x.Event.GetKind(), x.Event.GetPhase()
	return (k == event.KindRequest || k == "") && (p == event.PhaseComplete || p == "")
}

// answered reports whether the event has a status to judge.
func (x *Context) answered() bool {
	return x.Event.GetStatus() != 0 && x.Event.GetPhase() != event.PhaseTick && x.Event.GetPhase() != event.PhaseOpen
}

// confidence is n/(n+n0): how far the subject's habit is known.
func (x *Context) confidence(p *Params) float64 {
	if x.Subject == nil {
		return 0
	}
	return x.Subject.N / (x.Subject.N + p.Confidence)
}

// Collector runs the signals. Its result is valid until the next call.
type Collector struct {
	params   Params
	paths    *prober // Of probes.
	payloads *prober
	findings []Finding
	// Names are those of all events.
	Names Names
	// text is what has been written about the current event.
	text []byte
	// plain holds what paths and queries of the current event read in plain.
	plain []byte
	// news are the values of the current event that its subject never showed.
	news []arrived
	// fresh says that the value that shown was asked about last is new to the session.
	fresh bool
	// recalling says that what is new about the session is being said again.
	recalling bool
	// newNetwork says that the current event brought a network that its subject
	// never had.
	newNetwork bool
	// fast is what the current event says about the rate of requests.
	fast float64
	// walked is what the current event says about a walk through one template.
	walked float64
	// unexpected is how far a refusal tells something about who is refused, 0 to 1.
	unexpected float64
}

// NewCollector returns a collector with the given parameters.
func NewCollector(p Params) *Collector {
	return &Collector{params: p, paths: newProber(probes), payloads: newProber(payloads)}
}

// Collect returns what the signals find in one event, in the order of the
// catalogue's groups, and notes in the session what the event did.
func (k *Collector) Collect(x *Context) []Finding {
	k.findings, k.news, k.text = k.findings[:0], k.news[:0], k.text[:0]
	k.newNetwork, k.fast = false, 0
	if k.plain = k.plain[:0]; cap(k.plain) > plainMax {
		k.plain = nil
	}
	k.network(x)
	k.client(x)
	k.hour(x)
	k.route(x)
	k.volume(x)
	k.refusal(x)
	k.walk(x)
	k.scan(x)
	k.waf(x)
	k.shape(x)
	k.loss(x)
	k.beacon(x)
	k.order(x)
	k.credential(x)
	k.token(x)
	k.binding(x)
	k.recall(x)
	k.notice(x)
	return k.findings
}

// cut applies a signal's switch and maximum.
func (k *Collector) cut(s Signal, nats float64) float64 {
	if !k.params.On[s] || !(nats > least) {
		return 0
	}
	return min(nats, k.params.Max[s])
}

func (k *Collector) add(s Signal, nats float64, strong bool, text string) {
	k.findings = append(k.findings, Finding{Signal: s, Nats: nats, Strong: strong, Text: text})
}

// first notes a value that the session shows and reports whether it is the first
// time. The session keeps nothing of the event.
func (k *Collector) first(x *Context, kind entity.Kind, name string) bool {
	p := &x.Session.Pending
	if !x.Spares.Note(p, kind, name) {
		return false
	}
	last := &p.Seen[len(p.Seen)-1]
	if kind != entity.Devices {
		last.Name = k.Names.Own(name)
		return true
	}
	if x.Subject != nil { // Devices are each one person's, who most often has the name.
		own, ok := x.Subject.Kinds[kind].Own(name)
		if ok {
			last.Name = own
			return true
		}
	}
	last.Name = k.Names.device(name)
	return true
}

// shown notes a value that the session shows and reports whether it is to be judged:
// the first time, and when what is new is recalled, for as long as nobody has answered
// for it.
func (k *Collector) shown(x *Context, kind entity.Kind, name string) (judged bool) {
	k.fresh = k.first(x, kind, name)
	return k.fresh || k.recalling && !x.Session.Pending.Settled(kind, name)
}

// recallFrom is how much an event must say about what is done, in nats, for what is
// new about who does it to be said again.
const recallFrom = 1

// recallAfter is after how much silence something new is said again however much of it
// counts still: what has faded meanwhile is not known yet.
const recallAfter = int64(time.Minute)

// recall says again what is new about where the event comes from and by what, where
// the event is strange in what it does. What is new stands as long as the session
// shows it and nobody has answered for it: who tries a stolen session and waits until
// that is forgotten is judged by the same sum as who does not wait. The judge counts
// only as much as has faded since. Alone it is not said again, for the honest who are
// somewhere new are so all day.
func (k *Collector) recall(x *Context) {
	if x.Subject == nil || x.Before == 0 || !x.request() {
		return
	}
	deeds := 0.0
	for i := range k.findings {
		switch k.findings[i].Signal.Describe().Group {
		case Sequence, Volume, Walk, Payload, Credential, Model:
			deeds += max(0, k.findings[i].Nats)
		case Network, Client, Binding, Time, Loss, Machine:
		}
	}
	if deeds < recallFrom {
		return
	}
	told, silent := len(k.findings), x.At-x.Before > recallAfter
	k.recalling = true
	k.origin(x, k.Names.Prefix(short(x.Event.GetAddress())))
	k.client(x)
	k.recalling = false
	kept := k.findings[:told]
	for _, f := range k.findings[told:] {
		first := slices.ContainsFunc(k.findings[:told], func(o Finding) bool { return o.Signal == f.Signal })
		if !first && (silent || f.Nats > x.Session.Suspicion.Peak(int(f.Signal))+orderMore) {
			kept = append(kept, f)
		}
	}
	k.findings = kept
}

// Prove notes that the person has proven who he is while he showed the event's
// network, country, device and client.
func (k *Collector) Prove(x *Context) {
	p := &x.Session.Pending
	p.Prove(entity.Networks, x.Network)
	p.Prove(entity.Countries, short(x.Event.GetCountry()))
	if device := short(x.Event.GetDevice()); device != "" {
		p.Prove(entity.Devices, device)
	} else {
		p.Prove(entity.Devices, k.Names.pair(noKey, x.Agent.Family))
	}
	p.Prove(entity.Families, x.Agent.Family)
	p.Prove(entity.Systems, x.Agent.Client)
	if ja4 := handshake(x.Event.GetJa4()); ja4 != "" {
		p.Prove(entity.JA4s, k.Names.pair(x.Agent.Family, ja4))
	}
}

// Hash is the hash by which this package keeps names in the state.
func Hash(s string) uint64 { return hash(s) }

func hash(s string) uint64 { return xxh3.HashStringSeed(s, hashSeed) }
