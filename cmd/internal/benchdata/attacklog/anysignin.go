package attacklog

import (
	"regexp"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// What the lines of most products have in common: words of signing in beside
// words of failing, an address behind a word for where it comes from, and an
// account behind a word for who it is.
var (
	failing = regexp.MustCompile(`(?i)(?:log[- _]?in|logon|sign[- _]?in|authenti?c?a?t?\w*|auth|passw(?:or)?d|passcode|credential\w*|user(?:name)?)\b.{0,80}?\b(?:fail\w*|invalid\w*|incorrect|wrong|bad|denied|reject\w*|refused|unsuccessful\w*|mismatch\w*|not found|unknown|does ?n[o']t (?:match|exist)|error)` +
		`|(?:fail\w*|invalid|incorrect|wrong|bad|denied|reject\w*|refused|unsuccessful|illegal|unknown)\b.{0,60}?\b(?:log[- _]?in|logon|sign[- _]?in|authenti\w*|auth|passw(?:or)?d|passcode|credential\w*|user(?:name)?)`)
	fromWhere = regexp.MustCompile(`(?i)(?:client|remote|source|src|ip|addr(?:ess)?|rhost|peer|from|host)(?:[ _-]?(?:ip|addr(?:ess)?|host))*\b["']?\s*[:=]?\s*["'\[(]*(?:::ffff:)?(\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})`)
	anywhere  = regexp.MustCompile(`(?:^|[^\d.])(\d{1,3}(?:\.\d{1,3}){3})(?:[^\d.]|$)`)
	asWhom    = regexp.MustCompile(`(?i)\b(?:(?:for|by|of) )?(?:invalid )?(?:user(?:[ _-]?name)?|account|e-?mail|(?:login|uid)["']?[:=])\b?["']?\s*[:=]?\s*["'\[<(]*([\w.+@\\-]+)`)
	otherWord = regexp.MustCompile(`(?i)^(?:failed|failure|from|attempt\w*|error|not|was|is|invalid|name|id|and|or|with|the|a|user|password|authentication|unknown|denied|in|by|does|has|could|agent|input|found)[.]?$`)
)

// readAnySignIn reads a failed sign-in of a product that has no form of its own.
func readAnySignIn(line string, e *event.RequestEvent) bool {
	if !failing.MatchString(line) {
		return false
	}
	m := fromWhere.FindStringSubmatch(line)
	if m == nil {
		m = anywhere.FindStringSubmatch(line)
	}
	if m == nil {
		return false
	}
	address, ok := addressOf(m[1])
	if !ok {
		return false
	}
	e.Kind, e.Phase = event.KindRequest, event.PhaseComplete
	e.Address, e.AuthOutcome, e.Method, e.Status = address, event.AuthFailure, "POST", 401
	for _, m := range asWhom.FindAllStringSubmatch(line, -1) {
		if !otherWord.MatchString(m[1]) {
			e.Account = m[1]
			break
		}
	}
	return true
}
