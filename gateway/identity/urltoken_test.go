package identity_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/identity"
)

// A token in the URL is refused in every spelling that some upstream takes for its name,
// and nothing else is.
func TestATokenInTheURLInAnySpelling(t *testing.T) {
	v := verifier(t)
	for query, want := range map[string]string{
		"access_token=x":             identity.CodeTokenInURL,
		"a=b&access_token=x":         identity.CodeTokenInURL,
		"a=b;ACCESS_TOKEN=x":         identity.CodeTokenInURL,
		"%61ccess%5Ftoken=x":         identity.CodeTokenInURL,
		"access_token":               identity.CodeTokenInURL,
		"acce%C5%BFs_token=x":        identity.CodeTokenInURL, // A letter that is an S in upper case.
		"access_token[]=x":           identity.CodeTokenInURL, // A list, to PHP, Rack and Node.
		"access_token%5B0%5D=x":      identity.CodeTokenInURL,
		"access.token=x":             identity.CodeTokenInURL, // PHP makes an underscore of what no variable's name has.
		"access+token=x":             identity.CodeTokenInURL,
		"access%20token=x":           identity.CodeTokenInURL,
		"access[token=x":             identity.CodeTokenInURL,
		"+access_token=x":            identity.CodeTokenInURL, // It skips spaces before a name,
		"access_token%00more=x":      identity.CodeTokenInURL, // and ends it at a NUL.
		"%61ccess_token%00%zz=x":     identity.CodeTokenInURL, // Which a reader that forgives finds behind what is malformed, too.
		"my_access_token=x":          identity.ErrNone.Error(),
		"access_tokens=x":            identity.ErrNone.Error(),
		"access=access_token":        identity.ErrNone.Error(),
		"a[access_token]=x":          identity.ErrNone.Error(),
		"%zz=access_token":           identity.ErrNone.Error(),
		"redirect=?access_token%3Dx": identity.ErrNone.Error(),
		"":                           identity.ErrNone.Error(),
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.URL.RawQuery = query
		if got := outcome(t.Context(), v, r); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}
