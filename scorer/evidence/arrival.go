package evidence

import (
	"github.com/vigil-gateway/vigil/scorer/entity"
)

const (
	// aloneNats is how much else an event may say before what is new in it is no
	// longer taken for a release: a thief differs in more than his browser.
	aloneNats = 1.5
	// doubtedNats is the suspicion from which a session's news are its own.
	doubtedNats = 3
)

// arrived is a value that was news to a subject.
type arrived struct {
	kind entity.Kind
	key  uint64
}

// spreads reports whether values of a kind come to many people by a release.
// A network or a device does not.
func spreads(kind entity.Kind) bool {
	return kind == entity.Families || kind == entity.Systems || kind == entity.Routes || kind == entity.JA4s
}

// arrival is the share of its novelty that a value keeps, given how many
// independent subjects from how many networks have lately shown it first.
func (k *Collector) arrival(x *Context, kind entity.Kind, name string) float64 {
	if k.fresh {
		k.news = append(k.news, arrived{kind, arrivalKey(kind, name)})
	}
	return k.arriving(x, kind, name)
}

// arriving is the same without noting the value as news.
func (k *Collector) arriving(x *Context, kind entity.Kind, name string) float64 {
	if !k.params.Releases {
		return 1
	}
	others := x.Tenant.Arrivals.Diversity(arrivalKey(kind, name), x.Now)
	return 1 / (1 + float64(max(0, others-1)/2))
}

func arrivalKey(kind entity.Kind, name string) uint64 {
	return hash(name) ^ uint64(kind)*0x9E3779B97F4A7C15
}

// notice counts the event's news as arrivals, where nothing else is strange
// about it: takeovers by one tool make no release. Only who has a history
// counts, or whoever signs up a dozen accounts could announce one.
func (k *Collector) notice(x *Context) {
	if len(k.news) == 0 || x.confidence(&k.params) < 0.5 || x.Session.Suspicion.Total(0) >= doubtedNats || x.Session.Tainted {
		return
	}
	for _, a := range k.news {
		group := Client
		if a.kind == entity.Routes {
			group = Sequence
		}
		other := 0.0
		for i := range k.findings {
			if k.findings[i].Signal.Describe().Group != group {
				other += max(0, k.findings[i].Nats)
			}
		}
		if other < aloneNats {
			x.Tenant.Arrivals.Note(a.key, hash(x.Event.GetSubject()), hash(x.Network), x.Now)
		}
	}
}
