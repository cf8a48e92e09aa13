// Package upstream is a sample service to put behind a gateway: pages,
// accounts, a sign-in, and one stream of each kind, with a ledger of its own.
//
//	gateway/proxy ─► Server ─► Ledger (what was really served, by path)
//
// # Contract
//
//	GET  /                    a line of text
//	GET  /static/{file}       app.js, app.css or logo.svg
//	GET  /me                  who asks, as the gateway says (header X-Vigil-Subject, if any)
//	GET  /accounts            a list of account ids
//	GET  /accounts/{id}       one account; 404 outside 1000–9999
//	POST /login               form username, password: 200 or 401
//	GET  /ws                  WebSocket: a tick each second, echoes what it is sent
//	GET  /events              server-sent events: one each second
//	GET  /download?bytes=N&rate=R   N bytes at R bytes per second, at most Options.Rate
//	POST /upload              reads the body, answers its size
//	GET  /slow?ms=N           answers after N milliseconds
//
// The ledger counts a request when its handler starts, also one that is cut
// later: it was served to somebody. Requests that never arrive are not in it.
//
// # Concurrency
//
// All methods are safe for concurrent use. Close ends every goroutine.
//
// # Non-obvious
//
// A handler of a stream ends when its request's context does, so a gateway
// that cancels its upstream request frees it at once; [Server.Open] tells.
package upstream
