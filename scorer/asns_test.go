package scorer_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/scenario"
)

// TestWhatANetworkIsHeldFor lets things happen in a network and then somebody begin
// there who never was there before.
func TestWhatANetworkIsHeldFor(t *testing.T) {
	const people = `
place berlin country=DE asn=3320 address=198.51.100.7 lat=52.5 lon=13.4 radius=20
place den country=DE asn=64777 address=203.0.113.5 lat=52.4 lon=13.3 radius=50
actor alice subject=alice at=berlin ua=chrome
actor bob subject=bob at=berlin ua=chrome
actor carol subject=carol at=berlin ua=chrome
actor dave subject=dave at=berlin ua=chrome
actor thief-a subject=alice session=his1 at=den ua=chrome
actor thief-b subject=bob session=his2 at=den ua=chrome
actor fresh-a subject=new1 session=new1 at=den ua=chrome
actor fresh-b subject=new2 session=new2 at=den ua=chrome
actor arrival subject=carol session=there at=den ua=chrome
actor mimic subject=carol session=there at=den ua=firefox
actor erin subject=erin at=den ua=chrome
actor frank subject=frank at=den ua=chrome
actor grace subject=grace at=den ua=chrome
actor heidi subject=heidi at=den ua=chrome
actor last subject=dave session=then at=den ua=chrome
history
repeat 30 every 24h
  repeat 4 every 2m
    alice session=a{j} template=/accounts/{id} resource=7 out=4000
    bob session=b{j} template=/accounts/{id} resource=7 out=4000 in=20s
    carol session=c{j} template=/accounts/{id} resource=7 out=4000 in=20s
    dave session=d{j} template=/accounts/{id} resource=7 out=4000 in=20s
  end
end
`
	walk := func(who string) string {
		return "repeat 30 every 3s\n  " + who + " template=/accounts/{id} resource={i+100}\nend\n"
	}
	const settle = `repeat 5 every 24h
  erin session=e{i} template=/accounts/{id} resource=7 out=4000
  frank session=f{i} template=/accounts/{id} resource=7 out=4000
  grace session=g{i} template=/accounts/{id} resource=7 out=4000
  heidi session=h{i} template=/accounts/{id} resource=7 out=4000
end
`
	probe := func(who string) string { // Strong enough for half of it to be believed.
		return who + " /files/../../etc/passwd\n" + who + " /files/../../etc/shadow\n" + who + " /.git/config\n"
	}
	visit := func(who string) string { return "wait 5h\n" + who + " template=/accounts/{id} resource=7\n" }
	tests := map[string]struct {
		story string
		who   string
		want  string // Part of what is said, empty for nothing.
	}{
		"nothing happened":                    {visit("arrival"), "arrival", ""},
		"two were suspended":                  {walk("thief-a") + walk("thief-b") + visit("arrival"), "arrival", "2 others were suspended in network AS64777"},
		"one was, however often":              {walk("thief-a") + "set thief-a session=his3\n" + walk("thief-a") + visit("arrival"), "arrival", ""},
		"two were just now":                   {walk("thief-a") + walk("thief-b") + "arrival template=/accounts/{id} resource=7\n", "arrival", ""},
		"two were, and confirmed it was they": {walk("thief-a") + "thief-a kind=session reason=step_up outcome=success\n" + walk("thief-b") + "thief-b kind=session reason=step_up outcome=success\n" + visit("arrival"), "arrival", ""},
		"one of them confirmed it elsewhere":  {walk("thief-a") + "thief-a at=berlin kind=session reason=step_up outcome=success\n" + walk("thief-b") + visit("arrival"), "arrival", ""},
		"an operator cleared one":             {walk("thief-a") + walk("thief-b") + "thief-b kind=control reason=clear\n" + visit("arrival"), "arrival", ""},
		"two were six weeks ago":              {walk("thief-a") + walk("thief-b") + "wait 1000h\n" + visit("arrival"), "arrival", ""},
		"two were who had just signed up":     {walk("fresh-a") + walk("fresh-b") + visit("arrival"), "arrival", ""},
		"who was suspended only for that adds nothing": {
			walk("thief-a") + walk("thief-b") + visit("mimic") + visit("last"), "last", "2 others were suspended in network AS64777",
		},
		"what they do is found in what they send": {
			probe("thief-a") + probe("thief-b") + visit("arrival"), "arrival", "2 others were suspended",
		},
		"events that nothing proves say nothing": {
			probe("thief-a attr.producer=unsigned") + probe("thief-b attr.producer=unsigned") + visit("arrival"), "arrival", "",
		},
		"honest people have come to live there": {settle + walk("thief-a") + walk("thief-b") + visit("arrival"), "arrival", ""},
		"some have, but they are too few":       {"set heidi at=berlin\n" + settle + walk("thief-a") + walk("thief-b") + visit("arrival"), "arrival", "2 others were suspended"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			script, err := scenario.Parse(name, people+"now\n"+tt.story)
			if err != nil {
				t.Fatal(err)
			}
			out := playScript(t, script, false)
			i := slices.IndexFunc(out.Actors, func(a scenario.Actor) bool { return a.Name == tt.who })
			said := slices.Contains(out.Actors[i].Signals, "net.suspicious_network")
			if said != (tt.want != "") || !strings.Contains(out.Text, tt.want) {
				t.Errorf("said %v, want %q in:\n%s", said, tt.want, out.Text)
			}
		})
	}
}

