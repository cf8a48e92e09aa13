package problem

import "strings"

// Judged reports, by a problem's code, whether a request was refused for what its
// sender has been judged for, or has used up, before: what he goes on asking says
// nothing new about him.
func Judged(code string) bool {
	switch code {
	case CodeRevoked, CodeBlocked, CodeReadOnly, CodeThrottled:
		return true
	}
	return strings.HasPrefix(code, CodeAddress)
}
