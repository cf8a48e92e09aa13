package announce

import (
	"crypto/ed25519"
	"fmt"
	"hash/maphash"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// newOverhearing is a partition that overhears what operators say with keys of different lives.
func newOverhearing(t *testing.T) (p *Partition, say func(kid, id string, seq uint64, text int) kafka.Message) {
	t.Helper()
	now := time.Now()
	private := func(id string) ed25519.PrivateKey {
		return ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%-32s", id)))
	}
	var list []verdict.Key
	for id, until := range map[string]time.Time{"soon": now.Add(time.Hour), "late": now.Add(24 * time.Hour), "never": {}} {
		list = append(list, verdict.Key{ID: id, Class: verdict.ClassOperator, Public: private(id).Public().(ed25519.PublicKey), Until: until})
	}
	file, err := verdict.SignKeySet(private("root"), list)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := verdict.OpenKeySet(private("root").Public().(ed25519.PublicKey), file)
	if err != nil {
		t.Fatal(err)
	}
	p = &Partition{announcer: &Announcer{keys: keys, now: func() time.Time { return now }, seed: maphash.MakeSeed()}, stage: SubjectStage(), spoken: newSpoken()}
	return p, func(kid, id string, seq uint64, text int) kafka.Message {
		v := &verdict.Verdict{
			Id: id, Time: timestamppb.New(now), Epoch: 1, Seq: seq, Authority: verdict.AuthorityOperator, Tenant: "t",
			Target: &verdict.Target{Kind: verdict.TargetSession, Id: id}, Action: verdict.ActionRevoke, Until: timestamppb.New(now.Add(time.Minute)),
			OperatorText: string(make([]byte, text)),
		}
		env, err := verdict.NewSigner(kid, private(kid)).Verdict(v)
		if err != nil {
			t.Fatal(err)
		}
		return kafka.Message{Key: topic.VerdictKey("t", verdict.TargetSession, id, verdict.AuthorityOperator), Value: env}
	}
}

// Of a word that was signed anew the record of the key stands that lives longer.
func TestTheWordOfTheKeyThatLivesLongerStands(t *testing.T) {
	p, say := newOverhearing(t)
	for i, kids := range [][2]string{{"soon", "late"}, {"late", "never"}, {"soon", "never"}} {
		for _, order := range [][2]string{kids, {kids[1], kids[0]}} {
			id := fmt.Sprint(i, order)
			first, second := say(order[0], id, 1, 0), say(order[1], id, 1, 0)
			p.see(first)
			p.see(second)
			want := 1
			if order == kids {
				want = 0 // The last one is the right one.
			}
			if got := p.silenced(p.announcer.now()); len(got) != want || want == 1 && string(got[0].Value) != string(first.Value) {
				t.Errorf("%v: %d records are written again, want %d", order, len(got), want)
			}
		}
	}
}

// What is watched has a bound, however much operators say, and room comes back when what
// they said has lapsed.
func TestWhatIsOverheardIsBounded(t *testing.T) {
	p, say := newOverhearing(t)
	const each = 100 << 10
	for i := range 100 {
		p.see(say("never", fmt.Sprint(i), 1, each))
		if s := p.spoken; s.bytes > spokenBytesMax+2*each {
			t.Fatalf("%d B after %d records", s.bytes, i+1)
		}
	}
	p.verify()
	if s := p.spoken; !s.full || s.bytes > spokenBytesMax || len(s.stands) < 50 {
		t.Errorf("full %v with %d B of %d words", s.full, s.bytes, len(s.stands))
	}
	for i := range heardMax + 10 {
		p.see(kafka.Message{Key: topic.VerdictKey("t", verdict.TargetSession, fmt.Sprint(i), verdict.AuthorityOperator)})
	}
	if n := len(p.spoken.heard); n > heardMax {
		t.Errorf("%d records wait to be verified", n)
	}
	if got := p.silenced(p.announcer.now().Add(time.Hour)); len(got) != 0 || p.spoken.bytes != 0 || len(p.spoken.stands) != 0 {
		t.Errorf("after all has lapsed %d are said again, %d B stand", len(got), p.spoken.bytes)
	}
}

// Where there is no room for a later word, nobody watches over its key: the older word
// must not be written over it.
func TestTheOlderWordDoesNotComeBackForWantOfRoom(t *testing.T) {
	p, say := newOverhearing(t)
	p.see(say("never", "key", 1, 0))
	const each = 100 << 10
	for i := range 2 * spokenBytesMax / each {
		p.see(say("never", fmt.Sprint("other", i), 1, each))
	}
	p.see(say("never", "key", 2, each))
	if got := p.silenced(p.announcer.now()); len(got) != 0 || !p.spoken.full {
		t.Errorf("%d records are written again, full %v", len(got), p.spoken.full)
	}
}