// TestWhoIsNotAskedIsNotDoubted suspends two subjects on days that are held out: they
// were not asked who they are, so that they have not confirmed it says nothing.
func TestWhoIsNotAskedIsNotDoubted(t *testing.T) {
	held := parsed(t, "mode: enforce\nbudget: [{kind: human, hold_out: 0.1}]\n")
	var who []string
	for i := 0; len(who) < 2; i++ {
		p := judge.Propose(&judge.Case{
			Model: held, Event: &event.RequestEvent{Tenant: "default", Subject: fmt.Sprint("p", i)}, Now: scenario.Start.AddDate(0, 0, 30).UnixNano(),
			Session: new(entity.Session), Ruling: judge.Ruling{Action: verdict.ActionStepUp, Rung: new(model.Rung)},
		})
		if p.Shadow {
			who = append(who, p.Subject)
		}
	}
	const story = `
place berlin country=DE asn=3320 address=198.51.100.7 lat=52.5 lon=13.4 radius=20
place den country=DE asn=64777 address=203.0.113.5 lat=52.4 lon=13.3 radius=50
actor alice subject=%[1]s at=berlin ua=chrome
actor bob subject=%[2]s at=berlin ua=chrome
actor carol subject=carol at=berlin ua=chrome
actor thief-a subject=%[1]s session=his1 at=den ua=chrome
actor thief-b subject=%[2]s session=his2 at=den ua=chrome
actor arrival subject=carol session=there at=den ua=chrome
history
repeat 30 every 24h
  repeat 4 every 2m
    alice session=a{j} template=/accounts/{id} resource=7 out=4000
    bob session=b{j} template=/accounts/{id} resource=7 out=4000 in=20s
    carol session=c{j} template=/accounts/{id} resource=7 out=4000 in=20s
  end
end
now
repeat 30 every 3s
  thief-a template=/accounts/{id} resource={i+100}
  thief-b template=/accounts/{id} resource={i+100}
end
wait 5h
arrival template=/accounts/{id} resource=7
`
	script, err := scenario.Parse("story", fmt.Sprintf(story, who[0], who[1]))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		model *model.Model
		want  bool
	}{
		"both are held out":                     {held, false},
		"both are asked":                        {parsed(t, "mode: enforce\n"), true},
		"both would be, where it only observes": {parsed(t, "budget: [{kind: human, hold_out: 0.1}]\n"), true},
	} {
		out, err := scenario.Play(script, scenario.Options{NewPair: func() (*scorer.Pair, error) {
			return scorer.NewPair(scorer.Options{Model: tt.model, OfflineClock: true})
		}})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out.Text, "2 others were suspended in network AS64777"); got != tt.want {
			t.Errorf("%s: doubted %v, want %v in:\n%s", name, got, tt.want, out.Text)
		}
	}
}

// TestASNsAreBounded tries passwords from more autonomous systems than are told apart,
// in more tenants than one.
func TestASNsAreBounded(t *testing.T) {
	e, again := newEngine(t, true), newEngine(t, true)
	for i := range 3 * entity.ASNsMax {
		ev := &event.RequestEvent{
			Kind: event.KindRequest, Time: at(time.Duration(i) * time.Second), Tenant: fmt.Sprint("t", i%3), Address: "192.0.2.1", Asn: uint32(1 + i),
			AuthOutcome: event.AuthFailure, Account: fmt.Sprint("a", i%7), Status: 401,
		}
		for _, e := range []*scorer.Engine{e, again} {
			e.Assess(scorer.Record{Event: ev, Topic: "t", Offset: int64(i)})
		}
	}
	got := e.Stats()
	if got.ASNs != entity.ASNsMax || got.Evicted != 2*entity.ASNsMax {
		t.Errorf("%d are known and %d were pushed out, want %d and twice as many", got.ASNs, got.Evicted, entity.ASNsMax)
	}
	if !bytes.Equal(snapshotOf(t, e), snapshotOf(t, again)) {
		t.Error("the same records push out others")
	}
}

// TestAnASNBeginsAnew pushes autonomous systems out by others, which must know nothing
// of what happened in them.
func TestAnASNBeginsAnew(t *testing.T) {
	e := newEngine(t, true)
	flood := func(first, accounts int) int {
		for i := range entity.ASNsMax * accounts {
			e.Assess(scorer.Record{Event: &event.RequestEvent{
				Kind: event.KindRequest, Time: at(0), Address: "192.0.2.1", Asn: uint32(first + i/accounts),
				AuthOutcome: event.AuthFailure, Account: fmt.Sprint("a", i%accounts), Status: 401,
			}})
		}
		return len(snapshotOf(t, e))
	}
	full := flood(1, 8)
	anew := flood(1+entity.ASNsMax, 1)
	if saved := full - anew; saved < 7*4*entity.ASNsMax {
		t.Errorf("with one account in each the state takes %d B less than with eight, want %d at least", saved, 7*4*entity.ASNsMax)
	}
}

func snapshotOf(t *testing.T, e *scorer.Engine) []byte {
	t.Helper()
	var b bytes.Buffer
	err := e.Snapshot(&b)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
