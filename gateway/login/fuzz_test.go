package login_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/login"
)

// Wherever a return_to leads, it is here.
func FuzzReturnTo(f *testing.F) {
	for _, s := range []string{"/", "//evil.test", `/\evil.test`, "/a?b=c", "https://evil.test", "/%2f%2fevil.test", "/..//evil.test"} {
		f.Add(s)
	}
	base, _ := url.Parse("https://app.example.test/.vigil/callback/op")
	f.Fuzz(func(t *testing.T, raw string) {
		got := login.ReturnTo(raw, "/.vigil/")
		u, err := base.Parse(got)
		if err != nil || u.Host != base.Host || u.Scheme != "https" || !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t") {
			t.Errorf("return_to %q leads to %q", raw, got)
		}
	})
}

// Nobody but us can seal anything.
func FuzzOpen(f *testing.F) {
	file := ringFile(f, 2)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, sealed string) {
		opened, err := login.Opens(file, sealed)
		if err != nil || opened {
			t.Errorf("opened %q: %v", sealed, err)
		}
	})
}

// A key ring is read or refused, never half.
func FuzzParseRing(f *testing.F) {
	f.Add([]byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n# old\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := login.ParseRing(text)
		if (n > 0) != (err == nil) || n > login.KeysMax {
			t.Errorf("parseRing(%q) = %d, %v", text, n, err)
		}
	})
}

// An address has one form, in plain lower-case ASCII with one @, or none.
func FuzzMailbox(f *testing.F) {
	for _, s := range []string{"Alice@Corp.test", "a@b@c.test", "@", "a..b@c.test", "a@-b.test", "ſ@K.test", "a@b.test\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := login.Mailbox(raw)
		if err != nil {
			return
		}
		again, err := login.Mailbox(got)
		plain := strings.IndexFunc(got, func(r rune) bool { return r <= ' ' || r > '~' || 'A' <= r && r <= 'Z' }) < 0
		if err != nil || again != got || !plain || strings.Count(got, "@") != 1 || !strings.EqualFold(raw, got) {
			t.Errorf("mailbox(%q) = %q, then %q, %v", raw, got, again, err)
		}
	})
}
