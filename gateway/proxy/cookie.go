package proxy

import "strings"

// ourCookies begin the names of the gateway's own cookies: an upstream that is
// taken over must neither read a session nor plant one.
const ourCookies = "__host-vigil"

func isOurs(cookie string) bool {
	name := strings.TrimLeft(cookie, " \t=") // Of a cookie without a name, browsers send the value alone.
	return len(name) >= len(ourCookies) && strings.EqualFold(name[:len(ourCookies)], ourCookies)
}

// withoutOurs takes the gateway's own cookies out of Cookie headers; nil where none
// is left.
func withoutOurs(values []string) []string {
	found := false
	for _, v := range values {
		for c := range strings.SplitSeq(v, ";") {
			found = found || isOurs(c)
		}
	}
	if !found {
		return values
	}
	var out []string
	for _, v := range values {
		var kept []string
		for c := range strings.SplitSeq(v, ";") {
			if !isOurs(c) && strings.TrimSpace(c) != "" {
				kept = append(kept, strings.TrimSpace(c))
			}
		}
		if len(kept) > 0 {
			out = append(out, strings.Join(kept, "; "))
		}
	}
	return out
}

// notOurs takes out of Set-Cookie headers what would replace the gateway's own.
func notOurs(values []string) []string {
	var out []string
	for _, v := range values {
		if !isOurs(v) {
			out = append(out, v)
		}
	}
	return out
}
