package evidence_test

import (
	"math"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

// TestOverlapping lets a session be used while another of its subject is, each in
// its place.
func TestOverlapping(t *testing.T) {
	home := entity.Place{
		Country: profile.NameOf("DE"), Network: profile.NameOf("AS3320"), Latitude: 52.5, Longitude: 13.4, HasLocation: true,
		Prefix: evidence.Hash("198.51.150.0/24"),
	}
	other := func(change func(*entity.Place)) entity.Place {
		p := home
		change(&p)
		return p
	}
	munich := func(tags ...string) *event.RequestEvent { return from("DE", 64501, 48.1, 11.6, chrome, tags...) }
	tests := map[string]struct {
		place entity.Place
		// quiet is how long the other session has been quiet.
		quiet       time.Duration
		turns       int
		ev          *event.RequestEvent
		least, most float64
	}{
		"across the ocean":                            {home, 20 * time.Second, 1, saopaulo(chrome), 5, 5},
		"in turns across the ocean":                   {home, 20 * time.Second, 9, saopaulo(chrome), 9, 9},
		"without coordinates":                         {other(func(p *entity.Place) { p.HasLocation = false }), 20 * time.Second, 1, saopaulo(chrome), 5, 5},
		"within the country":                          {home, 20 * time.Second, 1, munich(), 3, 3},
		"in turns within the country":                 {home, 20 * time.Second, 9, munich(), 6, 6},
		"in the same town":                            {home, 20 * time.Second, 9, from("DE", 8881, 52.6, 13.3, chrome), 0, 0},
		"the other was used four minutes ago":         {home, 4 * time.Minute, 1, saopaulo(chrome), 5, 5},
		"the other has been quiet":                    {home, 6 * time.Minute, 1, saopaulo(chrome), 0, 0},
		"the other streams what it began an hour ago": {other(func(p *entity.Place) { p.Open, p.Last = 1, -int64(time.Hour) }), 20 * time.Second, 1, saopaulo(chrome), 5, 5},
		"its stream is dead":                          {other(func(p *entity.Place) { p.Open = 1 }), 6 * time.Minute, 1, saopaulo(chrome), 0, 0},
		"behind a VPN":                                {home, 20 * time.Second, 1, saopaulo(chrome, "vpn"), 2.5, 2.5},
		"on a carrier abroad":                         {home, 20 * time.Second, 1, saopaulo(chrome, "mobile"), 2.5, 2.5},
		"a phone abroad that comes out at home":       {other(func(p *entity.Place) { p.Mobile = true }), 20 * time.Second, 9, saopaulo(chrome), 0, 0},
		"neither is at home":                          {other(func(p *entity.Place) { p.Network = profile.NameOf("AS7") }), 20 * time.Second, 1, saopaulo(chrome), 2.5, 2.5},
		"the owner's, beside a thief's": {other(func(p *entity.Place) {
			p.Country, p.Network, p.Prefix, p.Longitude = profile.NameOf("BR"), profile.NameOf("AS64500"), 0, -46.6
		}), 20 * time.Second, 9, berlin(), 0, 0},
		"by a device that the subject is known for":   {home, 20 * time.Second, 9, with(saopaulo(chrome), func(e *event.RequestEvent) { e.Device = "laptop" }), 0, 0},
		"by a device that it is not":                  {home, 20 * time.Second, 1, with(saopaulo(chrome), func(e *event.RequestEvent) { e.Device = "phone" }), 5, 5},
		"a robot in two clouds":                       {home, 20 * time.Second, 9, machine(saopaulo(chrome)), 0, 0},
		"a prefix that the GeoIP file has moved":      {home, 20 * time.Second, 9, with(saopaulo(chrome), func(e *event.RequestEvent) { e.Address = "198.51.150.9" }), 0, 0},
		"nobody knows where, but that it is not here": {home, 20 * time.Second, 9, from("", 64500, 0, 0, chrome), 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(false)
			w.subject.LastPlace = entity.Place{}
			w.see(step{0, tt.ev}) // Where it is new says nothing here, nor how it came there.
			var f evidence.Finding
			for range tt.turns {
				w.now += int64(time.Minute)
				w.subject.LastPlace, w.subject.LastSession = tt.place, evidence.Hash("before")
				w.subject.LastPlace.Alive = w.now - int64(tt.quiet)
				w.subject.LastPlace.Last += w.subject.LastPlace.Alive // Less how long its last request is from its last sign of life.
				f = w.see(step{0, tt.ev})[evidence.Overlapping]
			}
			if math.IsNaN(f.Nats) || f.Nats < tt.least-0.2 || f.Nats > tt.most || f.Strong {
				t.Errorf("says %.2f nats, strong %v (%s), want about %g to %g", f.Nats, f.Strong, f.Text, tt.least, tt.most)
			}
		})
	}
}

// TestOverlappingSaysNothingTwice has a session begin far from where another was just
// used, which geo.impossible_travel tells already: both together say the more of them.
func TestOverlappingSaysNothingTwice(t *testing.T) {
	w := newWorld(false)
	w.subject.LastPlace.Last = w.now - int64(20*time.Second)
	found := w.see(step{0, saopaulo(chrome)})
	travel, overlap := found[evidence.ImpossibleTravel].Nats, found[evidence.Overlapping].Nats
	if travel < 5 || overlap != 0 {
		t.Fatalf("the journey says %.2f nats and the overlap %.2f, want 5 at least and nothing", travel, overlap)
	}
	w.session.Suspicion.Mark(int(evidence.ImpossibleTravel)).Peak = 3
	w.now += int64(10 * time.Second)
	w.subject.LastPlace.Last = w.now
	overlap = w.see(step{0, saopaulo(chrome)})[evidence.Overlapping].Nats
	if math.Abs(overlap-4) > 0.1 { // 7 at the second turn.
		t.Errorf("after a journey of 3 nats the overlap says %.2f, want 4", overlap)
	}
	w.now += int64(10 * time.Second)
	overlap = w.see(step{0, saopaulo(chrome)})[evidence.Overlapping].Nats
	if overlap != 0 {
		t.Errorf("the overlap says %.2f nats again although the other session was not used since", overlap)
	}
}
