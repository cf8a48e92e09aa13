// Package proxytest has both ends of every kind of stream that a gateway carries: the
// clients that open it and read how it ends, and the upstreams that answer it.
//
//	Clients.Kinds ── Kind.Run(Case) ──► gateway ──► Upstreams
//	      └── Told: in which words it was ended
//
// # Contract
//
// A [Case] is one stream. Its number goes with its request to the upstream, which says
// in it when the stream is open and when it has been left. A stream ends only by the
// gateway: no client, upstream or clock of this package ends one.
//
// # Concurrency
//
// A Case belongs to one request. Everything else is safe for concurrent use.
//
// # Non-obvious
//
// All streams over HTTP/2 share one connection, so that a cut that closed it would be
// noticed by the neighbours.
package proxytest
