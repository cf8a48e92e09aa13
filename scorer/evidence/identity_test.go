package evidence_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
)

const (
	ja4       = "t13d1516h2_8daaf6152771_02713d6af862"
	ja4Newer  = "t13d1516h2_8daaf6152771_e5627efa2ab1"
	ja4Script = "t13d1812h1_85036bcba153_d41ae481755e"
)

func greeted(ja4 string, e *event.RequestEvent) *event.RequestEvent {
	return with(e, func(e *event.RequestEvent) { e.Ja4 = ja4 })
}

func tagged(tag string) *event.RequestEvent { return from("DE", 8881, 52.5, 13.4, chrome, tag) }

func identityCases() map[string]signalCase {
	hamburg := func(agent string) *event.RequestEvent { return from("DE", 8881, 53.5, 10.0, agent) }
	zurich := func(agent string) *event.RequestEvent { return from("CH", 8881, 52.6, 13.3, agent) }
	socket := step{0, with(berlin(), func(e *event.RequestEvent) { e.Phase, e.RequestId = event.PhaseOpen, "ws" })}
	moved := func(country string, asn uint32) *event.RequestEvent {
		return with(saopaulo(chrome), func(e *event.RequestEvent) { e.Address, e.Country, e.Asn = "198.51.150.99", country, asn })
	}
	lease := func(tags ...string) *event.RequestEvent {
		return with(berlin(), func(e *event.RequestEvent) { e.Address, e.NetworkTags = "203.0.113.7", tags })
	}
	// A second office, with the phone of always.
	elsewhere := func() *event.RequestEvent { return from("NL", 1136, 52.4, 4.9, chrome) }
	return map[string]signalCase{
		"two homes of the subject at once":                      {evidence.ConcurrentPlaces, false, []step{{0, berlin()}, {time.Second, elsewhere()}}, 0.5, 1, true},
		"home and a strange place at once":                      {evidence.ConcurrentPlaces, false, []step{{0, berlin()}, {time.Second, saopaulo(chrome)}}, 4, 5, true},
		"a phone abroad that comes out at home as well":         {evidence.ConcurrentPlaces, false, []step{{0, berlin()}, {time.Second, saopaulo(chrome, "mobile")}}, 3, 4, true},
		"from one home of the subject to the other in a minute": {evidence.ImpossibleTravel, false, []step{{0, berlin()}, {2 * time.Minute, elsewhere()}}, 0.3, 1.5, true},
		"a robot in two places at once":                         {evidence.ConcurrentPlaces, false, []step{{0, machine(berlin())}, {time.Second, machine(elsewhere())}}, 0, 0, true},
		"a robot does not travel":                               {evidence.ImpossibleTravel, false, []step{{0, machine(berlin())}, {2 * time.Minute, machine(saopaulo(chrome))}}, 0, 0, true},
		"two cities of one country by two clients":              {evidence.ConcurrentPlaces, false, []step{{0, berlin()}, {time.Second, from("DE", 8881, 48.1, 11.6, "curl/8")}}, 6, 6, true},
		"two cities of one country by one client":               {evidence.ConcurrentPlaces, false, []step{{0, berlin()}, {time.Second, from("DE", 8881, 48.1, 11.6, chrome)}}, 1.7, 1.8, true},
		"a neighbour by another client while a socket is open":  {evidence.ConcurrentPlaces, false, []step{socket, {time.Second, hamburg("curl/8")}}, 8, 8, true},
		"his third request":                                     {evidence.ConcurrentPlaces, false, []step{socket, {time.Second, hamburg("curl/8")}, {time.Second, hamburg("curl/8")}, {time.Second, hamburg("curl/8")}}, 10, 10, true},
		"a neighbour across a border that is near":              {evidence.ConcurrentPlaces, false, []step{socket, {time.Second, zurich("curl/8")}}, 8, 8, true},
		"a neighbour by another client without a socket":        {evidence.ConcurrentPlaces, false, []step{{0, berlin()}, {time.Second, hamburg("curl/8")}}, 4, 4, true},
		"a phone on two networks while its socket is open":      {evidence.ConcurrentPlaces, false, []step{socket, {time.Second, hamburg(chrome)}}, 0, 0, true},
		"two programs on one network":                           {evidence.ConcurrentPlaces, false, []step{socket, {time.Second, from("DE", 3320, 52.5, 13.4, "curl/8")}}, 0, 0, true},
		"the GeoIP file moves a prefix during a session":        {evidence.ConcurrentPlaces, false, []step{{0, berlin()}, {time.Second, moved("BR", 3320)}}, 0, 0, true},
		"the GeoIP file moves a prefix to another country":      {evidence.NewCountry, false, []step{{0, moved("BR", 3320)}}, 0, 0, true},
		"a prefix that moved is no travel":                      {evidence.ImpossibleTravel, false, []step{{0, berlin()}, {2 * time.Minute, moved("BR", 3320)}}, 0, 0, true},
		"another lease of the usual provider":                   {evidence.NewPrefix, false, []step{{0, lease()}}, 1, 6, true},
		"another lease behind a relay counts half":              {evidence.NewPrefix, false, []step{{0, lease("relay")}}, 0.5, 3, true},
		"the usual prefix":                                      {evidence.NewPrefix, false, []step{{0, berlin()}}, 0, 0, true},
		"a prefix of a new network is no news":                  {evidence.NewPrefix, false, []step{{0, hamburg(chrome)}}, 0, 0, true},
		"a person comes through Tor":                            {evidence.Anonymiser, false, []step{{0, tagged("tor")}}, 3, 3, true},
		"a person comes from a rented machine":                  {evidence.Anonymiser, false, []step{{0, tagged("hosting")}}, 1.5, 1.5, true},
		"a VPN is no anonymiser, it weakens":                    {evidence.Anonymiser, false, []step{{0, tagged("vpn")}}, 0, 0, true},
		"a service lives on rented machines":                    {evidence.Anonymiser, false, []step{{0, with(tagged("hosting"), func(e *event.RequestEvent) { e.SubjectKind = event.SubjectService })}}, 0, 0, true},
		"a tag of the usual network":                            {evidence.Anonymiser, false, []step{{0, from("DE", 3320, 52.5, 13.4, chrome, "proxy")}}, 0, 0, true},
		"another handshake of the usual browser":                {evidence.NewJA4, false, []step{{0, greeted("t13d1517h2_aaaaaaaaaaaa_000000000000", berlin())}}, 1, 6, true},
		"other extensions of the usual handshake":               {evidence.NewJA4, false, []step{{0, greeted(ja4Newer, berlin())}}, 0, 0, true},
		"no handshake is no client":                             {evidence.NewJA4, false, []step{{0, berlin()}}, 0, 0, true},
		"a fingerprint that is none":                            {evidence.NewJA4, false, []step{{0, greeted("t13d1516h2", berlin())}}, 0, 0, true},
		"a script that says it is a browser":                    {evidence.JA4Mismatch, false, []step{{0, greeted(ja4Script, berlin())}}, 0.3, 1, true},
		"the usual browser shows the usual handshake":           {evidence.JA4Mismatch, false, []step{{0, greeted(ja4, berlin())}}, 0, 0, true},
		"a script that says what it is":                         {evidence.JA4Mismatch, false, []step{{0, greeted(ja4Script, from("DE", 3320, 52.5, 13.4, "curl/8"))}}, 0, 0, true},
		"a browser of which the tenant has seen nothing":        {evidence.JA4Mismatch, false, []step{{0, greeted(ja4Script, from("DE", 3320, 52.5, 13.4, "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0"))}}, 0, 0, true},
		"a known key is proven where nothing is to be answered": {evidence.ProvenKey, false, []step{{0, provenBy("laptop", berlin())}}, 0, 0, true},
		"a stranger's key is proven in a new network":           {evidence.ProvenKey, false, []step{{0, provenBy("stranger", hamburg(chrome))}}, 0, 0, true},
		"a known cookie in a new network is no proof":           {evidence.ProvenKey, false, []step{{0, with(provenBy("laptop", hamburg(chrome)), func(e *event.RequestEvent) { e.Binding = event.BindingCookie })}}, 0, 0, true},
		"a known key in a new network, refused by the gateway":  {evidence.ProvenKey, false, []step{{0, with(provenBy("laptop", hamburg(chrome)), func(e *event.RequestEvent) { e.Decision = event.DecisionDeny })}}, 0, 0, true},
		"a known key in a new country answers three nats":       {evidence.ProvenKey, false, []step{{0, provenBy("laptop", saopaulo(chrome))}}, -3, -3, true},
		"the usual browser without its cookie":                  {evidence.NewDevice, false, []step{{0, cookie(berlin())}, {time.Second, hamburg(chrome)}}, 2, 20, true},
		"it is missed once":                                     {evidence.NewDevice, false, []step{{0, cookie(berlin())}, {time.Second, hamburg(chrome)}, {time.Second, hamburg(chrome)}}, 0, 0, true},
		"a session that has shown no cookie":                    {evidence.NewDevice, false, []step{{0, berlin()}}, 0, 0, true},
		"another program of a session has no cookie":            {evidence.NewDevice, false, []step{{0, cookie(berlin())}, {time.Second, hamburg("curl/8")}}, 0, 0, true},
		"a session that has another program":                    {evidence.NewDevice, false, []step{{0, cookie(berlin())}, {time.Second, cookie(hamburg("curl/8"))}, {time.Second, berlin()}}, 0, 0, true},
		"a robot without its key":                               {evidence.NewDevice, false, []step{{0, machine(cookie(berlin()))}, {time.Second, machine(berlin())}}, 0, 0, true},
		"a second proof within ten minutes answers nothing":     {evidence.ProvenKey, false, []step{{0, provenBy("laptop", saopaulo(chrome))}, {9 * time.Minute, provenBy("laptop", hamburg("curl/8"))}}, 0, 0, true},
	}
}

