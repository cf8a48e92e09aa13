package event_test

import (
	"bytes"
	"testing"

	"github.com/vigil-gateway/vigil/schemas/event"
)

func names(t *testing.T, key []byte) event.Names {
	t.Helper()
	n, err := event.NewNames(key)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// These pseudonyms are in topics and tables: another result for the same key
// would make every known subject a stranger.
func TestNamesNeverChange(t *testing.T) {
	n := names(t, bytes.Repeat([]byte{7}, 32))
	for _, tt := range []struct{ what, got, want string }{
		{"subject", n.Subject("https://idp.example", "alice"), "TsXap_9UHXfIpx76343n7w"},
		{"session", n.Session("https://idp.example", "sid-1"), "lbAt_gRJLSWgS14pcFwtEg"},
		{"token", n.Token("https://idp.example", "jti-1"), "qM6Bzjz85KhduvtlaxYt_Q"},
		{"account", n.Account("alice@example.com"), "sLjdiMWnlg4EU2CpWydoZQ"},
		{"support code", event.SupportCode("0199a1b2-0000-7000-8000-000000000001"), "VG-Z130-N039"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s = %q, want %q", tt.what, tt.got, tt.want)
		}
	}
}

func TestNamesHaveDomains(t *testing.T) {
	n := names(t, bytes.Repeat([]byte{7}, 32))
	seen := make(map[string]string)
	for what, name := range map[string]string{
		"subject": n.Subject("i", "x"), "session": n.Session("i", "x"), "token": n.Token("i", "x"), "account": n.Account("x"),
		"other issuer": n.Subject("j", "x"), "shifted": n.Subject("ix", ""),
		"other key": names(t, bytes.Repeat([]byte{8}, 32)).Subject("i", "x"),
	} {
		if other, known := seen[name]; known {
			t.Errorf("%s and %s have the same name", what, other)
		}
		seen[name] = what
	}
}

func TestNamesKeepTheirKey(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	n := names(t, key)
	before := n.Account("x")
	clear(key)
	if n.Account("x") != before {
		t.Error("the caller's buffer is the key")
	}
}

func TestShortKeyIsRefused(t *testing.T) {
	_, err := event.NewNames(make([]byte, 31))
	if err == nil {
		t.Error("a key of 31 bytes was taken")
	}
}

func TestPseudonym(t *testing.T) {
	n, err := event.NewNames(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		t.Fatal(err)
	}
	made := n.Subject("https://idp.test", "alice")
	tests := map[string]struct {
		text string
		want bool
	}{
		"what is made":                        {made, true},
		"all zero":                            {"AAAAAAAAAAAAAAAAAAAAAA", true},
		"bits left behind the last character": {"AAAAAAAAAAAAAAAAAAAAAB", false},
		"one character less":                  {made[:21], false},
		"one more":                            {made + "A", false},
		"with a line break":                   {made + "\n", false},
		"a line break inside":                 {made[:9] + "\r\n" + made[9:], false},
		"padded":                              {made + "==", false},
		"the other alphabet":                  {"++++++++++++++++++++AA", false},
		"a name":                              {"alice", false},
		"nothing":                             {"", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := event.Pseudonym(tt.text); got != tt.want {
				t.Errorf("Pseudonym(%q) = %t, want %t", tt.text, got, tt.want)
			}
		})
	}
}
