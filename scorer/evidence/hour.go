package evidence

import (
	"time"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

const (
	// hourSessions and hourLeast are how much must be known of a subject before
	// an hour can be unusual: taught sessions and active hours.
	hourSessions, hourLeast = 10, 40
	// hourFree is what every hour but the most usual would say.
	hourFree = 0.7
	// hourAnybody is the share of hours that follow no habit.
	hourAnybody = 0.1
)

// hour compares the hour of the week with the subject's own, once per hour. It
// never asks for anything alone: people work at night.
func (k *Collector) hour(x *Context) {
	if !x.request() {
		return
	}
	h := weekHour(x.At)
	first := x.Session.Pending.Hour(h)
	if x.Subject == nil || !first || x.Subject.N < hourSessions || x.Subject.Week.Total() < hourLeast {
		return
	}
	p := float64((1-hourAnybody)*x.Subject.Week.P(h, x.peers().Hour(h))) + hourAnybody/profile.WeekHours
	n := k.cut(UnusualHour, x.confidence(&k.params)*(exact.Ln(1/float64(p*profile.WeekHours))-hourFree))
	if n > 0 {
		at := time.Unix(0, x.At).UTC()
		among := ""
		if x.Group != nil {
			among = k.sayf("; judged among %s", x.Group.Name.String())
		}
		k.add(UnusualHour, n, false, k.sayf("active on %s at %02d h UTC, which is 1 in %.0f of this subject's hours%s", at.Weekday().String(), at.Hour(), 1/p, among))
	}
}

// weekHour is the hour of the week from Monday 00:00 UTC; 1 January 1970 was a
// Thursday.
func weekHour(at int64) int {
	hours := at / int64(time.Hour)
	if at < 0 {
		hours--
	}
	return int(((hours+3*24)%profile.WeekHours + profile.WeekHours) % profile.WeekHours)
}