// cookie shows the device cookie of the subject's browser.
func cookie(e *event.RequestEvent) *event.RequestEvent {
	return with(e, func(e *event.RequestEvent) { e.Binding, e.Device = event.BindingCookie, "laptop" })
}

func machine(e *event.RequestEvent) *event.RequestEvent {
	return with(e, func(e *event.RequestEvent) { e.SubjectKind = event.SubjectService })
}

func provenBy(device string, e *event.RequestEvent) *event.RequestEvent {
	return with(e, func(e *event.RequestEvent) { e.TokenId, e.Binding, e.Device = "t", event.BindingDPoP, device })
}

// refusedFor is a request that a gateway has refused.
func refusedFor(reason string) *event.RequestEvent {
	return with(path("/", 401), func(e *event.RequestEvent) {
		e.TokenId, e.Binding = "t", event.BindingNone
		e.Decision, e.Reason, e.Status = event.DecisionDeny, reason, 401
	})
}

// TestForgedBrowser gives a tenant many sessions of a browser and a script that
// it knows, and then some of the script under the browser's name.
func TestForgedBrowser(t *testing.T) {
	// An attacker's own account teaches the tenant what his tool looks like.
	for _, tt := range []struct {
		taught      int
		least, most float64
		text        string
	}{
		{0, 4.5, 5, "is that of none of the 230 sessions of Chrome before, but that of curl"},
		{1, 4, 4.4, "is that of 1 of the 231 sessions of Chrome before, but that of curl"},
		{4, 3, 3.4, "is that of 4 of the 234 sessions of Chrome before, but that of curl"},
		{5, 0, 0, ""},
	} {
		w := newWorld(false)
		for i := range 200 + tt.taught {
			var p entity.Pending
			p.Note(entity.Families, "Chrome")
			p.Note(entity.JA4s, "curl t13d1812h1_85036bcba153")
			if i < 200 {
				p.Note(entity.JA4s, "Chrome t13d1516h2_8daaf6152771")
			} else {
				p.Note(entity.JA4s, "Chrome t13d1812h1_85036bcba153")
			}
			w.tenant.Subjects.Learn(&p, w.now, 30*24*time.Hour, 1)
		}
		got := w.see(step{0, greeted(ja4Script, berlin())})[evidence.JA4Mismatch]
		if got.Nats < tt.least || got.Nats > tt.most || !strings.HasSuffix(got.Text, tt.text) {
			t.Errorf("after %d taught sessions the forgery says %.2f nats (%s), want %g to %g and %q", tt.taught, got.Nats, got.Text, tt.least, tt.most, tt.text)
		}
	}
}

