package listen

import (
	"net/http"
	"strings"

	_ "github.com/vigil-gateway/vigil/gateway/listen/xconnect" // Lets net/http take extended CONNECT.
)

// protocolField is where net/http keeps the pseudo-header field of an extended
// CONNECT. No client can send a field of that name in another way.
const protocolField = ":protocol"

// unfold turns the extended CONNECT that opens a WebSocket over HTTP/2 (RFC 8441,
// section 5) into the request that would open it over HTTP/1.1, so that route,
// method and standing are judged as they are there; only the proxy looks at the
// protocol's version. It reports whether r asks for something else by it.
func unfold(r *http.Request) (foreign bool) {
	protocol := r.Header[protocolField]
	if len(protocol) == 0 {
		return false
	}
	delete(r.Header, protocolField)
	if r.Method != http.MethodConnect || !strings.EqualFold(protocol[0], "websocket") {
		return true
	}
	r.Method = http.MethodGet
	r.Header["Connection"], r.Header["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	return false
}
