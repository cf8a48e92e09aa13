package evidence

import (
	"strings"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

const (
	// parametersMax bounds the parameters of one query that are looked at.
	parametersMax = 8
	// plainLength is how long a value may be before there is any history.
	plainLength = 64
	// strangeShare is how often an attack shows a kind of character, and
	// strangeNats the most that one says.
	strangeShare, strangeNats = 0.05, 2
	// kindsSalt keeps the kinds of characters of a parameter apart from its
	// lengths.
	kindsSalt = 0xA5A5_5A5A_C3C3_3C3C
)

// kinds are the kinds of characters of a value, as buckets from 1.
var kinds = [...]string{"", "digits", "letters", "separators", "punctuation of code", "characters outside ASCII"} //nolint:gochecknoglobals // A constant: Go has no constant lists.

// shape compares the parameters of a query with the tenant's habit of each: how
// long they are and what they are made of. Only the strangest counts.
func (k *Collector) shape(x *Context) {
	query := x.Event.GetAttributes()[event.AttributeQuery]
	if query == "" || x.Event.GetTemplate() == "" || !x.request() {
		return
	}
	template := hash(short(x.Event.GetTemplate()))
	n := x.Session.Requests + 1
	best, text := 0.0, ""
	for range parametersMax {
		pair, rest, more := strings.Cut(query, "&")
		query = rest
		name, value, _ := strings.Cut(pair, "=")
		value = k.decoded(value)
		key := template ^ mix(hash(short(name)))
		raw, why := k.strange(x, key, value)
		if raw > best {
			best, text = raw, k.sayf("parameter %s of %s %s", short(name), short(x.Event.GetTemplate()), why)
		}
		if n&(n-1) == 0 { // Few of a session, spread over its length.
			x.Session.Pending.Answer(key, profile.Bucket(float64(len(value))))
			for kind := range kinds {
				if made(value, kind) {
					x.Session.Pending.Answer(key^kindsSalt, kind)
				}
			}
		}
		if !more {
			break
		}
	}
	nats := k.cut(ParameterShape, best)
	if nats > 0 {
		k.add(ParameterShape, nats, false, text)
	}
}

// strange is how far a value is from the habit of its parameter, and why.
func (k *Collector) strange(x *Context, key uint64, value string) (nats float64, why string) {
	lengths, parts := x.Tenant.Sizes.Of(key), x.Tenant.Sizes.Of(key^kindsSalt)
	if lengths == nil || parts == nil || lengths.Total() < answersLeast {
		return 0, ""
	}
	length := float64(len(value))
	prior := 1.0
	if length > plainLength {
		prior = exact.Exp2(float64(-k.params.Tail*exact.Ln(length/plainLength)) / exact.Ln(2))
	}
	nats = max(0, profile.Nats(lengths.Share(length, prior, k.params.Tail), k.params.Kappa)-2*k.params.Look)
	why = k.sayf("has %d characters, usual are up to %.0f", len(value), lengths.Quantile(0.99))
	for kind, name := range kinds {
		if made(value, kind) && parts.Count(kind) == 0 {
			nats += max(0, min(strangeNats, exact.Ln(float64(strangeShare*(lengths.Total()+1)))))
			why = k.sayf("%s, and %s, which no value had", why, name)
		}
	}
	return nats, why
}

// made reports whether a value has characters of a kind.
func made(value string, kind int) bool {
	for _, c := range []byte(value) {
		is := 4
		switch {
		case c >= '0' && c <= '9':
			is = 1
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			is = 2
		case strings.IndexByte(" +-_.,:@/~", c) >= 0:
			is = 3
		case c >= 0x80:
			is = 5
		}
		if is == kind {
			return true
		}
	}
	return false
}