// TestReleaseMakesNoWave shows a new handshake of the same browser by one person
// after the other, each on a network of his own, and by as many accounts that
// one attacker has taken over with one tool.
func TestReleaseMakesNoWave(t *testing.T) {
	release := func(known bool, session func(i int) *event.RequestEvent) (first, last float64) {
		tenant := newWorld(false).tenant
		for i := range 30 {
			w := newWorld(false)
			w.tenant = tenant
			e := session(i)
			e.Subject = fmt.Sprint("person", i)
			if known {
				w.subject.Kinds[entity.Networks].Add(evidence.NetworkOf(e), 1, 10)
				w.subject.Kinds[entity.Prefixes].Add(evidence.PrefixOf(e.GetAddress()), 1, 10)
			}
			found := w.see(step{time.Minute, e})
			last = found[evidence.NewJA4].Nats + found[evidence.NewFamily].Nats
			if i == 0 {
				first = last
			}
		}
		return first, last
	}
	first, last := release(true, func(i int) *event.RequestEvent {
		return greeted("t13d1517h2_aaaaaaaaaaaa_000000000000", from("DE", uint32(3320+i), 52.5, 13.4, chrome))
	})
	if first < 1 || last > first/4 {
		t.Errorf("the thirtieth person with a release says %.2f nats, the first %.2f", last, first)
	}
	first, last = release(false, func(i int) *event.RequestEvent {
		return from("BR", uint32(64500+i), -23.5, -46.6, "python-requests/2.31")
	})
	if first < 3 || last < first*0.99 {
		t.Errorf("the thirtieth account of a thief says %.2f nats, the first %.2f", last, first)
	}
}
