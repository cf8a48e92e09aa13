package incident_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/analyzer/incident"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

var morning = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// finding is about a target and shows, each as "kind id" or "kind id share", what
// else there is.
func finding(n int, after time.Duration, target string, shown ...string) incident.Finding {
	f := incident.Finding{
		Tenant: "t", VerdictID: fmt.Sprint("v", n), Time: morning.Add(after), Action: verdict.ActionThrottle, Announced: true,
		Signals: []string{"stuffing.accounts"}, Usual: 0.5,
	}
	for i, text := range append([]string{target}, shown...) {
		var t incident.Shown
		_, err := fmt.Sscan(text+" 0.001", &t.Kind, &t.ID, &t.Share)
		if err != nil {
			panic(err)
		}
		if i == 0 {
			f.Target = t.Thing
		}
		f.Shown = append(f.Shown, t)
	}
	return f
}

// rare has a signal that comes once in a week.
func rare(f incident.Finding) incident.Finding {
	f.Usual = 1.0 / 168
	return f
}

// group is which findings stand together: the incidents of the findings, as letters
// in the order in which they first appear.
func group(b *incident.Book, list []incident.Finding) string {
	root := map[string]string{}
	var ids []string
	for _, f := range list {
		e, fresh := b.Take(f)
		if !fresh {
			ids = append(ids, "")
			continue
		}
		for _, gone := range e.Merges {
			root[gone] = e.Incident
		}
		ids = append(ids, e.Incident)
	}
	letters := map[string]string{"": "-"}
	var out strings.Builder
	for _, id := range ids {
		for root[id] != "" {
			id = root[id]
		}
		if letters[id] == "" {
			letters[id] = string(rune('a' + len(letters) - 1))
		}
		out.WriteString(letters[id])
	}
	return out.String()
}

// TestWhatBelongsTogether says of findings which are one incident.
func TestWhatBelongsTogether(t *testing.T) {
	tests := map[string]struct {
		list []incident.Finding
		want string
	}{
		"a target that climbs the ladder is one": {[]incident.Finding{
			finding(1, 0, "address 203.0.113.1"), finding(2, time.Minute, "address 203.0.113.1"),
		}, "aa"},
		"the session and then its subject": {[]incident.Finding{
			finding(1, 0, "session s1", "subject ann"), finding(2, time.Hour, "subject ann"),
		}, "aa"},
		"a program that nobody else runs": {[]incident.Finding{
			finding(1, 0, "address 203.0.113.1", "ja4 tool"), finding(2, time.Hour, "address 198.51.100.1", "ja4 tool"),
		}, "aa"},
		"the browser of most people": {[]incident.Finding{
			finding(1, 0, "address 203.0.113.1", "ja4 chrome 0.6"), finding(2, time.Hour, "address 198.51.100.1", "ja4 chrome 0.6"),
		}, "ab"},
		"the office of most people": {[]incident.Finding{
			finding(1, 0, "session s1", "subject ann", "address 192.0.2.1 0.9", "ja4 chrome 0.6"),
			finding(2, 2*time.Hour, "session s2", "subject ben", "address 192.0.2.1 0.9", "ja4 chrome 0.6"),
		}, "ab"},
		"a wave of what is hardly ever seen, in a browser": {[]incident.Finding{
			rare(finding(1, 0, "address 203.0.113.1", "ja4 chrome 0.6", "account a")), rare(finding(2, time.Minute, "address 198.51.100.1", "ja4 chrome 0.6", "account b")),
			rare(finding(3, 2*time.Minute, "address 192.0.2.1", "ja4 chrome 0.6", "account c")),
		}, "aaa"},
		"a wave of what is hardly ever seen, by two programs": {[]incident.Finding{
			rare(finding(1, 0, "address 203.0.113.1", "ja4 tool1", "account a")), rare(finding(2, time.Minute, "address 198.51.100.1", "ja4 tool2", "account b")),
			rare(finding(3, 2*time.Minute, "address 203.0.113.2", "ja4 tool1", "account c")), rare(finding(4, 2*time.Minute, "address 198.51.100.2", "ja4 tool2", "account d")),
		}, "abab"},
		"two sessions stolen by one device": {[]incident.Finding{
			finding(1, 0, "session s1", "subject ann", "device d"), finding(2, time.Hour, "session s2", "subject ben", "device d"),
		}, "aa"},
		"one prefix, then it is named itself": {[]incident.Finding{
			finding(1, 0, "address 203.0.113.1", "prefix 203.0.113.0/24 0.05"), finding(2, 3*time.Hour, "prefix 203.0.113.0/24 0.05", "address 203.0.113.9"),
		}, "aa"},
		"what comes back after the quiet is another": {[]incident.Finding{
			finding(1, 0, "address 203.0.113.1"), finding(2, incident.Quiet+time.Second, "address 203.0.113.1"),
		}, "ab"},
		"the same finding is taken once": {[]incident.Finding{
			finding(1, 0, "address 203.0.113.1"), finding(1, 0, "address 203.0.113.1"),
		}, "a-"},
		"two that turn out to be one are merged": {[]incident.Finding{
			finding(1, 0, "address 203.0.113.1", "ja4 chrome 0.6"), finding(2, 2*time.Hour, "program tool@AS1", "address 198.51.100.1"),
			finding(3, 3*time.Hour, "address 203.0.113.1", "program tool@AS1", "device d"), finding(4, 3*time.Hour, "address 203.0.113.5", "program tool@AS1", "device d"),
		}, "aaaa"},
		"one machine that two campaigns use does not make them one": {[]incident.Finding{
			finding(1, 0, "address 203.0.113.1", "ja4 tool1"), finding(2, 0, "address 203.0.113.2", "ja4 tool1"), finding(3, 0, "address 203.0.113.3", "ja4 tool1"), finding(4, 0, "address 203.0.113.4", "ja4 tool1"),
			finding(5, 0, "address 198.51.100.1", "ja4 tool2"), finding(6, 0, "address 198.51.100.2", "ja4 tool2"), finding(7, 0, "address 198.51.100.3", "ja4 tool2"), finding(8, 0, "address 198.51.100.4", "ja4 tool2"),
			finding(9, time.Minute, "address 198.51.100.1", "ja4 tool1"), finding(10, 2*time.Minute, "address 198.51.100.5", "ja4 tool2"), finding(11, 2*time.Minute, "address 203.0.113.5", "ja4 tool1"),
		}, "aaaabbbbbba"},
		"two campaigns that try one account stay two": {[]incident.Finding{
			finding(1, 0, "address 203.0.113.1", "ja4 tool1", "account a1"), finding(2, 0, "address 203.0.113.2", "ja4 tool1", "account a2"), finding(3, 0, "address 203.0.113.3", "ja4 tool1", "account a3"),
			finding(4, 0, "address 198.51.100.1", "ja4 tool2", "account b1"), finding(5, 0, "address 198.51.100.2", "ja4 tool2", "account b2"), finding(6, 0, "address 198.51.100.3", "ja4 tool2", "account b3"),
			finding(7, time.Minute, "address 203.0.113.4", "ja4 tool1", "account boss"), finding(8, time.Minute, "address 198.51.100.4", "ja4 tool2", "account boss"),
			finding(9, time.Minute, "account boss", "ja4 tool1", "address 203.0.113.5"), finding(10, 2*time.Minute, "address 198.51.100.5", "ja4 tool2", "account b5"),
		}, "aaabbbabab"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := group(incident.NewBook(), tt.list); got != tt.want {
				t.Errorf("incidents %s, want %s", got, tt.want)
			}
		})
	}
}

