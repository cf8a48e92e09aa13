package origin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// ja4Fault reports what is wrong with the header of fingerprints.
func (c Config) ja4Fault() error {
	if c.JA4Header == "" {
		return nil
	}
	taken := []string{"Authorization", "Cookie", "Dpop", "Forwarded", "Host", "User-Agent", "X-Forwarded-For"}
	if !httpguts.ValidHeaderFieldName(c.JA4Header) || slices.Contains(taken, http.CanonicalHeaderKey(c.JA4Header)) {
		return fmt.Errorf("ja4_header: %q cannot carry a fingerprint", c.JA4Header)
	}
	if len(c.TrustedProxies) == 0 {
		return errors.New("ja4_header: needs trusted_proxies; from anybody else it is not believed")
	}
	return nil
}

// JA4 is the fingerprint of the hello of req's client. own is that of the
// connection; where a trusted proxy is the peer it is the proxy's, and what the
// configured header says counts, if it says one thing in the form of a JA4.
// Empty where it is not known.
func (r *Resolver) JA4(req *http.Request, own string) string {
	if len(r.trusted) == 0 || !r.trusts(r.peer(req).Address) {
		return own
	}
	said := req.Header[r.ja4]
	if len(said) != 1 || !isJA4(said[0]) {
		return ""
	}
	return said[0]
}

// isJA4 reports whether s has the form of a JA4: ten characters for what was
// offered, and two hashes of twelve hexadecimal digits.
func isJA4(s string) bool {
	a, rest, _ := strings.Cut(s, "_")
	b, c, _ := strings.Cut(rest, "_")
	return len(a) == 10 && strings.Contains("tqd", a[:1]) && strings.Contains("di", a[3:4]) && strings.Trim(a[1:], alphanumerics) == "" &&
		strings.Trim(a[4:8], "0123456789") == "" && hash12(b) && hash12(c)
}

const alphanumerics = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func hash12(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789abcdef") == "" }
