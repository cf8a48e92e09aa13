// Package xconnect lets net/http's HTTP/2 server take extended CONNECT, by which a
// WebSocket is opened over HTTP/2 (RFC 8441). Import it for its effect.
//
// # Contract
//
// A server of this process announces SETTINGS_ENABLE_CONNECT_PROTOCOL, unless the
// environment's GODEBUG says http2xconnect=0.
//
// # Non-obvious
//
// net/http knows one switch for this and reads it once, from the environment, when
// it is initialised; a //go:debug line cannot set it. Go initialises packages in
// the order of their import paths as far as their imports allow (language
// specification, "Program initialization"), so this package, which needs os alone,
// comes before net/http. It must never import net/http, nor anything that does.
package xconnect
