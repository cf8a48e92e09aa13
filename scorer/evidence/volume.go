package evidence

import (
	"strconv"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

// What nobody thinks unusual before there is any history: beyond it the prior
// falls off with the model's Pareto index, as habits do.
const (
	plainRate        = 120
	plainMinuteBytes = 4 << 20
	plainHourBytes   = 64 << 20
	// documentsBytes in an hour are a few documents, and documentsNats the most
	// that they say, whatever the habit.
	documentsBytes, documentsNats = 16 << 20, 2.5
	// What a person in a hurry does, whatever his habit: below it nobody is fast
	// and nothing worth a word has left.
	calmRate, calmMinuteBytes, calmHourBytes = 12, 64 << 10, 256 << 10
	// minutesConcentration is the weight of the peers, in minutes or hours.
	minutesConcentration = 30
	// ratiosConcentration is how many ratios a tenant must know to be believed by
	// half.
	ratiosConcentration = 100
	// answersLeast is how many answers of a template say what is usual.
	answersLeast = 50
	// lineNats is the most that an hour over its line says. A ladder's temperature
	// pays for what is looked at over and over; an hour comes to its line once, and
	// lineWeight gives back half of that.
	lineNats, lineWeight = 10, 1.25
	// lineRare is ln(1/q) of the share of hours up to which being over a line is
	// rare: at four hours a day, one day in 400. lineCommon is the weight of it
	// elsewhere.
	lineRare, lineCommon = 7.4, 0.8
	// linesLeast is how many hours of a tenant must be known before less than a few
	// documents can be rare in it.
	linesLeast = 300
	// plainBreadth is how many different things anyone may open in an hour.
	plainBreadth = 40
	// anonymousMax bounds what rates say about an address: a crawler or an office
	// is fast, and that alone is no offence.
	anonymousMax = 4
)

// volume compares the current minute and hour with the habit.
func (k *Collector) volume(x *Context) {
	s := x.Session
	s.Roll(x.Now)
	before := s.HourMost()
	bytes := newBytes(x)
	s.Minute.Bytes += bytes
	s.Hour.Bytes += bytes
	s.Promise()
	if x.request() {
		s.Minute.Requests++
	}
	if x.answered() {
		s.Hour.Requests++
		if x.Event.GetStatus() >= 400 {
			s.Hour.Errors++
		}
	}
	own, peers := &noHabits, &x.Tenant.Addresses
	if x.Subject != nil {
		own, peers = &x.Subject.Habits, &x.Tenant.Subjects
	}
	if x.request() {
		k.rate(x, own, peers)
	}
	if bytes > 0 || s.HourMost() > before {
		k.bytesOut(x, before, own, peers)
	}
	k.answer(x)
}

// noHabits is the habit of an address, which keeps none of its own.
var noHabits entity.Habits //nolint:gochecknoglobals // Read only.

func (k *Collector) rate(x *Context, own, peers *entity.Habits) {
	n := x.Session.Minute.Requests
	if n <= calmRate {
		return
	}
	nats := k.tail(&own.Rate, &peers.Rate, n, plainRate)
	if x.Subject == nil {
		nats = min(nats, anonymousMax)
	}
	nats = k.cut(RequestRate, nats)
	k.fast = nats
	// What the bytes of these requests have said already is not said again.
	nats -= x.Session.Suspicion.Peak(int(BytesOut))
	if nats > least {
		k.add(RequestRate, nats, false, k.sayf("%.0f requests within a minute; usual: up to %.0f", n, habitual(&own.Rate, &peers.Rate)))
	}
}

func (k *Collector) bytesOut(x *Context, before float64, own, peers *entity.Habits) {
	s, t := x.Session, x.Tenant
	minute, hour := 0.0, 0.0
	if s.Minute.Bytes > calmMinuteBytes {
		minute = k.shaped(&own.MinuteBytes, &peers.MinuteBytes, &t.MinuteRatio, s.Minute.Bytes, plainMinuteBytes)
	}
	switch {
	case x.Subject == nil:
		minute = min(minute, anonymousMax)
	case s.HourMost() > calmHourBytes:
		hour = k.shaped(&own.HourBytes, &peers.HourBytes, &t.HourRatio, s.HourMost(), plainHourBytes)
	}
	// Many requests send many bytes: only what goes beyond that is news.
	if s.Minute.Bytes <= plainMinuteBytes && s.HourMost() <= documentsBytes {
		minute, hour = min(minute, documentsNats), min(hour, documentsNats)
	}
	line := k.overLine(x, before)
	hour = max(hour, line)
	nats := k.cut(BytesOut, max(minute, hour)-k.fast)
	if nats <= 0 {
		return
	}
	how, span, total, most := "sent", "a minute", x.Session.Minute.Bytes, habitual(&own.MinuteBytes, &peers.MinuteBytes)
	if hour > minute {
		span, total, most = "an hour", s.HourMost(), habitual(&own.HourBytes, &peers.HourBytes)
		if total > s.Hour.Bytes {
			how = "sent or announced"
		}
	}
	if line > 0 && line >= max(minute, hour) {
		most = own.HourBytes.Quantile(0.99)
	}
	k.add(BytesOut, nats, false, k.sayf("%s %s within %s; usual: up to %s", k.humanSize(total), how, span, k.humanSize(most)))
}

// overLine is the evidence of the event that takes a person's hour over a
// line of his own hours, whatever his peers send: ln(1/q) where a share q of the
// tenant's hours ends over such a line. Where that is rare, it asks for a proof;
// elsewhere it would slow many down who only work, and of the lines but the
// highest, less than a few documents, says nothing. before is what the hour had
// come to.
func (k *Collector) overLine(x *Context, before float64) float64 {
	if x.Subject == nil || k.machine(x) {
		return 0
	}
	nats, sent := 0.0, x.Session.HourMost()
	for level := range entity.LineLevels {
		if sent <= entity.LineLeast(level) {
			break // Below this line and all higher ones, whatever his hours.
		}
		line, known := entity.HourLine(&x.Subject.HourBytes, level)
		highest := level == entity.LineLevels-1
		if !known || sent <= line || before > line || !highest && x.Tenant.Lines.Hours < linesLeast {
			continue
		}
		rare := -exact.Ln(x.Tenant.Lines.Share(level))
		switch {
		case rare >= lineRare:
			nats = max(nats, min(lineNats, float64(lineWeight*rare)))
		case highest:
			nats = max(nats, float64(lineCommon*rare))
		}
	}
	return nats
}

// shaped is the evidence of a value's upper tail where the peers' share is, as
// far as the subject's own median is known, that of the tenant's ratios to such
// medians: a tenant of heavy downloaders excuses no light one.
func (k *Collector) shaped(own, peers, ratios *profile.Numeric, value, plain float64) float64 {
	prior := k.prior(value, plain)
	share := peers.Share(value, prior, k.params.Tail)
	known := own.Total() / (own.Total() + minutesConcentration) * ratios.Total() / (ratios.Total() + ratiosConcentration)
	if known > 0 {
		ratio := ratios.Share(entity.Ratio(value, own.Quantile(0.5)), prior, k.params.Tail)
		// A logarithmic pool of the two opinions.
		share = exact.Exp2((float64((1-known)*exact.Ln(share)) + float64(known*exact.Ln(ratio))) / exact.Ln(2))
	}
	p := own.Posterior(value, share, minutesConcentration, k.params.Tail)
	return max(0, profile.Nats(p, k.params.Kappa)-k.params.Look)
}

// prior is how likely a value is before there is any history.
func (k *Collector) prior(value, plain float64) float64 {
	if value <= plain {
		return 1
	}
	return exact.Exp2(float64(-k.params.Tail*exact.Ln(value/plain)) / exact.Ln(2))
}

// answer compares the size of one answer with those of its template, either way.
func (k *Collector) answer(x *Context) {
	ev := x.Event
	if ev.GetTemplate() == "" || ev.GetStatus() < 200 || ev.GetStatus() >= 300 || ev.GetBytesOut() == 0 || ev.GetPhase() != event.PhaseComplete || x.Subject == nil {
		return
	}
	template, size := hash(short(ev.GetTemplate())), float64(ev.GetBytesOut())
	n := x.Session.Requests + 1
	if n&(n-1) == 0 { // Few of a session, spread over its length.
		x.Session.Pending.Answer(template, profile.Bucket(size))
	}
	habit := x.Tenant.Sizes.Of(template)
	if habit == nil || habit.Total() < answersLeast {
		return
	}
	nats := k.cut(ResponseSize, profile.Nats(habit.TwoSided(size, k.params.Tail), k.params.Kappa)-2*k.params.Look)
	if nats > 0 {
		k.add(ResponseSize, nats, false, k.sayf("an answer of %s from %s; usual: around %s", k.humanSize(size), short(ev.GetTemplate()), k.humanSize(habit.Quantile(0.5))))
	}
}

// tail is the evidence of a value's upper tail; the lower tail is no evidence
// while the minute is still running.
func (k *Collector) tail(own, peers *profile.Numeric, value, plain float64) float64 {
	prior := k.prior(value, plain)
	p := own.Upper(value, peers, prior, minutesConcentration, k.params.Tail)
	// A session is looked at in many minutes, of which the strangest counts.
	return max(0, profile.Nats(p, k.params.Kappa)-k.params.Look)
}

// newBytes is how many bytes the event adds: for a stream, whose counter runs
// on, what it did not report before.
func newBytes(x *Context) float64 {
	ev := x.Event
	total := ev.GetBytesOut()
	switch ev.GetPhase() {
	case event.PhaseOpen, event.PhaseTick, event.PhaseClose:
	default:
		return float64(total)
	}
	id, s := hash(ev.GetRequestId()), x.Spares.Rare(x.Session)
	at := -1
	for i := range s.Streams {
		if s.Streams[i].ID == id {
			at = i
			break
		}
	}
	if at < 0 {
		at = addStream(x, id)
	}
	st := &s.Streams[at]
	text := ev.GetAttributes()[event.AttributeAnnounced]
	if text != "" { // ParseUint would make an error of most events.
		announced, err := strconv.ParseUint(text, 10, 64)
		if err == nil {
			st.Announced = announced
		}
	}
	more := 0.0
	if total > st.Bytes {
		more = float64(total - st.Bytes)
		st.Bytes = total
	}
	st.Last = x.At
	if ev.GetPhase() == event.PhaseClose {
		s.Streams = append(s.Streams[:at], s.Streams[at+1:]...)
	}
	return more
}

// addStream begins to follow a stream; the one that has been quiet longest
// gives way, and counts whole should it come back.
func addStream(x *Context, id uint64) int {
	s := x.Spares.Rare(x.Session)
	st := entity.Stream{ID: id, Last: x.At}
	if len(s.Streams) < entity.StreamsMax {
		s.Streams = append(s.Streams, st)
		return len(s.Streams) - 1
	}
	quiet := 0
	for i := range s.Streams {
		if s.Streams[i].Last < s.Streams[quiet].Last {
			quiet = i
		}
	}
	s.Streams[quiet] = st
	return quiet
}

// habitual is what 99 of 100 windows stay below.
func habitual(own, peers *profile.Numeric) float64 {
	if own.Total() >= minutesConcentration {
		return own.Quantile(0.99)
	}
	return peers.Quantile(0.99)
}
