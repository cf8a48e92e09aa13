package life

import (
	"fmt"
	"math"
	"time"
)

// newVisitors lets people without a name look at the public pages, and the
// crawlers of search engines read them. Some twentieth of the subjects come each day.
func (w *World) newVisitors() {
	for n := range w.options.Days {
		at := w.start + int64(n)*int64(day)
		w.later(at, func(at int64) {
			d := newDice(w.options.Seed, forVisitors, uint64(n))
			for k := range max(10, w.options.Subjects/20) {
				from := at + int64(d.span(0, day))
				w.later(from, func(at int64) { w.visitor(n, k, at) })
			}
			for k := range 4 {
				w.later(at+int64(d.span(0, 6*time.Hour)), func(at int64) { w.crawler(n, k, at) })
			}
		})
	}
}

// visitor reads a few pages; old links lead nowhere.
func (w *World) visitor(n, k int, at int64) {
	d := newDice(w.options.Seed, forVisitors, uint64(n), uint64(k))
	t := w.tenants[d.zipf(len(w.tenants))]
	v := w.open(&actor{traits: Visitor}, t)
	c := w.net.geo.anyCity(d)
	l := w.net.homeLine(d, c)
	if d.chance(0.4) {
		l = w.net.carrierLine(d, c)
	}
	v.hops = append(v.hops, l.at(w.net, at, d.Uint64()))
	agent, ja4 := w.fleet.userAgent(&device{program: program(d.IntN(int(appApple))), seed: d.Uint64()}, at)
	v.looks = append(v.looks, look{agent: agent, ja4: ja4})
	pages := append(append([]int{}, t.app.pages[dash][0]), t.app.pages[plain]...)
	for range 1 + d.IntN(9) {
		r := record{at: at, template: int16(pages[d.zipf(len(pages))]), id: int64(1 + d.zipf(60)), status: 200, anonymous: true, out: uint64(d.logNormal(9000, 0.8)), micros: 9000}
		if d.chance(0.05) {
			r.template, r.path, r.status, r.out = -1, fmt.Sprintf("/blog/%d/old-news", 2015+d.IntN(9)), 404, 300
		}
		v.records = append(v.records, r)
		at += int64(d.logNormal(20, 1) * float64(time.Second))
	}
	w.begin(v)
}

// crawler reads every help page in turn, from a few addresses of one cloud.
func (w *World) crawler(n, k int, at int64) {
	d := newDice(w.options.Seed, forVisitors, uint64(n), uint64(k), 1)
	t := w.tenants[k%len(w.tenants)]
	v := w.open(&actor{traits: Crawler}, t)
	l := &line{net: w.net.hosting[k], seed: uint64(k), egress: 3, fixed: true}
	v.hops = append(v.hops, l.at(w.net, at, uint64(n)))
	v.looks = append(v.looks, look{agent: "Mozilla/5.0 (compatible; FinderBot/2.1; +http://finder.example/bot.html)"})
	v.records = append(v.records, record{at: at, template: -1, path: "/robots.txt", status: 200, anonymous: true, out: 200, micros: 2000})
	for id := range 40 + d.IntN(60) {
		at += int64(math.Max(1, d.logNormal(6, 0.5)) * float64(time.Second))
		r := record{at: at, template: int16(t.app.pages[plain][3]), id: int64(id + 1), status: 200, anonymous: true, out: uint64(d.logNormal(9000, 0.8)), micros: 9000}
		if d.chance(0.06) {
			r.status, r.out = 404, 300
		}
		v.records = append(v.records, r)
	}
	w.begin(v)
}
