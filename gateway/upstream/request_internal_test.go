package upstream

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"
)

// What plain lets pass is what the whole check lets pass, but for what needs it.
func TestPlainIsTheWholeCheck(t *testing.T) {
	for at := range 24 {
		for c := range 256 {
			v := strings.Repeat("x", at) + string([]byte{byte(c)}) + strings.Repeat("~", 23-at)
			got, want := plain(v), httpguts.ValidHeaderFieldValue(v) && c != '\t' && c < 0x80
			if got != want {
				t.Fatalf("plain(%s) = %t, want %t", fmt.Sprintf("%q", v), got, want)
			}
		}
	}
	for n := range 24 {
		if !plain(strings.Repeat(" ", n)) {
			t.Errorf("%d spaces are not plain", n)
		}
	}
}