// Tenants share nothing.
func TestTenantsAreApart(t *testing.T) {
	a, b := finding(1, 0, "address 203.0.113.1", "ja4 tool"), finding(2, 0, "address 203.0.113.1", "ja4 tool")
	b.Tenant = "other"
	if got := group(incident.NewBook(), []incident.Finding{a, b}); got != "ab" {
		t.Errorf("incidents %s, want two", got)
	}
}

// A closed incident takes nothing more, until somebody opens it again.
func TestClosedIncidentTakesNoMore(t *testing.T) {
	b := incident.NewBook()
	first, _ := b.Take(finding(1, 0, "address 203.0.113.1"))
	b.Close([]string{first.Incident})
	second, _ := b.Take(finding(2, time.Minute, "address 203.0.113.1"))
	if second.Incident == first.Incident {
		t.Error("the closed incident has taken a finding")
	}
	b.Close([]string{second.Incident})
	third, _ := b.Take(finding(3, 2*time.Minute, "address 203.0.113.1"))
	if third.Incident != first.Incident {
		t.Errorf("the finding is of %s, want the one that was opened again, %s", third.Incident, first.Incident)
	}
}

// Beyond its limits a book lets the longest quiet go, and counts that.
func TestBookIsBounded(t *testing.T) {
	b := incident.NewBook()
	for i := range incident.OpenMax + 10 {
		f := finding(i, time.Duration(i)*time.Second, fmt.Sprint("address a", i))
		f.Usual = 1e6
		b.Take(f)
	}
	if b.Open() != incident.OpenMax || b.Retired() != 10 {
		t.Errorf("%d incidents are open and %d gave way, want %d and 10", b.Open(), b.Retired(), incident.OpenMax)
	}
	back, _ := b.Take(finding(9999, time.Hour, "address a0"))
	last, _ := b.Take(finding(10000, time.Hour, fmt.Sprint("address a", incident.OpenMax+9)))
	if back.Incident == last.Incident || len(back.Merges)+len(last.Merges) > 0 {
		t.Error("strangers are one incident")
	}
	for i := range incident.TenantsMax + 5 {
		f := finding(i, time.Hour, "address a")
		f.Tenant = fmt.Sprint("tenant", i)
		b.Take(f)
	}
	if b.Open() > incident.OpenMax+incident.TenantsMax {
		t.Errorf("%d incidents are open", b.Open())
	}
	one := incident.NewBook()
	for i := range incident.FindingsMax + 10 {
		one.Take(finding(i, time.Second, "ja4 tool", fmt.Sprint("address a", i), fmt.Sprint("account c", i)))
	}
	if one.Open() != 1 {
		t.Errorf("a flood of findings of one program is %d incidents, want 1", one.Open())
	}
}

