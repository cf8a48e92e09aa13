// Package origin says where a request comes from: the client's address and
// what the network databases know about it.
//
//	net.Conn ──► ConnContext ─┐
//	*http.Request ──► Of ─────┴──► Origin{Address, ASN, Country, coordinates, Tags}
//
// # Contract
//
// The client is the connection's peer, as the PROXY protocol corrected it. Only
// where that peer is a trusted proxy is a forwarding header read, from the
// right, up to the first hop that is not a trusted proxy; one header by
// configuration, never both. A header from anybody else is ignored. IPv4-mapped
// addresses are IPv4, zones are dropped.
//
// The same holds for the JA4 of the client's hello: where a trusted proxy is the
// peer, the connection's own is the proxy's, and only a header that is configured
// for it counts.
//
// What is not known is zero: missing evidence, never a wrong observation.
// [Resolver.Of] never fails.
//
// # Concurrency
//
// A [Resolver] is safe for concurrent use. Close it after its last request.
//
// # Non-obvious
//
// ConnContext runs in the accept loop, where asking a connection of the PROXY
// protocol for its peer would wait for the client's first bytes and hold up
// everybody else. It therefore only leaves a place in the context; the first
// request of the connection fills it.
package origin
