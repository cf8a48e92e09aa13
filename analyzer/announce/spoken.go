package announce

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// spoken is what operators and feeds have said in a partition. Nobody here can sign in
// their name, but what they have signed can be written once more as it is. Of watch
// alone, and of Adopt before.
type spoken struct {
	heard  []kafka.Message // Under their keys, and not verified yet.
	bytes  int             // Of heard and stands.
	stands map[target]saying
	last   map[target]uint64 // Sums of the last records under keys, until they are compared.
	full   bool              // Something is not watched for want of room.
}

// saying is the last that was said of a target, as the topic has it.
type saying struct {
	verdict *verdict.Verdict
	record  []byte
	sum     uint64
}

func newSpoken() *spoken {
	return &spoken{stands: make(map[target]saying), last: make(map[target]uint64)}
}

// overhear keeps a record under an operator's or a feed's key until verify. To check all
// signatures at once would hold up a takeover.
func (p *Partition) overhear(m kafka.Message) {
	s := p.spoken
	if len(s.heard) >= heardMax || s.bytes+len(m.Value) > spokenBytesMax {
		p.verify()
	}
	s.heard = append(s.heard, m)
	s.bytes += len(m.Value)
}

// verify takes what was heard in its order.
func (p *Partition) verify() {
	s := p.spoken
	some := verdict.Opener[kafka.Message]{Keys: p.announcer.keys.Listed(), Take: func(_ []byte, m kafka.Message, msg verdict.Message, err error) {
		v := msg.Verdict
		key, _ := keyOf(m.Key)
		if err == nil && v != nil && targetOf(v) == key && !v.Future(p.announcer.now()) {
			p.said(key, saying{v, m.Value, p.sum(m.Value)})
		}
	}}
	for _, m := range s.heard {
		s.bytes -= len(m.Value)
		key, _ := keyOf(m.Key)
		if _, known := s.last[key]; known || len(s.last) < targetsMax {
			s.last[key] = p.sum(m.Value)
		}
		if len(m.Value) > 0 {
			some.Add(m.Value, m)
		}
	}
	some.Flush()
	s.heard = nil
}

// said notes an authentic word where it is the latest: the one of the higher number, and
// of one that was signed anew the one whose key is believed for longer.
func (p *Partition) said(key target, w saying) {
	s := p.spoken
	old, known := s.stands[key]
	switch {
	case known && verdict.Later(old.verdict.Epoch, old.verdict.Seq, w.verdict.Epoch, w.verdict.Seq):
		return
	case known && old.verdict.Epoch == w.verdict.Epoch && old.verdict.Seq == w.verdict.Seq && !p.outlives(w.verdict.Kid, old.verdict.Kid):
		return
	case s.bytes+len(w.record)-len(old.record) > spokenBytesMax || !known && len(s.stands) >= targetsMax:
		s.full = true
		if known { // Nobody watches over the key, or the older word would come back.
			s.bytes -= len(old.record)
			delete(s.stands, key)
		}
		return
	}
	s.bytes += len(w.record) - len(old.record)
	s.stands[key] = w
}

// outlives reports whether a listed key is believed for longer than another one.
func (p *Partition) outlives(kid, other string) bool {
	var until, than time.Time // Zero is for ever.
	listed := false
	for _, k := range p.announcer.keys.Listed().List().Keys {
		switch k.ID {
		case kid:
			until = k.Until
		case other:
			than, listed = k.Until, true
		}
	}
	return !listed || !than.IsZero() && (until.IsZero() || until.After(than))
}

// silenced are the records of what stands that others have replaced, at most resignedMax;
// the rest comes with the next call. What has lapsed is forgotten.
func (p *Partition) silenced(now time.Time) []Record {
	p.verify()
	s := p.spoken
	for key, w := range s.stands {
		if !w.verdict.Live(now) {
			s.bytes -= len(w.record)
			delete(s.stands, key)
		}
	}
	var again []Record
	for _, key := range slices.SortedFunc(maps.Keys(s.last), compareTargets) {
		w, known := s.stands[key]
		if known && s.last[key] != w.sum {
			if len(again) == resignedMax {
				break
			}
			again = append(again, relayed(w.verdict, w.record))
		}
		delete(s.last, key)
	}
	return again
}

// relayed is the record of an operator's or a feed's envelope.
func relayed(v *verdict.Verdict, envelope []byte) Record {
	return Record{
		Key: topic.VerdictKey(v.Tenant, v.Target.GetKind(), v.Target.GetId(), v.Authority), Value: envelope,
		Headers: cloudevent.Attributes{
			ID: v.Id, Source: v.Origin, Type: cloudevent.TypeVerdict, Time: v.Time.AsTime(), ContentType: cloudevent.JOSE,
		}.Headers(),
	}
}

// keyOf is the target that a key of the topic names; ok is false under others.
func keyOf(key []byte) (of target, ok bool) {
	parts := strings.Split(string(key), "\x00")
	if len(parts) != 4 {
		return target{}, false
	}
	return target{parts[0], parts[1], parts[2], parts[3]}, true
}