// What a person says holds for exactly what he signed.
func TestWordIsSigned(t *testing.T) {
	root := ed25519.NewKeyFromSeed(make([]byte, 32))
	key := ed25519.NewKeyFromSeed([]byte("operator key for tests, 32 bytes"))
	analyzer := ed25519.NewKeyFromSeed([]byte("analyzer key for tests, 32 bytes"))
	file, err := verdict.SignKeySet(root, []verdict.Key{
		{ID: "o", Class: verdict.ClassOperator, Public: key.Public().(ed25519.PublicKey)},
		{ID: "a", Class: verdict.ClassAnalyzer, Public: analyzer.Public().(ed25519.PublicKey)},
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := verdict.OpenKeySet(root.Public().(ed25519.PublicKey), file)
	if err != nil {
		t.Fatal(err)
	}
	said := incident.Word{Tenant: "t", Incident: "IN-1", Time: morning, Word: incident.WordClose, Text: "blocked", By: "ana"}
	tests := map[string]struct {
		signer verdict.Signer
		change func(*incident.Word)
		want   error
	}{
		"as it was said":             {verdict.NewSigner("o", key), func(*incident.Word) {}, nil},
		"of another incident":        {verdict.NewSigner("o", key), func(w *incident.Word) { w.Incident = "IN-2" }, incident.ErrWord},
		"of another tenant":          {verdict.NewSigner("o", key), func(w *incident.Word) { w.Tenant = "u" }, incident.ErrWord},
		"another word":               {verdict.NewSigner("o", key), func(w *incident.Word) { w.Word = incident.WordReopen }, incident.ErrWord},
		"by another":                 {verdict.NewSigner("o", key), func(w *incident.Word) { w.By = "ben" }, incident.ErrWord},
		"at another time":            {verdict.NewSigner("o", key), func(w *incident.Word) { w.Time = w.Time.Add(time.Microsecond) }, incident.ErrWord},
		"signed by an analyzer":      {verdict.NewSigner("a", analyzer), func(*incident.Word) {}, verdict.ErrAuthority},
		"signed with a key of none":  {verdict.NewSigner("x", key), func(*incident.Word) {}, verdict.ErrUnknownKey},
		"signed with another's name": {verdict.NewSigner("o", analyzer), func(*incident.Word) {}, verdict.ErrSignature},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			envelope, err := said.Sign(tt.signer)
			if err != nil {
				t.Fatal(err)
			}
			read := said
			tt.change(&read)
			kid, err := read.Verify(keys, envelope)
			if !errors.Is(err, tt.want) || err == nil && kid != "o" {
				t.Errorf("Verify = %q, %v; want %v", kid, err, tt.want)
			}
		})
	}
	other, err := verdict.NewSigner("o", key).Order([]byte(`{"tenant":"t","promote":1}`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = said.Verify(keys, other)
	if !errors.Is(err, incident.ErrWord) {
		t.Errorf("an order of another kind: %v, want %v", err, incident.ErrWord)
	}
}

// A word without what it needs is not signed.
func TestMalformedWordIsNotSigned(t *testing.T) {
	good := incident.Word{Tenant: "t", Incident: "IN-1", Time: morning, Word: incident.WordNote, Text: "seen before", By: "ana"}
	tests := map[string]func(*incident.Word){
		"no incident":          func(w *incident.Word) { w.Incident = "" },
		"nobody says it":       func(w *incident.Word) { w.By = "" },
		"no time":              func(w *incident.Word) { w.Time = time.Time{} },
		"an unknown word":      func(w *incident.Word) { w.Word = "delete" },
		"a note without text":  func(w *incident.Word) { w.Text = "" },
		"more than is allowed": func(w *incident.Word) { w.Text = strings.Repeat("x", incident.WordBytesMax+1) },
	}
	err := good.Validate()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			w := good
			change(&w)
			_, err := w.Sign(nil)
			if !errors.Is(err, incident.ErrWord) {
				t.Errorf("Sign = %v, want %v", err, incident.ErrWord)
			}
		})
	}
}

// The rule of succession leaves nothing impossible and nothing certain.
func TestShare(t *testing.T) {
	got := []float64{incident.Share(0, 0), incident.Share(0, 998), incident.Share(998, 998), incident.Share(5, 3)}
	if diff := cmp.Diff([]float64{0.5, 0.001, 0.999, 0.8}, got); diff != "" {
		t.Errorf("shares (-want +got):\n%s", diff)
	}
}
