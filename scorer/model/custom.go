package model

import (
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/ensemble"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/rules"
)

// Exception takes signals out of the score for those whom it names, for a
// while. What they find stays visible, with 0 nats.
type Exception struct {
	ID string
	// Owner answers for it, Reason says why it is.
	Owner, Reason string
	// From and Until are when it holds, by the stream clock: from the one moment
	// up to, not including, the other.
	From, Until time.Time
	// Subject, ClientID, Prefix and Route say what it holds for. Those that are
	// set must all be so; at least one is set.
	Subject, ClientID, Route string
	Prefix                   netip.Prefix
	// Signals are the ids that are taken out, of signals, custom rules and models.
	// None named means all but hard facts.
	Signals []string
}

// Covers reports whether the exception takes a signal out of the score.
func (x *Exception) Covers(d *evidence.Description) bool {
	if len(x.Signals) == 0 {
		return !d.Hard
	}
	return slices.Contains(x.Signals, d.ID)
}

// Holds reports whether the exception is in force at a stream time in
// nanoseconds since 1970.
func (x *Exception) Holds(now int64) bool {
	return now >= x.From.UnixNano() && now < x.Until.UnixNano()
}

func (x *Exception) matches(ev *event.RequestEvent, address netip.Addr) bool {
	switch {
	case x.Subject != "" && x.Subject != ev.GetSubject(),
		x.ClientID != "" && x.ClientID != ev.GetClientId(),
		x.Route != "" && x.Route != ev.GetRoute(),
		x.Prefix.IsValid() && !x.Prefix.Contains(address):
		return false
	}
	return true
}

// Excepted appends the exceptions that hold for an event at a stream time.
func (m *Model) Excepted(ev *event.RequestEvent, now int64, dst []*Exception) []*Exception {
	if len(m.Exceptions) == 0 {
		return dst
	}
	address, _ := netip.ParseAddr(ev.GetAddress()) // What is no address is in no prefix.
	address = address.Unmap().WithZone("")
	for i := range m.Exceptions {
		x := &m.Exceptions[i]
		if x.Holds(now) && x.matches(ev, address) {
			dst = append(dst, x)
		}
	}
	return dst
}

// Expired lists the exceptions that hold no longer at a time.
func (m *Model) Expired(now time.Time) []Exception {
	var list []Exception
	for _, x := range m.Exceptions {
		if !now.Before(x.Until) {
			list = append(list, x)
		}
	}
	return list
}

// RouteClass is a set of routes on which signals weigh otherwise.
type RouteClass struct {
	ID string
	// Routes are ids of the gateway's configuration. Templates are patterns of
	// path templates, in which * stands for a part of one segment and a last **
	// for any number of segments.
	Routes, Templates []string
	// Own are the weights that the class sets, Weights those of every signal.
	Own     []Weight
	Weights [evidence.Count]float64
}

// Weight is what a signal weighs.
type Weight struct {
	Signal evidence.Signal
	Weight float64
}

// Class returns the first class that an event's route or template is in, nil
// for none.
func (m *Model) Class(ev *event.RequestEvent) *RouteClass {
	for i := range m.RouteClasses {
		c := &m.RouteClasses[i]
		if slices.Contains(c.Routes, ev.GetRoute()) {
			return c
		}
		for _, pattern := range c.Templates {
			if glob(pattern, ev.GetTemplate()) {
				return c
			}
		}
	}
	return nil
}

// glob reports whether a path template fits a pattern.
func glob(pattern, template string) bool {
	for {
		want, moreWant, wants := strings.Cut(pattern, "/")
		got, moreGot, gots := strings.Cut(template, "/")
		if want == "**" && !wants {
			return true
		}
		ok, err := path.Match(want, got)
		if err != nil || !ok || wants != gots {
			return false
		}
		if !wants {
			return true
		}
		pattern, template = moreWant, moreGot
	}
}

// Plain reports whether a model says nothing beyond the weights of its signals.
func (m *Model) Plain() bool {
	return len(m.Rules) == 0 && len(m.Ensembles) == 0 && len(m.Exceptions) == 0 && len(m.RouteClasses) == 0
}

// Describe returns the row of the number of a signal, of a custom rule or of an
// ensemble, nil where the model knows none.
func (m *Model) Describe(number int) *evidence.Description {
	if number >= 0 && number < evidence.Count {
		return evidence.Signal(number).Describe()
	}
	i := slices.IndexFunc(m.Rules, func(r *rules.Rule) bool { return int(r.Number()) == number })
	if i >= 0 {
		return m.Rules[i].Describe()
	}
	i = slices.IndexFunc(m.Ensembles, func(e *ensemble.Model) bool { return int(e.Number()) == number })
	if i >= 0 {
		return m.Ensembles[i].Describe()
	}
	return nil
}
