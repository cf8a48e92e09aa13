// Package tlsfile keeps certificates, keys and trust bundles that live in files
// up to date while the files are replaced under it, and connects with them.
//
//	cert_file + key_file ──► Pair ──► tls.Config.GetClientCertificate
//	ca_file ──► Bundle ──► verify: chain, then name or SPIFFE id
//	Client (a section of a configuration) ──► Dialer ──► connection to a server
//
// # Contract
//
// Files are looked at no more often than once a second, and read only
// where their time or size has changed. What cannot be read or parsed leaves the
// last good content in force and is told once, through Options.Changed: a
// renewal that went wrong must not take a service down before its certificate
// expires. Open fails where there has never been a good content.
//
// A [Dialer] never falls back to plain text, and says in words what a failed
// handshake means.
//
// # Concurrency
//
// A [Pair], a [Bundle] and a [Dialer] are safe for concurrent use. Reading
// happens in the call that notices the change.
//
// # Non-obvious
//
// In TLS 1.3 a server refuses a client's certificate after the client's
// handshake has ended: that comes as the error of the first read.
package tlsfile
